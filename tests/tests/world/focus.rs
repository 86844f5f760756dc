//! Rules FOCUS, INTENT and NO-ORACLE for keys and pointer.

use transom::input::event::InputEvent;
use transom_tests::fixture::World;

const A: u32 = 30;
const TAB: u32 = 15;
const ALT: u32 = 56;
const SUPER: u32 = 125;

#[test]
fn a_new_window_takes_no_keys() {
    let mut world = World::two_qubes("");
    world.chord(&[A]);
    assert!(world.clients.iter().all(|c| c.heard.keys.is_empty() && !c.heard.keyboard));
    assert!(
        world.desktop.state().windows.iter().all(|w| w.attention && !w.focused),
        "they ask by being marked"
    );
}

#[test]
fn keys_go_to_the_window_that_was_clicked_and_nowhere_else() {
    let mut world = World::two_qubes("");
    world.click_into("work");
    world.chord(&[A]);
    assert_eq!(world.clients[0].heard.keys, [(A, true), (A, false)]);
    assert!(world.clients[1].heard.keys.is_empty());
    world.click_into("web");
    world.chord(&[A]);
    assert_eq!(world.clients[0].heard.keys.len(), 2);
    assert_eq!(world.clients[1].heard.keys, [(A, true), (A, false)]);
}

#[test]
fn keys_wait_for_the_frame_that_shows_the_focus() {
    let mut world = World::two_qubes("");
    let [x, y, ..] = world.content("work");
    world.desktop.input(InputEvent::PointerTo { x: f64::from(x) + 9.0, y: f64::from(y) + 9.0 });
    world.desktop.input(InputEvent::Button { code: transom::input::event::BTN_LEFT, pressed: true });
    world.desktop.input(InputEvent::Button { code: transom::input::event::BTN_LEFT, pressed: false });
    world.desktop.input(InputEvent::Key { code: A, pressed: true });
    world.turn();
    assert!(world.clients[0].heard.keys.is_empty(), "the person has not seen the focus yet");
    world.frame();
    assert_eq!(world.clients[0].heard.keys, [(A, true)]);
}

#[test]
fn alt_tab_goes_back_and_no_qube_hears_of_it() {
    let mut world = World::two_qubes("");
    world.click_into("work");
    world.click_into("web");
    world
        .input(&[InputEvent::Key { code: ALT, pressed: true }, InputEvent::Key { code: TAB, pressed: true }]);
    assert!(world.desktop.state().switcher.is_some());
    world.input(&[
        InputEvent::Key { code: TAB, pressed: false },
        InputEvent::Key { code: ALT, pressed: false },
    ]);
    let state = world.desktop.state();
    assert!(state.switcher.is_none());
    assert!(state.windows.iter().any(|w| w.title == "work" && w.focused));
    assert!(world.clients.iter().all(|c| c.heard.keys.is_empty()), "no key of the chord reached a qube");
    world.chord(&[A]);
    assert_eq!(world.clients[0].heard.keys, [(A, true), (A, false)]);
}

#[test]
fn super_reaches_nobody() {
    let mut world = World::two_qubes("");
    world.click_into("work");
    world.chord(&[SUPER, A]);
    assert!(world.clients[0].heard.keys.is_empty());
    assert_eq!(world.clients[0].heard.modifiers, 0);
}

#[test]
fn a_key_repeats_once_for_each_repeat_of_dom0() {
    let mut world = World::two_qubes("");
    world.click_into("work");
    world.input(&[InputEvent::Key { code: A, pressed: true }]);
    world.wait(std::time::Duration::from_millis(400));
    world.wait(std::time::Duration::from_millis(33));
    world.input(&[InputEvent::Key { code: A, pressed: false }]);
    assert_eq!(world.clients[0].heard.keys, [(A, true), (A, true), (A, true), (A, false)]);
}

#[test]
fn the_pointer_is_heard_of_only_inside() {
    let mut world = World::two_qubes("");
    let [x, y, ..] = world.content("work");
    world.input(&[InputEvent::PointerTo { x: f64::from(x) + 7.0, y: f64::from(y) + 8.0 }]);
    let heard = &world.clients[0].heard.pointer;
    assert!(matches!(heard, Some((_, px, py)) if (*px, *py) == (7.0, 8.0)), "{heard:?}");
    world.input(&[InputEvent::PointerTo { x: f64::from(x) + 7.0, y: f64::from(y) - 10.0 }]);
    assert_eq!(world.clients[0].heard.pointer, None, "the frame is dom0's");
    assert!(world.clients[1].heard.pointer.is_none());
}

#[test]
fn a_press_that_is_over_moves_no_window() {
    use transom::input::event::BTN_LEFT;
    let mut world = World::two_qubes("");
    let [x, y, ..] = world.content("work");
    let at = (f64::from(x) + 50.0, f64::from(y) + 50.0);
    world.input(&[
        InputEvent::PointerTo { x: at.0, y: at.1 },
        InputEvent::Button { code: BTN_LEFT, pressed: true },
    ]);
    world.clients[0].move_by_press(0);
    world.frame();
    world.input(&[InputEvent::PointerTo { x: at.0 + 20.0, y: at.1 }]);
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: false }]);
    assert_eq!(world.content("work")[0], x + 20);
    world.clients[0].move_by_press(0);
    world.frame();
    world.input(&[InputEvent::PointerTo { x: at.0 + 60.0, y: at.1 }]);
    assert_eq!(world.content("work")[0], x + 20);
}
