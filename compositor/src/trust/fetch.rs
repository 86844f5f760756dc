//! What a qube hands out, fetched one MIME type after the other and never more than a limit.

use std::sync::Arc;

use super::QubeId;

/// Most MIME types that are fetched. Programs often offer the same thing in a dozen forms.
const MOST_TYPES: usize = 4;

/// What is fetched first where it is offered; then the rest, in the order of the offer.
const PREFERRED: [&str; 6] =
    ["text/plain;charset=utf-8", "text/plain", "UTF8_STRING", "text/html", "image/png", "text/uri-list"];

/// Names of X11 that are no content, and older names for plain text.
const NO_CONTENT: [&str; 9] = [
    "TARGETS",
    "MULTIPLE",
    "TIMESTAMP",
    "SAVE_TARGETS",
    "DELETE",
    "INSERT_SELECTION",
    "INSERT_PROPERTY",
    "STRING",
    "COMPOUND_TEXT",
];

/// MIME types and their bytes.
pub(crate) type Fetched = Vec<(String, Arc<[u8]>)>;

/// What a piece of an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// More of this type is to come.
    More,
    /// This type is over, had or not.
    Over,
    /// It is more than the limit.
    TooLarge,
}

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    pub(super) qube: QubeId,
    pub(super) serial: u32,
    pub(super) mime: String,
    data: Vec<u8>,
    /// Still to be fetched, last one first.
    rest: Vec<String>,
    done: Fetched,
}

impl Fetch {
    /// Begins with the first of these types; `None` if there is none.
    pub(super) fn new(qube: QubeId, serial: u32, mut types: Vec<String>) -> Option<Self> {
        types.reverse();
        let mime = types.pop()?;
        Some(Self { qube, serial, mime, data: Vec::new(), rest: types, done: Vec::new() })
    }

    /// This is an answer to what is asked now.
    pub(super) fn is(&self, qube: QubeId, serial: u32) -> bool {
        self.qube == qube && self.serial == serial
    }

    /// Takes a piece of the answer. With it all types together have at most so many bytes.
    pub(super) fn take(&mut self, bytes: &[u8], end: bool, failed: bool, most: usize) -> Piece {
        if failed {
            return Piece::Over;
        }
        if self.bytes() + bytes.len() > most {
            return Piece::TooLarge;
        }
        self.data.extend_from_slice(bytes);
        if !end {
            return Piece::More;
        }
        self.done.push((self.mime.clone(), std::mem::take(&mut self.data).into()));
        Piece::Over
    }

    /// Goes on to the next type, under this serial; `false`: that was the last.
    pub(super) fn next(&mut self, serial: u32) -> bool {
        self.data = Vec::new();
        let Some(mime) = self.rest.pop() else { return false };
        (self.serial, self.mime) = (serial, mime);
        true
    }

    /// Bytes that are here.
    pub(super) fn bytes(&self) -> usize {
        self.data.len() + self.done.iter().map(|(_, data)| data.len()).sum::<usize>()
    }

    /// What was had.
    pub(super) fn done(self) -> Fetched {
        self.done
    }
}

/// MIME types worth fetching, best first.
pub(super) fn choose(offered: &[String]) -> Vec<String> {
    let preferred = PREFERRED.iter().filter(|p| offered.iter().any(|o| o == *p)).map(|p| (*p).to_owned());
    let others = offered
        .iter()
        .filter(|o| !PREFERRED.contains(&o.as_str()) && !NO_CONTENT.contains(&o.as_str()))
        .filter(|o| o.contains('/'))
        .cloned();
    let mut chosen: Vec<String> = Vec::new();
    for mime in preferred.chain(others) {
        let plain = |m: &str| m.starts_with("text/plain") || m == "UTF8_STRING";
        if !chosen.contains(&mime) && (!plain(&mime) || !chosen.iter().any(|c| plain(c))) {
            chosen.push(mime);
        }
    }
    chosen.truncate(MOST_TYPES);
    chosen
}

/// What something of this type is, in dom0's words; nothing of it is the qube's.
pub(super) fn kind(mime: &str) -> &'static str {
    match mime.split('/').next() {
        Some("text" | "UTF8_STRING") => "text",
        Some("image") => "a picture",
        _ => "data",
    }
}
