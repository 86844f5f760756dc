//! Legal conversations: whatever one end may say, the other may hear, however late it arrives; and
//! when nothing is under way, both know the same.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use transom_protocol::{
    message::{TO_DOM0, TO_QUBE, ToQube, next_to_dom0, next_to_qube},
    session::{End, Phase, Rule, Session},
    wire::With,
};

use crate::support::{
    dice::Dice,
    propose::Proposer,
    samples::{every_to_dom0, every_to_qube},
};

type Outcome = Result<(), TestCaseError>;

/// Two ends and what is on its way between them.
struct Talk {
    agent: Session,
    dom0: Session,
    agent_proposes: Proposer,
    dom0_proposes: Proposer,
    to_dom0: Vec<u8>,
    to_qube: Vec<u8>,
    /// Types of the messages that were said.
    said: BTreeSet<u16>,
    refused: usize,
}

impl Talk {
    fn new() -> Self {
        Self {
            agent: Session::new(End::Agent),
            dom0: Session::new(End::Dom0),
            agent_proposes: Proposer::default(),
            dom0_proposes: Proposer::default(),
            to_dom0: Vec::new(),
            to_qube: Vec::new(),
            said: BTreeSet::new(),
            refused: 0,
        }
    }

    /// Puts a message on its way if its sender's session allows it; otherwise nothing changes.
    fn say(&mut self, end: End, message: &[u8]) -> Outcome {
        let (session, queue) = match end {
            End::Agent => (&mut self.agent, &mut self.to_dom0),
            End::Dom0 => (&mut self.dom0, &mut self.to_qube),
        };
        let before = session.clone();
        let (kind, legal) = match end {
            End::Agent => {
                let raw = next_to_dom0(message).unwrap().unwrap();
                (raw.info.kind, session.receive(&raw).is_ok())
            }
            End::Dom0 => {
                let raw = next_to_qube(message).unwrap().unwrap();
                (raw.info.kind, session.receive_in_qube(&raw).is_ok())
            }
        };
        if legal {
            self.said.insert(kind);
            queue.extend_from_slice(message);
        } else {
            self.refused += 1;
            prop_assert!(*session == before, "{kind:#06x} was refused and changed the state");
        }
        self.hold()
    }

    /// Delivers the oldest message to this end, which must accept it.
    fn hear(&mut self, end: End) -> Outcome {
        let length = match end {
            End::Agent => {
                let Some(raw) = next_to_qube(&self.to_qube).unwrap() else { return Ok(()) };
                let heard = self.agent.receive_in_qube(&raw).map(drop);
                prop_assert!(heard.is_ok(), "the agent refuses what dom0 may say: {heard:?}");
                raw.wire_len()
            }
            End::Dom0 => {
                let Some(raw) = next_to_dom0(&self.to_dom0).unwrap() else { return Ok(()) };
                let heard = self.dom0.receive(&raw).map(drop);
                prop_assert!(heard.is_ok(), "dom0 refuses what the agent may say: {heard:?}");
                raw.wire_len()
            }
        };
        match end {
            End::Agent => self.to_qube.drain(..length),
            End::Dom0 => self.to_dom0.drain(..length),
        };
        self.hold()
    }

    fn hold(&self) -> Outcome {
        for session in [&self.agent, &self.dom0] {
            session.check_invariants().map_err(TestCaseError::fail)?;
        }
        Ok(())
    }

    /// Delivers everything; then both ends must know the same.
    fn drain(&mut self) -> Outcome {
        while !self.to_dom0.is_empty() {
            self.hear(End::Dom0)?;
        }
        while !self.to_qube.is_empty() {
            self.hear(End::Agent)?;
        }
        prop_assert!(self.agent == self.dom0, "agent: {:#?}\ndom0: {:#?}", self.agent, self.dom0);
        Ok(())
    }

    /// One thing happens: one end says something, something arrives, or everything does.
    fn turn(&mut self, dice: &mut Dice<'_>) -> Outcome {
        let mut message = Vec::new();
        match (dice.below(32), self.agent.phase(), self.dom0.phase()) {
            (0..10, Phase::Hello, _) => Proposer::hello(&mut message),
            (0..10, ..) => self.agent_proposes.as_agent(&self.agent, dice, &mut message),
            (10..20, _, Phase::Welcome) => Proposer::welcome(dice, &mut message),
            (10..20, ..) => self.dom0_proposes.as_dom0(&self.dom0, dice, &mut message),
            (20..25, ..) => return self.hear(End::Dom0),
            (25..30, ..) => return self.hear(End::Agent),
            (30, ..) => return Ok(()),
            _ => return self.drain(),
        }
        let to_qube = message.get(1).is_some_and(|high| high & 0x80 != 0);
        self.say(if to_qube { End::Dom0 } else { End::Agent }, &message)
    }

    /// The handshake, done.
    fn opened() -> Self {
        let mut talk = Self::new();
        let mut message = Vec::new();
        Proposer::hello(&mut message);
        talk.say(End::Agent, &message).unwrap();
        talk.drain().unwrap();
        message.clear();
        Proposer::welcome(&mut Dice::new(&[]), &mut message);
        talk.say(End::Dom0, &message).unwrap();
        talk.drain().unwrap();
        talk
    }
}

