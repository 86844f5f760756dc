//! `org.kde.StatusNotifierWatcher`, and the host that it watches for: status icons of programs of the qube.
//!
//! Nothing here waits for a program: what it is asked is sent, and its answer is taken when it comes. One that does
//! not answer has no icon.

#![allow(clippy::unused_self, clippy::used_underscore_binding, reason = "methods as the bus calls them")]

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use calloop::channel::SyncSender;
use tracing::debug;
use transom_protocol::{
    limits::{MAX_STATUS_ICONS, MAX_STATUS_TITLE},
    types::{Activation, Status},
};
use zbus::{
    Connection, Message, fdo,
    message::{Flags, Header, Type},
    object_server::SignalEmitter,
    zvariant::OwnedValue,
};

use super::{FromBus, Icon, cut};
use crate::icon;

/// Where the watcher is on the bus.
pub(super) const PATH: &str = "/StatusNotifierWatcher";
/// Its name on the bus.
pub(super) const NAME: &str = "org.kde.StatusNotifierWatcher";
/// The interface of an icon.
const ITEM: &str = "org.kde.StatusNotifierItem";
/// Where an icon is if its program does not say.
const USUAL: &str = "/StatusNotifierItem";
/// What is listened for.
pub(super) const RULES: [&str; 2] = [
    "type='signal',interface='org.kde.StatusNotifierItem'",
    "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'",
];

/// A program's icon.
#[derive(Debug)]
struct Item {
    /// Its program's own name on the bus.
    owner: String,
    path: String,
    /// What it is asked, until the answer comes.
    asked: Option<NonZeroU32>,
    /// It has changed since it was asked.
    changed: bool,
    /// dom0 knows it.
    told: bool,
}

impl Item {
    /// As the watcher names it.
    fn name(&self) -> String {
        format!("{}{}", self.owner, self.path)
    }
}

/// The icons that there are.
#[derive(Debug, Default)]
pub(super) struct Items {
    last: u32,
    items: BTreeMap<u32, Item>,
}

/// Shared by the bus's threads.
pub(super) type Shared = Arc<Mutex<Items>>;

