//! Bars, docks, wallpapers and launchers of dom0's own programs (`wlr-layer-shell`).

use transom::{config::Config, input::event::InputEvent};
use transom_tests::fixture::{LayerSpec, World, pixel};
use transom_theming::Label;
use wayland_client::protocol::{wl_compositor::WlCompositor, wl_output::WlOutput};
use wayland_protocols_wlr::layer_shell::v1::client::{
    zwlr_layer_shell_v1::Layer, zwlr_layer_surface_v1::KeyboardInteractivity,
};

const TEAL: u32 = 0xff00_8080;
const PINK: u32 = 0xffff_66aa;
const GOLD: u32 = 0xffcc_aa00;
const SCREEN: [i32; 4] = [0, 0, 640, 400];
/// dom0's own bar.
const BAR: i32 = 28;
const A: u32 = 30;
const SUPER: u32 = 125;
const M: u32 = 50;
const F: u32 = 33;

/// A qube's window of 220 by 120 and a program of dom0; `clients` 0 is the qube's, 1 dom0's.
fn desk(config: &str) -> World {
    let config = Config::parse("test.kdl", config).unwrap();
    let mut world = World::with(config, (640, 400), 120);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "work", (220, 120), PINK);
    let dom0 = world.add_dom0_client();
    world.clients[dom0].listen();
    world
}

fn outer(world: &World) -> [i32; 4] {
    world.desktop.state().windows.iter().find(|w| w.title == "work").map(|w| w.outer).unwrap()
}

fn colour(world: &mut World, x: i32, y: i32) -> u32 {
    pixel(&world.picture(), x, y) | 0xff00_0000
}

/// The qube's window draws what it is asked for.
fn follow(world: &mut World) {
    world.clients[0].show(0, (220, 120), PINK);
    world.frame();
}

fn keyboard(spec: LayerSpec, keyboard: KeyboardInteractivity) -> LayerSpec {
    LayerSpec { keyboard, ..spec }
}

#[test]
fn a_bar_stands_at_its_edge_and_windows_keep_off_it() {
    let mut world = desk("");
    world.add_layer(1, &LayerSpec::bar(30), TEAL);
    let state = world.desktop.state();
    assert_eq!((state.layers[0].layer.as_str(), state.layers[0].area), ("top", [0, BAR, 640, 30]));
    assert_eq!(colour(&mut world, 320, BAR), TEAL);
    assert_eq!(colour(&mut world, 320, BAR + 29), TEAL);
    assert_ne!(colour(&mut world, 320, BAR + 30), TEAL);
    world.click_into("work");
    world.chord(&[SUPER, M]);
    follow(&mut world);
    assert_eq!(outer(&world), [0, BAR + 30, 640, 400 - BAR - 30]);
    assert_eq!(colour(&mut world, 320, BAR + 29), TEAL);
    // Halves, and a window that comes, obey too.
    world.chord(&[SUPER, 105]);
    assert_eq!(outer(&world), [0, BAR + 30, 320, 400 - BAR - 30]);
    world.add_window(0, "next", (100, 60), GOLD);
    assert!(world.content("next")[1] > BAR + 30);
    // It goes: what it kept free is the windows' again.
    world.chord(&[SUPER, M]);
    world.clients.remove(1);
    world.frame();
    world.click_into("work");
    assert_eq!(outer(&world), [0, BAR, 640, 400 - BAR]);
}

#[test]
fn the_desktops_own_bar_steps_aside() {
    let mut world = desk("bar false");
    world.add_layer(1, &LayerSpec::bar(30), TEAL);
    assert_eq!(world.desktop.state().layers[0].area, [0, 0, 640, 30]);
    assert_eq!(colour(&mut world, 320, 0), TEAL);
    world.click_into("work");
    world.chord(&[SUPER, M]);
    assert_eq!(outer(&world), [0, 30, 640, 370]);
    world.click(100.0, 10.0);
    let surface = world.clients[1].heard.layers[0].surface.clone();
    let (_, x, y) = world.clients[1].heard.pointer.clone().unwrap();
    assert_eq!((x, y), (100.0, 10.0));
    assert_eq!(world.clients[1].heard.buttons.len(), 2, "a click reaches it: {surface:?}");
    assert!(world.clients[0].heard.buttons.len() < 3, "and nobody else");
    let focused = world.desktop.state().windows[0].focused;
    assert!(focused, "it takes no keys, so the window keeps them");
}

