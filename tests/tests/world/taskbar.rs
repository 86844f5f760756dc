//! What programs of dom0 are told of windows and may do with them, and pictures that they take.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use transom::input::event::InputEvent;
use transom_tests::fixture::{LayerSpec, World, memory, take_up};
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, delegate_noop, event_created_child,
    protocol::{
        wl_buffer::WlBuffer,
        wl_output::WlOutput,
        wl_registry::{self, WlRegistry},
        wl_seat::WlSeat,
        wl_shm::{self, WlShm},
        wl_shm_pool::WlShmPool,
    },
};
use wayland_protocols::ext::foreign_toplevel_list::v1::client::{
    ext_foreign_toplevel_handle_v1::{self, ExtForeignToplevelHandleV1},
    ext_foreign_toplevel_list_v1::{self, ExtForeignToplevelListV1},
};
use wayland_protocols_wlr::{
    foreign_toplevel::v1::client::{
        zwlr_foreign_toplevel_handle_v1::{self, ZwlrForeignToplevelHandleV1},
        zwlr_foreign_toplevel_manager_v1::{self, ZwlrForeignToplevelManagerV1},
    },
    screencopy::v1::client::{
        zwlr_screencopy_frame_v1::{self, ZwlrScreencopyFrameV1},
        zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1,
    },
};

const A: u32 = 30;
const MAXIMISED: u32 = 0;
const MINIMISED: u32 = 1;
const ACTIVATED: u32 = 2;

/// A window as the program knows it.
#[derive(Default)]
struct Known {
    title: String,
    app_id: String,
    states: Vec<u32>,
    outputs: usize,
}

#[derive(Default)]
struct Tool {
    registry: Option<WlRegistry>,
    /// Number of the managers' global.
    global: u32,
    /// Managers that hear nothing more.
    finished: usize,
    manager: Option<ZwlrForeignToplevelManagerV1>,
    list: Option<ExtForeignToplevelListV1>,
    shooter: Option<ZwlrScreencopyManagerV1>,
    shm: Option<WlShm>,
    seat: Option<WlSeat>,
    output: Option<WlOutput>,
    /// By object.
    handles: Vec<(ZwlrForeignToplevelHandleV1, Known)>,
    closed: usize,
    /// Titles in the list of names.
    names: BTreeMap<u32, String>,
    /// What frames said: size that is wanted, ready, failed, damage.
    said: Vec<String>,
}

struct Program {
    queue: EventQueue<Tool>,
    connection: Connection,
    tool: Tool,
}

impl Program {
    fn new(world: &mut World) -> Self {
        let (connection, queue) = world.add_dom0_tool();
        let mut program = Self { queue, connection, tool: Tool::default() };
        program.turn(world);
        program.turn(world);
        program
    }

    fn turn(&mut self, world: &mut World) {
        self.connection.flush().unwrap();
        world.frame();
        take_up(&self.connection, &mut self.queue, &mut self.tool).unwrap();
    }

    fn known(&self, title: &str) -> &Known {
        &self.tool.handles.iter().find(|(_, known)| known.title == title).unwrap().1
    }

    fn handle(&self, title: &str) -> ZwlrForeignToplevelHandleV1 {
        self.tool.handles.iter().find(|(_, known)| known.title == title).unwrap().0.clone()
    }

    fn activate(&mut self, world: &mut World, title: &str) {
        self.handle(title).activate(self.tool.seat.as_ref().unwrap());
        self.turn(world);
        self.turn(world);
    }

    /// A frame of the whole screen, and a buffer for it with its memory.
    fn frame(
        &mut self,
        world: &mut World,
        shooter: &ZwlrScreencopyManagerV1,
    ) -> (ZwlrScreencopyFrameV1, WlBuffer, OwnedFd) {
        let queue = self.queue.handle();
        let frame = shooter.capture_output(1, self.tool.output.as_ref().unwrap(), &queue, ());
        self.turn(world);
        let (memory, size) = (memory(800 * 600, 0), 800 * 600 * 4);
        let pool =
            self.tool.shm.as_ref().unwrap().create_pool(std::os::fd::AsFd::as_fd(&memory), size, &queue, ());
        let buffer = pool.create_buffer(0, 800, 600, 3_200, wl_shm::Format::Xrgb8888, &queue, ());
        (frame, buffer, memory)
    }
}

fn focused(world: &World) -> Option<String> {
    world.desktop.state().windows.into_iter().find(|w| w.focused).map(|w| w.title)
}

