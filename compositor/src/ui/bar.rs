//! The bar: which qube has the keys, workspaces, the clock, the qubes and the clipboard.
//!
//! Together with the frame of a fullscreen window it is the reserved strip of rule OVER.

use std::rc::Rc;

use smithay::utils::{Logical, Point};
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

/// A bar as it was drawn. Places are relative to it, in logical pixels.
#[derive(Debug)]
pub(crate) struct DrawnBar {
    pub(super) look: BarLook,
    picture: Rc<Picture>,
    /// Of status icons; `None`: there is no room for it.
    pub(super) icons: Vec<Option<Rect>>,
    workspaces: Vec<Rect>,
}

impl Desktop {
    /// Height of the bar is the theme's; it spans its screen.
    pub(crate) fn compose_bar(&mut self, view: View, items: &mut Vec<Item>) {
        let look = self.bar_look(view);
        let picture = match self.ui.kept.bars.get(&view.screen) {
            Some(bar) if bar.look == look => bar.picture.clone(),
            _ => {
                let bar = self.ui.draw_bar(look);
                let picture = bar.picture.clone();
                self.ui.kept.bars.insert(view.screen, bar);
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
            note: self.bar_note(),
            icons: self.icon_looks(),
            width: view.area.size.w,
            scale: view.scale,
        }
    }

    /// The one thing more that there is room for.
    fn bar_note(&self) -> Option<String> {
        let stuck = Some(self.input.keyboard.stuck()).filter(|stuck| !stuck.is_empty());
        self.capture_note().or(stuck).or_else(|| self.ui.cards.note())
    }

    /// A press on a bar: the number of a workspace shows it, the states of the qubes open the manager.
    pub(super) fn press_on_bar(&mut self, at: Point<f64, Logical>) {
        let Some(screen) = self.screens.at(at) else { return };
        let (id, width) = (screen.id, screen.area.size.w);
        let (x, y) = (at.x - f64::from(screen.area.loc.x), at.y - f64::from(screen.area.loc.y));
        if y >= f64::from(self.bar_height()) {
            return;
        }
        let there = |place: &Rect| (f64::from(place.x)..f64::from(place.x + place.w)).contains(&x);
        let number = self.ui.kept.bars.get(&id).and_then(|bar| {
            let mut places = bar.workspaces.iter().zip(&bar.look.workspaces);
            places.find(|(place, _)| there(place)).map(|(_, (number, ..))| *number)
        });
        if let Some(number) = number {
            self.shell.switch_workspace_on(id, number);
            self.follow_shell_focus();
            return;
        }
        let marks = self.supervisor.as_ref().map(crate::qubes::Supervisor::marks).unwrap_or_default();
        if let Some(number) = transom_theming::bar_mark_at(width, marks.len(), x) {
            let name = marks.get(number).map(|(name, ..)| name.clone());
            self.open_manager(name.as_deref());
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
    fn draw_bar(&mut self, look: BarLook) -> DrawnBar {
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
        DrawnBar { picture: Picture::new(bar.image), icons: bar.icons, workspaces: bar.workspaces, look }
    }
}