#[test]
fn layers_lie_in_their_order() {
    let mut world = desk("");
    world.add_layer(1, &LayerSpec::whole(Layer::Background), 0xff10_1010);
    world.add_layer(1, &LayerSpec::middle(Layer::Bottom, (400, 300)), 0xff20_2020);
    let [x, y, ..] = world.content("work");
    assert_eq!(colour(&mut world, x, y), PINK, "windows lie over both");
    assert_eq!(colour(&mut world, 1, 398), 0xff10_1010);
    assert_ne!(colour(&mut world, 320, 2), 0xff10_1010, "dom0's bar lies over it");
    assert_eq!(colour(&mut world, 400, 250), 0xff20_2020);
    world.add_layer(1, &LayerSpec::whole(Layer::Top), TEAL);
    assert_eq!(colour(&mut world, x, y), TEAL);
    assert_ne!(colour(&mut world, 320, 2), TEAL, "OVER: dom0's bar lies over the top layer");
    let overlay = world.add_layer(1, &LayerSpec::middle(Layer::Overlay, (100, 100)), GOLD);
    let middle = (320, 228);
    assert_eq!(colour(&mut world, middle.0, middle.1), GOLD);
    // The switcher's dim lies over everything of programs.
    world.input(&[InputEvent::Key { code: 56, pressed: true }, InputEvent::Key { code: 15, pressed: true }]);
    assert_ne!(colour(&mut world, 5, 300), TEAL);
    world
        .input(&[InputEvent::Key { code: 15, pressed: false }, InputEvent::Key { code: 56, pressed: false }]);
    // A window that fills the screen lies over the top layer and beneath the overlay.
    world.chord(&[SUPER, F]);
    follow(&mut world);
    assert_eq!(outer(&world), SCREEN);
    assert_eq!(colour(&mut world, 10, 300), PINK);
    assert_eq!(colour(&mut world, 320, 200), GOLD);
    world.clients[1].heard.layers[overlay].layer.destroy();
    assert_eq!(colour(&mut world, 320, 200), PINK);
}

#[test]
fn a_launcher_has_the_keys_until_it_goes_and_no_qube_hears_them() {
    let mut world = desk("");
    world.click_into("work");
    let spec = keyboard(LayerSpec::middle(Layer::Top, (100, 50)), KeyboardInteractivity::Exclusive);
    let launcher = world.add_layer(1, &spec, TEAL);
    assert!(world.desktop.state().layers[0].focused);
    assert!(world.desktop.state().windows.iter().all(|w| !w.focused));
    world.chord(&[A]);
    assert_eq!(world.clients[1].heard.keys, [(A, true), (A, false)]);
    assert!(world.clients[0].heard.keys.is_empty());
    // Chords stay dom0's, and do not reach through it to the window beneath.
    world.chord(&[SUPER, 16]);
    assert!(!world.clients[0].windows()[0].closed);
    assert_eq!(world.clients[1].heard.keys.len(), 2);
    // A click into a window does not take the keys away.
    world.click_into("work");
    world.chord(&[A]);
    assert_eq!(world.clients[1].heard.keys.len(), 4);
    assert!(world.clients[0].heard.keys.is_empty());
    world.clients[1].heard.layers[launcher].layer.destroy();
    world.frame();
    world.chord(&[A]);
    assert_eq!(world.clients[0].heard.keys, [(A, true), (A, false)], "the window has them back");
    assert_eq!(world.clients[1].heard.keys.len(), 4);
}

#[test]
fn a_key_waits_until_the_launcher_was_seen() {
    let mut world = desk("");
    world.click_into("work");
    let spec = keyboard(LayerSpec::middle(Layer::Overlay, (100, 50)), KeyboardInteractivity::Exclusive);
    let launcher = world.clients[1].layer(&spec, None);
    world.turn();
    world.clients[1].show_layer(launcher, TEAL);
    world.turn();
    // No frame has shown it yet (FOCUS).
    world.desktop.input(InputEvent::Key { code: A, pressed: true });
    world.turn();
    assert!(world.clients.iter().all(|client| client.heard.keys.is_empty()));
    world.frame();
    assert_eq!(world.clients[1].heard.keys, [(A, true)]);
    assert!(world.clients[0].heard.keys.is_empty());
}

