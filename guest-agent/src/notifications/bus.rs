//! The session bus, spoken in threads of their own: the agent gets events and never waits for a bus.

use std::{
    sync::mpsc::{Receiver, Sender},
    thread,
    time::Duration,
};

use calloop::channel::SyncSender;
use tracing::{info, warn};
use zbus::{
    blocking::{Connection, MessageIterator, connection::Builder, fdo::DBusProxy},
    fdo::RequestNameFlags,
    object_server::SignalEmitter,
};

use super::{
    FromBus, ToBus,
    server::{self, Reason, Server, book},
    tray::{self, Watcher},
};

/// The bus may come up later than the agent: so often it is looked for, and so long between.
const TRIES: u32 = 600;
/// See [`TRIES`].
const BETWEEN: Duration = Duration::from_millis(50);

/// Serves the bus until it or the agent ends.
pub(super) fn serve(
    address: &str,
    events: &SyncSender<FromBus>,
    orders: &Receiver<ToBus>,
    own: Sender<ToBus>,
) -> zbus::Result<()> {
    let (open, items) = (server::Shared::default(), tray::Shared::default());
    let connection = connect(address, || {
        let notifications = Server { book: open.clone(), events: events.clone() };
        Builder::address(address)?
            .serve_at(server::PATH, notifications)?
            .serve_at(tray::PATH, Watcher { items: items.clone() })
    })?;
    // All that comes, from here on: icons that register at once are not missed.
    let messages = MessageIterator::from(connection.clone());
    let bus = DBusProxy::new(&connection)?;
    for rule in tray::RULES {
        bus.add_match_rule(rule.try_into()?)?;
    }
    let thread = {
        let (connection, items, events) = (connection.clone(), items.clone(), events.clone());
        thread::Builder::new().name("status-icons".into()).spawn(move || {
            listen(&connection, messages, &items, &events);
            // Without orders the other thread ends, too.
            let _ = own.send(ToBus::End);
        })
    };
    thread.map_err(|error| zbus::Error::Failure(error.to_string()))?;
    for name in [server::NAME, tray::NAME] {
        let flags = RequestNameFlags::DoNotQueue.into();
        if let Err(error) = connection.request_name_with_flags(name, flags) {
            warn!(name, %error, "another program of this qube serves it");
        }
    }
    info!("serving notifications and status icons");
    let emitter = SignalEmitter::new(connection.inner(), server::PATH)?;
    let closed = |name, reason: Reason| {
        let told = Server::notification_closed(&emitter, name, reason as u32);
        zbus::block_on(told)
    };
    while let Ok(order) = orders.recv() {
        match order {
            ToBus::Dismissed(name) if book(&open, |book| book.close(name)) => {
                closed(name, Reason::Dismissed)?;
            }
            ToBus::Dismissed(_) => {}
            ToBus::Chosen(name, action) => {
                let Some((key, stays)) = book(&open, |book| book.chosen(name, action)) else { continue };
                zbus::block_on(Server::action_invoked(&emitter, name, &key))?;
                if !stays && book(&open, |book| book.close(name)) {
                    closed(name, Reason::Dismissed)?;
                    let _ = events.send(FromBus::Close(name));
                }
            }
            ToBus::Refused(name) => {
                if book(&open, |book| book.close(name)) {
                    closed(name, Reason::Undefined)?;
                }
            }
            ToBus::AllGone => {
                for name in book(&open, server::Book::close_all) {
                    closed(name, Reason::Undefined)?;
                }
            }
            ToBus::Click(icon, activation) => {
                if let Some(message) = tray::click(&items, icon, activation) {
                    connection.send(&message)?;
                }
            }
            ToBus::End => return Ok(()),
        }
    }
    Ok(())
}

fn connect<'a>(address: &str, builder: impl Fn() -> zbus::Result<Builder<'a>>) -> zbus::Result<Connection> {
    let mut left = TRIES;
    loop {
        match builder()?.build() {
            Ok(connection) => return Ok(connection),
            Err(error) if left == 0 => return Err(error),
            Err(error) => {
                tracing::debug!(address, %error, "the bus is not there yet");
                left -= 1;
                thread::sleep(BETWEEN);
            }
        }
    }
}

/// Icons of programs, and programs that go.
fn listen(
    connection: &Connection,
    messages: MessageIterator,
    items: &tray::Shared,
    events: &SyncSender<FromBus>,
) {
    let emitter = SignalEmitter::new(connection.inner(), tray::PATH);
    for message in messages {
        let Ok(message) = message else { break };
        let (question, gone) = tray::heard(items, &message, events);
        if let Some(question) = question
            && let Err(error) = connection.send(&question)
        {
            warn!(%error, "the session bus is gone");
            break;
        }
        for name in gone {
            if let Ok(emitter) = &emitter {
                let told = Watcher::status_notifier_item_unregistered(emitter, &name);
                let _ = zbus::block_on(told);
            }
        }
    }
}
