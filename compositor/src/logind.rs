//! logind, where there is one: the machine's sleep waits until the lock is shown, `loginctl
//! lock-session` locks, and logind is told whether the session is locked.
//!
//! `loginctl unlock-session` does not unlock: it takes no password, and any program of the person's may
//! send it.
//!
//! D-Bus is spoken in threads of their own; the desktop gets events and never waits for a bus.

use std::{
    os::fd::OwnedFd as Inhibitor,
    sync::mpsc::{self, Receiver},
    thread,
};

use smithay::reexports::calloop::channel::{self, Sender};
use tracing::{info, warn};
use zbus::{
    MatchRule,
    blocking::{Connection, MessageIterator, Proxy, connection::Builder},
    message::Type,
    zvariant::{OwnedFd, OwnedObjectPath},
};

use crate::{Desktop, DesktopError, lock::state::Phase};

const SERVICE: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const PATH: &str = "/org/freedesktop/login1";
/// Signals that may wait to be heard.
const QUEUE: usize = 64;

/// Where logind is.
#[derive(Clone, Debug)]
pub enum Bus {
    /// The machine's.
    System,
    /// Another one: an address of D-Bus.
    At(String),
}

/// What logind says.
#[derive(Debug)]
enum Event {
    /// The machine is about to sleep, or has woken.
    Sleep(bool),
    /// The session is to be locked.
    Lock,
    /// The session is to be unlocked.
    Unlock,
    /// While this is open, the machine does not sleep yet.
    Inhibitor(Inhibitor),
    /// There is no logind, or no longer.
    Gone(String),
}

/// The desktop's end.
#[derive(Debug, Default)]
pub(crate) struct Logind {
    /// Open: the machine's sleep waits for the lock.
    inhibitor: Option<Inhibitor>,
    /// The machine is about to sleep.
    sleeps: bool,
    hints: Option<mpsc::Sender<bool>>,
}

impl Desktop {
    /// Listens to logind, from now on.
    ///
    /// # Errors
    /// The event loop takes no more sources.
    pub fn watch_logind(&mut self, bus: Bus) -> Result<(), DesktopError> {
        let (events, heard) = channel::channel();
        let (hints, told) = mpsc::channel();
        self.handle
            .insert_source(heard, |event, (), desktop: &mut Self| {
                if let channel::Event::Msg(event) = event {
                    desktop.logind_says(event);
                }
            })
            .map_err(|error| DesktopError::Loop(error.to_string()))?;
        self.logind.hints = Some(hints);
        if self.lock.phase() == Phase::Locked {
            self.tell_logind(true);
        }
        let thread = thread::Builder::new().name("logind".into()).spawn(move || {
            let problem =
                listen(&bus, &events, told).map_or_else(|e| e.to_string(), |()| "it has ended".into());
            // Without a desktop there is nobody to tell.
            let _ = events.send(Event::Gone(problem));
        });
        if let Err(error) = thread {
            warn!(%error, "logind cannot be listened to");
        }
        Ok(())
    }

    fn logind_says(&mut self, event: Event) {
        match event {
            Event::Inhibitor(fd) => self.logind.inhibitor = Some(fd),
            Event::Sleep(true) => {
                info!("the machine is about to sleep");
                self.logind.sleeps = true;
                self.lock();
                self.let_sleep();
            }
            Event::Sleep(false) => {
                info!("the machine has woken");
                self.logind.sleeps = false;
                self.person_active();
                // What the machine's sleep has left there is unknown.
                self.backend.forget_ramps();
                self.sync_ramps();
            }
            Event::Lock => self.lock(),
            Event::Unlock => info!("logind asks to unlock: only the person does"),
            Event::Gone(problem) => {
                self.logind.inhibitor = None;
                warn!(problem, "no logind: the desktop does not lock before the machine sleeps");
            }
        }
    }

    /// Once every screen shows the lock, the machine may sleep.
    fn let_sleep(&mut self) {
        if self.logind.sleeps && self.lock.phase() == Phase::Locked {
            self.logind.inhibitor = None;
        }
    }

