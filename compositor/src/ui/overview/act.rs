//! What the person does in the overview.

use smithay::{
    input::keyboard::xkb::keysyms,
    utils::{Logical, Point},
};

use super::{Desk, Held, layout};
use crate::{
    Desktop,
    config::bindings::{Action, Mods},
    input::event::{BTN_LEFT, BTN_MIDDLE},
    render::scene::SurfaceKey,
    shell::{Direction, WORKSPACES},
};

/// How far the pointer has to go before a window is moved, in logical pixels.
const LOOSE: f64 = 6.0;

impl Desktop {
    // Keys.

    /// A chord while it is open. `false`: it is none that means something else then.
    pub(crate) fn overview_action(&mut self, action: &Action) -> bool {
        let Some(overview) = &self.ui.kept.overview else { return false };
        let (output, window) = (overview.desk.0, self.overview_choice());
        match *action {
            Action::Workspace(number) => self.overview_go((output, number), None),
            Action::MoveToWorkspace(number) => self.overview_move(window, (output, number)),
            Action::MoveToOutput(to) => {
                let beside = window.and_then(|key| self.shell.output_towards(key, to));
                if let Some(output) = beside {
                    self.overview_move(window, (output, self.shell.workspace_on(output)));
                }
            }
            Action::Output(to) => self.overview_to_output(to),
            Action::Close => {
                if let Some(key) = window {
                    self.close_window(key);
                }
            }
            // The windows themselves are out of sight.
            Action::Minimise
            | Action::Maximise
            | Action::Fullscreen
            | Action::TileLeft
            | Action::TileRight
            | Action::Arrow(_)
            | Action::Focus(_)
            | Action::Move(_)
            | Action::Grow(..)
            | Action::ColumnWidth(_)
            | Action::ColumnShow(_)
            | Action::Float
            | Action::Arrange(_)
            | Action::Scratch
            | Action::ToScratch
            | Action::WorkspaceNext
            | Action::WorkspacePrevious
            | Action::ClipboardCopyOut
            | Action::ClipboardPasteIn => {}
            // The windows are in sight here.
            Action::SwitchNext | Action::SwitchNextOfQube | Action::SwitchNextOfApp | Action::FindWindow => {
                self.overview_next_window(true);
            }
            Action::SwitchPrevious | Action::SwitchPreviousOfQube | Action::SwitchPreviousOfApp => {
                self.overview_next_window(false);
            }
            Action::Launcher | Action::Manager | Action::Unlock | Action::Lock | Action::Logout => {
                self.close_overview();
                return false;
            }
            _ => return false,
        }
        self.damage_all();
        true
    }

    /// A key while it is open.
    pub(crate) fn overview_key(&mut self, sym: u32) {
        let Some(overview) = &self.ui.kept.overview else { return };
        let (desk, choice) = (overview.desk, self.overview_choice());
        let nothing_typed = self.ui.kept.search.typed().is_empty();
        match sym {
            keysyms::KEY_Escape if self.ui.kept.search.clear() => self.overview_typed(),
            keysyms::KEY_Escape => self.close_overview(),
            keysyms::KEY_Return | keysyms::KEY_KP_Enter => self.overview_go(desk, choice),
            keysyms::KEY_Tab => self.overview_next_window(true),
            keysyms::KEY_ISO_Left_Tab => self.overview_next_window(false),
            keysyms::KEY_Left => self.overview_step(Direction::Left),
            keysyms::KEY_Right => self.overview_step(Direction::Right),
            keysyms::KEY_Up => self.overview_step(Direction::Up),
            keysyms::KEY_Down => self.overview_step(Direction::Down),
            keysyms::KEY_Delete | keysyms::KEY_KP_Delete => {
                if let Some(key) = choice {
                    self.close_window(key);
                }
            }
            digit if nothing_typed && (1..=WORKSPACES).any(|n| keysyms::KEY_0 + n == digit) => {
                self.overview_go((desk.0, digit - keysyms::KEY_0), None);
            }
            _ => {
                let ctrl = self.input.keyboard.held_mods().meets(Mods::CTRL);
                let compose = &mut self.input.compose;
                if self.ui.kept.search.key(sym, ctrl, |sym| compose.character(sym)) {
                    self.overview_typed();
                }
            }
        }
        self.damage_all();
    }

    /// Other words: the window that was used last among those that fit is chosen.
    fn overview_typed(&mut self) {
        let keep = self.overview_choice().filter(|key| self.search_fits(*key));
        let chosen = keep.or_else(|| self.overview_windows().into_iter().find(|key| self.search_fits(*key)));
        self.overview_choose(chosen);
        self.damage_all();
    }

    /// Windows that are in some tile, last used first.
    fn overview_windows(&self) -> Vec<SurfaceKey> {
        let history = self.shell.history().iter().copied();
        history.filter(|key| !self.shell.is_minimised(*key)).collect()
    }

    /// The window that is chosen, if it is still there.
    fn overview_choice(&self) -> Option<SurfaceKey> {
        let key = self.ui.kept.overview.as_ref()?.window?;
        (self.shell.contains(key) && !self.shell.is_minimised(key)).then_some(key)
    }

    fn overview_choose(&mut self, window: Option<SurfaceKey>) {
        let desk =
            window.and_then(|key| Some((self.shell.placed(key)?.output, self.shell.workspace_of(key)?)));
        if let Some(overview) = &mut self.ui.kept.overview {
            overview.window = window;
            overview.desk = desk.unwrap_or(overview.desk);
        }
    }

