//! A program of a real sandbox qube tells the person something: by the qube's own session bus.

use std::fs;

use transom::{
    input::event::BTN_LEFT,
    ipc::{Card, Request},
};
use transom_tests::process::{House, until};

use crate::by_hand::{done, house, script};

fn card(house: &House, summary: &str) -> Option<Card> {
    house.state().cards.into_iter().find(|card| card.summary == summary && card.area.is_some())
}

fn click(house: &House, [x, y, w, h]: [i32; 4]) {
    house.ask(&Request::Pointer { x: f64::from(x + w / 2), y: f64::from(y + h / 2) });
    for pressed in [true, false] {
        house.ask(&Request::Button { code: BTN_LEFT, pressed });
    }
}

#[test]
fn a_card_of_a_sandbox_qube_is_answered() {
    let house = house(&[("work", "blue"), ("web", "red")]);
    for qube in ["work", "web"] {
        house.must(&["qube", "start", qube]);
    }
    // A program may be there before the bus has all its names, and would then offer no choice.
    let asks = "until dbus-send --session --print-reply --dest=org.freedesktop.Notifications \
                /org/freedesktop/Notifications org.freedesktop.Notifications.GetCapabilities > caps; \
                do sleep 0.1; done; \
                notify-send -u critical --wait -A yes=Yes -A no=No Question 'from <b>here</b>' > answer";
    for qube in ["work", "web"] {
        script(&house, qube, asks);
        until("its card", || house.state().cards.iter().any(|card| card.qube == qube).then_some(()));
    }
    for qube in ["work", "web"] {
        // Each has its own bus: each has one card, and hears of its own only.
        let of = || house.state().cards.into_iter().filter(|card| card.qube == qube).collect::<Vec<_>>();
        assert_eq!(of().len(), 1);
        assert_eq!((&*of()[0].body, of()[0].actions.len(), of()[0].critical), ("from here", 2, true));
        let button = usize::from(qube == "web");
        until("the answer", || {
            // A press right after cards have moved does nothing.
            if let Some(card) = of().into_iter().next().filter(|card| card.area.is_some()) {
                click(&house, card.buttons[button]);
            }
            of().is_empty().then_some(())
        });
        assert_eq!(done(&house, qube).0, "0");
        let answer = fs::read_to_string(house.home(qube).join("answer")).unwrap();
        assert_eq!(answer.trim(), ["yes", "no"][button]);
    }
    // A qube that ends takes its cards along.
    script(&house, "work", "notify-send -u critical Last");
    until("its card", || card(&house, "Last"));
    house.must(&["qube", "stop", "work"]);
    until("no card", || house.state().cards.is_empty().then_some(()));
}
