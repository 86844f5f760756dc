//! `org.freedesktop.Notifications`, the Desktop Notifications Specification 1.2: what programs of the qube tell
//! the person.

#![allow(clippy::unused_self, clippy::used_underscore_binding, reason = "methods as the bus calls them")]

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use calloop::channel::SyncSender;
use transom_protocol::{
    limits::{MAX_ACTION, MAX_ACTIONS, MAX_BODY, MAX_NOTIFICATIONS, MAX_SUMMARY},
    types::Urgency,
};
use zbus::{fdo, object_server::SignalEmitter, zvariant::OwnedValue};

use super::{FromBus, Notification, cut, markup};
use crate::icon;

/// Where it is on the bus.
pub(super) const PATH: &str = "/org/freedesktop/Notifications";
/// Its name on the bus.
pub(super) const NAME: &str = "org.freedesktop.Notifications";

/// Why a notification is no more, as the specification numbers it.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Reason {
    /// The person put it away.
    Dismissed = 2,
    /// Its program took it back.
    Closed = 3,
    /// Something else.
    Undefined = 4,
}

/// An open notification, as its program knows it.
#[derive(Debug, Default)]
struct Open {
    /// Keys of its buttons.
    keys: Vec<String>,
    /// It stays when something on it was chosen.
    resident: bool,
}

/// The notifications that are open.
#[derive(Debug, Default)]
pub(super) struct Book {
    last: u32,
    open: BTreeMap<u32, Open>,
    /// In the order in which they came.
    order: VecDeque<u32>,
}

impl Book {
    /// Puts one down: in the place of another, if that is open. Returns its name and, if there are too many, that
    /// of the oldest, which is no more.
    fn add(&mut self, replaces: u32, open: Open) -> (u32, Option<u32>) {
        let name = if self.open.contains_key(&replaces) {
            self.order.retain(|name| *name != replaces);
            replaces
        } else {
            // Round the end, past those that are still open.
            loop {
                self.last = self.last.wrapping_add(1).max(1);
                if !self.open.contains_key(&self.last) {
                    break self.last;
                }
            }
        };
        let oldest = if self.open.len() >= MAX_NOTIFICATIONS && !self.open.contains_key(&name) {
            self.order.pop_front().inspect(|oldest| drop(self.open.remove(oldest)))
        } else {
            None
        };
        self.open.insert(name, open);
        self.order.push_back(name);
        (name, oldest)
    }

    /// Takes one away. False: it is not open.
    pub(super) fn close(&mut self, name: u32) -> bool {
        self.order.retain(|open| *open != name);
        self.open.remove(&name).is_some()
    }

    /// Takes all away.
    pub(super) fn close_all(&mut self) -> Vec<u32> {
        self.open.clear();
        self.order.drain(..).collect()
    }

    /// The key of what was chosen, and whether the notification stays: 0 is the whole of it.
    pub(super) fn chosen(&self, name: u32, action: u8) -> Option<(String, bool)> {
        let open = self.open.get(&name)?;
        let key = match usize::from(action).checked_sub(1) {
            None => "default",
            Some(button) => open.keys.get(button)?,
        };
        Some((key.to_owned(), open.resident))
    }
}

/// Shared by the bus's threads.
pub(super) type Shared = Arc<Mutex<Book>>;