/// Bytes for that many turns.
fn choices(turns: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 1..48), 0..turns)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_may_be_said_may_be_heard(turns in choices(400)) {
        let mut talk = Talk::opened();
        for turn in &turns {
            talk.turn(&mut Dice::new(turn))?;
        }
        talk.drain()?;
    }

    /// The handshake crosses with nothing, but nothing may come before it.
    #[test]
    fn from_the_first_byte(turns in choices(60)) {
        let mut talk = Talk::new();
        for turn in &turns {
            talk.turn(&mut Dice::new(turn))?;
        }
        talk.drain()?;
    }

    /// Well-formed messages with random values, to both ends in a random state: each is taken up
    /// or refused as a whole.
    #[test]
    fn a_refused_step_changes_nothing(turns in choices(200), data in vec(any::<u8>(), 0..200)) {
        let mut talk = Talk::opened();
        for turn in &turns {
            talk.turn(&mut Dice::new(turn))?;
        }
        for session in [&mut talk.agent, &mut talk.dom0] {
            for window in 0..3 {
                let mut broken = None;
                let mut check = |name: &str, before: &Session, after: &Session, legal: bool| {
                    if !legal && before != after {
                        broken = Some(format!("{name} was refused and changed the state"));
                    }
                    if let Err(invariant) = after.check_invariants() {
                        broken = Some(format!("after {name}: {invariant}"));
                    }
                };
                every_to_dom0(&Dice::new(&data), &mut |message| {
                    let mut bytes = Vec::new();
                    message.encode(window, window, &mut bytes);
                    let (before, raw) = (session.clone(), next_to_dom0(&bytes).unwrap().unwrap());
                    let legal = session.receive(&raw).is_ok();
                    check(message.name(), &before, session, legal);
                });
                every_to_qube(&Dice::new(&data), &mut |message| {
                    // A goodbye would end it here, a second welcome is refused anyway.
                    if matches!(message, ToQube::Goodbye(_)) {
                        return;
                    }
                    let mut bytes = Vec::new();
                    message.encode(window, window, &mut bytes);
                    let (before, raw) = (session.clone(), next_to_qube(&bytes).unwrap().unwrap());
                    let legal = session.receive_in_qube(&raw).is_ok();
                    check(message.name(), &before, session, legal);
                });
                prop_assert_eq!(broken, None);
            }
        }
    }

    /// After a goodbye dom0 reads no more, and the agent may say no more.
    #[test]
    fn a_goodbye_ends_it(turns in choices(60), data in vec(any::<u8>(), 0..100)) {
        let mut talk = Talk::new();
        for turn in &turns {
            talk.turn(&mut Dice::new(turn))?;
        }
        let goodbye = transom_protocol::message::Goodbye { rule: 0.into() };
        let mut message = Vec::new();
        ToQube::Goodbye(With { fixed: &goodbye, tail: b"so long" }).encode(0, 0, &mut message);
        talk.say(End::Dom0, &message)?;
        while !talk.to_qube.is_empty() {
            talk.hear(End::Agent)?;
        }
        for session in [&mut talk.agent, &mut talk.dom0] {
            prop_assert_eq!(session.phase(), Phase::Closed);
            let mut rules = Vec::new();
            every_to_dom0(&Dice::new(&data), &mut |message| {
                let mut bytes = Vec::new();
                message.encode(0, 0, &mut bytes);
                rules.push(session.receive(&next_to_dom0(&bytes).unwrap().unwrap()).map(drop).unwrap_err().rule());
            });
            every_to_qube(&Dice::new(&data), &mut |message| {
                let mut bytes = Vec::new();
                message.encode(0, 0, &mut bytes);
                rules.push(session.receive_in_qube(&next_to_qube(&bytes).unwrap().unwrap()).map(drop).unwrap_err().rule());
            });
            prop_assert!(rules.iter().all(|rule| *rule == Rule::OutOfPhase));
        }
    }
}

/// The conversations above are worth something only if they say everything.
#[test]
fn conversations_say_everything() {
    let mut talk = Talk::opened();
    let mut state: u64 = 1;
    let mut turns = 0;
    for _ in 0..60_000 {
        let turn: Vec<u8> = (0..40)
            .map(|_| {
                // Any fixed sequence that wanders about will do: Knuth's MMIX generator.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        talk.turn(&mut Dice::new(&turn)).unwrap();
        turns += 1;
    }
    talk.drain().unwrap();
    let all: BTreeSet<&str> = TO_DOM0
        .iter()
        .chain(TO_QUBE)
        .filter(|info| !talk.said.contains(&info.kind) && info.name != "Goodbye")
        .map(|info| info.name)
        .collect();
    assert_eq!(all, BTreeSet::new(), "never said");
    assert!(talk.refused < turns / 2, "{} of {turns} proposals were refused", talk.refused);
}
