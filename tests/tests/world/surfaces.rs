//! What programs show reaches the screen as they mean it.

use transom::input::event::InputEvent;
use transom_tests::fixture::{World, memory, pixel};
use transom_theming::Label;

const TEAL: u32 = 0xff00_8080;
const PINK: u32 = 0xffff_66aa;

#[test]
fn a_window_shows_its_pixels_inside_its_frame() {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.add_window(client, "one", (200, 100), TEAL);
    let [x, y, w, h] = world.content("one");
    assert_eq!((w, h), (200, 100));
    let picture = world.picture();
    for (dx, dy) in [(0, 0), (199, 0), (0, 99), (199, 99), (100, 50)] {
        assert_eq!(pixel(&picture, x + dx, y + dy), 0x0000_8080, "{dx},{dy}");
    }
    for (dx, dy) in [(-1, 0), (0, -1), (200, 0), (0, 100)] {
        assert_ne!(pixel(&picture, x + dx, y + dy), 0x0000_8080, "outside: {dx},{dy}");
    }
}

#[test]
fn programs_get_frames_and_their_buffers_back() {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    let window = world.add_window(client, "one", (200, 100), TEAL);
    assert_eq!(world.clients[client].windows()[window].frames, 1, "a callback once it was shown");
    assert_eq!(world.clients[client].heard.released, 0, "dom0 still reads it");
    world.clients[client].show(window, (200, 100), PINK);
    world.frame();
    assert_eq!(world.clients[client].heard.released, 1, "the first one came back");
    assert_eq!(world.clients[client].windows()[window].frames, 2);
    let [x, y, ..] = world.content("one");
    assert_eq!(pixel(&world.picture(), x, y), PINK & 0xff_ffff);
}

#[test]
fn frames_that_are_asked_for_before_a_surface_has_a_role_come_once_it_is_shown() {
    for dom0 in [false, true] {
        let mut world = World::new();
        let client = if dom0 {
            world.add_dom0_client()
        } else {
            let qube = world.add_qube("work", Label::Blue);
            world.add_client(qube)
        };
        let window = world.add_window(client, "one", (200, 100), TEAL);
        let frames = |world: &World| world.clients[client].windows()[window].frames;
        let surface = world.clients[client].early_surface(window);
        world.turn();
        world.frame();
        assert_eq!(frames(&world), 1, "nobody has seen it");
        let _subsurface = world.clients[client].show_early(window, &surface, (50, 40), PINK);
        world.clients[client].show(window, (200, 100), TEAL);
        world.turn();
        world.frame();
        world.turn();
        assert_eq!(frames(&world), 4, "two early ones, and that of the window itself; dom0: {dom0}");
        let [x, y, ..] = world.content("one");
        assert_eq!(pixel(&world.picture(), x, y), PINK & 0xff_ffff);
    }
}

#[test]
fn nothing_is_drawn_when_nothing_changed() {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.add_window(client, "one", (200, 100), TEAL);
    world.frame();
    let drawn = world.desktop.state().frames.drawn;
    for _ in 0..5 {
        assert!(!world.frame());
    }
    assert_eq!(world.desktop.state().frames.drawn, drawn);
}

#[test]
fn a_subsurface_shows_at_its_place_and_is_cut_at_the_window() {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    let window = world.add_window(client, "one", (200, 100), TEAL);
    world.turn();
    let subsurface = world.clients[client].subsurface(window, (150, 60), (100, 100), PINK);
    world.clients[client].show(window, (200, 100), TEAL);
    world.frame();
    let [x, y, ..] = world.content("one");
    let picture = world.picture();
    assert_eq!(pixel(&picture, x + 149, y + 60), TEAL & 0xff_ffff);
    assert_eq!(pixel(&picture, x + 150, y + 60), PINK & 0xff_ffff);
    drop(subsurface);
}

#[test]
fn a_popup_hangs_in_a_frame_of_its_own() {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "one", (200, 100), TEAL);
    let [x, y, ..] = world.content("one");
    world.click(f64::from(x) + 5.0, f64::from(y) + 5.0);
    let popup = world.clients[client].popup(0, (20, 30), (60, 40), true);
    world.turn();
    world.clients[client].paint(&popup, usize::MAX, (60, 40), PINK);
    world.frame();
    assert_eq!(world.clients[client].heard.popup, Some([20, 30, 60, 40]));
    let picture = world.picture();
    assert_eq!(pixel(&picture, x + 20, y + 30), PINK & 0xff_ffff);
    let frame = pixel(&picture, x + 18, y + 28);
    assert!(frame != TEAL & 0xff_ffff && frame != PINK & 0xff_ffff, "a frame around it: {frame:06x}");
    // A press elsewhere dismisses it.
    world.click(790.0, 590.0);
    assert!(world.clients[client].heard.popup_done);
}

#[test]
fn a_program_is_asked_to_close() {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    let window = world.add_window(client, "one", (300, 100), TEAL);
    let [x, y, w, _] = world.content("one");
    world.click(f64::from(x + w) - 10.0, f64::from(y) - 12.0);
    assert!(world.clients[client].windows()[window].closed);
}

#[test]
fn resizing_goes_through_the_program() {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    let window = world.add_window(client, "one", (200, 100), TEAL);
    let [x, y, w, h] = world.content("one");
    let corner = (f64::from(x + w) + 1.5, f64::from(y + h) + 1.5);
    world.input(&[
        InputEvent::PointerTo { x: corner.0, y: corner.1 },
        InputEvent::Button { code: transom::input::event::BTN_LEFT, pressed: true },
    ]);
    world.input(&[InputEvent::PointerTo { x: corner.0 + 40.0, y: corner.1 + 30.0 }]);
    assert_eq!(world.clients[client].windows()[window].wanted, (240, 130));
    world.clients[client].show(window, (0, 0), TEAL);
    world.input(&[InputEvent::Button { code: transom::input::event::BTN_LEFT, pressed: false }]);
    assert_eq!(world.content("one")[2..], [240, 130]);
}

#[test]
fn a_pool_that_grows_is_granted_anew() {
    let mut world = World::new();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    let window = world.add_window(client, "one", (20, 10), TEAL);
    let fd = memory(800, PINK);
    let program = &world.clients[client];
    let shm: wayland_client::protocol::wl_shm::WlShm = program.bind(1);
    let queue = program.queue();
    let pool = shm.create_pool(std::os::fd::AsFd::as_fd(&fd), 800, &queue, ());
    pool.resize(3_200);
    let format = wayland_client::protocol::wl_shm::Format::Xrgb8888;
    let buffer = pool.create_buffer(2_400, 20, 10, 80, format, &queue, ());
    let surface = program.windows()[window].surface.clone();
    surface.attach(Some(&buffer), 0, 0);
    surface.damage_buffer(0, 0, 20, 10);
    surface.commit();
    world.frame();
    let [x, y, ..] = world.content("one");
    assert_eq!(pixel(&world.picture(), x, y), PINK & 0xff_ffff);
    assert_eq!(world.clients[client].error, None);
}
