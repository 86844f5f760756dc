//! The bar: which qube has the keys, workspaces, the clock, the qubes and the clipboard.
//!
//! Together with the frame of a fullscreen window it is the reserved strip of rule OVER.

use std::rc::Rc;

use transom_theming::{BarQube, BarSpec, Label, QubeMark, Scale};

use crate::{
    Desktop,
    render::{
        scene::{Item, Picture},
        view::View,
    },
};

/// What the bar says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BarLook {
    focused: Option<(String, Option<Label>, bool)>,
    workspaces: Vec<(u32, bool, bool)>,
    clock: String,
    qubes: Vec<(String, Label, QubeMark, bool)>,
    clipboard: Option<String>,
    layout: Option<String>,
    width: i32,
    scale: u32,
}

impl Desktop {
    /// Height of the bar is the theme's; it spans its screen.
    pub(crate) fn compose_bar(&mut self, view: View, items: &mut Vec<Item>) {
        let look = self.bar_look(view);
        let picture = match self.ui.kept.bars.get(&view.screen) {
            Some((kept, picture)) if *kept == look => picture.clone(),
            _ => {
                let picture = self.ui.draw_bar(&look);
                self.ui.kept.bars.insert(view.screen, (look, picture.clone()));
                picture
            }
        };
        items.push(Item::Picture { picture, at: (0, 0).into(), clip: None });
    }

    fn bar_look(&self, view: View) -> BarLook {
        let now = self.clock.now();
        let focused = self
            .trust
            .focus
            .wanted()
            .and_then(|key| self.qubes.get(key.qube))
            .map(|link| (link.qube.name.clone(), link.label(), !link.qube.isolated));
        BarLook {
            focused,
            workspaces: self.shell.workspaces_in_use(),
            clock: self.ui.clock_text.clone(),
            qubes: self.qube_marks(),
            clipboard: self.trust.clipboard.state_text(now),
            layout: self.layout_in_force(),
            width: view.area.size.w,
            scale: view.scale,
        }
    }

    /// Every qube the supervisor knows, else those with a link.
    fn qube_marks(&self) -> Vec<(String, Label, QubeMark, bool)> {
        match &self.supervisor {
            Some(supervisor) => supervisor.marks(),
            None => self
                .qubes
                .iter()
                .filter_map(|l| Some((l.qube.name.clone(), l.label()?, QubeMark::Running, !l.qube.isolated)))
                .collect(),
        }
    }
}

impl super::Ui {
    fn draw_bar(&mut self, look: &BarLook) -> Rc<Picture> {
        let qubes: Vec<BarQube<'_>> = look
            .qubes
            .iter()
            .map(|(name, label, mark, not_isolated)| BarQube {
                name,
                label: *label,
                mark: *mark,
                not_isolated: *not_isolated,
            })
            .collect();
        let spec = BarSpec {
            width: look.width,
            scale: Scale::new(look.scale),
            focused: look
                .focused
                .as_ref()
                .map(|(name, label, not_isolated)| (name.as_str(), *label, *not_isolated)),
            workspaces: &look.workspaces,
            clock: &look.clock,
            qubes: &qubes,
            clipboard: look.clipboard.as_deref(),
            layout: look.layout.as_deref(),
        };
        Picture::new(self.painter.bar(&spec))
    }
}
