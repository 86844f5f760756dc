//! The fuzz targets' bodies, run on random inputs, so that they are checked without a fuzzer.

use proptest::{collection::vec, prelude::*};
use transom_protocol::{
    message::{next_to_dom0, next_to_qube},
    programs::Program,
    service::{ICON_BYTES, List, ToQubed},
    session::{End, Session},
};

use crate::support::{dice::Dice, propose::Proposer, samples::every_to_dom0, targets};

/// A stream of an agent: hello, then messages of legal form, some of them likely to be legal.
fn agent_stream(choices: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    Proposer::hello(&mut out);
    // The proposals know what the agent itself said, and nothing of what dom0 will answer.
    let mut proposer = Proposer::default();
    let mut agent = Session::new(End::Agent);
    agent.receive(&next_to_dom0(&out).unwrap().unwrap()).unwrap();
    let mut welcome = Vec::new();
    Proposer::welcome(&mut Dice::new(&[]), &mut welcome);
    agent.receive_in_qube(&next_to_qube(&welcome).unwrap().unwrap()).unwrap();
    for choice in choices {
        let mut dice = Dice::new(choice);
        if dice.once_in(8) {
            let wanted = dice.below(25);
            let mut at = 0;
            every_to_dom0(&dice, &mut |message| {
                if at == wanted {
                    message.encode(u32::from(choice.len() as u8 % 4), 1, &mut out);
                }
                at += 1;
            });
        } else {
            let from = out.len();
            proposer.as_agent(&agent, &mut dice, &mut out);
            if agent.receive(&next_to_dom0(&out[from..]).unwrap().unwrap()).is_err() && !dice.once_in(8) {
                // Most streams should not end here.
                out.truncate(from);
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn decoder(data in vec(any::<u8>(), 0..200)) {
        targets::decoder(&data);
    }

    #[test]
    fn session(
        choices in vec(vec(any::<u8>(), 0..24), 0..24),
        damage in proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut stream = agent_stream(&choices);
        if let Some((at, byte)) = damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        targets::decoder(&stream);
        targets::session(&stream);
    }
}

/// A list as an agent sends it.
fn list(promised: u16, programs: &[(String, String, bool)]) -> Vec<u8> {
    let mut out = Vec::new();
    ToQubed::List(&List { count: promised.into() }).encode(0, 0, &mut out);
    for (id, name, icon) in programs {
        let (id, name, comment) = (id.clone(), name.clone(), name.chars().rev().collect());
        let icon = icon.then(|| vec![9; ICON_BYTES].into());
        let (categories, keywords) = ("Utility;".into(), String::new());
        Program { id, name, comment, categories, keywords, icon }.encode(&mut out);
    }
    ToQubed::ListEnd(()).encode(0, 0, &mut out);
    out
}

proptest! {
    #[test]
    fn programs(
        promised in proptest::option::weighted(0.2, 0u16..6),
        entries in vec(("[a-z.]{0,3}", ".{0,100}", any::<bool>()), 0..4),
        damage in proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut stream = list(promised.unwrap_or(entries.len() as u16), &entries);
        if let Some((at, byte)) = damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        targets::programs(&stream);
        targets::decoder(&stream);
    }
}

#[test]
fn programs_target_gets_to_the_end_of_a_list() {
    let entry = |id: &str| (id.to_owned(), "A \u{202e}name".to_owned(), true);
    assert_eq!(targets::programs(&list(2, &[entry("a"), entry("b")]).repeat(3)), 3);
}

#[test]
fn session_target_gets_past_the_hello() {
    let create_toplevel = vec![0, 1, 1, 0, 0];
    assert!(targets::session(&agent_stream(&[create_toplevel])) >= 2);
}
