//! Cables between qubes: each carries Ethernet frames from one virtual machine to another, and dom0
//! has no address on any.
//!
//! A qube whose file says `network "other"` is a client of that qube: between the two there is one
//! cable, and no cable has a third end. Both ends are made when the first of the two starts, and
//! copies of them stay here while one of them runs: each may end and start again and finds its end of
//! the same cable, while the other notices nothing but silence. What arrives at an end where nobody is
//! gets thrown away here, unread and at a limited rate, as it would be on a cable that lies loose.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    time::Instant,
};

use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, Shutdown, SocketFlags, SocketType, recv, shutdown, socketpair},
};
use transom_protocol::supervisor::QubeName;

use super::{network::address, rate::Bucket};
use crate::machine::Card;

/// Frames at a loose end that are thrown away at once, and per second in the long run. A sender that
/// has more of them waits or loses them by itself.
const LOOSE: (u64, u64) = (4_096, 1_024);
/// Frames thrown away before others have their turn.
const BUDGET: usize = 64;
/// No socket holds more frames, even if its sender goes on meanwhile.
const ALL: usize = 4_096;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Of the qube that names the other.
    Client,
    /// Of the one that is named.
    Provider,
}

/// One end of one cable: client, provider, which.
pub(super) type Plug = (QubeName, QubeName, Side);

#[derive(Debug)]
struct End {
    socket: OwnedFd,
    /// A machine has it.
    plugged: bool,
    /// It can never carry anything again: a machine that was taken over has shut it down.
    dead: bool,
    gate: Bucket,
}

/// All cables.
#[derive(Debug, Default)]
pub(super) struct Cables {
    ends: BTreeMap<(QubeName, QubeName), [End; 2]>,
    /// Whose cable is plugged into which card of a running qube that others' networks go through.
    slots: BTreeMap<QubeName, Vec<Option<QubeName>>>,
}

impl Cables {
    /// The cards of a machine that is about to start: first the one to the qube that it names, then
    /// `slots` for clients: those of today in the order of their names, and some that lead nowhere yet.
    pub(super) fn plug(
        &mut self,
        name: &QubeName,
        network: Option<&QubeName>,
        clients: &[QubeName],
        slots: usize,
        now: Instant,
    ) -> io::Result<Vec<Card>> {
        let mut cards = Vec::new();
        if let Some(provider) = network {
            let cable = Some(self.take(&(name.clone(), provider.clone(), Side::Client), now)?);
            cards.push(Card { cable, address: address::card(name).0 });
        }
        let mut table = Vec::new();
        for slot in 0..slots {
            let client = clients.get(slot).cloned();
            let plug = client.as_ref().map(|client| (client.clone(), name.clone(), Side::Provider));
            let cable = plug.map(|plug| self.take(&plug, now)).transpose()?;
            cards.push(Card { cable, address: address::slot(name, slot).0 });
            table.push(client);
        }
        if !table.is_empty() {
            self.slots.insert(name.clone(), table);
        }
        Ok(cards)
    }

    /// One end for a machine; makes the cable if there is none.
    fn take(&mut self, (client, provider, side): &Plug, now: Instant) -> io::Result<OwnedFd> {
        let key = (client.clone(), provider.clone());
        if !self.ends.contains_key(&key) {
            self.ends.insert(key.clone(), cable(now)?);
        }
        let end = self.ends.get_mut(&key).map(|ends| &mut ends[*side as usize]);
        let end = end.ok_or(io::ErrorKind::NotFound)?;
        // Frames of a time before this machine are none of its business.
        end.discard(ALL);
        let cable = end.socket.try_clone()?;
        end.plugged = true;
        Ok(cable)
    }

    /// The client's end of a cable, for a machine that runs.
    pub(super) fn client_end(
        &mut self,
        client: &QubeName,
        provider: &QubeName,
        now: Instant,
    ) -> io::Result<OwnedFd> {
        self.take(&(client.clone(), provider.clone(), Side::Client), now)
    }

    /// The card of a running qube that a client's cable is plugged into.
    pub(super) fn slot_of(&self, client: &QubeName, provider: &QubeName) -> Option<usize> {
        self.slots.get(provider)?.iter().position(|other| other.as_ref() == Some(client))
    }

    /// The clients whose cables are plugged into cards of a running qube.
    pub(super) fn clients_of(&self, provider: &QubeName) -> impl Iterator<Item = (usize, &QubeName)> {
        let table = self.slots.get(provider).into_iter().flatten().enumerate();
        table.filter_map(|(slot, client)| Some((slot, client.as_ref()?)))
    }

    /// The qubes that a client has cables to.
    pub(super) fn providers_of(&self, client: &QubeName) -> Vec<QubeName> {
        let plugged = self.slots.iter().filter(|(_, table)| table.contains(&Some(client.clone())));
        let plugged = plugged.map(|(provider, _)| provider.clone());
        let cables = self.ends.keys().filter(|(name, _)| name == client);
        let mut providers: Vec<_> = plugged.chain(cables.map(|(_, provider)| provider.clone())).collect();
        providers.sort();
        providers.dedup();
        providers
    }

