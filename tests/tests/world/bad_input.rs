//! What a qube may not do ends its own connection, is shown, and harms nobody else.

use transom_protocol::{
    message::ToDom0,
    types::{BufferChange, WindowKind},
};
use transom_tests::fixture::{World, hostile::Hostile, memory};
use transom_theming::Label;

/// A world with an innocent qube beside the hostile one.
fn world() -> (World, Hostile) {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "one", (200, 100), 0xff00_8080);
    let hostile = Hostile::new(world.add_raw_qube("evil", Label::Red));
    world.turn();
    (world, hostile)
}

/// The hostile qube is cut off with a reason, the other one works as before.
fn cut_off(mut world: World, mut hostile: Hostile, reason: &str) {
    world.frame();
    hostile.hear();
    assert!(hostile.closed, "the connection is still there");
    let goodbye = hostile.goodbye.clone().unwrap_or_default();
    assert!(goodbye.contains(reason), "told {goodbye:?}, not {reason:?}");
    let state = world.desktop.state();
    assert!(state.notices.iter().any(|n| n.contains("evil") && n.contains("cut off")), "{:?}", state.notices);
    assert_eq!(state.qubes.len(), 1);
    let [x, y, ..] = world.content("one");
    world.click(f64::from(x) + 5.0, f64::from(y) + 5.0);
    world.chord(&[30]);
    assert_eq!(world.clients[0].heard.keys, [(30, true), (30, false)], "the other qube lost nothing");
}

#[test]
fn noise() {
    let (world, mut hostile) = world();
    hostile.bytes(&[0xa5; 64]);
    cut_off(world, hostile, "unknown message type");
}

#[test]
fn a_message_before_hello() {
    let (world, mut hostile) = world();
    hostile.create(1, WindowKind::Toplevel, 0);
    cut_off(world, hostile, "not legal at this stage");
}

#[test]
fn a_version_that_nobody_speaks() {
    let (world, mut hostile) = world();
    let hello = transom_protocol::message::Hello {
        magic: transom_protocol::MAGIC,
        version_min: 77.into(),
        version_max: 99.into(),
        features: 0.into(),
    };
    hostile.say(0, 0, &ToDom0::Hello(&hello));
    cut_off(world, hostile, "no protocol version");
}

#[test]
fn a_length_over_the_limit() {
    let (world, mut hostile) = world();
    hostile.hello();
    let mut bytes = Vec::new();
    ToDom0::Title(b"x").encode(1, 0, &mut bytes);
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    hostile.bytes(&bytes);
    cut_off(world, hostile, "allowed are");
}

#[test]
fn a_picture_outside_its_memory() {
    let (mut world, mut hostile) = world();
    hostile.hello();
    hostile.create(1, WindowKind::Toplevel, 0);
    hostile.commit(
        1,
        transom_protocol::message::Commit { buffer: BufferChange::Detach, ..Hostile::picture(0, 0, 0) },
    );
    world.turn();
    hostile.acknowledge();
    hostile.grant(1, &memory(100, 0xff00_ff00), 400);
    hostile.commit(1, Hostile::picture(1, 100, 2));
    cut_off(world, hostile, "does not lie inside its grant");
}

#[test]
fn a_grant_without_memory() {
    let (world, mut hostile) = world();
    hostile.hello();
    let fixed = transom_protocol::message::GrantCreate {
        grant: 1.into(),
        kind: transom_protocol::types::GrantKind::ClientFd,
        bytes: 4_096.into(),
    };
    hostile.say(0, 0, &ToDom0::GrantCreate(transom_protocol::wire::With { fixed: &fixed, tail: &[] }));
    cut_off(world, hostile, "");
}

#[test]
fn a_grant_that_is_shorter_than_it_says() {
    let (world, mut hostile) = world();
    hostile.hello();
    hostile.grant(1, &memory(10, 0), 1 << 20);
    cut_off(world, hostile, "");
}

#[test]
fn memory_that_vanishes_while_it_is_read() {
    let (mut world, mut hostile) = world();
    hostile.hello();
    hostile.create(1, WindowKind::Toplevel, 0);
    hostile.commit(
        1,
        transom_protocol::message::Commit { buffer: BufferChange::Detach, ..Hostile::picture(0, 0, 0) },
    );
    world.turn();
    hostile.acknowledge();
    let fd = memory(200 * 100, 0xff00_ff00);
    hostile.grant(1, &fd, 200 * 100 * 4);
    hostile.commit(1, Hostile::picture(1, 200, 100));
    world.frame();
    assert_eq!(world.desktop.state().windows.len(), 2);
    rustix::fs::ftruncate(&fd, 0).unwrap();
    // dom0 reads on and lives; the qube tears nothing but its own picture.
    hostile.commit(1, Hostile::picture(1, 200, 100));
    world.frame();
    let [x, y, ..] = world.content("one");
    world.click(f64::from(x) + 5.0, f64::from(y) + 5.0);
    world.chord(&[30]);
    assert_eq!(world.clients[0].heard.keys, [(30, true), (30, false)]);
}

#[test]
fn a_title_full_of_tricks_is_clean() {
    let (mut world, mut hostile) = world();
    hostile.hello();
    hostile.create(1, WindowKind::Toplevel, 0);
    hostile.say(1, 0, &ToDom0::Title("a\u{202e}gpj.exe\u{1b}[2J\u{2029}\n".as_bytes()));
    hostile.commit(
        1,
        transom_protocol::message::Commit { buffer: BufferChange::Detach, ..Hostile::picture(0, 0, 0) },
    );
    world.turn();
    hostile.acknowledge();
    hostile.grant(1, &memory(200 * 100, 0xff00_ff00), 200 * 100 * 4);
    hostile.commit(1, Hostile::picture(1, 200, 100));
    world.frame();
    let titles: Vec<String> = world.desktop.state().windows.into_iter().map(|w| w.title).collect();
    assert!(titles.contains(&"agpj.exe [2J".to_owned()), "{titles:?}");
}

#[test]
fn a_qube_that_floods_delays_nobody() {
    let (mut world, mut hostile) = world();
    hostile.hello();
    hostile.create(1, WindowKind::Toplevel, 0);
    let mut flood = Vec::new();
    for _ in 0..2_000 {
        ToDom0::Title(&[b'x'; 1_000]).encode(1, 0, &mut flood);
    }
    hostile.bytes(&flood[..150_000.min(flood.len())]);
    let [x, y, ..] = world.content("one");
    world.click(f64::from(x) + 5.0, f64::from(y) + 5.0);
    world.chord(&[30]);
    assert_eq!(world.clients[0].heard.keys, [(30, true), (30, false)]);
}

#[test]
fn a_stream_that_ends_in_the_middle_of_a_message() {
    let (mut world, mut hostile) = world();
    hostile.hello();
    let mut bytes = Vec::new();
    ToDom0::Title(b"half a title").encode(1, 0, &mut bytes);
    hostile.bytes(&bytes[..20]);
    drop(hostile);
    world.frame();
    assert_eq!(world.desktop.state().qubes.len(), 1);
}
