//! What programs of the qube tell the person beside their windows: notifications, and icons that say how they are.
//!
//! The agent is the session bus's server for both. What they bring becomes plain text and pixels of one size here;
//! dom0 draws them, behind the qube's name. A qube without a session bus has neither, and nothing else is
//! different.

mod bus;
mod markup;
mod server;
mod tray;

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

use calloop::channel;
use tracing::{info, warn};
use transom_protocol::{
    message::{self, NotificationName, Notify, StatusIcon, StatusIconName, ToDom0},
    types::{Activation, Status, Urgency, join_strings},
    wire::With,
};

use crate::{Agent, AgentError, text::cut};

/// What the bus says may wait so long; then programs wait.
const QUEUE: usize = 32;
/// Notifications that are kept until dom0 is there.
const WAITING: usize = 8;

/// A notification, as dom0 takes it.
#[derive(Clone, Debug)]
struct Notification {
    name: u32,
    urgency: Urgency,
    choosable: bool,
    stays: u32,
    summary: String,
    body: String,
    actions: Vec<String>,
    icon: Option<Box<[u8]>>,
}

/// A status icon, as dom0 takes it.
#[derive(Clone, Debug)]
struct Icon {
    id: u32,
    status: Status,
    title: String,
    picture: Option<Box<[u8]>>,
}

/// What the bus says to the agent.
#[derive(Debug)]
enum FromBus {
    Notify(Box<Notification>),
    Close(u32),
    Icon(Box<Icon>),
    IconGone(u32),
    Ended,
}

/// What the agent says to the bus.
#[derive(Debug)]
enum ToBus {
    /// The person has put a notification away.
    Dismissed(u32),
    /// The person has chosen something on a notification.
    Chosen(u32, u8),
    /// dom0 cannot be told of a notification.
    Refused(u32),
    /// dom0 has gone, and every notification with it.
    AllGone,
    /// The person has clicked an icon.
    Click(u32, Activation),
    /// The bus has ended.
    End,
}

/// What dom0 is told, and the way to the bus.
#[derive(Debug, Default)]
pub(crate) struct Notifications {
    orders: Option<mpsc::Sender<ToBus>>,
    /// The qube's own bus, if the agent started it.
    daemon: Option<Daemon>,
    /// dom0 takes them.
    wanted: bool,
    waiting: VecDeque<Notification>,
    icons: BTreeMap<u32, Icon>,
}

/// A bus that ends with the agent.
#[derive(Debug)]
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Notifications {
    fn tell(&self, order: ToBus) {
        if let Some(orders) = &self.orders {
            // A bus that has ended has said so.
            let _ = orders.send(order);
        }
    }
}

