//! What the two ends of an open call may say, and what the other end is told. Pure.

use transom_protocol::{
    call::{CallDown, CallUp},
    wire::{Raw, WireError},
};

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Who asked.
    Caller,
    /// Who serves.
    Server,
}

/// What an end did wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("{0} names a window or has a serial")]
    Header(&'static str),
    #[error("{0} at a time when it may not be said")]
    Moment(&'static str),
}

/// How far an open call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    /// Data of the caller has ended.
    up_ended: bool,
    /// Data of the server has ended.
    down_ended: bool,
    /// The service has ended.
    exited: bool,
}

impl Flow {
    /// Takes what one end says. What the other end is told, if anything.
    pub(super) fn take<'a>(&mut self, from: End, raw: &Raw<'a>) -> Result<Told<'a>, Violation> {
        let message = CallUp::parse(raw)?;
        let name = message.name();
        if raw.header.window.get() != 0 || raw.header.serial.get() != 0 {
            return Err(Violation::Header(name));
        }
        let ended = match from {
            End::Caller => &mut self.up_ended,
            End::Server => &mut self.down_ended,
        };
        if self.exited {
            return Err(Violation::Moment(name));
        }
        match message {
            CallUp::Data(bytes) if !*ended && !bytes.is_empty() => Ok(Told::Data(bytes)),
            CallUp::End(()) if !*ended => {
                *ended = true;
                Ok(Told::End)
            }
            CallUp::Exited(code) if from == End::Server && (0..=255).contains(&code.code.get()) => {
                self.exited = true;
                Ok(Told::Exited(code.code.get()))
            }
            _ => Err(Violation::Moment(name)),
        }
    }

    /// True once the service has ended: nothing more may be said.
    pub(super) fn exited(self) -> bool {
        self.exited
    }
}

/// What the other end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told<'a> {
    Data(&'a [u8]),
    End,
    Exited(i32),
}

impl Told<'_> {
    /// Appends it as a message.
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Data(bytes) => CallDown::Data(bytes).encode(0, 0, out),
            Self::End => CallDown::End(()).encode(0, 0, out),
            Self::Exited(code) => {
                let ended = transom_protocol::call::Ended { code: code.into() };
                CallDown::Exited(&ended).encode(0, 0, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transom_protocol::{
        MAGIC,
        call::{Accept, Ended, next_call_up},
    };

    use super::*;

    fn say(flow: &mut Flow, from: End, message: CallUp<'_>) -> Result<Vec<u8>, Violation> {
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        message.encode(0, 0, &mut bytes);
        let raw = next_call_up(&bytes)?.unwrap();
        flow.take(from, &raw)?.encode(&mut out);
        Ok(out)
    }

    fn exited(code: i32) -> Ended {
        Ended { code: code.into() }
    }

    #[test]
    fn each_direction_ends_once_and_only_the_server_exits() {
        let mut flow = Flow::default();
        assert!(say(&mut flow, End::Caller, CallUp::Data(b"x")).is_ok());
        assert!(say(&mut flow, End::Caller, CallUp::Data(b"")).is_err(), "nothing costs something");
        assert!(say(&mut flow, End::Caller, CallUp::End(())).is_ok());
        for message in [CallUp::Data(b"x"), CallUp::End(()), CallUp::Exited(&exited(0))] {
            assert!(say(&mut flow, End::Caller, message).is_err(), "{message:?}");
        }
        assert!(say(&mut flow, End::Server, CallUp::Data(b"y")).is_ok());
        assert!(say(&mut flow, End::Server, CallUp::Exited(&exited(256))).is_err());
        assert!(say(&mut flow, End::Server, CallUp::Exited(&exited(-1))).is_err());
        let accept = Accept { magic: MAGIC, token: [0; 16] };
        assert!(say(&mut flow, End::Server, CallUp::Accept(&accept)).is_err());
        assert!(say(&mut flow, End::Server, CallUp::Exited(&exited(3))).is_ok());
        assert!(flow.exited());
        assert!(say(&mut flow, End::Server, CallUp::End(())).is_err());
        assert!(say(&mut flow, End::Caller, CallUp::End(())).is_err());
    }

    proptest! {
        #[test]
        fn what_is_refused_changes_nothing(kinds in proptest::collection::vec((any::<bool>(), 0u8..6), 1..30)) {
            let mut flow = Flow::default();
            for (server, kind) in kinds {
                let before = flow;
                let ended = exited(i32::from(kind) * 100);
                let accept = Accept { magic: MAGIC, token: [1; 16] };
                let message = match kind {
                    0 => CallUp::Data(b"abc"),
                    1 => CallUp::Data(b""),
                    2 => CallUp::End(()),
                    3 => CallUp::Accept(&accept),
                    _ => CallUp::Exited(&ended),
                };
                let from = if server { End::Server } else { End::Caller };
                if say(&mut flow, from, message).is_err() {
                    prop_assert_eq!(flow, before);
                }
                prop_assert!(!before.exited || flow.exited);
            }
        }
    }
}