    /// A card of a running qube where a cable can be plugged in: a free one, or one of a client that is
    /// `stale`.
    pub(super) fn free_slot(&self, provider: &QubeName, stale: impl Fn(&QubeName) -> bool) -> Option<usize> {
        let table = self.slots.get(provider)?;
        let free = table.iter().position(Option::is_none);
        free.or_else(|| table.iter().position(|client| client.as_ref().is_some_and(&stale)))
    }

    /// Gives the provider's end of a client's cable, for a card of a running qube.
    pub(super) fn join(
        &mut self,
        client: &QubeName,
        provider: &QubeName,
        slot: usize,
        now: Instant,
    ) -> io::Result<OwnedFd> {
        let old = self.slots.get(provider).and_then(|table| table.get(slot).cloned());
        if let Some(old) = old.ok_or(io::ErrorKind::NotFound)? {
            self.cut(&old, provider);
        }
        let cable = self.take(&(client.clone(), provider.clone(), Side::Provider), now)?;
        if let Some(place) = self.slots.get_mut(provider).and_then(|table| table.get_mut(slot)) {
            *place = Some(client.clone());
        }
        Ok(cable)
    }

    /// Cuts a cable for good: nothing that is said on it is heard any more, whoever still holds an end.
    /// Gives the provider's card that it was plugged into.
    pub(super) fn cut(&mut self, client: &QubeName, provider: &QubeName) -> Option<usize> {
        for end in self.ends.remove(&(client.clone(), provider.clone())).into_iter().flatten() {
            let _ = shutdown(&end.socket, Shutdown::Both);
        }
        let slot = self.slot_of(client, provider)?;
        self.slots.get_mut(provider)?[slot] = None;
        Some(slot)
    }

    /// A machine is gone. Cables with nobody at either end go, too.
    pub(super) fn unplug(&mut self, name: &QubeName) {
        self.slots.remove(name);
        self.ends.retain(|(client, provider), ends| {
            ends[0].plugged &= client != name;
            ends[1].plugged &= provider != name;
            ends.iter().any(|end| end.plugged)
        });
    }

    /// Loose ends, to be polled for what arrives at them.
    pub(super) fn sources(&self, now: Instant) -> impl Iterator<Item = (Plug, BorrowedFd<'_>)> {
        let open = move |end: &End| end.is_loose() && end.gate.is_open(now);
        self.ends.iter().flat_map(move |((client, provider), ends)| {
            let sides = [Side::Client, Side::Provider].into_iter().zip(ends);
            let loose = sides.filter(move |(_, end)| open(end));
            loose.map(move |(side, end)| ((client.clone(), provider.clone(), side), end.socket.as_fd()))
        })
    }

    /// When to look again.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let ends = self.ends.values().flatten().filter(|end| end.is_loose());
        ends.filter_map(|end| end.gate.opens_at(now)).min()
    }

    /// Something has arrived at a loose end.
    pub(super) fn discard(&mut self, (client, provider, side): &Plug, now: Instant) {
        let ends = self.ends.get_mut(&(client.clone(), provider.clone()));
        let Some(end) = ends.map(|ends| &mut ends[*side as usize]).filter(|end| end.is_loose()) else {
            return;
        };
        let frames = end.discard(BUDGET);
        end.gate.take(frames as u64, now);
    }
}

impl End {
    fn is_loose(&self) -> bool {
        !self.plugged && !self.dead
    }

    /// Throws frames away, at most so many; gives their number.
    fn discard(&mut self, most: usize) -> usize {
        let mut frames = 0;
        while frames < most && !self.dead {
            // Its true length comes back, and nothing of it but one byte.
            match recv(&self.socket, &mut [0_u8][..], RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
                Ok((_, length)) => {
                    // No guest can send an empty frame.
                    self.dead |= length == 0;
                    frames += 1;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.dead = true,
            }
        }
        frames
    }
}

fn cable(now: Instant) -> io::Result<[End; 2]> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (client, provider) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let end = |socket| End { socket, plugged: false, dead: false, gate: Bucket::new(LOOSE.0, LOOSE.1, now) };
    Ok([end(client), end(provider)])
}

#[cfg(test)]
mod tests {
    use rustix::net::{SendFlags, send};

    use super::*;

    fn name(text: &str) -> QubeName {
        QubeName::new(text).unwrap()
    }

    fn say(card: &Card, frame: &[u8]) {
        send(card.cable.as_ref().unwrap(), frame, SendFlags::DONTWAIT).unwrap();
    }

    fn hear(card: &Card) -> Option<Vec<u8>> {
        let mut frame = [0; 100];
        recv(card.cable.as_ref().unwrap(), &mut frame[..], RecvFlags::DONTWAIT)
            .ok()
            .map(|(_, length)| frame[..length].to_vec())
    }