#[test]
fn a_launcher_over_a_window_that_fills_the_screen_is_seen() {
    let mut world = desk("");
    world.click_into("work");
    world.chord(&[SUPER, F]);
    follow(&mut world);
    world.add_layer(1, &LayerSpec::bar(20), GOLD);
    assert_eq!(colour(&mut world, 320, 10), PINK, "a bar is not");
    let spec = keyboard(LayerSpec::middle(Layer::Top, (100, 50)), KeyboardInteractivity::Exclusive);
    world.add_layer(1, &spec, TEAL);
    let area = world.desktop.state().layers[1].area;
    assert_eq!(colour(&mut world, area[0] + 5, area[1] + 5), TEAL, "keys go where somebody sees it");
}

#[test]
fn keys_on_demand_come_with_a_click_and_go_with_the_next() {
    let mut world = desk("");
    world.click_into("work");
    let spec = keyboard(LayerSpec::bar(30), KeyboardInteractivity::OnDemand);
    world.add_layer(1, &spec, TEAL);
    world.chord(&[A]);
    assert_eq!(world.clients[0].heard.keys.len(), 2, "it takes nothing by itself");
    world.click(50.0, f64::from(BAR) + 5.0);
    world.chord(&[A]);
    assert_eq!((world.clients[0].heard.keys.len(), world.clients[1].heard.keys.len()), (2, 2));
    world.click_into("work");
    world.chord(&[A]);
    assert_eq!((world.clients[0].heard.keys.len(), world.clients[1].heard.keys.len()), (4, 2));
}

#[test]
fn nothing_of_it_is_seen_or_has_keys_while_locked() {
    let mut world = desk("");
    let spec = keyboard(LayerSpec::whole(Layer::Overlay), KeyboardInteractivity::Exclusive);
    world.add_layer(1, &spec, TEAL);
    let seen = |world: &mut World| world.picture().pixels().any(|p| p.0 == [0, 0x80, 0x80]);
    assert!(seen(&mut world));
    world.desktop.lock();
    assert!(!seen(&mut world));
    world.chord(&[A]);
    assert!(world.clients[1].heard.keys.is_empty());
    // One that comes while it is locked waits as well.
    let late = world.clients[1].layer(&spec, None);
    world.turn();
    world.clients[1].show_layer(late, TEAL);
    assert!(!seen(&mut world));
    world.chord(&[A]);
    assert!(world.clients[1].heard.keys.is_empty());
    assert!(!world.clients[1].heard.keyboard);
}

#[test]
fn it_follows_its_screen_and_goes_with_it() {
    let screens = [("left", (640, 400), 120), ("right", (900, 600), 180)];
    let mut world = World::with_screens(&screens);
    let dom0 = world.add_dom0_client();
    world.clients[dom0].listen_to_screens();
    world.turn();
    let output: WlOutput = {
        let heard = &world.clients[dom0].heard;
        let (name, _) = heard.screens[1];
        let queue = world.clients[dom0].queue();
        world.clients[dom0].registry().bind(name, 4, &queue, ())
    };
    let right = world.clients[dom0].layer(&LayerSpec::bar(30), Some(&output));
    world.turn();
    assert_eq!(world.clients[dom0].heard.layers[right].wanted, Some((600, 30)));
    world.clients[dom0].show_layer(right, TEAL);
    world.frame();
    assert_eq!(world.desktop.state().layers[0].area, [640, BAR, 600, 30]);
    assert_eq!(pixel(&world.picture_of("right"), 10, 42 + 10) | 0xff00_0000, TEAL);
    assert!(world.picture_of("left").pixels().all(|p| p.0 != [0, 0x80, 0x80]));
    // Another mode and another scale.
    world.plug(&[screens[0], ("right", (1000, 500), 120)]);
    assert_eq!(world.clients[dom0].heard.layers[right].wanted, Some((1000, 30)));
    let usable: Vec<_> = world.desktop.shell.outputs().iter().map(|o| (o.usable.y, o.usable.h)).collect();
    assert_eq!(usable, [(BAR, 400 - BAR), (BAR + 30, 500 - BAR - 30)]);
    world.plug(&screens[..1]);
    assert!(world.clients[dom0].heard.layers[right].closed);
    assert!(world.desktop.state().layers.is_empty());
    // It may come back as a new one, when its screen does.
    world.plug(&screens);
    let left = world.add_layer(dom0, &LayerSpec::bar(10), TEAL);
    assert_eq!(world.clients[dom0].heard.layers[left].wanted.unwrap().1, 10);
    assert_eq!(world.clients[dom0].error, None);
}

