//! Drags of qubes, seen from the desktop: who may, the card at the pointer, and the drop with what
//! comes of it.

use std::{rc::Rc, time::Duration};

use smithay::utils::Point;
use transom_protocol::{
    message::{Position, SelectionName, Switch, ToQube},
    types::Selection,
    wire::With,
};

use super::{
    notices::{Notice, Part, draw},
    prompt::{Asks, Prompt},
    size,
};
use crate::{
    Desktop,
    input::pointer::Under,
    render::{
        scene::{Item, Picture, SurfaceKey},
        view::View,
    },
    trust::{
        QubeId,
        drag::{Effect, NoticeKind, Place, Verdict},
    },
};

/// Where the card is from the pointer, in logical pixels.
const OFFSET: (i32, i32) = (16, 20);

/// The card as it was drawn.
#[derive(Debug)]
pub(crate) struct Card {
    says: Notice,
    scale: u32,
    picture: Rc<Picture>,
}

impl Desktop {
    /// A program drags. Nothing comes of it unless the press that it names is held on that window, and
    /// the pointer with it (INTENT).
    pub(crate) fn drag_start(&mut self, key: SurfaceKey, press: u32, types: Vec<String>) {
        let holds = self.input.pointer.grab.is_some_and(|grab| grab.qube == key.qube);
        let means = self.trust.intent.justifies_move(self.toplevel_of(key), press);
        if !holds || !means || self.shell.is_dragging() {
            return;
        }
        let Some(link) = self.qubes.get(key.qube).filter(|link| link.label().is_some() && !link.held) else {
            return;
        };
        let name = link.qube.name.clone();
        let effects = self.trust.drag.start(key.qube, &name, press, types);
        self.drag_effects(effects);
        let now = self.clock.now();
        self.refresh_pointer(now);
    }

    /// The last button is up; whoever had the pointer was told. A drag ends here.
    pub(crate) fn drag_button_up(&mut self, now: Duration) {
        let Some(source) = self.trust.drag.held() else { return };
        if self.input.pointer.entered.is_some_and(|(key, _)| key.qube == source) {
            let effects = self.trust.drag.released_at_home();
            self.drag_effects(effects);
            return;
        }
        let place = match self.under(self.input.pointer.at) {
            Under::Content(window, at) if window.qube != source && self.hears(window) => {
                self.qubes.get(window.qube).map(|link| Place { window, name: link.qube.name.clone(), at })
            }
            _ => None,
        };
        let effects = self.trust.drag.released(place, now);
        self.drag_effects(effects);
    }

    /// The person wants no drag any more, or cannot see it. Its press goes to nobody from here on.
    pub(crate) fn cancel_drag(&mut self) {
        let held = self.trust.drag.held().is_some();
        let effects = self.trust.drag.cancel();
        self.drag_effects(effects);
        if held {
            self.drag_let_go();
        }
    }

    /// A qube is gone or hears nothing: so is its drag, and what is on its way to it.
    pub(crate) fn drag_qube_gone(&mut self, qube: QubeId) {
        let effects = self.trust.drag.qube_gone(qube);
        self.drag_effects(effects);
    }

    /// A window is gone. A drag ends with the window that had the pointer when it was there.
    pub(crate) fn drag_window_gone(&mut self, key: SurfaceKey) {
        if self.trust.drag.held() == Some(key.qube) && self.input.pointer.grab == Some(key) {
            self.cancel_drag();
        }
        let effects = self.trust.drag.window_gone(key);
        self.drag_effects(effects);
    }

    fn drag_let_go(&mut self) {
        let now = self.clock.now();
        let pointer = &mut self.input.pointer;
        pointer.grab = None;
        let buttons = pointer.buttons.clone();
        pointer.swallowed.extend(buttons);
        self.refresh_pointer(now);
        self.damage_all();
    }

