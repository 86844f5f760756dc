//! Services of dom0 that qubed has itself. They need neither the desktop nor its person, if a rule allows them.

use std::time::SystemTime;

use transom_protocol::{
    call::{CallDown, Ended},
    dom0_services::{CLOCK, MAX_UPDATES_BYTES, UPDATES, UpdateList, time_line},
};

use super::flow::Told;

/// One that is served. Pure: told what its caller says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Own {
    Clock,
    /// What came of the list so far.
    Updates(Vec<u8>),
}

/// How it ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What the caller is told.
    pub(super) data: Vec<u8>,
    /// The status of the service.
    pub(super) code: u8,
    /// The updates that a qube has told of.
    pub(super) updates: Option<UpdateList>,
}

impl Own {
    pub(super) fn of(service: &str) -> Option<Self> {
        match service {
            CLOCK => Some(Self::Clock),
            UPDATES => Some(Self::Updates(Vec::new())),
            _ => None,
        }
    }

    /// It begins.
    pub(super) fn begin(&self, now: SystemTime) -> Option<Answer> {
        match self {
            Self::Clock => Some(Answer { data: time_line(now).into_bytes(), code: 0, updates: None }),
            Self::Updates(_) => None,
        }
    }

    /// Its caller says something.
    pub(super) fn hear(&mut self, told: Told<'_>) -> Option<Answer> {
        let failed = || Some(Answer { data: Vec::new(), code: 1, updates: None });
        match (self, told) {
            (Self::Updates(untrusted), Told::Data(bytes)) => {
                if untrusted.len() + bytes.len() > MAX_UPDATES_BYTES {
                    return failed();
                }
                untrusted.extend_from_slice(bytes);
                None
            }
            (Self::Updates(untrusted), Told::End) => match UpdateList::parse(untrusted) {
                Ok(list) => Some(Answer { data: Vec::new(), code: 0, updates: Some(list) }),
                Err(error) => {
                    tracing::warn!(%error, "a list of updates is none");
                    failed()
                }
            },
            _ => failed(),
        }
    }
}

impl Answer {
    /// Appends it as messages.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        if !self.data.is_empty() {
            CallDown::Data(&self.data).encode(0, 0, out);
        }
        CallDown::End(()).encode(0, 0, out);
        CallDown::Exited(&Ended { code: i32::from(self.code).into() }).encode(0, 0, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_answers_at_once() {
        let clock = Own::of(CLOCK).unwrap();
        let answer = clock.begin(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!((answer.data.as_slice(), answer.code), (b"0.000000000\n".as_slice(), 0));
        assert_eq!(Own::of("transom.copy"), None);
    }

    #[test]
    fn a_list_of_updates_comes_whole_or_not_at_all() {
        let mut updates = Own::of(UPDATES).unwrap();
        assert_eq!(updates.begin(SystemTime::UNIX_EPOCH), None);
        assert_eq!(updates.hear(Told::Data(b"foot 1 ")), None);
        assert_eq!(updates.hear(Told::Data(b"2\n")), None);
        let answer = updates.hear(Told::End).unwrap();
        assert_eq!((answer.code, answer.updates.unwrap().updates().len()), (0, 1));
        for bytes in [b"foot 1".to_vec(), b"\x1b[2J 1 2\n".to_vec()] {
            let mut updates = Own::of(UPDATES).unwrap();
            assert_eq!(updates.hear(Told::Data(&bytes)), None);
            let answer = updates.hear(Told::End).unwrap();
            assert_eq!((answer.code, answer.updates), (1, None));
        }
        // No more is kept than a list can have.
        let mut updates = Own::of(UPDATES).unwrap();
        let piece = vec![b'a'; 1 << 16];
        let answer = (0..100).find_map(|_| updates.hear(Told::Data(&piece))).unwrap();
        assert_eq!(answer.code, 1);
    }
}
