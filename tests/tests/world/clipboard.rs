//! Rule INTENT for the clipboard, from program to program.

use std::time::Duration;

use transom_tests::fixture::World;

const SUPER: u32 = 125;
const C: u32 = 46;
const V: u32 = 47;
const TAB: u32 = 15;
const ENTER: u32 = 28;
const TEXT: &str = "text/plain;charset=utf-8";

fn world(config: &str) -> World {
    let mut world = World::two_qubes(config);
    for client in &mut world.clients {
        client.watch_clipboard();
    }
    world
}

fn copy(world: &mut World, types: &[(&str, &[u8])]) {
    world.click_into("work");
    world.clients[0].copy(types);
    world.turn();
}

fn paste(world: &mut World, mime: &str) -> Vec<u8> {
    let pasted = world.clients[1].receive(mime);
    world.turn();
    pasted.bytes()
}

#[test]
fn two_chords_carry_text_across() {
    let mut world = world("");
    copy(&mut world, &[(TEXT, "grüße".as_bytes())]);
    world.chord(&[SUPER, C]);
    assert_eq!(world.desktop.state().clipboard.as_deref(), Some("work → …, 60 s left"));
    world.click_into("web");
    assert!(world.clients[1].offered().is_empty(), "it knows of nothing before the paste (NO-ORACLE)");
    world.chord(&[SUPER, V]);
    assert_eq!(paste(&mut world, TEXT), "grüße".as_bytes());
    assert_eq!(world.desktop.state().clipboard, None, "wiped after one paste");
    assert!(world.desktop.state().notices.iter().any(|n| n.contains("pasted")), "the person sees what moved");
}

#[test]
fn pictures_cross_too() {
    let mut world = world("");
    let png: Vec<u8> = (0..60_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    copy(&mut world, &[("image/png", &png), ("TARGETS", b"x")]);
    world.chord(&[SUPER, C]);
    world.click_into("web");
    world.chord(&[SUPER, V]);
    assert_eq!(world.clients[1].offered(), ["image/png"]);
    let got = paste(&mut world, "image/png");
    assert!(got == png, "{} bytes instead of {}", got.len(), png.len());
}

#[test]
fn nothing_crosses_without_the_chord() {
    let mut world = world("");
    copy(&mut world, &[(TEXT, b"secret")]);
    world.click_into("web");
    world.chord(&[SUPER, V]);
    assert!(world.clients[1].offered().is_empty());
    assert!(world.desktop.state().notices.iter().any(|n| n.contains("nothing to paste")));
}

#[test]
fn a_rule_forbids() {
    let mut world = world("clipboard { deny from=\"work\" to=\"web\"; }");
    copy(&mut world, &[(TEXT, b"secret")]);
    world.chord(&[SUPER, C]);
    world.click_into("web");
    world.chord(&[SUPER, V]);
    assert!(world.clients[1].offered().is_empty());
    assert!(world.desktop.state().notices.iter().any(|n| n.contains("refused")));
}

#[test]
fn a_rule_asks_and_the_hasty_answer_does_not_count() {
    let mut world = world("clipboard { otherwise \"ask\"; }");
    copy(&mut world, &[(TEXT, b"secret")]);
    world.chord(&[SUPER, C]);
    world.click_into("web");
    world.chord(&[SUPER, V]);
    assert!(world.desktop.state().prompt.is_some());
    world.chord(&[TAB]);
    world.chord(&[ENTER]);
    assert!(world.desktop.state().prompt.is_some(), "the answer that gives something away is still off");
    assert!(world.clients[1].heard.keys.is_empty(), "the keys were dom0's");
    world.wait(Duration::from_millis(500));
    world.chord(&[ENTER]);
    assert_eq!(world.desktop.state().prompt, None);
    assert_eq!(paste(&mut world, TEXT), b"secret");
}

#[test]
fn a_qube_that_does_not_answer_is_given_up() {
    let mut world = world("");
    copy(&mut world, &[(TEXT, b"secret")]);
    world.clients[0].heard.clipboard.silent = true;
    world.chord(&[SUPER, C]);
    world.wait(Duration::from_secs(3));
    assert_eq!(world.desktop.state().clipboard, None);
    assert!(world.desktop.state().notices.iter().any(|n| n.contains("in time")));
    // A late answer comes to nothing, and harms nobody.
    world.clients[0].heard.clipboard.unanswered.clear();
    world.turn();
    assert_eq!(world.desktop.state().clipboard, None);
    assert_eq!(world.desktop.state().qubes.len(), 2);
}