    fn overview_choose_desk(&mut self, desk: Desk) {
        let here = |key: &SurfaceKey| {
            self.shell.workspace_of(*key) == Some(desk.1)
                && self.shell.placed(*key).is_some_and(|placed| placed.output == desk.0)
        };
        let window = self.overview_windows().into_iter().find(here);
        if let Some(overview) = &mut self.ui.kept.overview {
            (overview.desk, overview.window) = (desk, window);
        }
        self.damage_all();
    }

    /// The next window that what was typed fits; of the chosen workspace while nothing was typed.
    fn overview_next_window(&mut self, forward: bool) {
        let Some(desk) = self.ui.kept.overview.as_ref().map(|overview| overview.desk) else { return };
        let mut windows = self.overview_windows();
        if self.ui.kept.search.typed().is_empty() {
            let there: Vec<SurfaceKey> = self.windows_of_desk(desk).into_iter().map(|w| w.key).collect();
            windows.retain(|key| there.contains(key));
        } else {
            windows.retain(|key| self.search_fits(*key));
        }
        let count = windows.len();
        if count == 0 {
            return;
        }
        let now = self.overview_choice().and_then(|key| windows.iter().position(|other| *other == key));
        let next = match (now, forward) {
            (None, _) => 0,
            (Some(at), true) => (at + 1) % count,
            (Some(at), false) => (at + count - 1) % count,
        };
        self.overview_choose(windows.get(next).copied());
        self.damage_all();
    }

    /// The tile in this direction, on the next screen over the edge.
    fn overview_step(&mut self, to: Direction) {
        let Some((output, number)) = self.ui.kept.overview.as_ref().map(|overview| overview.desk) else {
            return;
        };
        let tile = number as i32 - 1;
        let (dx, dy) = match to {
            Direction::Left => (-1, 0),
            Direction::Right => (1, 0),
            Direction::Up => (0, -1),
            Direction::Down => (0, 1),
        };
        let across = || {
            let beside = self.shell.output_beside(output, to)?;
            let last = layout::SIDE - 1;
            // To the other end of the same row or column.
            Some((beside, layout::tile_beside(tile, -dx * last, -dy * last)?))
        };
        let next = layout::tile_beside(tile, dx, dy).map(|tile| (output, tile)).or_else(across);
        if let Some((output, tile)) = next {
            self.overview_choose_desk((output, tile as u32 + 1));
        }
    }

    fn overview_to_output(&mut self, to: Direction) {
        let Some(from) = self.ui.kept.overview.as_ref().map(|overview| overview.desk.0) else { return };
        if let Some(output) = self.shell.output_beside(from, to) {
            self.overview_choose_desk((output, self.shell.workspace_on(output)));
        }
    }

    /// Closes it, and goes to a window, or to a workspace.
    fn overview_go(&mut self, (output, number): Desk, window: Option<SurfaceKey>) {
        if let Some(key) = window {
            self.focus_window(key);
        } else {
            self.shell.switch_workspace_on(output, number);
            self.follow_shell_focus();
        }
        self.close_overview();
    }

    /// Moves a window to another workspace, of another screen too; the overview stays.
    fn overview_move(&mut self, window: Option<SurfaceKey>, (output, number): Desk) {
        let Some(key) = window else { return };
        if self.shell.placed(key).is_some_and(|placed| placed.output != output) {
            self.shell.move_to_output(key, output);
        }
        self.shell.move_to_workspace(key, number);
        self.overview_choose(Some(key));
        self.follow_shell_focus();
    }

    // The pointer.

    /// The left button is pressed at a place.
    pub(in crate::ui) fn press_on_overview(&mut self, at: Point<f64, Logical>) {
        match self.overview_under(at) {
            Some((_, Some(key))) => {
                self.overview_choose(Some(key));
                if let Some(overview) = &mut self.ui.kept.overview {
                    overview.held = Some(Held { key, from: at, moved: false });
                }
            }
            Some((desk, None)) => self.overview_go(desk, None),
            None => self.close_overview(),
        }
        self.damage_all();
    }

    /// Another button is pressed: the middle one closes a window.
    pub(in crate::ui) fn other_press_on_overview(&mut self, at: Point<f64, Logical>, code: u32) {
        if code == BTN_MIDDLE
            && let Some((_, Some(key))) = self.overview_under(at)
        {
            self.close_window(key);
        }
    }

    /// The pointer is somewhere else.
    pub(crate) fn overview_pointer(&mut self, at: Point<f64, Logical>) {
        let Some(overview) = &mut self.ui.kept.overview else { return };
        if let Some(held) = &mut overview.held {
            let by = at - held.from;
            held.moved |= by.x.hypot(by.y) >= LOOSE;
        } else {
            match self.overview_under(at) {
                Some((_, Some(key))) => self.overview_choose(Some(key)),
                Some((desk, None)) => {
                    if let Some(overview) = &mut self.ui.kept.overview {
                        (overview.desk, overview.window) = (desk, None);
                    }
                }
                None => {}
            }
        }
        self.damage_all();
    }

    /// A button is let go: what was held goes to the workspace there, or is where the person goes.
    pub(crate) fn overview_release(&mut self, at: Point<f64, Logical>, code: u32) {
        let Some(overview) = &mut self.ui.kept.overview else { return };
        let Some(held) = overview.held.take_if(|_| code == BTN_LEFT) else { return };
        let desk = overview.desk;
        if !self.shell.contains(held.key) {
            return;
        }
        match self.overview_under(at) {
            _ if !held.moved => self.overview_go(desk, Some(held.key)),
            Some((desk, _)) => self.overview_move(Some(held.key), desk),
            None => {}
        }
        self.damage_all();
    }
}
