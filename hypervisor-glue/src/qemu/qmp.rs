//! The line to QEMU: JSON, one value a line. It tells how a machine came to its end, presses its power
//! button, and plugs cables into its network cards.

use std::{
    collections::BTreeSet,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use serde::Deserialize;
use serde_json::json;
use transom_protocol::text::clean;

use crate::packet;

/// Longest line, in bytes.
const MAX_LINE: usize = 64 * 1024;

/// How the guest ended the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuestEnd {
    /// It switched itself off.
    PowerOff,
    /// It wanted to start again.
    Restart,
    /// Its kernel gave up.
    Panic,
}

/// What QEMU says, as far as it matters. QEMU may be under the guest's hand: nothing here is
/// shown, and only these words are looked at.
#[derive(Debug, Deserialize)]
struct Line {
    event: Option<String>,
    data: Option<Data>,
    error: Option<Refused>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    desc: String,
}

#[derive(Debug, Deserialize)]
struct Data {
    reason: Option<String>,
}

/// The line.
#[derive(Debug)]
pub(super) struct Qmp {
    /// `None` after its end.
    stream: Option<UnixStream>,
    partial: Vec<u8>,
    /// Cards without a cable.
    unplugged: BTreeSet<usize>,
    pub(super) end: Option<GuestEnd>,
}

impl Qmp {
    /// Takes our end. QEMU only begins to tell of events after it was asked to.
    pub(super) fn new(mut stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.write_all(b"{\"execute\":\"qmp_capabilities\"}\n")?;
        Ok(Self { stream: Some(stream), partial: Vec::new(), unplugged: BTreeSet::new(), end: None })
    }

    /// Presses the machine's power button.
    ///
    /// # Errors
    /// QEMU is gone, or does not listen.
    pub(super) fn press_power_button(&mut self) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        // So short that a socket takes it whole or not at all.
        stream.write_all(b"{\"execute\":\"system_powerdown\"}\n")
    }

    /// Takes the cable out of a card, and plugs another one in.
    ///
    /// # Errors
    /// QEMU is gone, or does not listen.
    pub(super) fn plug(&mut self, card: usize, cable: Option<OwnedFd>) -> io::Result<()> {
        let (socket, plug) = (format!("cable{card}"), format!("plug{card}"));
        if self.unplugged.insert(card) {
            for id in [&plug, &socket] {
                self.say(&json!({ "execute": "netdev_del", "arguments": { "id": id } }), None)?;
            }
        }
        let Some(cable) = cable else { return Ok(()) };
        self.say(&json!({ "execute": "getfd", "arguments": { "fdname": socket } }), Some(&cable))?;
        let local = json!({ "type": "fd", "str": socket });
        let wire = json!({ "type": "dgram", "id": socket, "local": local });
        let port = json!({ "type": "hubport", "id": plug, "hubid": card, "netdev": socket });
        for arguments in [wire, port] {
            self.say(&json!({ "execute": "netdev_add", "arguments": arguments }), None)?;
        }
        self.unplugged.remove(&card);
        Ok(())
    }

    /// Says one thing, so short that a socket takes it whole or not at all.
    fn say(&mut self, value: &serde_json::Value, file: Option<&OwnedFd>) -> io::Result<()> {
        let stream = self.stream.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let line = format!("{value}\n");
        let files: Vec<_> = file.into_iter().map(|file| file.as_fd()).collect();
        Ok(packet::send(stream, line.as_bytes(), &files)?)
    }

    /// Readable when QEMU says something.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(|stream| stream.as_fd())
    }

    /// Reads what there is, at most a few lines.
    pub(super) fn read(&mut self) {
        let mut chunk = [0; 4096];
        for _ in 0..16 {
            let Some(stream) = &mut self.stream else { return };
            match stream.read(&mut chunk) {
                Ok(n) if n > 0 && self.partial.len() < MAX_LINE => {
                    self.partial.extend_from_slice(&chunk[..n]);
                    self.take_lines();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => self.stream = None,
            }
        }
    }

    fn take_lines(&mut self) {
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            if let Some(reason) = refusal(&line) {
                tracing::warn!(reason, "QEMU refuses an order");
            }
            self.end = after(self.end, meaning(&line));
        }
    }
}

/// Why it does not do what it was told; clean.
fn refusal(untrusted: &[u8]) -> Option<String> {
    let line: Line = serde_json::from_slice(untrusted).ok()?;
    line.error.map(|error| clean(error.desc.as_bytes(), 200))
}