fn marked(world: &World, title: &str) -> bool {
    world.desktop.state().windows.iter().any(|w| w.title == title && w.attention)
}

#[test]
fn the_qube_is_said_before_its_windows_title() {
    let mut world = World::two_qubes("");
    let mut program = Program::new(&mut world);
    let work = program.known("work: work");
    assert_eq!((work.app_id.as_str(), work.outputs, work.states.as_slice()), ("qube.work.test", 1, &[][..]));
    let names: Vec<&str> = program.tool.names.values().map(String::as_str).collect();
    assert_eq!(names, ["work: work", "web: web"]);
    // A title that would turn what is said around it (CLEAN-TEXT).
    world.clients[1].windows()[0].toplevel.set_title("work\u{202e}\u{1b}[2J: x".into());
    world.clients[1].show(0, (200, 100), 0xff00_0000);
    program.turn(&mut world);
    program.turn(&mut world);
    let title = &program.tool.handles[1].1.title;
    assert!(title.starts_with("web: ") && !title.contains(['\u{202e}', '\u{1b}']), "{title:?}");
    assert_eq!(program.tool.names.values().nth(1), Some(title));
    // It goes, and with it what was known of it.
    world.clients.remove(0);
    world.frame();
    program.turn(&mut world);
    assert_eq!((program.tool.closed, program.tool.handles.len(), program.tool.names.len()), (1, 1, 1));
}

#[test]
fn a_program_brings_a_window_up_only_for_what_the_person_did() {
    let mut world = World::two_qubes("");
    let mut program = Program::new(&mut world);
    let bar = world.add_dom0_client();
    world.clients[bar].listen();
    world.add_layer(bar, &LayerSpec::bar(30), 0xff20_2020);
    world.click_into("web");
    // By itself: it is marked.
    program.activate(&mut world, "work: work");
    assert_eq!(focused(&world).as_deref(), Some("web"));
    assert!(marked(&world, "work"));
    // After a click in a bar: once.
    world.click(50.0, 40.0);
    program.activate(&mut world, "work: work");
    assert_eq!(focused(&world).as_deref(), Some("work"));
    assert_eq!(program.known("work: work").states, [ACTIVATED]);
    program.activate(&mut world, "web: web");
    assert_eq!(focused(&world).as_deref(), Some("work"), "a press counts once");
    // Not when the person went on somewhere else: keys of that moment stay where they are meant.
    world.click(50.0, 40.0);
    world.click_into("work");
    program.activate(&mut world, "web: web");
    assert_eq!(focused(&world).as_deref(), Some("work"));
    world.click(50.0, 40.0);
    world.chord(&[A]);
    program.activate(&mut world, "web: web");
    assert_eq!(focused(&world).as_deref(), Some("work"));
    // Nor long after.
    world.click(50.0, 40.0);
    world.wait(std::time::Duration::from_secs(4));
    program.activate(&mut world, "web: web");
    assert_eq!(focused(&world).as_deref(), Some("work"));
    // Nor through the lock.
    world.click(50.0, 40.0);
    world.desktop.lock();
    program.activate(&mut world, "web: web");
    assert_eq!(focused(&world), None);
}

#[test]
fn a_taskbar_does_to_windows_what_it_may() {
    let mut world = World::two_qubes("");
    let mut program = Program::new(&mut world);
    world.click_into("web");
    let work = program.handle("work: work");
    work.set_maximized();
    program.turn(&mut world);
    world.clients[0].show(0, (200, 100), 0xff00_0000);
    program.turn(&mut world);
    assert_eq!(program.known("work: work").states, [MAXIMISED]);
    work.set_minimized();
    program.turn(&mut world);
    program.turn(&mut world);
    assert_eq!(program.known("work: work").states, [MAXIMISED, MINIMISED]);
    assert_eq!(focused(&world).as_deref(), Some("web"));
    work.unset_minimized();
    work.unset_maximized();
    work.close();
    program.turn(&mut world);
    program.turn(&mut world);
    assert!(program.known("work: work").states.is_empty());
    assert!(world.clients[0].windows()[0].closed && !world.clients[1].windows()[0].closed);
    // Nothing changes: nothing is said, nothing is drawn.
    world.frame();
    assert!(!world.frame());
}

