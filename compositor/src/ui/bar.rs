//! The bar: which qube has the keys, workspaces, the clock, the qubes and the clipboard.
//!
//! Together with the frame of a fullscreen window it is the reserved strip of rule OVER.

use std::rc::Rc;

use transom_theming::{BarQube, BarSpec, Label, QubeMark, Scale};

use crate::{
    Desktop,
    render::scene::{Item, Picture},
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
    /// Height of the bar is the theme's; it spans the screen.
    pub(crate) fn compose_bar(&mut self, items: &mut Vec<Item>) {
        let look = self.bar_look();
        let picture = match &self.ui.kept.bar {
            Some((kept, picture)) if *kept == look => picture.clone(),
            _ => {
                let picture = self.ui.draw_bar(&look);
                self.ui.kept.bar = Some((look, picture.clone()));
                picture
            }
        };
        items.push(Item::Picture { picture, at: (0, 0).into(), clip: None });
    }

    fn bar_look(&self) -> BarLook {
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
            width: self.screen.logical().size.w,
            scale: self.screen.scale,
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