    /// The lock is done, or the desktop is open.
    pub(crate) fn tell_logind(&mut self, locked: bool) {
        self.let_sleep();
        if let Some(hints) = &self.logind.hints {
            // A thread that has ended has said why.
            let _ = hints.send(locked);
        }
    }
}

fn listen(bus: &Bus, events: &Sender<Event>, hints: Receiver<bool>) -> zbus::Result<()> {
    let connection = match bus {
        Bus::System => Connection::system()?,
        Bus::At(address) => Builder::address(address.as_str())?.build()?,
    };
    let rule = MatchRule::builder().msg_type(Type::Signal).sender(SERVICE)?.build();
    let signals = MessageIterator::for_match_rule(rule, &connection, Some(QUEUE))?;
    let manager = Proxy::new(&connection, SERVICE, PATH, MANAGER)?;
    inhibit(&manager, events)?;
    let session = match own_session(&connection, &manager) {
        Ok(session) => Some(session),
        Err(error) => {
            warn!(%error, "this is no session of logind's: it cannot lock it");
            None
        }
    };
    if let Some(session) = session.clone() {
        let connection = connection.clone();
        thread::Builder::new()
            .name("logind-hint".into())
            .spawn(move || hint(&connection, &session, &hints))?;
    }
    info!(session = session.as_ref().map(|path| path.as_str()), "logind is listened to");
    for message in signals {
        let message = message?;
        let header = message.header();
        let (Some(interface), Some(member)) = (header.interface(), header.member()) else { continue };
        let ours = header.path().is_some_and(|path| session.as_ref().is_some_and(|own| **own == *path));
        let event = match (interface.as_str(), member.as_str()) {
            (MANAGER, "PrepareForSleep") => Event::Sleep(message.body().deserialize()?),
            (SESSION, "Lock") if ours => Event::Lock,
            (SESSION, "Unlock") if ours => Event::Unlock,
            _ => continue,
        };
        let woken = matches!(event, Event::Sleep(false));
        if events.send(event).is_err() {
            return Ok(());
        }
        if woken {
            inhibit(&manager, events)?;
        }
    }
    Ok(())
}

/// Asks that the machine's sleep waits; logind bounds how long (`InhibitDelayMaxSec`).
fn inhibit(manager: &Proxy<'_>, events: &Sender<Event>) -> zbus::Result<()> {
    let fd: OwnedFd =
        manager.call("Inhibit", &("sleep", "Transom", "the screens are locked first", "delay"))?;
    // Without a desktop it is closed.
    let _ = events.send(Event::Inhibitor(fd.into()));
    Ok(())
}

/// The session of this process: the one it was started in, else the one on the person's display.
fn own_session(connection: &Connection, manager: &Proxy<'_>) -> zbus::Result<OwnedObjectPath> {
    if let Some(id) = std::env::var("XDG_SESSION_ID").ok().filter(|id| !id.is_empty())
        && let Ok(path) = manager.call("GetSession", &(id,))
    {
        return Ok(path);
    }
    if let Ok(path) = manager.call("GetSessionByPID", &(std::process::id(),)) {
        return Ok(path);
    }
    let user: OwnedObjectPath = manager.call("GetUser", &(rustix::process::getuid().as_raw(),))?;
    let user = Proxy::new(connection, SERVICE, user, "org.freedesktop.login1.User")?;
    let (_, path): (String, OwnedObjectPath) = user.get_property("Display")?;
    Ok(path)
}

/// Tells logind whether the session is locked.
fn hint(connection: &Connection, session: &OwnedObjectPath, hints: &Receiver<bool>) {
    let proxy = Proxy::new(connection, SERVICE, session, SESSION);
    while let Ok(locked) = hints.recv() {
        let told = proxy
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|p| p.call::<_, _, ()>("SetLockedHint", &(locked,)));
        if let Err(error) = told {
            warn!(%error, "logind is not told of the lock");
        }
    }
}