#[test]
fn there_are_not_endlessly_many_taskbars() {
    let mut world = World::two_qubes("");
    let mut program = Program::new(&mut world);
    let (registry, queue) = (program.tool.registry.clone().unwrap(), program.queue.handle());
    for _ in 0..40 {
        let _: ZwlrForeignToplevelManagerV1 = registry.bind(program.tool.global, 3, &queue, ());
    }
    // All that is said does not come at once.
    for _ in 0..4 {
        program.turn(&mut world);
    }
    assert_eq!((program.tool.finished, program.tool.handles.len()), (41 - 32, 2 * 32));
    assert_eq!(world.desktop.state().windows.len(), 2, "the desktop goes on");
}

#[test]
fn a_recording_waits_for_changes_is_said_and_ends_with_the_lock() {
    let mut world = World::two_qubes("");
    let mut program = Program::new(&mut world);
    let shooter = program.tool.shooter.clone().unwrap();
    let (frame, buffer, memory) = program.frame(&mut world, &shooter);
    frame.copy_with_damage(&buffer);
    program.turn(&mut world);
    program.turn(&mut world);
    assert_eq!(program.tool.said, ["800x600", "damage", "ready"], "the first is there at once");
    let mut bytes = vec![0; 800 * 600 * 4];
    rustix::io::pread(&memory, &mut bytes, 0).unwrap();
    assert!(bytes.chunks_exact(4).any(|p| p[..3] == [0x80, 0x80, 0]), "a window is in it");
    let notices = world.desktop.state().notices;
    assert!(notices.iter().any(|n| n.contains("records")), "{notices:?}");
    // Once the notice was drawn and taken, nothing changes by itself.
    program.tool.said.clear();
    let mut waiting = None;
    for _ in 0..4 {
        let (frame, buffer, memory) = program.frame(&mut world, &shooter);
        frame.copy_with_damage(&buffer);
        program.turn(&mut world);
        program.turn(&mut world);
        waiting = Some((frame, buffer, memory));
        if program.tool.said.last().is_some_and(|said| said == "800x600") {
            break;
        }
    }
    assert_eq!(program.tool.said.last().map(String::as_str), Some("800x600"), "it waits");
    assert!(!world.frame(), "and wakes nobody");
    world.input(&[InputEvent::PointerTo { x: 300.0, y: 300.0 }]);
    program.turn(&mut world);
    assert_eq!(program.tool.said.last().map(String::as_str), Some("ready"));
    drop(waiting);
    // One that waits when the desktop is locked gets nothing of it.
    let (frame, buffer, _memory) = program.frame(&mut world, &shooter);
    frame.copy_with_damage(&buffer);
    world.desktop.lock();
    program.tool.said.clear();
    program.turn(&mut world);
    program.turn(&mut world);
    assert_eq!(program.tool.said, ["failed"]);
    let (_frame, _buffer, _memory) = program.frame(&mut world, &shooter);
    program.turn(&mut world);
    assert_eq!(program.tool.said, ["failed", "failed"], "nor one that comes");
}

#[test]
fn a_buffer_that_does_not_fit_ends_its_program_alone() {
    let mut world = World::two_qubes("");
    let mut other = Program::new(&mut world);
    let mut program = Program::new(&mut world);
    let shooter = program.tool.shooter.clone().unwrap();
    let (frame, ..) = program.frame(&mut world, &shooter);
    let queue = program.queue.handle();
    let memory = memory(400, 0);
    let shm = program.tool.shm.clone().unwrap();
    let pool = shm.create_pool(std::os::fd::AsFd::as_fd(&memory), 1_600, &queue, ());
    frame.copy(&pool.create_buffer(0, 20, 20, 80, wl_shm::Format::Xrgb8888, &queue, ()));
    program.connection.flush().unwrap();
    world.turn();
    if let Some(guard) = program.connection.prepare_read() {
        let _ = guard.read();
    }
    // Where the end is noticed depends on what was read with it.
    let ended = program.queue.dispatch_pending(&mut program.tool).is_err();
    assert!(ended || program.connection.protocol_error().is_some());
    other.turn(&mut world);
    assert_eq!(other.tool.handles.len(), 2);
    assert!(world.clients.iter().all(|client| client.error.is_none()));
}

