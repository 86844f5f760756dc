//! Notifications of qubes, as dom0 shows them: cards at the right, each with its qube's swatch and name.
//!
//! They lie over windows, but never over what dom0 asks, and there are none while the desktop is locked or dark, or
//! the person wants no disturbance: what comes then is kept, as far as a qube may have some, and seen afterwards. A
//! qube hears only of what the person does to its own cards (rule NO-ORACLE).

mod stack;

use std::{rc::Rc, time::Duration};

use smithay::utils::{Logical, Point, Rectangle};
use transom_protocol::{
    message::{NotificationName, NotifyAction, ToQube},
    service::ICON_SIDE,
    types::Urgency,
};
use transom_theming::{Icon, NotificationSpec, Rect};

use self::stack::Stack;
use crate::{
    Desktop, ipc,
    qubes::Notification,
    render::{
        scene::{Item, Picture},
        view::View,
    },
    trust::QubeId,
};

/// After cards have moved, a press on them does nothing for this time: it may have been meant for what was there.
const SETTLES: Duration = Duration::from_millis(250);
/// Space between cards, in logical pixels.
const GAP: i32 = 8;

/// A card as it was drawn.
#[derive(Debug)]
struct Drawn {
    scale: u32,
    more: u32,
    picture: Rc<Picture>,
    close: Rect,
    actions: Vec<Rect>,
}

/// A card on the screen, in logical pixels of the desktop.
#[derive(Clone, Debug, PartialEq)]
struct Placed {
    key: (QubeId, u32),
    area: Rectangle<i32, Logical>,
    close: Rectangle<i32, Logical>,
    actions: Vec<Rectangle<i32, Logical>>,
    choosable: bool,
}

/// Cards, and where they were drawn.
#[derive(Debug, Default)]
pub(crate) struct Cards {
    stack: Stack<Drawn>,
    placed: Vec<Placed>,
    /// When they were last somewhere else.
    moved: Duration,
    /// The person wants no disturbance.
    pub(crate) quiet: bool,
}

impl Cards {
    /// When the next one goes.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.stack.next_deadline()
    }

    /// Scale or theme have changed.
    pub(crate) fn forget_pictures(&mut self) {
        for card in self.stack.cards_mut() {
            card.picture = None;
        }
    }

    /// What the bar says of them.
    pub(crate) fn note(&self) -> Option<String> {
        let waiting = self.stack.cards().len();
        match (self.quiet, waiting) {
            (false, _) => None,
            (true, 0) => Some("do not disturb".into()),
            (true, waiting) => Some(format!("do not disturb, {waiting}")),
        }
    }

    fn at(&self, at: Point<f64, Logical>) -> Option<&Placed> {
        self.placed.iter().find(|placed| placed.area.to_f64().contains(at))
    }
}

impl Desktop {
    /// A program of a qube tells the person something.
    pub(crate) fn notification(&mut self, qube: QubeId, notification: Notification, now: Duration) {
        let Some(link) = self.qubes.get(qube) else { return };
        // dom0's own programs have no bus of the agent's.
        if link.label().is_none() || !self.config.takes_notifications(&link.qube.name) {
            return;
        }
        self.ui.cards.stack.add(qube, notification, &self.config.notifications, now);
        self.damage_all();
    }

    /// It takes it back.
    pub(crate) fn notification_closed(&mut self, qube: QubeId, name: u32) {
        if self.ui.cards.stack.remove((qube, name)) {
            self.damage_all();
        }
    }

    /// A qube has gone, with all that it told.
    pub(crate) fn notifications_gone(&mut self, qube: QubeId) {
        if self.ui.cards.stack.qube_gone(qube) {
            self.damage_all();
        }
    }

    /// Takes away what was seen long enough.
    pub(crate) fn expire_cards(&mut self, now: Duration) {
        if self.ui.cards.stack.expire(now) {
            self.damage_all();
        }
    }

    /// Whether the person can see cards follows the lock, the screens and what the person wants.
    pub(crate) fn settle_cards(&mut self) {
        let seen = !self.lock.covers() && !self.trust.focus.is_blank() && !self.ui.cards.quiet;
        let now = self.clock.now();
        if self.ui.cards.stack.set_seen(seen, &self.config.notifications, now) {
            self.ui.cards.placed.clear();
            self.damage_all();
        }
    }

    /// No disturbance from now on, or again.
    pub(crate) fn do_not_disturb(&mut self, quiet: bool) {
        self.ui.cards.quiet = quiet;
        self.settle_cards();
        self.damage_all();
    }