/// What a line says about the end of the guest.
fn meaning(untrusted: &[u8]) -> Option<GuestEnd> {
    let line: Line = serde_json::from_slice(untrusted).ok()?;
    let reason = line.data.and_then(|data| data.reason);
    match (line.event.as_deref()?, reason.as_deref()) {
        ("GUEST_PANICKED", _) | ("SHUTDOWN", Some("guest-panic")) => Some(GuestEnd::Panic),
        ("SHUTDOWN", Some("guest-shutdown")) => Some(GuestEnd::PowerOff),
        ("SHUTDOWN", Some("guest-reset")) => Some(GuestEnd::Restart),
        _ => None,
    }
}

/// The first that was said counts, but for a panic, which explains what comes of it.
fn after(first: Option<GuestEnd>, later: Option<GuestEnd>) -> Option<GuestEnd> {
    if later == Some(GuestEnd::Panic) { later } else { first.or(later) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_understood_and_nothing_else() {
        for (line, end) in [
            (
                r#"{"timestamp":{},"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-shutdown"}}"#,
                Some(GuestEnd::PowerOff),
            ),
            (r#"{"event":"SHUTDOWN","data":{"reason":"guest-reset"}}"#, Some(GuestEnd::Restart)),
            (r#"{"event":"GUEST_PANICKED","data":{"action":"pause"}}"#, Some(GuestEnd::Panic)),
            (r#"{"event":"SHUTDOWN","data":{"reason":"host-signal"}}"#, None),
            (r#"{"QMP":{"version":{}}}"#, None),
            (r#"{"return":{}}"#, None),
            ("[1,2", None),
        ] {
            assert_eq!(meaning(line.as_bytes()), end, "{line}");
        }
    }

    #[test]
    fn lines_come_in_pieces_and_a_panic_outweighs() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut qmp = Qmp::new(ours).unwrap();
        theirs.write_all(b"{\"QMP\":{}}\n{\"event\":\"SHUT").unwrap();
        qmp.read();
        assert_eq!(qmp.end, None);
        theirs.write_all(b"DOWN\",\"data\":{\"reason\":\"guest-reset\"}}\n").unwrap();
        qmp.read();
        assert_eq!(qmp.end, Some(GuestEnd::Restart));
        theirs.write_all(b"{\"event\":\"GUEST_PANICKED\"}\n{\"event\":\"SHUTDOWN\",\"data\":{\"reason\":\"guest-reset\"}}\n").unwrap();
        qmp.read();
        assert_eq!(qmp.end, Some(GuestEnd::Panic));
        drop(theirs);
        qmp.read();
        assert!(qmp.fd().is_none());
    }

    #[test]
    fn a_button_is_one_line_and_needs_somebody() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut qmp = Qmp::new(ours).unwrap();
        qmp.press_power_button().unwrap();
        let mut said = [0; 256];
        let length = theirs.read(&mut said).unwrap();
        let lines: Vec<serde_json::Value> = said[..length]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["execute"], "system_powerdown");
        drop(theirs);
        qmp.read();
        assert!(qmp.press_power_button().is_err());
    }

    #[test]
    fn a_cable_is_plugged_in_by_its_descriptor() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut qmp = Qmp::new(ours).unwrap();
        let (cable, other) = UnixStream::pair().unwrap();
        qmp.plug(3, Some(cable.into())).unwrap();
        qmp.plug(3, None).unwrap();
        qmp.plug(3, None).unwrap();
        let (mut said, mut files) = (Vec::new(), Vec::new());
        while let packet::Received::Packet(bytes, fds) = packet::recv(&theirs).unwrap() {
            said.extend(bytes);
            files.extend(fds);
        }
        let lines: Vec<serde_json::Value> = said
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let orders: Vec<_> = lines.iter().map(|line| line["execute"].as_str().unwrap()).collect();
        let plugged = ["netdev_del", "netdev_del", "getfd", "netdev_add", "netdev_add"];
        assert_eq!(orders, [&["qmp_capabilities"][..], &plugged, &["netdev_del", "netdev_del"]].concat());
        assert_eq!(lines[5]["arguments"]["hubid"], 3);
        assert_eq!(files.len(), 1);
        rustix::io::write(&files[0], b"x").unwrap();
        assert_eq!((&other).read(&mut [0; 8]).unwrap(), 1);
    }

    #[test]
    fn refusals_are_told_clean() {
        let line = br#"{"error":{"class":"GenericError","desc":"no\u001b[31m such"}}"#;
        assert_eq!(refusal(line).unwrap(), "no [31m such");
        assert_eq!(refusal(br#"{"return":{}}"#), None);
    }

    #[test]
    fn a_line_without_end_ends_the_line() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut qmp = Qmp::new(ours).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut written = 0;
        while qmp.fd().is_some() && written < 4 * MAX_LINE {
            written += theirs.write(&[b'x'; 4096]).unwrap_or(0);
            qmp.read();
        }
        assert!(qmp.fd().is_none());
    }
}