impl Dispatch<WlRegistry, ()> for Tool {
    fn event(
        tool: &mut Self,
        registry: &WlRegistry,
        event: wl_registry::Event,
        (): &(),
        _: &Connection,
        queue: &QueueHandle<Self>,
    ) {
        let wl_registry::Event::Global { name, interface, version } = event else { return };
        match interface.as_str() {
            "zwlr_foreign_toplevel_manager_v1" => {
                (tool.registry, tool.global) = (Some(registry.clone()), name);
                tool.manager = Some(registry.bind(name, version, queue, ()));
            }
            "ext_foreign_toplevel_list_v1" => tool.list = Some(registry.bind(name, version, queue, ())),
            "zwlr_screencopy_manager_v1" => tool.shooter = Some(registry.bind(name, version, queue, ())),
            "wl_shm" => tool.shm = Some(registry.bind(name, 1, queue, ())),
            "wl_seat" => tool.seat = Some(registry.bind(name, 7, queue, ())),
            "wl_output" => tool.output = Some(registry.bind(name, 4, queue, ())),
            _ => {}
        }
    }
}

impl Dispatch<ZwlrForeignToplevelManagerV1, ()> for Tool {
    fn event(
        tool: &mut Self,
        _: &ZwlrForeignToplevelManagerV1,
        event: zwlr_foreign_toplevel_manager_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwlr_foreign_toplevel_manager_v1::Event::Toplevel { toplevel } => {
                tool.handles.push((toplevel, Known::default()));
            }
            zwlr_foreign_toplevel_manager_v1::Event::Finished => tool.finished += 1,
            _ => {}
        }
    }

    event_created_child!(Tool, ZwlrForeignToplevelManagerV1, [
        zwlr_foreign_toplevel_manager_v1::EVT_TOPLEVEL_OPCODE => (ZwlrForeignToplevelHandleV1, ()),
    ]);
}

impl Dispatch<ZwlrForeignToplevelHandleV1, ()> for Tool {
    fn event(
        tool: &mut Self,
        handle: &ZwlrForeignToplevelHandleV1,
        event: zwlr_foreign_toplevel_handle_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_foreign_toplevel_handle_v1::Event as E;
        if matches!(event, E::Closed) {
            tool.closed += 1;
            tool.handles.retain(|(kept, _)| kept != handle);
            return;
        }
        let Some((_, known)) = tool.handles.iter_mut().find(|(kept, _)| kept == handle) else { return };
        match event {
            E::Title { title } => known.title = title,
            E::AppId { app_id } => known.app_id = app_id,
            E::OutputEnter { .. } => known.outputs += 1,
            E::OutputLeave { .. } => known.outputs -= 1,
            E::State { state } => {
                let number = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().unwrap());
                known.states = state.chunks_exact(4).map(number).collect();
            }
            _ => {}
        }
    }
}

impl Dispatch<ExtForeignToplevelListV1, ()> for Tool {
    fn event(
        _: &mut Self,
        _: &ExtForeignToplevelListV1,
        _: ext_foreign_toplevel_list_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }

    event_created_child!(Tool, ExtForeignToplevelListV1, [
        ext_foreign_toplevel_list_v1::EVT_TOPLEVEL_OPCODE => (ExtForeignToplevelHandleV1, ()),
    ]);
}

impl Dispatch<ExtForeignToplevelHandleV1, ()> for Tool {
    fn event(
        tool: &mut Self,
        handle: &ExtForeignToplevelHandleV1,
        event: ext_foreign_toplevel_handle_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let id = handle.id().protocol_id();
        match event {
            ext_foreign_toplevel_handle_v1::Event::Title { title } => drop(tool.names.insert(id, title)),
            ext_foreign_toplevel_handle_v1::Event::Closed => drop(tool.names.remove(&id)),
            _ => {}
        }
    }
}

impl Dispatch<ZwlrScreencopyFrameV1, ()> for Tool {
    fn event(
        tool: &mut Self,
        _: &ZwlrScreencopyFrameV1,
        event: zwlr_screencopy_frame_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_screencopy_frame_v1::Event as E;
        match event {
            E::Buffer { width, height, .. } => tool.said.push(format!("{width}x{height}")),
            E::Damage { .. } => tool.said.push("damage".into()),
            E::Ready { .. } => tool.said.push("ready".into()),
            E::Failed => tool.said.push("failed".into()),
            _ => {}
        }
    }
}

delegate_noop!(Tool: ignore WlOutput);
delegate_noop!(Tool: ignore WlSeat);
delegate_noop!(Tool: ignore WlShm);
delegate_noop!(Tool: ignore WlBuffer);
delegate_noop!(Tool: WlShmPool);
delegate_noop!(Tool: ZwlrScreencopyManagerV1);
