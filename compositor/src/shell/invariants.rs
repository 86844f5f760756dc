//! What always holds, whatever was done. For tests: it looks at everything and costs accordingly.

use std::{collections::BTreeSet, fmt};

use super::{
    Key, Placed, REACH, Rect, Shell, State, WORKSPACES,
    window::{Base, LEAST_CONTENT},
};

/// `Err` with the text if `holds` does not.
fn must(holds: bool, text: fmt::Arguments<'_>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(text.to_string()) }
}

impl<K: Key> Shell<K> {
    /// Checks everything that must hold. The error names the first thing that does not.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_lists()?;
        self.check_families()?;
        self.check_focus()?;
        self.check_interactions()?;
        self.check_strips()?;
        for key in self.windows.keys() {
            self.check_geometry(*key)?;
        }
        self.check_output_numbers()
    }

    /// Stack and history are permutations of the windows; each window is on one workspace.
    fn check_lists(&self) -> Result<(), String> {
        let all: BTreeSet<K> = self.windows.keys().copied().collect();
        for (name, list) in [("stack", &self.stack), ("history", &self.history)] {
            let set: BTreeSet<K> = list.iter().copied().collect();
            must(set == all && list.len() == all.len(), format_args!("{name} {list:?} is not {all:?}"))?;
        }
        self.desks.check()?;
        for (key, window) in &self.windows {
            let number = window.workspace;
            must((1..=WORKSPACES).contains(&number), format_args!("{key:?} is on workspace {number}"))?;
            must(
                !window.scratch || (window.parent.is_none() && window.base != Base::Column),
                format_args!("{key:?} of the scratch area is a dialog or stands in a column"),
            )?;
        }
        Ok(())
    }

    /// Dialogs are above their parents, on the same workspace, without loops.
    fn check_families(&self) -> Result<(), String> {
        let place = |key: K| self.stack.iter().position(|k| *k == key);
        for (key, window) in &self.windows {
            let Some(parent) = window.parent else { continue };
            let Some(of) = self.windows.get(&parent) else {
                return Err(format!("{key:?} has the parent {parent:?}, which is not there"));
            };
            must(place(*key) > place(parent), format_args!("{key:?} is beneath its parent {parent:?}"))?;
            must(window.workspace == of.workspace, format_args!("{key:?} is not on {parent:?}'s workspace"))?;
            let root = self.windows.get(&self.root(*key));
            must(root.is_some_and(|r| r.parent.is_none()), format_args!("{key:?} is its own ancestor"))?;
        }
        Ok(())
    }

    fn check_focus(&self) -> Result<(), String> {
        let Some(focused) = self.focused else { return Ok(()) };
        must(self.is_visible(focused), format_args!("{focused:?} has the focus and is not in sight"))?;
        must(
            self.history.first() == Some(&focused),
            format_args!("{focused:?} is not first in the history"),
        )?;
        must(!self.attention(focused), format_args!("{focused:?} has the focus and asks for attention"))
    }

    fn check_interactions(&self) -> Result<(), String> {
        if let Some(drag) = &self.drag {
            let key = drag.key;
            must(self.is_visible(key), format_args!("{key:?} is dragged and not in sight"))?;
            must(
                self.state(key) != Some(State::Fullscreen),
                format_args!("{key:?} is dragged in fullscreen"),
            )?;
            let floats = self.windows.get(&key).is_some_and(|w| w.base == Base::Floating);
            must(
                floats || self.stands(key) || !self.is_resizing(key),
                format_args!("{key:?} is resized and does not float"),
            )?;
        }
        if let Some(switcher) = &self.switcher {
            let list = &switcher.windows;
            let set: BTreeSet<K> = list.iter().copied().collect();
            must(set.len() == list.len(), format_args!("the switcher has a window twice: {list:?}"))?;
            must(
                list.iter().all(|k| self.contains(*k)),
                format_args!("the switcher has gone windows: {list:?}"),
            )?;
            switcher.check()?;
        }
        Ok(())
    }

    fn check_geometry(&self, key: K) -> Result<(), String> {
        let (Some(window), Some(placed), Some(wanted)) =
            (self.windows.get(&key), self.placed(key), self.wanted(key))
        else {
            return Err(format!("{key:?} has no place"));
        };
        let Placed { outer, content, .. } = placed;
        let output = self.outputs.get(window.output);
        must(outer.contains_rect(content), format_args!("{key:?}: {content:?} is not inside {outer:?}"))?;
        match placed.state {
            State::Fullscreen => {
                must(outer == output.rect, format_args!("{key:?} does not fill its screen"))?;
            }
            State::Maximised => must(outer == output.usable, format_args!("{key:?} does not fill its area"))?,
            State::TiledLeft | State::TiledRight => {
                must(output.usable.contains_rect(outer), format_args!("{key:?} is outside of its area"))?;
                must(
                    outer.x == output.usable.x || outer.right() == output.usable.right(),
                    format_args!("{key:?} is not at a side"),
                )?;
            }
            State::Column => must(
                window.laid.is_none_or(|laid| laid.outer == outer),
                format_args!("{key:?} is not where its column is"),
            )?,
            State::Normal => {
                let least = window.committed.at_least(LEAST_CONTENT);
                must(
                    window.hold || content.size() == least,
                    format_args!("{key:?}: inside {content:?}, drawn {least:?}"),
                )?;
                must(!window.hold || window.unanswered, format_args!("{key:?} is held for no answer"))?;
                must(
                    wanted.content == window.limits.clamp(wanted.content),
                    format_args!("{key:?} is asked for {:?} against {:?}", wanted.content, window.limits),
                )?;
            }
        }
        must(wanted.content.w > 0 && wanted.content.h > 0, format_args!("{key:?} is asked for nothing"))?;
        // Minimised, maximised and others come back to their floating place: it is within reach too.
        let floating = window.floating();
        let top = Rect { h: floating.h.min(REACH.1), ..floating };
        let held = self.outputs.all().iter().filter_map(|o| o.usable.intersection(top));
        must(
            held.into_iter().any(|part| part.w >= REACH.0.min(floating.w) && part.h >= top.h),
            format_args!("{key:?} at {floating:?} is out of reach"),
        )
    }

    fn check_output_numbers(&self) -> Result<(), String> {
        let ids: BTreeSet<u32> = self.outputs.all().iter().map(|o| o.id).collect();
        must(ids.len() == self.outputs.all().len(), format_args!("two screens have one number"))?;
        for (key, window) in &self.windows {
            must(ids.contains(&window.output), format_args!("{key:?} is on no screen"))?;
        }
        Ok(())
    }
}
