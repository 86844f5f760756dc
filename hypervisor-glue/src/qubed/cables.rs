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
    net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair},
};
use transom_protocol::supervisor::QubeName;

use super::rate::Bucket;
use crate::{machine::Card, user::number_of};

/// Most clients of one qube; each is a network card of its machine.
pub(super) const MAX_CLIENTS: usize = 12;
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
pub(super) struct Cables(BTreeMap<(QubeName, QubeName), [End; 2]>);

impl Cables {
    /// The cards of a machine that is about to start: first the one to the qube that it names, then one
    /// for each client, in the order of their names.
    pub(super) fn plug(
        &mut self,
        name: &QubeName,
        network: Option<&QubeName>,
        clients: &[QubeName],
        now: Instant,
    ) -> io::Result<Vec<Card>> {
        let own = network.map(|provider| (name.clone(), provider.clone(), Side::Client));
        let others = clients.iter().map(|client| (client.clone(), name.clone(), Side::Provider));
        own.into_iter().chain(others).map(|plug| self.card(plug, now)).collect()
    }

    fn card(&mut self, (client, provider, side): Plug, now: Instant) -> io::Result<Card> {
        let address = address(&client, side);
        let key = (client, provider);
        if !self.0.contains_key(&key) {
            self.0.insert(key.clone(), cable(now)?);
        }
        let end = self.0.get_mut(&key).map(|ends| &mut ends[side as usize]);
        let end = end.ok_or(io::ErrorKind::NotFound)?;
        // Frames of a time before this machine are none of its business.
        end.discard(ALL);
        let cable = end.socket.try_clone()?;
        end.plugged = true;
        Ok(Card { cable, address })
    }

    /// True if there is a cable to `provider` whose other end it has.
    pub(super) fn reaches(&self, client: &QubeName, provider: &QubeName) -> bool {
        let ends = self.0.get(&(client.clone(), provider.clone()));
        ends.is_some_and(|ends| ends[Side::Provider as usize].plugged)
    }

    /// A machine is gone. Cables with nobody at either end go, too.
    pub(super) fn unplug(&mut self, name: &QubeName) {
        self.0.retain(|(client, provider), ends| {
            ends[0].plugged &= client != name;
            ends[1].plugged &= provider != name;
            ends.iter().any(|end| end.plugged)
        });
    }

    /// Loose ends, to be polled for what arrives at them.
    pub(super) fn sources(&self, now: Instant) -> impl Iterator<Item = (Plug, BorrowedFd<'_>)> {
        let open = move |end: &End| end.is_loose() && end.gate.is_open(now);
        self.0.iter().flat_map(move |((client, provider), ends)| {
            let sides = [Side::Client, Side::Provider].into_iter().zip(ends);
            let loose = sides.filter(move |(_, end)| open(end));
            loose.map(move |(side, end)| ((client.clone(), provider.clone(), side), end.socket.as_fd()))
        })
    }

    /// When to look again.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let ends = self.0.values().flatten().filter(|end| end.is_loose());
        ends.filter_map(|end| end.gate.opens_at(now)).min()
    }

    /// Something has arrived at a loose end.
    pub(super) fn discard(&mut self, (client, provider, side): &Plug, now: Instant) {
        let ends = self.0.get_mut(&(client.clone(), provider.clone()));
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

/// A card's address: the same at each start, and different at both ends; by the client's name, in the
/// range that everybody may use as they like.
fn address(client: &QubeName, side: Side) -> [u8; 6] {
    let [a, b, c, d] = number_of(client.as_str()).to_be_bytes();
    [2, side as u8, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use rustix::net::{SendFlags, send};

    use super::*;

    fn name(text: &str) -> QubeName {
        QubeName::new(text).unwrap()
    }

    fn say(card: &Card, frame: &[u8]) {
        send(&card.cable, frame, SendFlags::DONTWAIT).unwrap();
    }

    fn hear(card: &Card) -> Option<Vec<u8>> {
        let mut frame = [0; 100];
        recv(&card.cable, &mut frame[..], RecvFlags::DONTWAIT)
            .ok()
            .map(|(_, length)| frame[..length].to_vec())
    }

    #[test]
    fn a_qube_without_a_network_has_no_card() {
        let cards = Cables::default().plug(&name("vault"), None, &[], Instant::now()).unwrap();
        assert!(cards.is_empty());
    }

    #[test]
    fn each_end_may_come_and_go() {
        let now = Instant::now();
        let (mut cables, net, work) = (Cables::default(), name("net"), name("work"));
        let mut client = cables.plug(&work, Some(&net), &[], now).unwrap();
        assert!(!cables.reaches(&work, &net));
        say(&client[0], b"into the void");
        let [provider] =
            cables.plug(&net, None, std::slice::from_ref(&work), now).unwrap().try_into().unwrap();
        assert!(cables.reaches(&work, &net));
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
        let client = cables.plug(&work, Some(&net), &[], now).unwrap();
        assert_eq!(hear(&client[0]), None);
        say(&provider, b"down");
        assert_eq!(hear(&client[0]).unwrap(), b"down");
        cables.unplug(&work);
        cables.unplug(&net);
        assert!(cables.0.is_empty());
    }

    #[test]
    fn clients_hear_nothing_of_each_other() {
        let now = Instant::now();
        let (mut cables, net, names) = (Cables::default(), name("net"), [name("one"), name("two")]);
        let provider = cables.plug(&net, None, &names, now).unwrap();
        let [one, two] = names.map(|client| cables.plug(&client, Some(&net), &[], now).unwrap());
        say(&one[0], b"to all");
        assert_eq!(hear(&provider[0]).unwrap(), b"to all");
        assert_eq!((hear(&provider[1]), hear(&two[0])), (None, None));
    }

    #[test]
    fn an_end_that_was_shut_down_is_left_alone() {
        let now = Instant::now();
        let (mut cables, net, work) = (Cables::default(), name("net"), name("work"));
        let client = cables.plug(&work, Some(&net), &[], now).unwrap();
        rustix::net::shutdown(&client[0].cable, rustix::net::Shutdown::Both).unwrap();
        let plug = (work, net, Side::Provider);
        cables.discard(&plug, now);
        assert_eq!(cables.sources(now).count(), 0);
    }
}
