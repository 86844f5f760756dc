//! What programs of dom0 hear when they arrange monitors at a bad moment, or make them dark.

use transom::{
    ipc::{Reply, Request, VariableRefresh},
    screens::Monitor,
};
use transom_tests::fixture::{World, take_up};
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, WEnum, delegate_noop, event_created_child,
    protocol::{
        wl_output::WlOutput,
        wl_registry::{self, WlRegistry},
    },
};
use wayland_protocols_wlr::{
    output_management::v1::client::{
        zwlr_output_configuration_head_v1::ZwlrOutputConfigurationHeadV1,
        zwlr_output_configuration_v1::{self, ZwlrOutputConfigurationV1},
        zwlr_output_head_v1::{self, AdaptiveSyncState, ZwlrOutputHeadV1},
        zwlr_output_manager_v1::{self, ZwlrOutputManagerV1},
        zwlr_output_mode_v1::ZwlrOutputModeV1,
    },
    output_power_management::v1::client::{
        zwlr_output_power_manager_v1::ZwlrOutputPowerManagerV1,
        zwlr_output_power_v1::{self, ZwlrOutputPowerV1},
    },
};

/// Super+f.
const SUPER_F: [u32; 2] = [125, 33];
const SCREENS: [(&str, (i32, i32), u32); 2] = [("left", (640, 400), 120), ("right", (960, 600), 180)];

/// What the program heard.
#[derive(Default)]
struct Tool {
    manager: Option<ZwlrOutputManagerV1>,
    powers: Option<ZwlrOutputPowerManagerV1>,
    outputs: Vec<WlOutput>,
    heads: Vec<ZwlrOutputHeadV1>,
    gone: usize,
    serial: u32,
    /// What it was last told of variable refresh, by head in the order told.
    adaptive: Vec<bool>,
    /// Answers to configurations.
    answers: Vec<&'static str>,
    /// Light of the monitor that it watches; `None`: it failed.
    lit: Vec<Option<bool>>,
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
        world.turn();
        take_up(&self.connection, &mut self.queue, &mut self.tool).unwrap();
    }

    /// All monitors on, by what was known at this serial.
    fn configuration(&self, serial: u32) -> ZwlrOutputConfigurationV1 {
        self.configuration_of(serial, None)
    }

    /// As that, and this of the refresh of all of them.
    fn configuration_of(&self, serial: u32, vrr: Option<AdaptiveSyncState>) -> ZwlrOutputConfigurationV1 {
        let queue = self.queue.handle();
        let configuration = self.tool.manager.as_ref().unwrap().create_configuration(serial, &queue, ());
        for head in &self.tool.heads {
            let head = configuration.enable_head(head, &queue, ());
            head.set_scale(2.0);
            if let Some(vrr) = vrr {
                head.set_adaptive_sync(vrr);
            }
        }
        configuration
    }
}

#[test]
fn a_configuration_of_before_a_change_is_cancelled() {
    let mut world = World::with_screens(&SCREENS);
    let mut program = Program::new(&mut world);
    assert_eq!(program.tool.heads.len(), 2);
    let stale = program.configuration(program.tool.serial);
    world.plug(&SCREENS[..1]);
    stale.apply();
    program.turn(&mut world);
    assert_eq!((program.tool.answers.as_slice(), program.tool.gone), (&["cancelled"][..], 1));
    assert!(world.desktop.screens.iter().all(|screen| screen.scale == 120));
    world.plug(&SCREENS);
    program.turn(&mut world);
    assert_eq!(program.tool.heads.len(), 2, "it came back as a new one");
    program.configuration(program.tool.serial).apply();
    program.turn(&mut world);
    assert_eq!(program.tool.answers, ["cancelled", "succeeded"]);
    assert!(world.desktop.screens.iter().all(|screen| screen.scale == 240));
}

#[test]
fn a_monitor_is_made_dark_and_lit() {
    let mut world = World::with_screens(&SCREENS);
    let mut program = Program::new(&mut world);
    let queue = program.queue.handle();
    let powers = program.tool.powers.clone().unwrap();
    let power = powers.get_output_power(&program.tool.outputs[1], &queue, ());
    power.set_mode(zwlr_output_power_v1::Mode::Off);
    program.turn(&mut world);
    let lit =
        |world: &World| -> Vec<bool> { world.desktop.screens.iter().map(|screen| screen.lit).collect() };
    assert_eq!(lit(&world), [true, false]);
    power.set_mode(zwlr_output_power_v1::Mode::On);
    program.turn(&mut world);
    world.plug(&SCREENS[..1]);
    program.turn(&mut world);
    assert_eq!(program.tool.lit, [Some(true), Some(false), Some(true), None]);
}

/// Two monitors, of which these can vary their refresh.
fn plug_varying(world: &mut World, varies: [bool; 2]) {
    let monitors = SCREENS
        .iter()
        .zip(varies)
        .map(|((name, size, _), varies)| Monitor { varies, ..Monitor::simple(name, (*size).into()) });
    world.desktop.plug(monitors.collect());
    world.turn();
}

