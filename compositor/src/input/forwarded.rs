//! Input devices of qubes: a qube that owns a USB controller has called a service of dom0 for each, and a
//! rule or the person has allowed it.
//!
//! What such a device may say follows from its kind ([`transom_protocol::input`]). One that says more is
//! cut off, and its qube is asked about no more until it is started anew. It cannot answer a question
//! about its own qube: else a mouse that was allowed could let a keyboard in.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use smithay::reexports::calloop::{Interest, Mode, PostAction, generic::Generic};
use tracing::{info, warn};
use transom_hypervisor::supervisor::{CallAnswer, QubeName, RequestBody};
use transom_protocol::{
    call::{CallDown, next_call_down},
    input::{Act, Breach, Checked, Kind, STEP},
    wire::WireError,
};
use transom_theming::Label;

use super::event::InputEvent;
use crate::{
    Desktop,
    ui::notices::{Notice, Part},
};

/// Bytes that are read of one device before others have their turn: some eighty reports.
const TURN: usize = 2_048;
/// Most that one device may do in a second; the fastest mice report 8,000 times.
const MAX_RATE: u32 = 40_000;

/// Why a device is heard no more.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error(transparent)]
    Breach(#[from] Breach),
    #[error("its stream makes no sense: {0}")]
    Wire(#[from] WireError),
    #[error("it does more than {MAX_RATE} things a second")]
    Flood,
}

/// A device of a qube.
#[derive(Debug)]
struct Device {
    source: QubeName,
    label: Label,
    /// In the words of its qube, cleaned.
    said: String,
    checked: Checked,
    untrusted_in: Vec<u8>,
    /// The second that is counted, and what was done in it.
    second: (u64, u32),
}

impl Device {
    fn named(&self, words: &str) -> Vec<Part> {
        let Self { source, label, said, .. } = self;
        let kind = self.checked.kind();
        let name = if said.is_empty() { format!("a {kind}") } else { format!("the {kind} “{said}”") };
        vec![
            Part::Text(name + " of "),
            Part::Qube((source.as_str().to_owned(), *label)),
            Part::Text(words.to_owned()),
        ]
    }

    /// Takes what came, and says what the device did; `false`: it is gone.
    fn take(&mut self, untrusted: &[u8], now: Duration, acts: &mut Vec<Act>) -> Result<bool, Cut> {
        self.untrusted_in.extend_from_slice(untrusted);
        let (mut used, mut there) = (0, true);
        while there && let Some(raw) = next_call_down(&self.untrusted_in[used..])? {
            match CallDown::parse(&raw)? {
                CallDown::Data(bytes) => self.checked.take(bytes, |act| acts.push(act))?,
                CallDown::Allowed(()) => {}
                CallDown::End(()) | CallDown::Exited(_) | CallDown::Refused(()) => there = false,
            }
            used += raw.wire_len();
        }
        self.untrusted_in.drain(..used);
        if self.second.0 != now.as_secs() {
            self.second = (now.as_secs(), 0);
        }
        self.second.1 += u32::try_from(acts.len()).unwrap_or(u32::MAX).min(MAX_RATE);
        if self.second.1 > MAX_RATE { Err(Cut::Flood) } else { Ok(there) }
    }
}

/// The devices of qubes that are in use, by call.
#[derive(Debug, Default)]
pub(crate) struct Forwarded {
    devices: BTreeMap<u64, Device>,
}

/// A device's stream in the event loop.
#[derive(Debug)]
struct Socket(UnixStream);

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What a device did, as other devices say it.
fn event(kind: Kind, act: Act) -> InputEvent {
    match act {
        Act::Key { code, pressed } if kind == Kind::Mouse => {
            InputEvent::Button { code: code.into(), pressed }
        }
        Act::Key { code, pressed } => InputEvent::Key { code: code.into(), pressed },
        Act::Motion { dx, dy } => {
            let (dx, dy) = (f64::from(dx), f64::from(dy));
            InputEvent::PointerBy { dx, dy, raw_dx: dx, raw_dy: dy }
        }
        Act::Wheel { x, y } => {
            InputEvent::wheel(f64::from(x) / f64::from(STEP), f64::from(y) / f64::from(STEP))
        }
    }
}

impl Desktop {
    /// Serves a call about a device: from now on it is one of the person's.
    pub(crate) fn forward_device(
        &mut self,
        call: u64,
        (source, label): (QubeName, Label),
        kind: Kind,
        said: String,
        stream: OwnedFd,
    ) -> io::Result<()> {
        let stream = UnixStream::from(stream);
        stream.set_nonblocking(true)?;
        let source_of = Generic::new(Socket(stream), Interest::READ, Mode::Level);
        self.handle
            .insert_source(source_of, move |_, socket, desktop: &mut Self| {
                Ok(desktop.device_readable(call, &socket.0))
            })
            .map_err(|error| io::Error::other(error.to_string()))?;
        info!(qube = %source, %kind, said, "a device of a qube is in use");
        let checked = Checked::new(kind);
        let device = Device { source, label, said, checked, untrusted_in: Vec::new(), second: (0, 0) };
        self.notify(Notice::Runs(device.named(" can be used")));
        self.input.forwarded.devices.insert(call, device);
        Ok(())
    }

    fn device_readable(&mut self, call: u64, mut stream: &UnixStream) -> PostAction {
        let mut untrusted = [0; TURN];
        let now = self.clock.now();
        let read = match stream.read(&mut untrusted) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return PostAction::Continue;
            }
            Err(_) => 0,
        };
        let Some(device) = self.input.forwarded.devices.get_mut(&call) else { return PostAction::Remove };
        let mut acts = Vec::new();
        let taken = device.take(&untrusted[..read], now, &mut acts);
        let (kind, source) = (device.checked.kind(), device.source.clone());
        if taken.is_ok() {
            for act in acts {
                self.forwarded_event(&source, event(kind, act));
            }
        }
        match taken {
            Ok(true) if read > 0 => return PostAction::Continue,
            Ok(_) => self.device_gone(call, None),
            Err(cut) => self.device_gone(call, Some(&cut)),
        }
        PostAction::Remove
    }

    /// Something a qube's device did.
    fn forwarded_event(&mut self, source: &QubeName, event: InputEvent) {
        let moves = matches!(event, InputEvent::PointerBy { .. });
        if moves || !self.is_asked_about(source.as_str()) {
            self.input(event);
            return;
        }
        let now = self.clock.now();
        match event {
            // It is up then, and no press is remembered.
            InputEvent::Key { pressed: false, .. } | InputEvent::Button { pressed: false, .. } => {
                self.input(event);
            }
            InputEvent::Button { .. } => self.nobodys(event, now),
            _ => {}
        }
    }

    /// A device is gone, or cut off: what it held is up.
    fn device_gone(&mut self, call: u64, cut: Option<&Cut>) {
        let Some(mut device) = self.input.forwarded.devices.remove(&call) else { return };
        let kind = device.checked.kind();
        for code in device.checked.release_all() {
            self.input(event(kind, Act::Key { code, pressed: false }));
        }
        let (source, said) = (&device.source, &device.said);
        if let Some(cut) = cut {
            warn!(qube = %source, %kind, said, %cut, "a device of a qube is cut off");
            self.ask_qubed(RequestBody::AnswerCall { call, answer: CallAnswer::Silence });
            self.notify(Notice::Runs(device.named(&format!(" was cut off: {cut}"))));
        } else {
            info!(qube = %source, %kind, said, "a device of a qube is gone");
            self.notify(Notice::Runs(device.named(" is gone")));
        }
    }
}

