//! Night colour by the clock, and programs of dom0 that set gamma ramps.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use transom::{
    config::Config,
    ipc::{Gamma, NightMode, Reply, Request, State},
};
use transom_tests::fixture::{World, take_up};
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, delegate_noop,
    protocol::{
        wl_output::WlOutput,
        wl_registry::{self, WlRegistry},
    },
};
use wayland_protocols_wlr::gamma_control::v1::client::{
    zwlr_gamma_control_manager_v1::ZwlrGammaControlManagerV1,
    zwlr_gamma_control_v1::{self, ZwlrGammaControlV1},
};

const SCREENS: [(&str, (i32, i32), u32); 2] = [("left", (640, 400), 120), ("right", (960, 600), 180)];
const ENTRIES: usize = 256;

/// What the program heard.
#[derive(Default)]
struct Tool {
    manager: Option<ZwlrGammaControlManagerV1>,
    outputs: Vec<WlOutput>,
    /// Answers of controls, in order: their size, `None`: failed.
    answers: Vec<Option<u32>>,
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
        // One that was ended cannot say anything.
        let _ = self.connection.flush();
        world.turn();
        let _ = take_up(&self.connection, &mut self.queue, &mut self.tool);
    }

    fn control(&mut self, world: &mut World, output: usize) -> ZwlrGammaControlV1 {
        let manager = self.tool.manager.as_ref().unwrap();
        let control = manager.get_gamma_control(&self.tool.outputs[output], &self.queue.handle(), ());
        self.turn(world);
        control
    }

    fn set(&mut self, world: &mut World, control: &ZwlrGammaControlV1, table: &OwnedFd) {
        control.set_gamma(table.as_fd());
        self.turn(world);
    }

    /// It was ended for this.
    fn error(&self) -> Option<u32> {
        self.connection.protocol_error().map(|error| error.code)
    }
}

/// A file of so many bytes: three lines to these ends.
fn table(ends: [u16; 3], bytes: usize) -> OwnedFd {
    let line = |end: u16| {
        (0..ENTRIES).map(move |at| (usize::from(end) * at / (ENTRIES - 1)) as u16).flat_map(u16::to_ne_bytes)
    };
    let mut content: Vec<u8> = ends.into_iter().flat_map(line).collect();
    content.resize(bytes, 0);
    let file = memfd_create("table", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, bytes as u64).unwrap();
    rustix::io::pwrite(&file, &content, 0).unwrap();
    file
}

const RIGHT: usize = ENTRIES * 6;
const WARM: [u16; 3] = [65_535, 58_000, 45_000];

fn state(world: &mut World) -> State {
    match world.desktop.answer(&Request::State) {
        Reply::State(state) => *state,
        other => panic!("{other:?}"),
    }
}

fn gamma(world: &mut World, monitor: usize) -> Gamma {
    state(world).monitors[monitor].gamma.clone()
}

fn by(world: &mut World) -> [String; 2] {
    [0, 1].map(|monitor| gamma(world, monitor).by)
}

fn night(world: &mut World, mode: NightMode) {
    assert_eq!(world.desktop.answer(&Request::Night { mode }), Reply::Done);
}

