//! The bar: which qube has the keys, workspaces, the clock, the qubes and the clipboard.
//!
//! Together with the frame of a fullscreen window it is the reserved strip of rule OVER.

use std::rc::Rc;

use transom_protocol::service::ICON_SIDE;
use transom_theming::{BarIcon, BarQube, BarSpec, Icon, Label, QubeMark, Rect, Scale};

use crate::{
    Desktop,
    render::{
        scene::{Item, Picture},
        view::View,
    },
    trust::QubeId,
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
    note: Option<String>,
    pub(super) icons: Vec<IconLook>,
    width: i32,
    scale: u32,
}

/// A status icon in the bar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IconLook {
    pub(super) key: (QubeId, u32),
    pub(super) qube: String,
    pub(super) label: Label,
    pub(super) title: String,
    pub(super) icon: Option<Rc<[u8]>>,
    pub(super) attention: bool,
}

/// What a bar says, its picture, and where its status icons are in it.
pub(crate) type DrawnBar = (BarLook, Rc<Picture>, Vec<Option<Rect>>);

impl Desktop {
    /// Height of the bar is the theme's; it spans its screen.
    pub(crate) fn compose_bar(&mut self, view: View, items: &mut Vec<Item>) {
        let look = self.bar_look(view);
        let picture = match self.ui.kept.bars.get(&view.screen) {
            Some((kept, picture, _)) if *kept == look => picture.clone(),
            _ => {
                let (picture, icons) = self.ui.draw_bar(&look);
                self.ui.kept.bars.insert(view.screen, (look, picture.clone(), icons));
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
            workspaces: self.shell.workspaces_in_use(view.screen),
            clock: self.ui.clock_text.clone(),
            qubes: self.qube_marks(),
            clipboard: self.trust.clipboard.state_text(now),
            layout: self.layout_in_force(),
            note: self.capture_note().or_else(|| self.ui.cards.note()),
            icons: self.icon_looks(),
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
    fn draw_bar(&mut self, look: &BarLook) -> (Rc<Picture>, Vec<Option<Rect>>) {
        let icons: Vec<BarIcon<'_>> = look
            .icons
            .iter()
            .map(|icon| BarIcon {
                qube: &icon.qube,
                label: icon.label,
                title: &icon.title,
                icon: icon.icon.as_ref().map(|pixels| Icon { side: ICON_SIDE, pixels }),
                attention: icon.attention,
            })
            .collect();
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
            note: look.note.as_deref(),
            icons: &icons,
        };
        let bar = self.painter.bar(&spec);
        (Picture::new(bar.image), bar.icons)
    }
}