/// The book, for a moment.
pub(super) fn book<T>(shared: &Shared, look: impl FnOnce(&mut Book) -> T) -> T {
    look(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// See the module's text.
pub(super) struct Server {
    pub(super) book: Shared,
    pub(super) events: SyncSender<FromBus>,
}

type Hints = HashMap<String, OwnedValue>;

/// `image-data`: width, height, bytes a row, has alpha, bits a sample, channels, pixels.
type ImageData = (i32, i32, i32, bool, i32, i32, Vec<u8>);

fn hint<T: TryFrom<OwnedValue>>(hints: &Hints, names: &[&str]) -> Option<T> {
    let value = names.iter().find_map(|name| hints.get(*name))?;
    T::try_from(value.try_clone().ok()?).ok()
}

fn pixels(hints: &Hints, names: &[&str]) -> Option<Box<[u8]>> {
    let (width, height, stride, alpha, bits, channels, pixels): ImageData = hint(hints, names)?;
    let known = bits == 8 && channels == if alpha { 4 } else { 3 };
    if known { icon::from_rows((width, height), stride, alpha, &pixels) } else { None }
}

fn named(name: &str) -> Option<Box<[u8]>> {
    let name = name.strip_prefix("file://").unwrap_or(name);
    if name.is_empty() { None } else { icon::draw(name) }
}

/// The picture, in the order that the specification gives.
fn picture(hints: &Hints, app_icon: &str) -> Option<Box<[u8]>> {
    pixels(hints, &["image-data", "image_data"])
        .or_else(|| named(&hint::<String>(hints, &["image-path", "image_path"])?))
        .or_else(|| named(app_icon))
        .or_else(|| pixels(hints, &["icon_data"]))
        .or_else(|| named(&hint::<String>(hints, &["desktop-entry"])?))
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[allow(clippy::too_many_arguments, reason = "the specification's")]
    async fn notify(
        &self,
        _app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: Vec<String>,
        hints: Hints,
        expire_timeout: i32,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> u32 {
        let pairs = || actions.chunks_exact(2).filter(|pair| !pair[0].is_empty());
        let buttons = || pairs().filter(|pair| pair[0] != "default").take(MAX_ACTIONS);
        let open = Open {
            keys: buttons().map(|pair| pair[0].clone()).collect(),
            resident: hint::<bool>(&hints, &["resident"]).unwrap_or(false),
        };
        let (name, oldest) = book(&self.book, |book| book.add(replaces_id, open));
        if let Some(oldest) = oldest {
            let _ = self.events.send(FromBus::Close(oldest));
            let _ = Self::notification_closed(&emitter, oldest, Reason::Undefined as u32).await;
        }
        let notification = Notification {
            name,
            urgency: match hint::<u8>(&hints, &["urgency"]) {
                Some(0) => Urgency::Low,
                Some(2) => Urgency::Critical,
                _ => Urgency::Normal,
            },
            choosable: pairs().any(|pair| pair[0] == "default"),
            stays: u32::try_from(expire_timeout).unwrap_or(0),
            summary: cut(summary, MAX_SUMMARY),
            body: markup::plain(body, MAX_BODY),
            actions: buttons().map(|pair| cut(&pair[1], MAX_ACTION)).collect(),
            icon: picture(&hints, app_icon),
        };
        // Without an agent nobody is left to be told.
        let _ = self.events.send(FromBus::Notify(Box::new(notification)));
        name
    }

    async fn close_notification(
        &self,
        id: u32,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> fdo::Result<()> {
        if !book(&self.book, |book| book.close(id)) {
            return Err(fdo::Error::Failed(String::new()));
        }
        let _ = self.events.send(FromBus::Close(id));
        Self::notification_closed(&emitter, id, Reason::Closed as u32).await?;
        Ok(())
    }

    fn get_capabilities(&self) -> Vec<&'static str> {
        vec!["actions", "body", "body-markup", "icon-static"]
    }

    fn get_server_information(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        ("Transom", "Transom", env!("CARGO_PKG_VERSION"), "1.2")
    }

    #[zbus(signal)]
    pub(super) async fn notification_closed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        reason: u32,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn action_invoked(
        emitter: &SignalEmitter<'_>,
        id: u32,
        action_key: &str,
    ) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_is_bounded_and_names_are_new() {
        let mut book = Book::default();
        for name in 1..=MAX_NOTIFICATIONS as u32 {
            assert_eq!(book.add(0, Open::default()), (name, None));
        }
        // In the place of an open one nothing is too many; of one that is not, it is a new one.
        assert_eq!(book.add(1, Open::default()), (1, None));
        let next = MAX_NOTIFICATIONS as u32 + 1;
        assert_eq!(book.add(9_999, Open::default()), (next, Some(2)));
        assert!(!book.close(2) && book.close(3) && !book.close(3));
        book.last = u32::MAX;
        assert_eq!(book.add(0, Open::default()).0, 2, "round the end, past 1, which is open");
        assert_eq!(book.close_all().len(), MAX_NOTIFICATIONS);
    }

    #[test]
    fn what_was_chosen_has_its_key() {
        let mut book = Book::default();
        let open = Open { keys: vec!["reply".into(), "mute".into()], resident: true };
        book.add(0, open);
        assert_eq!(book.chosen(1, 0), Some(("default".into(), true)));
        assert_eq!(book.chosen(1, 2), Some(("mute".into(), true)));
        assert_eq!((book.chosen(1, 3), book.chosen(2, 0)), (None, None));
    }
}
