//! The passphrase of the volumes, asked for on the desktop: when a qube that is to start waits for it, or the
//! person wants to give it (rules OVER, FOCUS).
//!
//! What is typed goes by a pipe to `transom-qubed` and nowhere else; no qube hears of it. What was asked of
//! qubed and refused for want of the passphrase is asked once more when it is there.

mod model;

use std::{collections::BTreeMap, rc::Rc};

use smithay::{
    input::keyboard::xkb::keysyms,
    utils::{Logical, Point, Rectangle},
};
use tracing::info;
use transom_hypervisor::supervisor::{ErrorBody, ErrorKind, KeyringState, ReplyBody, RequestBody};
use transom_theming::{Answer, PromptSpec, Run, SecretField};

use self::model::{Model, Wanted};
use super::notices::{Notice, Part};
use crate::{
    Desktop,
    config::bindings::Mods,
    input::secret::Secret,
    render::{
        scene::{Item, Picture},
        view::View,
    },
};

/// Most qubes that are named.
const NAMED: usize = 3;

/// Something that was refused for want of the passphrase.
#[derive(Debug)]
struct Held {
    request: u64,
    body: RequestBody,
    error: ErrorBody,
}

/// What has to do with the passphrase.
#[derive(Debug, Default)]
pub(crate) struct Passphrase {
    open: Option<Open>,
    /// It is to be asked for as soon as nothing else is asked.
    wanted: bool,
    /// Requests that may be refused for want of it, by their numbers.
    sent: BTreeMap<u64, RequestBody>,
    held: Vec<Held>,
    /// Qubes that were to start with the desktop. qubed starts them by itself.
    login: Vec<String>,
    /// The request that asks whether there is one.
    asking: Option<u64>,
    /// The request that tries one.
    trying: Option<u64>,
}

/// The open panel.
#[derive(Debug)]
struct Open {
    model: Model,
    drawn: Option<Drawn>,
}

/// What a picture of it shows: sentence, characters, message, whether it is busy, Caps Lock, layout, scale.
type Look = (String, usize, Option<(String, bool)>, bool, bool, Option<String>, u32);

#[derive(Debug)]
struct Drawn {
    look: Look,
    picture: Rc<Picture>,
    answers: Vec<Rectangle<i32, Logical>>,
}

/// True for what may need the key of a volume.
fn may_need_it(body: &RequestBody) -> bool {
    matches!(
        body,
        RequestBody::Start { .. }
            | RequestBody::Open { .. }
            | RequestBody::RunDisposable { .. }
            | RequestBody::Encrypt { .. }
    )
}

impl Passphrase {
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn forget_picture(&mut self) {
        if let Some(open) = &mut self.open {
            open.drawn = None;
        }
    }

    /// A request was sent.
    pub(crate) fn sent(&mut self, request: u64, body: &RequestBody) {
        if may_need_it(body) {
            self.sent.insert(request, body.clone());
        }
    }