fn items<T>(shared: &Shared, look: impl FnOnce(&mut Items) -> T) -> T {
    look(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Asks for all that is known of an icon.
fn question(owner: &str, path: &str) -> zbus::Result<Message> {
    Message::method_call(path, "GetAll")?
        .destination(owner)?
        .interface("org.freedesktop.DBus.Properties")?
        .build(&(ITEM,))
}

impl Items {
    /// A program has an icon, or it has changed: what to ask it, if it is not being asked.
    fn look(&mut self, id: u32) -> Option<Message> {
        let item = self.items.get_mut(&id)?;
        if item.asked.is_some() {
            item.changed = true;
            return None;
        }
        let message = question(&item.owner, &item.path).ok()?;
        item.asked = Some(message.primary_header().serial_num());
        item.changed = false;
        Some(message)
    }

    /// A program registers an icon. `None`: it did before, or there are too many.
    fn add(&mut self, owner: &str, path: &str) -> Option<u32> {
        let known = self.items.values().any(|item| item.owner == owner && item.path == path);
        if known || self.items.len() >= MAX_STATUS_ICONS {
            return None;
        }
        self.last = self.last.wrapping_add(1).max(1);
        while self.items.contains_key(&self.last) {
            self.last = self.last.wrapping_add(1).max(1);
        }
        let item = Item { owner: owner.into(), path: path.into(), asked: None, changed: false, told: false };
        self.items.insert(self.last, item);
        Some(self.last)
    }

    fn of(&self, owner: &str, path: Option<&str>) -> Vec<u32> {
        let fits = |item: &Item| item.owner == owner && path.is_none_or(|path| item.path == path);
        self.items.iter().filter(|(_, item)| fits(item)).map(|(id, _)| *id).collect()
    }

    fn names(&self) -> Vec<String> {
        self.items.values().map(Item::name).collect()
    }
}

/// What the person did to an icon, as its program is told. Where, is not known here (rule NO-ORACLE).
pub(super) fn click(shared: &Shared, id: u32, activation: Activation) -> Option<Message> {
    let (owner, path) =
        items(shared, |items| items.items.get(&id).map(|item| (item.owner.clone(), item.path.clone())))?;
    let method = match activation {
        Activation::Primary => "Activate",
        Activation::Secondary => "SecondaryActivate",
        Activation::Context => "ContextMenu",
    };
    let message = Message::method_call(path.as_str(), method).ok()?;
    let message = message.destination(owner.as_str()).ok()?.interface(ITEM).ok()?;
    message.with_flags(Flags::NoReplyExpected).ok()?.build(&(0_i32, 0_i32)).ok()
}

/// Takes what comes over the bus. Returns what is to be asked.
pub(super) fn heard(
    shared: &Shared,
    message: &Message,
    events: &SyncSender<FromBus>,
) -> (Option<Message>, Vec<String>) {
    let header = message.header();
    match message.message_type() {
        Type::MethodReturn | Type::Error => (answered(shared, message, &header, events), Vec::new()),
        Type::Signal if header.interface().is_some_and(|name| name == ITEM) => {
            let (Some(sender), Some(path)) = (header.sender(), header.path()) else {
                return (None, Vec::new());
            };
            let question = items(shared, |items| {
                let id = items.of(sender, Some(path)).first().copied()?;
                items.look(id)
            });
            (question, Vec::new())
        }
        Type::Signal if header.member().is_some_and(|name| name == "NameOwnerChanged") => {
            let Ok((name, _, new)) = message.body().deserialize::<(String, String, String)>() else {
                return (None, Vec::new());
            };
            if !new.is_empty() {
                return (None, Vec::new());
            }
            let gone = items(shared, |items| {
                let ids = items.of(&name, None);
                ids.iter().filter_map(|id| Some((*id, items.items.remove(id)?))).collect::<Vec<_>>()
            });
            for (id, item) in &gone {
                if item.told {
                    let _ = events.send(FromBus::IconGone(*id));
                }
            }
            (None, gone.iter().map(|(_, item)| item.name()).collect())
        }
        _ => (None, Vec::new()),
    }
}

/// An answer: what the icon is now. Returns the next question, if it has changed since.
fn answered(
    shared: &Shared,
    message: &Message,
    header: &Header<'_>,
    events: &SyncSender<FromBus>,
) -> Option<Message> {
    let (serial, sender) = (header.reply_serial()?, header.sender()?);
    let id = items(shared, |items| {
        let mut all = items.items.iter_mut();
        let (id, item) = all.find(|(_, item)| item.asked == Some(serial) && item.owner == sender.as_str())?;
        item.asked = None;
        Some(*id)
    })?;
    if message.message_type() == Type::MethodReturn
        && let Ok(properties) = message.body().deserialize::<HashMap<String, OwnedValue>>()
    {
        items(shared, |items| {
            if let Some(item) = items.items.get_mut(&id) {
                item.told = true;
            }
        });
        let _ = events.send(FromBus::Icon(Box::new(described(id, &properties))));
    } else {
        debug!(%sender, "a program does not say what its icon is");
    }
    items(shared, |items| if items.items.get(&id)?.changed { items.look(id) } else { None })
}

fn property<T: TryFrom<OwnedValue>>(properties: &HashMap<String, OwnedValue>, name: &str) -> Option<T> {
    T::try_from(properties.get(name)?.try_clone().ok()?).ok()
}

fn described(id: u32, properties: &HashMap<String, OwnedValue>) -> Icon {
    let text = |name: &str| property::<String>(properties, name).filter(|text| !text.is_empty());
    let status = match text("Status").as_deref() {
        Some("Passive") => Status::Passive,
        Some("NeedsAttention") => Status::NeedsAttention,
        _ => Status::Active,
    };
    let picture = |name: &str| {
        let pixmaps: Option<Vec<(i32, i32, Vec<u8>)>> = property(properties, &format!("{name}Pixmap"));
        let drawn = text(&format!("{name}Name")).and_then(|wanted| {
            // A program may bring its own pictures, in a folder of its own.
            let own = text("IconThemePath").and_then(|dir| {
                ["png", "svg"].iter().find_map(|end| icon::draw(&format!("{dir}/{wanted}.{end}")))
            });
            own.or_else(|| icon::draw(&wanted))
        });
        drawn.or_else(|| icon::from_pixmaps(&pixmaps?))
    };
    let attention = if status == Status::NeedsAttention { picture("AttentionIcon") } else { None };
    Icon {
        id,
        status,
        title: cut(&text("Title").or_else(|| text("Id")).unwrap_or_default(), MAX_STATUS_TITLE),
        picture: attention.or_else(|| picture("Icon")),
    }
}

/// See the module's text.
pub(super) struct Watcher {
    pub(super) items: Shared,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> fdo::Result<()> {
        let Some(sender) = header.sender() else {
            return Err(fdo::Error::Failed("nobody asks".into()));
        };
        // A name on the bus, or the path of an icon. Whose it is, the bus says.
        let path = if service.starts_with('/') { service } else { USUAL };
        let added = items(&self.items, |items| {
            let id = items.add(sender, path)?;
            Some((items.look(id), items.items.get(&id)?.name()))
        });
        let Some((question, name)) = added else { return Ok(()) };
        if let Some(question) = question {
            connection.send(&question).await?;
        }
        Self::status_notifier_item_registered(&emitter, &name).await?;
        Ok(())
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        items(&self.items, |items| items.names())
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(signal)]
    async fn status_notifier_item_registered(emitter: &SignalEmitter<'_>, service: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn status_notifier_item_unregistered(
        emitter: &SignalEmitter<'_>,
        service: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn status_notifier_host_registered(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}
