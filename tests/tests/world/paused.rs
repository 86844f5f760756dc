//! A paused qube: its windows stay, and what the person does with them goes to nobody.

use transom::input::event::{BTN_LEFT, InputEvent};
use transom_tests::fixture::World;
use transom_theming::Label;

const A: u32 = 30;
const B: u32 = 48;
/// Turns of a wheel: many more than fit into a link.
const FLOOD: usize = 150_000;

fn world() -> World {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "one", (200, 100), 0xff00_8080);
    let [x, y, ..] = world.content("one");
    world.click(f64::from(x) + 50.0, f64::from(y) + 50.0);
    world
}

fn is_paused(world: &World) -> bool {
    world.desktop.state().qubes.iter().any(|qube| qube.name == "work" && qube.paused)
}

#[test]
fn input_leaves_the_windows_of_a_paused_qube_and_comes_back() {
    let mut world = world();
    let before = world.picture();
    world.input(&[
        InputEvent::Key { code: A, pressed: true },
        InputEvent::Button { code: BTN_LEFT, pressed: true },
    ]);
    world.clients[0].heard.buttons.clear();
    world.desktop.hold_qube("work", true);
    world.frame();
    assert!(is_paused(&world));
    let heard = &world.clients[0].heard;
    assert!(!heard.keyboard && heard.pointer.is_none(), "it was told before it stopped: {heard:?}");
    let keys = heard.keys.len();

    world.input(&[
        InputEvent::Key { code: A, pressed: false },
        InputEvent::Button { code: BTN_LEFT, pressed: false },
    ]);
    world.chord(&[B]);
    let [x, y, ..] = world.content("one");
    world.click(f64::from(x) + 20.0, f64::from(y) + 20.0);
    world.input(&[InputEvent::TouchDown { id: 1, x: f64::from(x) + 9.0, y: f64::from(y) + 9.0 }]);
    world.input(&[InputEvent::TouchUp { id: 1 }, InputEvent::TouchFrame]);
    let heard = &world.clients[0].heard;
    assert_eq!((heard.keys.len(), heard.buttons.len()), (keys, 0), "{heard:?}");
    assert!(world.desktop.state().windows.iter().any(|w| w.title == "one" && w.focused));
    world.input(&[InputEvent::PointerTo { x: f64::from(x) + 50.0, y: f64::from(y) + 50.0 }]);
    assert!(before == world.picture(), "its window stays as it was");

    world.desktop.hold_qube("work", false);
    world.frame();
    assert!(!is_paused(&world));
    let heard = &world.clients[0].heard;
    assert!(heard.keyboard && heard.pointer.is_some(), "{heard:?}");
    world.clients[0].heard.keys.clear();
    world.chord(&[A]);
    assert_eq!(world.clients[0].heard.keys, [(A, true), (A, false)]);
}

/// The person turns the wheel over the window of an agent that does not run. True if the link is
/// still there.
fn survives_the_wheel(paused: bool) -> bool {
    let mut world = world();
    world.desktop.hold_qube("work", paused);
    world.frame();
    let asleep = world.qubes.remove(0);
    for turn in 0..FLOOD {
        world.desktop.input(InputEvent::wheel(0.0, 1.0));
        if turn % 1_000 == 0 {
            world.frame();
        }
    }
    world.frame();
    drop(asleep);
    !world.desktop.state().qubes.is_empty()
}

#[test]
fn nothing_piles_up_for_a_paused_qube() {
    assert!(survives_the_wheel(true), "its link was cut off");
    assert!(!survives_the_wheel(false), "the flood is no flood");
}