#[test]
fn night_comes_by_the_clock_and_by_the_person() {
    let config = "night-colour { temperature 4000; from \"20:00\"; until \"07:00\"; fade \"30m\"; }
        idle { lock \"never\"; screens-off \"never\"; }";
    let mut world = World::with(Config::parse("test.kdl", config).unwrap(), (640, 400), 120);
    let kelvin = |world: &mut World| {
        let (night, gamma) = (state(world).night, gamma(world, 0));
        assert_eq!(gamma.temperature, Some(night.temperature));
        assert_eq!((gamma.size, gamma.by.as_str(), gamma.first), (256, "night", [0; 3]));
        (night.temperature, gamma.last)
    };
    // The clock stands at noon.
    assert_eq!(kelvin(&mut world), (6_500, [65_535; 3]));
    let hours = |hours: u64, minutes: u64| Duration::from_mins(hours * 60 + minutes);
    world.wait(hours(7, 59));
    assert_eq!(kelvin(&mut world).0, 6_500);
    let mut before = kelvin(&mut world);
    for _ in 0..31 {
        world.wait(hours(0, 1));
        let now = kelvin(&mut world);
        assert!(now.0 <= before.0 && before.0 - now.0 < 200, "{before:?} {now:?}");
        assert!(now.1[2] <= before.1[2] && before.1[2] - now.1[2] < 1_500, "{before:?} {now:?}");
        before = now;
    }
    assert_eq!(before.0, 4_000);
    assert_eq!(before.1[0], 65_535);
    assert!((54_000..57_500).contains(&before.1[1]) && (41_000..44_000).contains(&before.1[2]), "{before:?}");
    world.frame();
    let picture = world.picture();

    // The person goes before the clock, until told otherwise; pictures of the screen are as they were.
    night(&mut world, NightMode::Off);
    assert_eq!(kelvin(&mut world).0, 6_500);
    assert!(!world.frame(), "light alone draws nothing");
    assert!(world.picture() == picture);
    world.wait(hours(24, 0));
    assert_eq!(kelvin(&mut world).0, 6_500);
    night(&mut world, NightMode::Auto);
    assert_eq!(kelvin(&mut world).0, 4_000);
    world.wait(hours(11, 30));
    assert_eq!(kelvin(&mut world).0, 6_500);
    night(&mut world, NightMode::On);
    assert_eq!((kelvin(&mut world).0, state(&mut world).night.mode), (4_000, NightMode::On));
}

#[test]
fn a_monitor_that_comes_has_the_colour_of_the_others() {
    let mut world = World::with_screens(&SCREENS[..1]);
    night(&mut world, NightMode::On);
    world.plug(&SCREENS);
    assert_eq!(gamma(&mut world, 0), gamma(&mut world, 1));
    assert_eq!(gamma(&mut world, 1).temperature, Some(4_000));
}

#[test]
fn a_programs_ramp_goes_before_night_and_with_it() {
    let mut world = World::with_screens(&SCREENS);
    night(&mut world, NightMode::On);
    let mut program = Program::new(&mut world);
    let control = program.control(&mut world, 1);
    assert_eq!(program.tool.answers, [Some(256)]);
    assert_eq!(by(&mut world), ["night", "night"]);
    program.set(&mut world, &control, &table(WARM, RIGHT));
    assert_eq!(by(&mut world), ["night", "program"]);
    let set = gamma(&mut world, 1);
    assert_eq!((set.last, set.temperature), (WARM, None));
    // Each monitor is one program's; asking again is no way to take it.
    let mut second = Program::new(&mut world);
    let refused = second.control(&mut world, 1);
    second.set(&mut world, &refused, &table([65_535; 3], RIGHT));
    assert_eq!((second.tool.answers.as_slice(), gamma(&mut world, 1).last), (&[None][..], WARM));
    second.control(&mut world, 0);
    assert_eq!(second.tool.answers, [None, Some(256)]);
    // A dark monitor has it again once it is lit; one that comes back is the program's no more.
    for on in [false, true] {
        world.desktop.answer(&Request::Power { output: "right".into(), on });
        world.turn();
        assert_eq!(gamma(&mut world, 1).last, WARM);
    }
    control.destroy();
    program.turn(&mut world);
    assert_eq!(by(&mut world), ["night", "night"]);
    let control = program.control(&mut world, 1);
    program.set(&mut world, &control, &table(WARM, RIGHT));
    world.plug(&SCREENS[..1]);
    program.turn(&mut world);
    assert_eq!(program.tool.answers, [Some(256), Some(256), None]);
    world.plug(&SCREENS);
    assert_eq!(by(&mut world), ["night", "night"]);
    // A program that dies takes its ramp with it.
    program.tool.outputs.retain(Proxy::is_alive);
    let mut third = Program::new(&mut world);
    let control = third.control(&mut world, 1);
    third.set(&mut world, &control, &table(WARM, RIGHT));
    assert_eq!(by(&mut world), ["night", "program"]);
    drop((third, control));
    world.turn();
    assert_eq!(by(&mut world), ["night", "night"]);
}

#[test]
fn a_table_of_another_length_ends_the_program() {
    let mut world = World::with_screens(&SCREENS);
    for bytes in [0, 1, RIGHT - 1, RIGHT - 2, RIGHT + 1, RIGHT * 2, 6] {
        let mut program = Program::new(&mut world);
        let control = program.control(&mut world, 0);
        program.set(&mut world, &control, &table(WARM, bytes));
        program.turn(&mut world);
        let invalid = zwlr_gamma_control_v1::Error::InvalidGamma as u32;
        assert_eq!(program.error(), Some(invalid), "{bytes} bytes");
        assert_eq!(by(&mut world), ["night", "night"]);
    }
}

#[test]
fn what_cannot_be_read_or_seen_through_fails() {
    let mut world = World::with_screens(&SCREENS);
    let (pipe, keep_open) = rustix::pipe::pipe().unwrap();
    let full = 65_535;
    let folder = std::fs::File::open("/").unwrap();
    let mut tables = vec![pipe, folder.into()];
    // Black, nearly black, hardly any blue, and one colour only.
    tables.extend([[0; 3], [15_000; 3], [full, full / 2, 0], [full, 0, 0]].map(|ends| table(ends, RIGHT)));
    for bad in tables {
        let mut program = Program::new(&mut world);
        let control = program.control(&mut world, 0);
        program.set(&mut world, &control, &table(WARM, RIGHT));
        assert_eq!(by(&mut world), ["program", "night"]);
        program.set(&mut world, &control, &bad);
        assert_eq!((program.tool.answers.as_slice(), program.error()), (&[Some(256), None][..], None));
        assert_eq!(by(&mut world), ["night", "night"], "and the one before is gone with the control");
        // The control is dead and does nothing more.
        program.set(&mut world, &control, &table(WARM, RIGHT));
        assert_eq!((by(&mut world), program.error()), (["night", "night"].map(str::to_owned), None));
    }
    drop(keep_open);
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
        if interface == ZwlrGammaControlManagerV1::interface().name {
            tool.manager = Some(registry.bind(name, version, queue, ()));
        } else if interface == WlOutput::interface().name {
            tool.outputs.push(registry.bind(name, version, queue, ()));
        }
    }
}

impl Dispatch<ZwlrGammaControlV1, ()> for Tool {
    fn event(
        tool: &mut Self,
        _: &ZwlrGammaControlV1,
        event: zwlr_gamma_control_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        tool.answers.push(match event {
            zwlr_gamma_control_v1::Event::GammaSize { size } => Some(size),
            _ => None,
        });
    }
}

delegate_noop!(Tool: ignore WlOutput);
delegate_noop!(Tool: ZwlrGammaControlManagerV1);