    #[test]
    fn a_qube_without_a_network_has_no_card() {
        let cards = Cables::default().plug(&name("vault"), None, &[], 0, Instant::now()).unwrap();
        assert!(cards.is_empty());
    }

    #[test]
    fn each_end_may_come_and_go() {
        let now = Instant::now();
        let (mut cables, net, work) = (Cables::default(), name("net"), name("work"));
        let mut client = cables.plug(&work, Some(&net), &[], 0, now).unwrap();
        say(&client[0], b"into the void");
        let [provider] =
            cables.plug(&net, None, std::slice::from_ref(&work), 1, now).unwrap().try_into().unwrap();
        assert_eq!(cables.slot_of(&work, &net), Some(0));
        assert_ne!(client[0].address, provider.address);
        assert_eq!(hear(&provider), None, "of a time before it");
        say(&client[0], b"up");
        assert_eq!(hear(&provider).unwrap(), b"up");
        // The client ends; what is sent to it meanwhile is thrown away.
        client.clear();
        cables.unplug(&work);
        for _ in 0..5_000 {
            say(&provider, &[0; 64]);
            let loose: Vec<_> = cables.sources(now).map(|(plug, _)| plug).collect();
            if loose.is_empty() {
                assert!(cables.next_wake(now).is_some(), "it goes on when the rate allows");
                break;
            }
            assert_eq!(loose, [(work.clone(), net.clone(), Side::Client)]);
            cables.discard(&loose[0], now);
        }
        let client = cables.plug(&work, Some(&net), &[], 0, now).unwrap();
        assert_eq!(hear(&client[0]), None);
        say(&provider, b"down");
        assert_eq!(hear(&client[0]).unwrap(), b"down");
        cables.unplug(&work);
        cables.unplug(&net);
        assert!(cables.ends.is_empty() && cables.slots.is_empty());
    }

    #[test]
    fn clients_hear_nothing_of_each_other() {
        let now = Instant::now();
        let (mut cables, net, names) = (Cables::default(), name("net"), [name("one"), name("two")]);
        let provider = cables.plug(&net, None, &names, 2, now).unwrap();
        let [one, two] = names.map(|client| cables.plug(&client, Some(&net), &[], 0, now).unwrap());
        say(&one[0], b"to all");
        assert_eq!(hear(&provider[0]).unwrap(), b"to all");
        assert_eq!((hear(&provider[1]), hear(&two[0])), (None, None));
    }

    #[test]
    fn an_end_that_was_shut_down_is_left_alone() {
        let now = Instant::now();
        let (mut cables, net, work) = (Cables::default(), name("net"), name("work"));
        let client = cables.plug(&work, Some(&net), &[], 0, now).unwrap();
        rustix::net::shutdown(client[0].cable.as_ref().unwrap(), rustix::net::Shutdown::Both).unwrap();
        let plug = (work, net, Side::Provider);
        cables.discard(&plug, now);
        assert_eq!(cables.sources(now).count(), 0);
    }

    #[test]
    fn a_cable_is_plugged_elsewhere_while_both_run() {
        let now = Instant::now();
        let (mut cables, [one, two, work]) = (Cables::default(), ["one", "two", "work"].map(name));
        let card = |cable| Card { cable: Some(cable), address: [0; 6] };
        let first = cables.plug(&one, None, std::slice::from_ref(&work), 2, now).unwrap();
        assert!(first[1].cable.is_none(), "nobody is there");
        cables.plug(&two, None, &[], 1, now).unwrap();
        let client = cables.plug(&work, Some(&one), &[], 0, now).unwrap();
        assert_eq!(cables.cut(&work, &one), Some(0));
        // Both still hold their ends, and nothing goes through them.
        let gone = send(client[0].cable.as_ref().unwrap(), b"x", SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        assert_eq!(gone, Err(Errno::PIPE));
        assert_eq!(hear(&first[0]).unwrap_or_default(), b"");
        let end = card(cables.client_end(&work, &two, now).unwrap());
        let slot = cables.free_slot(&two, |_| false).unwrap();
        let other = card(cables.join(&work, &two, slot, now).unwrap());
        say(&end, b"hello");
        assert_eq!(hear(&other).unwrap(), b"hello");
        assert_eq!(cables.providers_of(&work), std::slice::from_ref(&two));
        assert_eq!(cables.clients_of(&two).collect::<Vec<_>>(), [(0, &work)]);
        // All cards are taken; one of a client that went elsewhere can be had.
        assert_eq!(cables.free_slot(&two, |_| false), None);
        assert_eq!(cables.free_slot(&two, |client| *client == work), Some(0));
        let late = name("late");
        cables.join(&late, &two, 0, now).unwrap();
        assert_eq!((cables.slot_of(&late, &two), cables.slot_of(&work, &two)), (Some(0), None));
    }
}