    /// The names of those that wait for it, each once.
    fn waiting(&self) -> Vec<&str> {
        let asked = self.held.iter().filter_map(|held| match &held.body {
            RequestBody::RunDisposable { pattern, .. } => Some(pattern.as_str()),
            body => body.qube().map(transom_hypervisor::supervisor::QubeName::as_str),
        });
        let mut names: Vec<&str> = Vec::new();
        for name in self.login.iter().map(String::as_str).chain(asked) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Desktop {
    /// A qube that was to start with the desktop waits for the passphrase.
    pub(crate) fn locked_at_login(&mut self, qube: &str) {
        if !self.ui.passphrase.login.iter().any(|known| known == qube) {
            self.ui.passphrase.login.push(qube.to_owned());
        }
        self.want_passphrase();
    }

    /// qubed has answered a request. True if that was about the passphrase, and nobody else need know.
    pub(crate) fn passphrase_reply(&mut self, request: u64, result: &Result<ReplyBody, ErrorBody>) -> bool {
        let ui = &mut self.ui.passphrase;
        if let Some(body) = ui.sent.remove(&request)
            && let Err(error) = result
            && error.kind == ErrorKind::Locked
        {
            ui.held.push(Held { request, body, error: error.clone() });
            self.want_passphrase();
            return true;
        }
        if ui.asking == Some(request) {
            ui.asking = None;
            match result {
                Ok(ReplyBody::Keyring { state }) => self.keyring_is(*state),
                Ok(_) => {}
                Err(error) => self.give_up(&error.message.clone()),
            }
            return true;
        }
        if ui.trying == Some(request) {
            ui.trying = None;
            match result {
                Ok(_) => self.volumes_unlocked(),
                Err(error) => {
                    if let Some(open) = &mut ui.open {
                        open.model.refused(error);
                    }
                }
            }
            self.damage_all();
            return true;
        }
        false
    }

    /// It is wanted, and asked for when nothing else is.
    pub(crate) fn want_passphrase(&mut self) {
        self.ui.passphrase.wanted = true;
        self.next_passphrase();
    }

    /// Something else is asked, or nothing can be.
    fn passphrase_waits(&self) -> bool {
        self.ui.kept.prompt.is_some() || self.ui.kept.launcher.is_some() || self.lock.covers()
    }

    /// Asks for the passphrase if that is due and nothing else is asked.
    pub(super) fn next_passphrase(&mut self) {
        let ui = &self.ui.passphrase;
        if !ui.wanted || ui.is_open() || ui.asking.is_some() || self.passphrase_waits() {
            return;
        }
        match self.send_to_qubed(RequestBody::Keyring) {
            Ok(request) => self.ui.passphrase.asking = Some(request),
            Err(reason) => self.give_up(&reason),
        }
    }

    /// What there is of a passphrase.
    fn keyring_is(&mut self, state: KeyringState) {
        // Something else may be asked since; it is tried again after that.
        if self.passphrase_waits() {
            return;
        }
        let Some(model) = Model::new(state) else {
            // Somebody has given it elsewhere.
            if self.ui.passphrase.waiting().is_empty() {
                self.notify(Notice::Text("the volumes of your qubes are unlocked".into()));
            }
            return self.volumes_unlocked();
        };
        info!(?state, "asking for the passphrase of the volumes");
        if self.shell.switcher().is_some() {
            self.switcher_cancel();
        }
        self.close_overview();
        self.input.compose.reset();
        self.ui.passphrase.open = Some(Open { model, drawn: None });
        self.ui.passphrase.wanted = false;
        self.grab_keyboard();
        let now = self.clock.now();
        self.refresh_pointer(now);
        self.damage_all();
    }

    /// The volumes can be used: what waited for that is asked again.
    fn volumes_unlocked(&mut self) {
        self.close_passphrase();
        self.ui.passphrase.wanted = false;
        self.ui.passphrase.login.clear();
        for Held { request, body, error } in std::mem::take(&mut self.ui.passphrase.held) {
            match self.send_again_to_qubed(request, &body) {
                Ok(()) => self.ui.passphrase.sent(request, &body),
                Err(_) => self.qubed_refused(request, error),
            }
        }
        self.next_question();
    }

    /// It is not asked for now: what waited for it does not come.
    fn give_up(&mut self, why: &str) {
        info!(why, "no passphrase");
        self.close_passphrase();
        self.ui.passphrase.wanted = false;
        self.ui.passphrase.login.clear();
        for held in std::mem::take(&mut self.ui.passphrase.held) {
            self.qubed_refused(held.request, held.error);
        }
        self.next_question();
    }

    fn close_passphrase(&mut self) {
        if self.ui.passphrase.open.take().is_some() {
            self.grab_keyboard();
            let now = self.clock.now();
            self.refresh_pointer(now);
            self.damage_all();
        }
    }

    /// The desktop is locked, or something that the person has just meant is asked first: what was typed is
    /// forgotten, and it is asked for again afterwards.
    pub(crate) fn put_passphrase_back(&mut self) {
        if self.ui.passphrase.is_open() {
            self.close_passphrase();
            self.ui.passphrase.wanted = true;
        }
    }

    /// qubed is gone. A panel that is open stays: what is being typed must not go on into a window.
    pub(crate) fn passphrase_lost(&mut self) {
        let ui = &mut self.ui.passphrase;
        (ui.asking, ui.trying, ui.wanted) = (None, None, false);
        ui.sent.clear();
        ui.held.clear();
        ui.login.clear();
        if let Some(open) = &mut ui.open {
            open.model.lose("transom-qubed is gone: nothing can be unlocked.");
            self.damage_all();
        }
    }

    /// A key while it is open.
    pub(crate) fn passphrase_key(&mut self, sym: u32) {
        let ctrl = self.input.keyboard.held_mods().meets(Mods::CTRL);
        let compose = &mut self.input.compose;
        let Some(Open { model, .. }) = &mut self.ui.passphrase.open else { return };
        match sym {
            keysyms::KEY_Escape => return self.give_up("the person does not want to"),
            keysyms::KEY_Return | keysyms::KEY_KP_Enter => return self.give_passphrase(),
            keysyms::KEY_u | keysyms::KEY_U if ctrl => model.edit(Secret::clear),
            keysyms::KEY_BackSpace => model.edit(Secret::pop),
            _ if ctrl => return,
            _ => match compose.character(sym) {
                Some(character) => model.edit(|typed| typed.push(character)),
                None => return,
            },
        }
        self.damage_all();
    }

    /// What was typed goes to qubed.
    fn give_passphrase(&mut self) {
        let Some(Open { model, .. }) = &mut self.ui.passphrase.open else { return };
        self.input.compose.reset();
        let (body, secret) = match model.confirm() {
            Some(Wanted::Unlock(secret)) => (RequestBody::Unlock, secret),
            Some(Wanted::Set(secret)) => (RequestBody::SetPassphrase, secret),
            None => return self.damage_all(),
        };
        match self.send_passphrase_to_qubed(body, secret.as_bytes()) {
            Ok(request) => self.ui.passphrase.trying = Some(request),
            Err(reason) => {
                if let Some(open) = &mut self.ui.passphrase.open {
                    open.model.refused(&ErrorBody::new(ErrorKind::Other, reason));
                }
            }
        }
        self.damage_all();
    }

    fn passphrase_sentence(&self) -> Vec<Part> {
        let ui = &self.ui.passphrase;
        let text = |words: &str| Part::Text(words.to_owned());
        let Some(Open { model, .. }) = &ui.open else { return Vec::new() };
        if model.chooses() {
            return vec![text(if model.is_first() {
                "Choose a passphrase for the volumes of your qubes. Whoever forgets it loses them."
            } else {
                "The same passphrase once more."
            })];
        }
        let names = ui.waiting();
        let named = names.len().min(NAMED);
        let mut parts = Vec::new();
        for (number, name) in names.iter().take(named).enumerate() {
            if number > 0 {
                let last = number + 1 == names.len();
                parts.push(text(if last { " and " } else { ", " }));
            }
            parts.push(self.known_qube(name));
        }
        parts.push(match names.len() {
            0 => text("Your passphrase unlocks the volumes of your qubes."),
            1 => text(" waits for the passphrase of your volumes."),
            count if count > named => {
                Part::Text(format!(" and {} more wait for the passphrase of your volumes.", count - named))
            }
            _ => text(" wait for the passphrase of your volumes."),
        });
        parts
    }

    /// What it asks and what it says, for the control socket. Never what was typed.
    pub(crate) fn passphrase_text(&self) -> Option<String> {
        let open = self.ui.passphrase.open.as_ref()?;
        let sentence = Notice::Runs(self.passphrase_sentence()).to_string();
        let said = open.model.says().map(|(text, _)| format!(" {text}"));
        Some(sentence + &said.unwrap_or_default())
    }

    fn passphrase_picture(&mut self, view: View) -> Option<&Drawn> {
        let sentence = self.passphrase_sentence();
        let (caps, layout) = (self.input.keyboard.locks().caps, self.layout_in_force());
        let ui = &mut self.ui;
        let open = ui.passphrase.open.as_mut()?;
        let model = &open.model;
        let says = model.says().map(|(text, wrong)| (text.to_owned(), wrong));
        let words = Notice::Runs(sentence.clone()).to_string();
        let look = (words, model.characters(), says, model.busy(), caps, layout, view.scale);
        if open.drawn.as_ref().is_none_or(|drawn| drawn.look != look) {
            let runs: Vec<Run<'_>> = sentence.iter().map(Part::run).collect();
            let ready = !model.busy();
            let yes = match (model.chooses(), model.is_first()) {
                (true, true) => "Next",
                (true, false) => "Set",
                (false, _) => "Unlock",
            };
            let answers = [
                Answer { text: "Not now", enabled: true, focused: !ready, gives_away: false },
                Answer { text: yes, enabled: ready, focused: ready, gives_away: false },
            ];
            let field = SecretField {
                name: "Passphrase",
                typed: model.characters(),
                message: model.says(),
                caps,
                layout: look.5.as_deref(),
            };
            let spec = PromptSpec {
                sentence: &runs,
                choices: &[],
                field: Some(field),
                answers: &answers,
                scale: view.drawn_in(),
            };
            let drawn = ui.painter.prompt(&spec);
            let area = |r: &transom_theming::Rect| Rectangle::new((r.x, r.y).into(), (r.w, r.h).into());
            open.drawn = Some(Drawn {
                answers: drawn.answers.iter().map(area).collect(),
                picture: Picture::new(drawn.image),
                look,
            });
        }
        open.drawn.as_ref()
    }

    pub(super) fn compose_passphrase(&mut self, view: View, items: &mut Vec<Item>) {
        let Some(picture) = self.passphrase_picture(view).map(|drawn| drawn.picture.clone()) else { return };
        let at = view.centred(picture.size());
        items.push(Item::Picture { picture, at, clip: None });
    }

    /// A press of the left button or a finger while it is open.
    pub(super) fn press_on_passphrase(&mut self, view: View, at: Point<f64, Logical>) {
        let Some(drawn) = self.passphrase_picture(view) else { return };
        let at = view.inside(drawn.picture.size(), at);
        match drawn.answers.iter().position(|area| area.to_f64().contains(at)) {
            Some(0) => self.give_up("the person does not want to"),
            Some(_) => self.give_passphrase(),
            None => {}
        }
    }
}
