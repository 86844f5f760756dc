//! The lock's picture, and nothing else: what is here sees no window.

use std::rc::Rc;

use smithay::{
    backend::renderer::Color32F,
    utils::{Point, Rectangle},
};
use transom_theming::{LockSpec, Painter, Scale};

use super::{Lock, Told, state::Face};
use crate::{
    Desktop,
    render::{
        DeviceRect,
        scene::{Item, Patch, Picture, Scene, color},
        view::View,
    },
};

/// What the picture says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    time: String,
    date: String,
    person: String,
    typed: usize,
    message: String,
    trouble: bool,
    caps: bool,
    layout: Option<String>,
    scale: u32,
}

/// The picture as it was drawn last, and what lies behind it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    drawn: Vec<(Look, Rc<Picture>)>,
    cover: Option<(Color32F, Patch)>,
}

/// A part of the scene that one monitor shows, in device pixels, and its scale in 120ths.
pub(super) type Part = (DeviceRect, u32);

/// Words of dom0's that are not the lock's own.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) time: String,
    pub(super) date: String,
    pub(super) caps: bool,
    /// `None`: there is only one.
    pub(super) layout: Option<String>,
}

impl Lock {
    /// What the own lock screen tells the person, and whether something is wrong.
    pub(crate) fn says(&self) -> (String, bool) {
        match &self.told {
            Told::Info(text) => (text.clone(), false),
            _ if self.state.checking() => ("Checking …".into(), false),
            Told::Nothing => (String::new(), false),
            Told::Wrong => ("That is not the password.".into(), true),
            Told::Trouble(text) => (format!("Cannot be checked: {text}"), true),
        }
    }

    fn look(&self, words: &Words, scale: u32) -> Look {
        let (message, trouble) = self.says();
        Look {
            time: words.time.clone(),
            date: words.date.clone(),
            person: self.person.clone(),
            typed: self.entry.characters(),
            message,
            trouble,
            caps: words.caps,
            layout: words.layout.clone(),
            scale,
        }
    }

    /// The own lock screen on one monitor: the picture in its middle, one colour around it.
    fn own(&mut self, painter: &mut Painter, words: &Words, (area, scale): Part, items: &mut Vec<Item>) {
        let look = self.look(words, scale);
        let found =
            self.kept.drawn.iter().find(|(drawn, _)| *drawn == look).map(|(_, picture)| picture.clone());
        let picture = found.unwrap_or_else(|| {
            let picture = Picture::new(painter.lock(&LockSpec {
                time: &look.time,
                date: &look.date,
                person: &look.person,
                typed: look.typed,
                message: (!look.message.is_empty()).then_some((look.message.as_str(), look.trouble)),
                caps: look.caps,
                layout: look.layout.as_deref(),
                scale: Scale::new(scale),
            }));
            // Monitors of other scales have pictures of their own; older ones are not needed.
            self.kept.drawn.retain(|(drawn, _)| drawn.scale != scale);
            self.kept.drawn.push((look, picture.clone()));
            picture
        });
        let size = picture.size();
        let at = area.loc + Point::from(((area.size.w - size.w) / 2, (area.size.h - size.h) / 2));
        items.push(Item::Picture { picture, at, clip: Some(area) });
    }

    fn fill(&mut self, background: Color32F, area: DeviceRect, items: &mut Vec<Item>) {
        let kept = self.kept.cover.take().filter(|(color, _)| *color == background);
        let (_, patch) = self.kept.cover.insert(kept.unwrap_or_else(|| (background, Patch::new(background))));
        items.push(patch.item(area));
    }

    /// Scale or theme have changed.
    pub(crate) fn forget_pictures(&mut self) {
        self.kept = Kept::default();
    }
}

impl Desktop {
    /// Everything that a screen shows while the desktop is locked. No window, no overlay and no picture of
    /// a qube's is asked for here; of dom0's own programs only the locker, if there is one.
    pub(crate) fn compose_lock(&mut self, view: View) -> Scene {
        let (screen, size) = (view.screen, view.size);
        let area = Rectangle::from_size(size);
        let mut items = Vec::new();
        let background = color(self.ui.theme().background());
        match self.lock.state.face() {
            Face::Own => {
                let words = self.lock_words();
                self.lock.own(&mut self.ui.painter, &words, (area, view.scale), &mut items);
            }
            Face::Program => self.locker_items(screen, &mut items),
        }
        self.lock.fill(background, area, &mut items);
        Scene { screen, size, items, background, magnified: None }
    }

    fn lock_words(&self) -> Words {
        Words {
            time: self.ui.clock_text.clone(),
            date: self.ui.date_text.clone(),
            caps: self.input.keyboard.locks().caps,
            layout: self.layout_in_force(),
        }
    }
}
