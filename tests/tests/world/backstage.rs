//! A disposable that waits with its program open: nobody sees, hears or counts it before it is used.

use std::os::unix::net::UnixStream;

use transom::config::Config;
use transom_hypervisor::supervisor::{Disposable, Event, FromQubed, QubeInfo, QubeState, RequestBody};
use transom_protocol::{
    message::ToDom0,
    types::{Status, Urgency},
};
use transom_tests::fixture::{
    World, assert_golden,
    hostile::Hostile,
    qubed::{Qubed, info},
};
use transom_theming::Label;

const TAB: u32 = 15;
const ALT: u32 = 56;
const A: u32 = 30;
const PAINT: u32 = 0xff12_9a54;
const BLUE: [u8; 4] = [40, 160, 250, 255];

fn disposable(label: Label, is: Disposable, state: QubeState) -> QubeInfo {
    QubeInfo { disposable: Some(is), ..info("disp-7", label, state) }
}

fn taken(world: &mut World, qubed: &Qubed, label: Label) {
    let qube = disposable(label, Disposable::InUse, QubeState::Paused);
    qubed.say(&FromQubed::Event(Event::QubeState { qube }), None);
    world.turn();
}

/// What the desktop has said of the disposable's windows since.
fn counts(qubed: &Qubed) -> Vec<u32> {
    let orders = qubed.orders();
    let count = |(_, body)| match body {
        RequestBody::Windows { qube, windows } if qube.as_str() == "disp-7" => Some(windows),
        _ => None,
    };
    orders.into_iter().filter_map(count).collect()
}

/// A desktop with one qube's window, which has the keys.
fn desk() -> (World, Qubed) {
    let mut world = World::with(Config::default(), (800, 600), 120);
    let qubed = Qubed::attach(&mut world);
    qubed.qube("work", Label::Blue, QubeState::Running);
    world.turn();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "one", (200, 100), 0xff00_8080);
    world.click_into("one");
    world.frame();
    qubed.heard();
    (world, qubed)
}

#[test]
fn its_window_is_drawn_unseen_and_there_at_once() {
    let (mut world, qubed) = desk();
    let before = world.picture();
    let spare = disposable(Label::Blue, Disposable::Spare, QubeState::Running);
    let qube = world.add_qube_by(&qubed, spare, Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    let window = world.clients[client].toplevel("ready");
    world.turn();
    world.clients[client].show(window, (240, 160), PAINT);
    assert!(before == world.picture(), "nothing of it is seen");
    assert_eq!(counts(&qubed).last(), Some(&1), "qubed hears that it is drawn");
    assert_eq!(world.desktop.state().windows.len(), 1);
    world.chord(&[ALT, TAB]);
    world.chord(&[A]);
    assert!(world.clients[client].heard.keys.is_empty(), "and it hears nothing");
    assert!(world.desktop.state().windows[0].focused);

    // A second window comes and goes.
    let other = world.clients[client].toplevel("other");
    world.turn();
    world.clients[client].show(other, (50, 50), PAINT);
    world.turn();
    assert_eq!(counts(&qubed).last(), Some(&2));
    world.clients[client].windows()[other].surface.attach(None, 0, 0);
    world.clients[client].windows()[other].surface.commit();
    world.turn();
    assert_eq!(counts(&qubed).last(), Some(&1));

    // Its machine stands still; its picture needs nobody who runs. The label is that of its use.
    taken(&mut world, &qubed, Label::Red);
    assert_eq!(counts(&qubed).last(), Some(&1));
    let titles: Vec<_> = world.desktop.state().windows.iter().map(|w| w.title.clone()).collect();
    assert_eq!(titles, ["ready", "one"], "under the one that has the focus");
    assert_golden("backstage-taken", &world.picture());

    // It is a window as any other from now on.
    let running = disposable(Label::Red, Disposable::InUse, QubeState::Running);
    qubed.say(&FromQubed::Event(Event::QubeState { qube: running }), None);
    world.turn();
    world.click_into("ready");
    world.chord(&[A]);
    assert!(!world.clients[client].heard.keys.is_empty());
    qubed.heard();
    world.clients[client].show(other, (50, 50), PAINT);
    world.turn();
    assert_eq!(counts(&qubed), [2]);
    assert_eq!(world.desktop.state().windows.len(), 3);
}

#[test]
fn what_it_says_beside_windows_waits_with_it() {
    let (mut world, qubed) = desk();
    let before = world.picture();
    let (dom0, stream) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    qubed.link(disposable(Label::Blue, Disposable::Spare, QubeState::Running), dom0.into());
    world.turn();
    let mut qube = Hostile::new(stream);
    qube.hello();
    world.turn();
    qube.hear();
    qube.notify(1, Urgency::Critical, ["Look here", "now"], &[], BLUE);
    qube.status_icon(1, Status::NeedsAttention, "Me", BLUE);
    qube.say(0, 0, &ToDom0::Bell(()));
    // Many more than anybody keeps.
    for _ in 0..20 {
        for name in 2..10 {
            qube.notify(name, Urgency::Normal, ["More", ""], &[], BLUE);
        }
        world.turn();
        for name in 2..10 {
            qube.close_notification(name);
        }
        world.turn();
    }
    let state = world.desktop.state();
    assert!(state.cards.is_empty() && state.status_icons.is_empty());
    assert!(before == world.picture());
    assert!(state.qubes.iter().any(|qube| qube.name == "disp-7"), "its link goes on");

    taken(&mut world, &qubed, Label::Red);
    world.frame();
    let state = world.desktop.state();
    assert!(state.cards.iter().any(|card| card.summary == "Look here" && card.qube == "disp-7"));
    assert_eq!(state.status_icons.len(), 1);
}

#[test]
fn one_that_breaks_the_protocol_backstage_ends_alone() {
    let (mut world, qubed) = desk();
    let (dom0, mut stream) = UnixStream::pair().unwrap();
    qubed.link(disposable(Label::Blue, Disposable::Spare, QubeState::Running), dom0.into());
    std::io::Write::write_all(&mut stream, &[0xff; 64]).unwrap();
    world.turn();
    assert!(!world.desktop.state().qubes.iter().any(|qube| qube.name == "disp-7"));
    taken(&mut world, &qubed, Label::Blue);
    assert_eq!(world.desktop.state().windows.len(), 1);
}