#[test]
fn a_menu_of_a_bar_opens_below_it_and_goes_with_a_press_elsewhere() {
    let mut world = desk("bar false");
    world.add_layer(1, &LayerSpec::bar(30), TEAL);
    world.click(100.0, 10.0);
    let menu = world.clients[1].layer_popup(0, (100, 10), (80, 60));
    world.turn();
    let [x, y, w, h] = world.clients[1].heard.popup.unwrap();
    assert_eq!((w, h), (80, 60));
    assert!(y >= 30, "in the windows' part of the screen: {y}");
    world.clients[1].paint(&menu, usize::MAX, (80, 60), GOLD);
    assert_eq!(colour(&mut world, x + 5, y + 5), GOLD);
    world.input(&[InputEvent::PointerTo { x: f64::from(x) + 7.0, y: f64::from(y) + 8.0 }]);
    assert!(matches!(world.clients[1].heard.pointer, Some((_, px, py)) if (px, py) == (7.0, 8.0)));
}

#[test]
fn where_it_takes_no_input_the_window_beneath_does() {
    let mut world = desk("");
    let overlay = world.add_layer(1, &LayerSpec::whole(Layer::Overlay), 0);
    let click = |world: &mut World| {
        world.click_into("work");
        (world.clients[0].heard.buttons.len(), world.clients[1].heard.buttons.len())
    };
    assert_eq!(click(&mut world), (0, 2));
    let compositor: WlCompositor = world.clients[1].bind(6);
    let nothing = compositor.create_region(&world.clients[1].queue(), ());
    let surface = world.clients[1].heard.layers[overlay].surface.clone();
    surface.set_input_region(Some(&nothing));
    surface.commit();
    world.turn();
    assert_eq!(click(&mut world), (2, 2));
}

#[test]
fn one_that_takes_its_picture_away_can_come_again() {
    let mut world = desk("");
    let bar = world.add_layer(1, &LayerSpec::bar(30), TEAL);
    let surface = world.clients[1].heard.layers[bar].surface.clone();
    surface.attach(None, 0, 0);
    surface.commit();
    world.frame();
    assert!(world.desktop.state().layers.is_empty());
    world.clients[1].heard.layers[bar].wanted = None;
    surface.commit();
    world.turn();
    world.clients[1].show_layer(bar, TEAL);
    world.frame();
    assert_eq!(world.clients[1].error, None);
    assert_eq!(world.desktop.state().layers[0].area, [0, BAR, 640, 30]);
}

#[test]
fn what_is_absurd_is_clamped_or_ends_its_program_alone() {
    let mut world = desk("");
    let absurd = LayerSpec { size: (0, 1_000_000), zone: i32::MAX, ..LayerSpec::bar(0) };
    world.add_layer(1, &absurd, TEAL);
    world.click_into("work");
    let usable = world.desktop.shell.outputs()[0].usable;
    assert_eq!((usable.w, usable.h), (640, (400 - BAR) / 2), "windows keep half");
    assert_eq!(world.clients[1].heard.layers[0].wanted, Some((640, 400)));
    // A size of 0 without both edges.
    let bad = world.add_dom0_client();
    world.clients[bad].layer(&LayerSpec { size: (0, 0), ..LayerSpec::middle(Layer::Top, (0, 0)) }, None);
    world.frame();
    assert!(world.clients[bad].error.as_ref().is_some_and(|e| e.contains("zwlr_layer_surface_v1")));
    // A picture before the first configure.
    let hasty = world.add_dom0_client();
    let layer = world.clients[hasty].layer(&LayerSpec::bar(10), None);
    let surface = world.clients[hasty].heard.layers[layer].surface.clone();
    world.clients[hasty].paint(&surface, usize::MAX, (640, 10), TEAL);
    world.frame();
    assert!(world.clients[hasty].error.is_some());
    // Too many.
    let greedy = world.add_dom0_client();
    for _ in 0..100 {
        world.clients[greedy].layer(&LayerSpec::bar(1), None);
    }
    world.frame();
    assert!(world.clients[greedy].error.as_ref().is_some_and(|e| e.contains("zwlr_layer_surface_v1")));
    assert!(world.clients[..2].iter().all(|client| client.error.is_none()), "the others go on");
    assert_eq!(world.desktop.state().layers.len(), 1);
}

#[test]
fn nothing_is_drawn_while_nothing_changes_and_no_qube_is_offered_it() {
    let mut world = desk("");
    world.add_layer(1, &LayerSpec::bar(30), TEAL);
    world.frame();
    assert!(!world.frame());
    let offered = &world.clients[0].heard.globals;
    assert!(
        offered.keys().all(|name| !name.starts_with("zwlr_") && !name.starts_with("ext_")),
        "{offered:?}"
    );
}