impl Agent {
    /// Starts a session bus of the qube's own, for programs with this environment. Returns its address; `None` if
    /// there is no program for it.
    pub fn start_bus(&mut self, environment: &[(&'static str, OsString)]) -> Option<String> {
        let dir = environment.iter().find(|(name, _)| *name == "XDG_RUNTIME_DIR").map(|(_, dir)| dir)?;
        let address = format!("unix:path={}", Path::new(dir).join("bus").to_str()?);
        let spawned = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--address", &address])
            // What it starts is a program like any other.
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            .stdin(Stdio::null())
            .spawn();
        match spawned {
            Ok(child) => {
                self.notifications.daemon = Some(Daemon(child));
                Some(address)
            }
            Err(error) => {
                info!(%error, "no session bus: no notifications and status icons");
                None
            }
        }
    }

    /// Takes notifications and status icons of the programs on this session bus, which may come up later.
    ///
    /// # Errors
    /// The event loop takes no more sources.
    pub fn serve_bus(&mut self, address: &str) -> Result<(), AgentError> {
        let (events, heard) = channel::sync_channel(QUEUE);
        let (orders, taken) = mpsc::channel();
        self.handle
            .insert_source(heard, |event, (), agent: &mut Self| {
                if let channel::Event::Msg(event) = event {
                    agent.bus_says(event);
                }
            })
            .map_err(|error| AgentError::Loop(error.to_string()))?;
        self.notifications.orders = Some(orders.clone());
        let address = address.to_owned();
        let thread = thread::Builder::new().name("session-bus".into()).spawn(move || {
            if let Err(error) = bus::serve(&address, &events, &taken, orders) {
                warn!(%error, "the session bus cannot be served");
            }
            // Without an agent nobody is left to be told.
            let _ = events.send(FromBus::Ended);
        });
        if let Err(error) = thread {
            warn!(%error, "the session bus cannot be served");
        }
        Ok(())
    }

    fn bus_says(&mut self, event: FromBus) {
        match event {
            FromBus::Notify(notification) => {
                if self.dom0.open().is_none() {
                    self.notifications.waiting.push_back(*notification);
                    if self.notifications.waiting.len() > WAITING
                        && let Some(oldest) = self.notifications.waiting.pop_front()
                    {
                        self.notifications.tell(ToBus::Refused(oldest.name));
                    }
                } else if !self.send_notification(&notification) {
                    self.notifications.tell(ToBus::Refused(notification.name));
                }
            }
            FromBus::Close(name) => {
                self.notifications.waiting.retain(|notification| notification.name != name);
                self.send_close(name);
            }
            FromBus::Icon(icon) => {
                self.send_icon(&icon);
                self.notifications.icons.insert(icon.id, *icon);
            }
            FromBus::IconGone(id) => {
                self.notifications.icons.remove(&id);
                self.send_icon_gone(id);
            }
            FromBus::Ended => {
                info!("no session bus any more");
                for id in std::mem::take(&mut self.notifications.icons).into_keys() {
                    self.send_icon_gone(id);
                }
                let names = |link: &mut crate::dom0::Link| link.session().notifications().names().collect();
                let open: Vec<u32> = self.dom0.open().map(names).unwrap_or_default();
                for name in open {
                    self.send_close(name);
                }
            }
        }
    }

    /// False: dom0 is not told, as it takes none, or is slow.
    fn send_notification(&mut self, notification: &Notification) -> bool {
        if !self.notifications.wanted {
            return false;
        }
        let Some(link) = self.dom0.open().filter(|link| !link.is_busy()) else { return false };
        let texts = [&notification.summary, &notification.body].into_iter().chain(&notification.actions);
        let mut tail = join_strings(texts.map(String::as_str));
        let fixed = Notify {
            notification: notification.name.into(),
            urgency: notification.urgency,
            choosable: notification.choosable.into(),
            stays: notification.stays.into(),
            text: u16::try_from(tail.len()).unwrap_or(u16::MAX).into(),
        };
        tail.extend(notification.icon.iter().flatten());
        link.send(0, 0, &ToDom0::Notify(With { fixed: &fixed, tail: &tail }))
    }

    fn send_close(&mut self, name: u32) {
        let Some(link) = self.dom0.open() else { return };
        if link.session().notifications().choices(name).is_some() {
            link.send(0, 0, &ToDom0::NotifyClose(&NotificationName { notification: name.into() }));
        }
    }

    fn send_icon(&mut self, icon: &Icon) {
        if !self.notifications.wanted {
            return;
        }
        let Some(link) = self.dom0.open().filter(|link| !link.is_busy()) else { return };
        let mut tail = icon.title.clone().into_bytes();
        let fixed = StatusIcon {
            icon: icon.id.into(),
            status: icon.status,
            title: u16::try_from(tail.len()).unwrap_or(u16::MAX).into(),
        };
        tail.extend(icon.picture.iter().flatten());
        link.send(0, 0, &ToDom0::StatusIcon(With { fixed: &fixed, tail: &tail }));
    }

    fn send_icon_gone(&mut self, id: u32) {
        let Some(link) = self.dom0.open() else { return };
        if link.session().notifications().icons().any(|icon| icon == id) {
            link.send(0, 0, &ToDom0::StatusIconGone(&StatusIconName { icon: id.into() }));
        }
    }

    /// dom0 says whether it takes them.
    pub(crate) fn notifications_wanted(&mut self, wanted: bool) {
        self.notifications.wanted = wanted;
    }

    /// dom0 is there: what waited goes out, and every icon.
    pub(crate) fn tell_notifications(&mut self) {
        for notification in std::mem::take(&mut self.notifications.waiting) {
            if !self.send_notification(&notification) {
                self.notifications.tell(ToBus::Refused(notification.name));
            }
        }
        for icon in self.notifications.icons.values().cloned().collect::<Vec<_>>() {
            self.send_icon(&icon);
        }
    }

    /// dom0 has gone: a new one is not told of what the person may have read long ago.
    pub(crate) fn notifications_gone(&mut self) {
        self.notifications.tell(ToBus::AllGone);
    }

    /// The person has put a notification away.
    pub(crate) fn notification_dismissed(&mut self, name: u32) {
        self.notifications.tell(ToBus::Dismissed(name));
        self.send_close(name);
    }

    /// The person has chosen something on a notification.
    pub(crate) fn notification_chosen(&mut self, name: u32, action: u8) {
        self.notifications.tell(ToBus::Chosen(name, action));
    }

    /// The person has clicked an icon.
    pub(crate) fn icon_clicked(&mut self, id: u32, activation: Activation) {
        self.notifications.tell(ToBus::Click(id, activation));
    }
}

// The texts of a notification fit into its message.
const _: () = assert!(message::MAX_NOTIFY_TEXT <= u16::MAX as usize);
