//! The clipboard's effects, carried out: requests to qubes, prompts, notices, pastes.

use std::time::Duration;

use transom_protocol::{
    limits::MAX_CHUNK,
    message::{PasteData, SelectionName, SelectionOffer, ToQube},
    supervisor::DOM0,
    types::{Selection, join_strings},
    wire::With,
};
use transom_theming::Label;

use super::{
    notices::{Notice, Part},
    prompt::{Asks, Prompt},
};
use crate::{
    Desktop,
    qubes::Link,
    trust::{
        QubeId,
        clipboard::{Effect, NoticeKind},
        policy::SCREEN,
    },
};

impl Desktop {
    /// The person copies out of the focused qube.
    pub(crate) fn copy_out(&mut self, now: Duration) {
        let Some(link) = self.trust.focus.keys_to().and_then(|key| self.qubes.get(key.qube)) else { return };
        let (id, name) = (link.id, link.qube.name.clone());
        let offered = self.trust.offers.get(&id).cloned().unwrap_or_default();
        let effects = self.trust.clipboard.copy_chord(id, &name, &offered, now);
        self.clipboard_effects(effects);
    }

    /// The person pastes into the focused qube.
    pub(crate) fn paste_in(&mut self, now: Duration) {
        let Some(link) = self.trust.focus.keys_to().and_then(|key| self.qubes.get(key.qube)) else { return };
        let (id, name) = (link.id, link.qube.name.clone());
        let effects = self.trust.clipboard.paste_chord(id, &name, now);
        self.clipboard_effects(effects);
    }

    /// Does what the clipboard's rules came to.
    pub(crate) fn clipboard_effects(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Request { qube, serial, mime } => {
                    if let Some(link) = self.qubes.get_mut(qube) {
                        let fixed = SelectionName { selection: Selection::Clipboard };
                        let name = With { fixed: &fixed, tail: mime.as_bytes() };
                        link.send(0, serial, &ToQube::SelectionRequest(name));
                    }
                }
                Effect::Cancel { qube, serial } => {
                    self.cancel_request(qube, serial);
                }
                Effect::Ask { prompt, from, to, summary } => {
                    let now = self.clock.now();
                    let sentence = vec![
                        Part::Text("Paste ".into()),
                        Part::Text(summary),
                        Part::Text("from".into()),
                        self.named(&from),
                        Part::Text("into".into()),
                        self.named(&to),
                        Part::Text("?".into()),
                    ];
                    self.open_prompt(Prompt::new(Asks::Paste(prompt), sentence, now));
                }
                Effect::CloseAsk { prompt } => self.close_prompt(Asks::Paste(prompt)),
                Effect::Paste { qube, types } => self.paste(qube, &types),
                Effect::Notice(kind) => {
                    let notice = self.clipboard_notice(&kind);
                    self.notify(notice);
                }
            }
        }
        self.damage_all();
    }

    /// A qube by name, in its colour if dom0 knows it; dom0 itself in none.
    pub(super) fn named(&self, name: &str) -> Part {
        match name {
            DOM0 => return Part::Text(name.to_owned()),
            SCREEN => return Part::Text("the screen".to_owned()),
            _ => {}
        }
        let label = self.qubes.by_name(name).and_then(Link::label).unwrap_or(Label::Grey);
        Part::Qube((name.to_owned(), label))
    }

    fn clipboard_notice(&self, kind: &NoticeKind) -> Notice {
        let text = |t: &str| Part::Text(t.to_owned());
        Notice::Runs(match kind {
            NoticeKind::CopiedOut { from, bytes, .. } => {
                vec![text("Copied"), text(&size(*bytes)), text("out of"), self.named(from)]
            }
            NoticeKind::Pasted { from, to, bytes } => {
                vec![self.named(from), text("→"), self.named(to), text(&format!(": {} pasted", size(*bytes)))]
            }
            NoticeKind::Denied { from, to } => vec![
                text("A rule does not allow pasting from"),
                self.named(from),
                text("into"),
                self.named(to),
                text(": refused"),
            ],
            NoticeKind::Refused { from, reason } => {
                vec![text("Nothing was copied out of"), self.named(from), text(&format!(": {reason}"))]
            }
            NoticeKind::NothingHeld { to } => {
                vec![
                    text("There is nothing to paste into"),
                    self.named(to),
                    text("yet: copy it out of a qube first"),
                ]
            }
            NoticeKind::Wiped { from } => {
                vec![text("What was copied out of"), self.named(from), text("is wiped")]
            }
        })
    }

    fn paste(&mut self, qube: QubeId, types: &[(String, std::sync::Arc<[u8]>)]) {
        let Some(link) = self.qubes.get_mut(qube) else { return };
        let serial = link.serial();
        link.send_paste(Selection::Clipboard, serial, types);
    }

    /// What a qube still hands out is of no interest.
    pub(super) fn cancel_request(&mut self, qube: QubeId, serial: u32) {
        if let Some(link) = self.qubes.get_mut(qube)
            && link.session().selection(serial).is_some()
        {
            link.send(0, serial, &ToQube::SelectionCancel(()));
        }
    }
}

impl Link {
    /// Gives MIME types and their bytes to the qube.
    pub(super) fn send_paste(
        &mut self,
        selection: Selection,
        serial: u32,
        types: &[(String, std::sync::Arc<[u8]>)],
    ) {
        let names = join_strings(types.iter().map(|(mime, _)| mime.as_str()));
        let fixed = SelectionOffer { selection };
        self.send(0, serial, &ToQube::Paste(With { fixed: &fixed, tail: &names }));
        for (index, (_, data)) in types.iter().enumerate() {
            let mut chunks = data.chunks(MAX_CHUNK).peekable();
            if chunks.peek().is_none() {
                let fixed = PasteData { index: (index as u16).into(), end: true.into() };
                self.send(0, serial, &ToQube::PasteData(With { fixed: &fixed, tail: &[] }));
            }
            while let Some(chunk) = chunks.next() {
                let fixed = PasteData { index: (index as u16).into(), end: chunks.peek().is_none().into() };
                self.send(0, serial, &ToQube::PasteData(With { fixed: &fixed, tail: chunk }));
            }
        }
    }
}

/// A number of bytes for people.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        1 => "1 byte".into(),
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
