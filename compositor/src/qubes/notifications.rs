//! What a qube's programs tell the person beside their windows, made safe to show (rule CLEAN-TEXT).

use std::{rc::Rc, time::Duration};

use transom_protocol::{
    message,
    text::clean,
    types::{Status, Urgency},
    wire::With,
};

/// Most characters of a summary, a body and a button.
const CHARS: (usize, usize, usize) = (100, 400, 32);

/// A notification. Its texts are clean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Names it in its link.
    pub name: u32,
    /// How much it matters, says the qube.
    pub urgency: Urgency,
    /// It can be chosen as a whole.
    pub choosable: bool,
    /// Longest time its program wants it shown.
    pub stays: Option<Duration>,
    /// What it is about; never empty.
    pub summary: String,
    /// More of it.
    pub body: String,
    /// What its buttons say; none is empty.
    pub actions: Vec<String>,
    /// [`ICON_BYTES`](transom_protocol::service::ICON_BYTES) bytes: red, green, blue and alpha, not premultiplied.
    pub icon: Option<Rc<[u8]>>,
}

impl Notification {
    pub(super) fn take(notify: &With<'_, message::Notify>) -> Self {
        let parts = notify.parts();
        let mut summary = clean(parts.untrusted_summary.as_bytes(), CHARS.0);
        if summary.is_empty() {
            summary.push_str("Notification");
        }
        let action = |(number, untrusted_text): (usize, &&str)| {
            let text = clean(untrusted_text.as_bytes(), CHARS.2);
            if text.is_empty() { (number + 1).to_string() } else { text }
        };
        let stays = notify.fixed.stays.get();
        Self {
            name: notify.fixed.notification.get(),
            urgency: notify.fixed.urgency,
            choosable: notify.fixed.choosable.get(),
            stays: (stays > 0).then(|| Duration::from_millis(stays.into())),
            summary,
            body: clean(parts.untrusted_body.as_bytes(), CHARS.1),
            actions: parts.untrusted_actions.iter().enumerate().map(action).collect(),
            icon: parts.untrusted_icon.map(Rc::from),
        }
    }
}

/// A status icon. Its title is clean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusIcon {
    /// Names it in its link.
    pub name: u32,
    /// Whether it wants to be seen.
    pub status: Status,
    /// What it is called.
    pub title: String,
    /// As [`Notification::icon`].
    pub icon: Option<Rc<[u8]>>,
}

impl StatusIcon {
    pub(super) fn take(icon: &With<'_, message::StatusIcon>) -> Self {
        let (untrusted_title, untrusted_icon) = icon.untrusted_parts();
        Self {
            name: icon.fixed.icon.get(),
            status: icon.fixed.status,
            title: clean(untrusted_title.as_bytes(), CHARS.0),
            icon: untrusted_icon.map(Rc::from),
        }
    }
}