    /// Cards, from this height in device pixels down, as far as there is room.
    pub(crate) fn compose_cards(&mut self, view: View, mut top: i32, items: &mut Vec<Item>) {
        let scale = view.drawn_in();
        let gap = scale.to_device(GAP);
        let mut placed = Vec::new();
        for shown in self.ui.cards.stack.shown() {
            let Some(card) = self.ui.cards.stack.cards_mut().get_mut(shown.at) else { continue };
            let Some(link) = self.qubes.get(card.qube) else { continue };
            let Some(label) = link.label() else { continue };
            card.picture.take_if(|drawn| drawn.scale != view.scale || drawn.more != shown.more);
            let (key, says) = (card.key(), &card.says);
            let painter = &mut self.ui.painter;
            let drawn = card.picture.get_or_insert_with(|| {
                let actions: Vec<&str> = says.actions.iter().map(String::as_str).collect();
                let more = if shown.more > 0 { format!("and {} more", shown.more) } else { String::new() };
                let image = painter.notification(&NotificationSpec {
                    label,
                    qube: &link.qube.name,
                    not_isolated: !link.qube.isolated,
                    summary: &says.summary,
                    body: &says.body,
                    actions: &actions,
                    icon: says.icon.as_ref().map(|pixels| Icon { side: ICON_SIDE, pixels }),
                    critical: says.urgency == Urgency::Critical,
                    more: &more,
                    scale,
                });
                Drawn {
                    scale: view.scale,
                    more: shown.more,
                    picture: Picture::new(image.image),
                    close: image.close,
                    actions: image.actions,
                }
            });
            let size = drawn.picture.size();
            if top + size.h + gap > view.size.h {
                break;
            }
            let at = Point::from((view.size.w - size.w - gap, top));
            items.push(Item::Picture { picture: drawn.picture.clone(), at, clip: None });
            let logical = |length: i32| (f64::from(length) * 120.0 / f64::from(view.scale)).round() as i32;
            let corner = view.area.loc + Point::from((logical(at.x), logical(at.y)));
            let inside =
                |rect: &Rect| Rectangle::new(corner + Point::from((rect.x, rect.y)), (rect.w, rect.h).into());
            placed.push(Placed {
                key,
                area: Rectangle::new(corner, (logical(size.w), logical(size.h)).into()),
                close: inside(&drawn.close),
                actions: drawn.actions.iter().map(inside).collect(),
                choosable: says.choosable,
            });
            top += size.h + gap;
        }
        self.place_cards(placed);
    }

    /// None is to be seen now.
    pub(crate) fn place_no_cards(&mut self) {
        self.place_cards(Vec::new());
    }

    fn place_cards(&mut self, placed: Vec<Placed>) {
        if self.ui.cards.placed != placed {
            self.ui.cards.placed = placed;
            self.ui.cards.moved = self.clock.now();
        }
    }

    /// True if a card is there.
    pub(crate) fn card_covers(&self, at: Point<f64, Logical>) -> bool {
        self.ui.cards.at(at).is_some()
    }

    /// A press on a card: `left` chooses, another button puts it away. False: there is none.
    pub(crate) fn press_on_cards(&mut self, at: Point<f64, Logical>, left: bool, now: Duration) -> bool {
        let Some(card) = self.ui.cards.at(at).cloned() else { return false };
        if now < self.ui.cards.moved + SETTLES {
            return true;
        }
        let button = card.actions.iter().position(|area| area.to_f64().contains(at));
        match button {
            _ if !left || card.close.to_f64().contains(at) => self.dismiss_card(card.key),
            Some(button) => self.choose_on_card(card.key, u8::try_from(button + 1).unwrap_or(u8::MAX)),
            None if card.choosable => self.choose_on_card(card.key, 0),
            None => self.dismiss_card(card.key),
        }
        true
    }

    /// The person puts the newest card away.
    pub(crate) fn dismiss_newest_card(&mut self) {
        if let Some(key) = self.ui.cards.placed.first().map(|placed| placed.key) {
            self.dismiss_card(key);
        }
    }

    fn dismiss_card(&mut self, key: (QubeId, u32)) {
        self.ui.cards.stack.remove(key);
        self.damage_all();
        let Some(link) = self.qubes.get_mut(key.0) else { return };
        if link.session().notifications().choices(key.1).is_some() {
            link.send(0, 0, &ToQube::NotifyDismissed(&NotificationName { notification: key.1.into() }));
        }
    }

    fn choose_on_card(&mut self, key: (QubeId, u32), action: u8) {
        self.ui.cards.stack.remove(key);
        self.damage_all();
        let Some(link) = self.qubes.get_mut(key.0) else { return };
        if link.session().notifications().may_choose(key.1, action) {
            let chosen = NotifyAction { notification: key.1.into(), action };
            link.send(0, 0, &ToQube::NotifyAction(&chosen));
        }
    }

    /// For the control socket: what is kept, oldest first, and where what is seen was drawn.
    pub(crate) fn card_states(&self) -> Vec<ipc::Card> {
        let cards = &self.ui.cards;
        let name = |qube| self.qubes.get(qube).map(|link| link.qube.name.clone()).unwrap_or_default();
        let rect = |r: &Rectangle<i32, Logical>| [r.loc.x, r.loc.y, r.size.w, r.size.h];
        let shown = cards.stack.shown();
        let state = |(at, card): (usize, &stack::Card<Drawn>)| {
            let placed = cards.placed.iter().find(|placed| placed.key == card.key());
            ipc::Card {
                qube: name(card.qube),
                summary: card.says.summary.clone(),
                body: card.says.body.clone(),
                actions: card.says.actions.clone(),
                critical: card.says.urgency == Urgency::Critical,
                more: shown.iter().find(|shown| shown.at == at).map_or(0, |shown| shown.more),
                area: placed.map(|placed| rect(&placed.area)),
                close: placed.map(|placed| rect(&placed.close)),
                buttons: placed.map_or_else(Vec::new, |placed| placed.actions.iter().map(rect).collect()),
            }
        };
        cards.stack.cards().iter().enumerate().map(state).collect()
    }
}