#[cfg(test)]
mod tests {
    use transom_protocol::call::CallDown;

    use super::*;

    fn device(kind: Kind) -> Device {
        Device {
            source: QubeName::new("sys-usb").unwrap(),
            label: Label::Red,
            said: "a mouse".into(),
            checked: Checked::new(kind),
            untrusted_in: Vec::new(),
            second: (0, 0),
        }
    }

    fn said(message: CallDown<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        message.encode(0, 0, &mut bytes);
        bytes
    }

    /// `REL_X` by one, and the report's end.
    const STEP_RIGHT: [u8; 16] = [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn frames_that_come_in_pieces_move_the_pointer() {
        let mut mouse = device(Kind::Mouse);
        let mut bytes = said(CallDown::Allowed(()));
        bytes.extend(said(CallDown::Data(&STEP_RIGHT)));
        let mut acts = Vec::new();
        for byte in bytes {
            assert!(mouse.take(&[byte], Duration::ZERO, &mut acts).unwrap());
        }
        assert_eq!(acts, [Act::Motion { dx: 1, dy: 0 }]);
        assert!(!mouse.take(&said(CallDown::End(())), Duration::ZERO, &mut acts).unwrap());
    }

    #[test]
    fn floods_and_nonsense_are_cut_off() {
        let mut mouse = device(Kind::Mouse);
        let many: Vec<u8> = STEP_RIGHT.repeat(4_000);
        let packet = said(CallDown::Data(&many));
        for round in 0..20 {
            // The rate starts anew with each second.
            let now = Duration::from_millis(200 * round);
            mouse.take(&packet, now, &mut Vec::new()).unwrap();
        }
        let now = Duration::from_secs(9);
        let flood = (0..11).map(|_| mouse.take(&packet, now, &mut Vec::new())).find(Result::is_err);
        assert!(matches!(flood, Some(Err(Cut::Flood))));
        let nonsense = device(Kind::Mouse).take(&[0xff; 64], now, &mut Vec::new());
        assert!(matches!(nonsense, Err(Cut::Wire(_))));
        let typed = [1, 0, 30, 0, 1, 0, 0, 0];
        let changed = device(Kind::Mouse).take(&said(CallDown::Data(&typed)), now, &mut Vec::new());
        assert!(matches!(changed, Err(Cut::Breach(Breach::Foreign(Kind::Mouse, 1, 30, 1)))));
    }

    #[test]
    fn wheels_turn_the_way_they_do_elsewhere() {
        let expected = InputEvent::wheel(0.0, 0.5);
        assert_eq!(event(Kind::Mouse, Act::Wheel { x: 0, y: 60 }), expected);
    }
}