    /// Does what the rules of drags came to.
    pub(crate) fn drag_effects(&mut self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Take { qube, press } => self.send_drag(qube, press, true),
                Effect::Over { qube, press } => self.send_drag(qube, press, false),
                Effect::Request { qube, serial, mime } => {
                    if let Some(link) = self.qubes.get_mut(qube) {
                        let fixed = SelectionName { selection: Selection::Drag };
                        let name = With { fixed: &fixed, tail: mime.as_bytes() };
                        link.send(0, serial, &ToQube::SelectionRequest(name));
                    }
                }
                Effect::Cancel { qube, serial } => self.cancel_request(qube, serial),
                Effect::Ask { prompt, from, to, what } => {
                    let now = self.clock.now();
                    let sentence = vec![
                        Part::Text(format!("Drop {what} from ")),
                        self.named(&from),
                        Part::Text(" into ".into()),
                        self.named(&to),
                        Part::Text("?".into()),
                    ];
                    self.open_prompt(Prompt::new(Asks::Drop(prompt), sentence, now));
                }
                Effect::CloseAsk { prompt } => self.close_prompt(Asks::Drop(prompt)),
                Effect::Drop { place, types } => self.drop_into(&place, &types),
                Effect::Notice(kind) => {
                    let notice = self.drag_notice(&kind);
                    self.notify(notice);
                }
            }
        }
        self.damage_all();
    }

    fn send_drag(&mut self, qube: QubeId, press: u32, on: bool) {
        if let Some(link) = self.qubes.get_mut(qube) {
            link.send(0, press, &ToQube::Drag(&Switch { on: on.into() }));
        }
    }

    fn drop_into(&mut self, place: &Place, types: &[(String, std::sync::Arc<[u8]>)]) {
        let window = place.window.window;
        let Some(link) = self.qubes.get_mut(place.window.qube) else { return };
        if link.session().window(window).is_none() {
            return;
        }
        let serial = link.serial();
        let at = Position { x: place.at.x.into(), y: place.at.y.into() };
        link.send(window, serial, &ToQube::Drop(&at));
        link.send_paste(Selection::Drag, serial, types);
    }

    fn drag_notice(&self, kind: &NoticeKind) -> Notice {
        let text = |t: &str| Part::Text(t.to_owned());
        Notice::Runs(match kind {
            NoticeKind::Dropped { from, to, bytes } => {
                vec![
                    self.named(from),
                    text("→"),
                    self.named(to),
                    text(&format!(": {} dropped", size(*bytes))),
                ]
            }
            NoticeKind::Denied { from, to } => vec![
                text("Nothing was dropped from"),
                self.named(from),
                text("into"),
                self.named(to),
                text(": not allowed"),
            ],
            NoticeKind::Failed { from, reason } => {
                vec![text("Nothing was dropped from"), self.named(from), text(&format!(": {reason}"))]
            }
        })
    }

    /// What the card at the pointer says, in dom0's words. The source's own picture is enough over its own
    /// windows, and never seen elsewhere.
    fn drag_card(&self) -> Option<Notice> {
        let source = self.trust.drag.held()?;
        let (from, what) = self.trust.drag.card()?;
        if self.drag_icon().is_some() {
            return None;
        }
        let mut parts = vec![self.named(from), Part::Text(format!(": {what}"))];
        if let Under::Content(over, _) = self.under(self.input.pointer.at)
            && over.qube != source
            && let Some(link) = self.qubes.get(over.qube)
            && let Some(verdict) = self.trust.drag.verdict(&link.qube.name)
        {
            parts.push(Part::Text(" → ".into()));
            parts.push(self.named(&link.qube.name));
            match verdict {
                Verdict::Drops => {}
                Verdict::Asks => parts.push(Part::Text(", you are asked".into())),
                Verdict::Denied => parts.push(Part::Text(", not allowed".into())),
                Verdict::Nothing => parts.push(Part::Text(", nothing that can cross".into())),
            }
        }
        Some(Notice::Runs(parts))
    }

    /// The same for the control socket.
    pub(crate) fn drag_text(&self) -> Option<String> {
        self.drag_card().map(|card| card.to_string())
    }

    /// The card beside the pointer, all of it on the screen.
    pub(crate) fn compose_drag_card(&mut self, view: View, items: &mut Vec<Item>) {
        let at = self.input.pointer.at;
        let Some(says) = self.drag_card().filter(|_| view.area.to_f64().contains(at)) else {
            self.ui.drag_card = None;
            return;
        };
        let ui = &mut self.ui;
        let kept = ui.drag_card.take().filter(|card| card.says == says && card.scale == view.scale);
        let card = kept.unwrap_or_else(|| {
            let picture = draw(&mut ui.painter, &says, view.scale);
            Card { says, scale: view.scale, picture }
        });
        let picture = Rc::clone(&card.picture);
        ui.drag_card = Some(card);
        let size = picture.size();
        let mut place = view.to_device(at.to_i32_floor() + Point::from(OFFSET));
        place.x = place.x.min(view.size.w - size.w).max(0);
        place.y = place.y.min(view.size.h - size.h).max(0);
        items.push(Item::Picture { picture, at: place, clip: None });
    }
}