fn vrr(world: &mut World) -> [VariableRefresh; 2] {
    match world.desktop.answer(&Request::Outputs) {
        Reply::Outputs { outputs } => {
            outputs.into_iter().map(|output| output.vrr).collect::<Vec<_>>().try_into().unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_lets_the_refresh_vary_where_it_can() {
    let mut world = World::new();
    plug_varying(&mut world, [true, false]);
    let mut program = Program::new(&mut world);
    assert_eq!(program.tool.adaptive, [false, false]);
    let apply = |world: &mut World, program: &mut Program, state| {
        program.configuration_of(program.tool.serial, Some(state)).apply();
        program.tool.adaptive.clear();
        program.turn(world);
        program.turn(world);
    };
    apply(&mut world, &mut program, AdaptiveSyncState::Enabled);
    assert_eq!(program.tool.answers, ["failed"], "one of them cannot");
    plug_varying(&mut world, [true, true]);
    program.turn(&mut world);
    apply(&mut world, &mut program, AdaptiveSyncState::Enabled);
    assert_eq!(
        (program.tool.answers.as_slice(), program.tool.adaptive.as_slice()),
        (&["failed", "succeeded"][..], &[true, true][..])
    );
    assert!(vrr(&mut world).iter().all(|vrr| vrr.supported && vrr.wanted == "on" && !vrr.on));
    // From the next frame on. And then nothing is drawn because of it.
    assert!(world.frame());
    assert!(vrr(&mut world).iter().all(|vrr| vrr.on));
    assert!(!world.frame());
    // A program that says nothing of it changes nothing about it.
    program.configuration(program.tool.serial).apply();
    program.turn(&mut world);
    assert!(vrr(&mut world).iter().all(|vrr| vrr.wanted == "on"));
    apply(&mut world, &mut program, AdaptiveSyncState::Disabled);
    world.frame();
    assert!(vrr(&mut world).iter().all(|vrr| vrr.wanted == "off" && !vrr.on));
}

#[test]
fn the_refresh_varies_while_a_window_fills_the_screen() {
    let mut world = World::two_qubes("output \"left\" { vrr \"fullscreen\"; }");
    plug_varying(&mut world, [true, true]);
    let on = |world: &mut World| {
        world.frame();
        vrr(world).map(|vrr| vrr.on)
    };
    assert_eq!(on(&mut world), [false, false]);
    world.click_into("web");
    world.chord(&SUPER_F);
    assert_eq!(on(&mut world), [true, false]);
    world.desktop.lock();
    assert_eq!(on(&mut world), [false, false]);
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
        if interface == ZwlrOutputManagerV1::interface().name {
            tool.manager = Some(registry.bind(name, version, queue, ()));
        } else if interface == ZwlrOutputPowerManagerV1::interface().name {
            tool.powers = Some(registry.bind(name, version, queue, ()));
        } else if interface == WlOutput::interface().name {
            tool.outputs.push(registry.bind(name, version, queue, ()));
        }
    }
}

impl Dispatch<ZwlrOutputManagerV1, ()> for Tool {
    fn event(
        tool: &mut Self,
        _: &ZwlrOutputManagerV1,
        event: zwlr_output_manager_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwlr_output_manager_v1::Event::Head { head } => tool.heads.push(head),
            zwlr_output_manager_v1::Event::Done { serial } => tool.serial = serial,
            _ => {}
        }
    }

    event_created_child!(Tool, ZwlrOutputManagerV1, [
        zwlr_output_manager_v1::EVT_HEAD_OPCODE => (ZwlrOutputHeadV1, ()),
    ]);
}

impl Dispatch<ZwlrOutputHeadV1, ()> for Tool {
    fn event(
        tool: &mut Self,
        head: &ZwlrOutputHeadV1,
        event: zwlr_output_head_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwlr_output_head_v1::Event::Finished => {
                tool.heads.retain(|known| known != head);
                tool.gone += 1;
            }
            zwlr_output_head_v1::Event::AdaptiveSync { state } => {
                tool.adaptive.push(state == WEnum::Value(AdaptiveSyncState::Enabled));
            }
            _ => {}
        }
    }

    event_created_child!(Tool, ZwlrOutputHeadV1, [
        zwlr_output_head_v1::EVT_MODE_OPCODE => (ZwlrOutputModeV1, ()),
    ]);
}

impl Dispatch<ZwlrOutputConfigurationV1, ()> for Tool {
    fn event(
        tool: &mut Self,
        _: &ZwlrOutputConfigurationV1,
        event: zwlr_output_configuration_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        tool.answers.push(match event {
            zwlr_output_configuration_v1::Event::Succeeded => "succeeded",
            zwlr_output_configuration_v1::Event::Failed => "failed",
            zwlr_output_configuration_v1::Event::Cancelled => "cancelled",
            _ => "something else",
        });
    }
}

impl Dispatch<ZwlrOutputPowerV1, ()> for Tool {
    fn event(
        tool: &mut Self,
        _: &ZwlrOutputPowerV1,
        event: zwlr_output_power_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            zwlr_output_power_v1::Event::Mode { mode } => {
                let on = WEnum::Value(zwlr_output_power_v1::Mode::On);
                tool.lit.push(Some(mode == on));
            }
            zwlr_output_power_v1::Event::Failed => tool.lit.push(None),
            _ => {}
        }
    }
}

delegate_noop!(Tool: ignore WlOutput);
delegate_noop!(Tool: ignore ZwlrOutputModeV1);
delegate_noop!(Tool: ZwlrOutputConfigurationHeadV1);
delegate_noop!(Tool: ZwlrOutputPowerManagerV1);
