//! What bars of dom0 are told of workspaces, and which they may show.

use transom::{config::Config, input::event::InputEvent, reload};
use transom_tests::fixture::{LayerSpec, World, take_up};
use transom_theming::Label;
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, WEnum, event_created_child,
    protocol::{
        wl_output::{self, WlOutput},
        wl_registry::{self, WlRegistry},
    },
};
use wayland_protocols::ext::workspace::v1::client::{
    ext_workspace_group_handle_v1::{self, ExtWorkspaceGroupHandleV1, GroupCapabilities},
    ext_workspace_handle_v1::{self, ExtWorkspaceHandleV1, State, WorkspaceCapabilities},
    ext_workspace_manager_v1::{self, ExtWorkspaceManagerV1},
};

const SCREENS: [(&str, (i32, i32), u32); 2] = [("left", (640, 400), 120), ("right", (960, 600), 180)];
const SUPER: u32 = 125;
const SHIFT: u32 = 42;
const SUPER_SHIFT_3: [u32; 3] = [SUPER, SHIFT, 4];

/// A workspace as the program knows it.
struct Workspace {
    handle: ExtWorkspaceHandleV1,
    id: String,
    name: String,
    coordinates: Vec<u8>,
    state: State,
    can: Option<WorkspaceCapabilities>,
}

/// A group as the program knows it.
struct Group {
    handle: ExtWorkspaceGroupHandleV1,
    can: Option<GroupCapabilities>,
    outputs: Vec<WlOutput>,
    /// Workspaces that have entered.
    has: Vec<ExtWorkspaceHandleV1>,
}

#[derive(Default)]
struct Bar {
    manager: Option<ExtWorkspaceManagerV1>,
    registry: Option<WlRegistry>,
    /// Name of the global.
    global: (u32, u32),
    outputs: Vec<WlOutput>,
    /// Names of outputs, as they were told.
    names: Vec<(WlOutput, String)>,
    groups: Vec<Group>,
    workspaces: Vec<Workspace>,
    done: usize,
    finished: usize,
}

struct Program {
    queue: EventQueue<Bar>,
    connection: Connection,
    bar: Bar,
}

impl Program {
    fn new(world: &mut World) -> Self {
        let (connection, queue) = world.add_dom0_tool();
        let mut program = Self { queue, connection, bar: Bar::default() };
        program.turn(world);
        program.turn(world);
        program
    }

    fn turn(&mut self, world: &mut World) {
        self.connection.flush().unwrap();
        world.frame();
        take_up(&self.connection, &mut self.queue, &mut self.bar).unwrap();
    }

    /// Workspaces of the group on this output, in order.
    fn of(&self, output: &str) -> Vec<&Workspace> {
        let (output, _) = self.bar.names.iter().find(|(_, name)| name == output).unwrap();
        let mut on_it = self.bar.groups.iter().filter(|group| group.outputs.contains(output));
        let (Some(group), None) = (on_it.next(), on_it.next()) else { panic!("one group on each output") };
        let find = |handle: &ExtWorkspaceHandleV1| {
            self.bar.workspaces.iter().find(|workspace| workspace.handle == *handle).unwrap()
        };
        group.has.iter().map(find).collect()
    }

    /// What is not hidden of them: `2` is shown, `(3)` is not, `3!` asks for attention.
    fn bar_of(&self, output: &str) -> Vec<String> {
        let seen = self.of(output).into_iter().filter(|workspace| !workspace.state.contains(State::Hidden));
        seen.map(|Workspace { name, state, .. }| {
            in_words((name.parse().unwrap(), state.contains(State::Active), state.contains(State::Urgent)))
        })
        .collect()
    }

    /// The bar knows of these screens what the desktop's own bar shows.
    fn agrees(&self, world: &World, screens: &[(&str, (i32, i32), u32)], after: &str) {
        let shell = &world.desktop.shell;
        let own = world.desktop.screens.iter().map(|screen| shell.workspaces_in_use(screen.id));
        let own: Vec<Vec<String>> = own.map(|used| used.into_iter().map(in_words).collect()).collect();
        let known: Vec<Vec<String>> = screens.iter().map(|(name, ..)| self.bar_of(name)).collect();
        assert_eq!(known, own, "{after}");
    }

    fn handle(&self, output: &str, number: usize) -> ExtWorkspaceHandleV1 {
        self.of(output)[number - 1].handle.clone()
    }

    fn commit(&mut self, world: &mut World) {
        self.bar.manager.as_ref().unwrap().commit();
        self.turn(world);
        self.turn(world);
    }
}

/// A workspace by its number, whether it is shown, and whether it asks for attention.
fn in_words((number, shown, urgent): (u32, bool, bool)) -> String {
    let mark = if urgent { "!" } else { "" };
    if shown { format!("{number}{mark}") } else { format!("({number}{mark})") }
}

/// Two screens, a qube with a window on the left one, and a bar of dom0's there to be clicked.
fn two_screens() -> World {
    let mut world = World::with_screens(&SCREENS);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "one", (200, 100), 0xff00_8080);
    let bar = world.add_dom0_client();
    world.clients[bar].listen();
    world.add_layer(bar, &LayerSpec::bar(30), 0xff20_2020);
    // What is new is marked.
    world.click_into("one");
    world
}

/// The person does something in a program of dom0.
fn click_in_dom0(world: &mut World) {
    world.click(50.0, 40.0);
}

fn reconfigure(world: &mut World, text: &str) {
    let config = Config { no_animations: true, ..Config::parse("test.kdl", text).unwrap() };
    let theme = reload::theme(&config).unwrap();
    world.desktop.reconfigure(config, theme);
    world.frame();
}

fn shown(world: &World) -> [u32; 2] {
    let mut screens = world.desktop.screens.iter().map(|screen| world.desktop.shell.workspace_on(screen.id));
    std::array::from_fn(|_| screens.next().unwrap())
}

#[test]
fn a_bar_is_told_of_the_workspaces_of_each_monitor() {
    let mut world = two_screens();
    let mut program = Program::new(&mut world);
    assert_eq!((program.bar.groups.len(), program.bar.workspaces.len()), (2, 18));
    assert!(program.bar.groups.iter().all(|group| group.can == Some(GroupCapabilities::empty())));
    for output in ["left", "right"] {
        for (number, workspace) in (1_u32..).zip(program.of(output)) {
            assert_eq!(workspace.name, number.to_string());
            assert_eq!(workspace.id, format!("{number}@{output}"));
            assert_eq!(workspace.coordinates, (number - 1).to_ne_bytes());
            assert_eq!(workspace.can, Some(WorkspaceCapabilities::Activate));
        }
        assert_eq!((program.of(output).len(), program.bar_of(output)), (9, vec!["1".to_owned()]));
    }
    // Nothing changes: nothing is said.
    let done = program.bar.done;
    world.input(&[InputEvent::PointerTo { x: 300.0, y: 300.0 }]);
    program.turn(&mut world);
    assert_eq!(program.bar.done, done);

    // A window goes to another one, and asks for the person there.
    world.click_into("one");
    world.chord(&SUPER_SHIFT_3);
    program.turn(&mut world);
    assert_eq!(
        (program.bar_of("left"), program.bar_of("right")),
        (vec!["1".into(), "(3)".into()], vec!["1".to_owned()])
    );
    assert_eq!(program.bar.done, done + 1, "of all that changed at once");
    world.add_window(0, "two", (200, 100), 0xff00_8080);
    world.click_into("two");
    program.turn(&mut world);
    let done = program.bar.done;
    world.chord(&SUPER_SHIFT_3);
    program.turn(&mut world);
    assert_eq!(
        (program.bar_of("left"), program.bar.done),
        (vec!["1".into(), "(3)".to_owned()], done),
        "as before"
    );
}

#[test]
fn one_that_asks_for_attention_is_urgent() {
    let mut world = two_screens();
    let mut program = Program::new(&mut world);
    world.click_into("one");
    world.add_window(0, "two", (200, 100), 0xff00_8080);
    program.turn(&mut world);
    assert_eq!(program.bar_of("left"), ["1!"], "a new window takes no focus, and is marked");
    world.click_into("two");
    program.turn(&mut world);
    assert_eq!(program.bar_of("left"), ["1"]);
}

#[test]
fn a_group_goes_and_comes_with_its_monitor() {
    let mut world = two_screens();
    let mut program = Program::new(&mut world);
    let (gone, done) = (program.handle("right", 1), program.bar.done);
    world.plug(&SCREENS[..1]);
    program.turn(&mut world);
    assert_eq!((program.bar.groups.len(), program.bar.workspaces.len()), (1, 9));
    assert_eq!(program.bar.done, done + 1);
    // What is left of it does nothing.
    click_in_dom0(&mut world);
    gone.activate();
    program.commit(&mut world);
    gone.destroy();
    program.turn(&mut world);
    assert_eq!(program.bar_of("left"), ["1"]);

    world.plug(&SCREENS);
    program.turn(&mut world);
    program.turn(&mut world);
    assert_eq!((program.bar.groups.len(), program.bar.workspaces.len()), (2, 18));
    assert_eq!((program.of("right").len(), program.bar_of("right")), (9, vec!["1".to_owned()]));
    assert!(program.bar.workspaces.iter().all(|workspace| workspace.handle != gone));
}

#[test]
fn workspaces_that_reach_over_all_monitors_are_one_group() {
    let mut world = two_screens();
    let mut program = Program::new(&mut world);
    reconfigure(&mut world, "workspaces \"together\"");
    program.turn(&mut world);
    assert_eq!((program.bar.groups.len(), program.bar.workspaces.len()), (1, 9));
    assert_eq!(program.bar.groups[0].outputs.len(), 2);
    assert_eq!(program.of("left")[8].id, "9");
    click_in_dom0(&mut world);
    program.handle("right", 4).activate();
    program.commit(&mut world);
    assert_eq!((shown(&world), program.bar_of("left")), ([4, 4], vec!["(1)".into(), "4".to_owned()]));

    // A monitor leaves the group, and another one enters it.
    let done = program.bar.done;
    world.plug(&SCREENS[..1]);
    program.turn(&mut world);
    assert_eq!((program.bar.groups[0].outputs.len(), program.bar.done), (1, done + 1));
    world.plug(&SCREENS);
    program.turn(&mut world);
    program.turn(&mut world);
    assert_eq!((program.bar.groups.len(), program.bar.groups[0].outputs.len()), (1, 2));

    reconfigure(&mut world, "");
    program.turn(&mut world);
    assert_eq!((program.bar.groups.len(), program.bar.workspaces.len()), (2, 18));
    assert_eq!(program.bar_of("right"), ["4"]);
}

#[test]
fn a_bar_shows_a_workspace_for_what_the_person_did_there() {
    let mut world = two_screens();
    let mut program = Program::new(&mut world);
    world.click_into("one");
    let focused = |world: &World| world.desktop.state().windows.iter().any(|window| window.focused);
    // By itself: nothing happens, and nothing is said.
    let done = program.bar.done;
    program.handle("left", 2).activate();
    program.commit(&mut world);
    assert_eq!((shown(&world), program.bar.done), ([1, 1], done));
    assert!(focused(&world));
    // For a click, once, and at the commit.
    click_in_dom0(&mut world);
    program.handle("left", 2).activate();
    program.handle("right", 7).activate();
    program.handle("right", 5).activate();
    program.turn(&mut world);
    assert_eq!(shown(&world), [1, 1]);
    program.commit(&mut world);
    assert_eq!((shown(&world), program.bar.done), ([2, 5], done + 1));
    assert_eq!(
        (program.bar_of("left"), program.bar_of("right")),
        (vec!["(1)".into(), "2".into()], vec!["5".to_owned()])
    );
    program.handle("left", 1).activate();
    program.commit(&mut world);
    assert_eq!(shown(&world), [2, 5], "a press counts once");
    // A commit of nothing uses nothing up.
    click_in_dom0(&mut world);
    program.commit(&mut world);
    program.handle("left", 1).activate();
    program.commit(&mut world);
    assert_eq!(shown(&world), [1, 5]);
    assert!(focused(&world), "the window last used there");
    // What a bar cannot ask for.
    click_in_dom0(&mut world);
    program.handle("left", 1).deactivate();
    program.handle("left", 1).remove();
    program.handle("left", 1).assign(&program.bar.groups[1].handle);
    program.bar.groups[0].handle.create_workspace("more".into());
    program.commit(&mut world);
    assert_eq!((shown(&world), program.bar.workspaces.len()), ([1, 5], 18));
    // Not after a press in a qube's window, nor through the lock.
    click_in_dom0(&mut world);
    world.click_into("one");
    program.handle("left", 3).activate();
    program.commit(&mut world);
    assert_eq!(shown(&world), [1, 5]);
    click_in_dom0(&mut world);
    world.desktop.lock();
    program.handle("left", 3).activate();
    program.commit(&mut world);
    assert_eq!(shown(&world), [1, 5]);
}

#[test]
fn whatever_happens_a_bar_knows_what_the_desktops_own_bar_shows() {
    let mut world = two_screens();
    let mut program = Program::new(&mut world);
    let mut screens = &SCREENS[..];
    let (mut together, mut random) = (false, 1_u32);
    for step in 0..80 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (what, digit) = (random >> 28, 2 + (random >> 16) % 9);
        match what {
            0..5 => world.chord(&[SUPER, digit]),
            5..8 => world.chord(&[SUPER, SHIFT, digit]),
            8..10 => {
                world.add_window(0, &format!("window {step}"), (100, 80), 0xff00_8080);
            }
            10..12 => {
                let x = if digit % 2 == 0 { 300.0 } else { 900.0 };
                world.click(x, 200.0);
            }
            12..14 => {
                screens = if screens.len() == 2 { &SCREENS[..1] } else { &SCREENS[..] };
                world.plug(screens);
            }
            _ => {
                together = !together;
                reconfigure(&mut world, if together { "workspaces \"together\"" } else { "" });
            }
        }
        for _ in 0..3 {
            program.turn(&mut world);
        }
        program.agrees(&world, screens, &format!("step {step}: {what} with {digit}"));
        let groups = if together { 1 } else { screens.len() };
        assert_eq!((program.bar.groups.len(), program.bar.workspaces.len()), (groups, groups * 9));
    }
}

#[test]
fn a_bar_lets_go_of_what_it_likes() {
    let mut world = two_screens();
    let mut program = Program::new(&mut world);
    let left = program.handle("left", 3);
    program.handle("right", 1).destroy();
    program.bar.groups.remove(1).handle.destroy();
    left.destroy();
    world.click_into("one");
    world.chord(&SUPER_SHIFT_3);
    world.plug(&SCREENS[..1]);
    program.turn(&mut world);
    assert_eq!(program.bar_of("left"), ["1"], "3 is known no longer");
    // It stops: nothing more is said.
    program.bar.manager.as_ref().unwrap().stop();
    program.turn(&mut world);
    assert_eq!(program.bar.finished, 1);
    let done = program.bar.done;
    world.plug(&SCREENS);
    program.turn(&mut world);
    assert_eq!((program.bar.done, program.bar.groups.len()), (done, 1));
    // There are not endlessly many.
    let (registry, (name, version)) = (program.bar.registry.clone().unwrap(), program.bar.global);
    for _ in 0..40 {
        let _: ExtWorkspaceManagerV1 = registry.bind(name, version, &program.queue.handle(), ());
    }
    // All that is said does not come at once.
    for _ in 0..16 {
        program.turn(&mut world);
    }
    assert_eq!((program.bar.finished, program.bar.done), (1 + 8, done + 32));
    assert!(world.clients.iter().all(|client| client.error.is_none()));
}

#[test]
fn programs_of_qubes_are_offered_none_of_it() {
    let world = two_screens();
    let offered = |client: usize| {
        world.clients[client].heard.globals.contains_key(ExtWorkspaceManagerV1::interface().name)
    };
    assert_eq!((offered(0), offered(1)), (false, true), "a qube's, and dom0's");
}

impl Dispatch<WlRegistry, ()> for Bar {
    fn event(
        bar: &mut Self,
        registry: &WlRegistry,
        event: wl_registry::Event,
        (): &(),
        _: &Connection,
        queue: &QueueHandle<Self>,
    ) {
        bar.registry = Some(registry.clone());
        let wl_registry::Event::Global { name, interface, version } = event else { return };
        match interface.as_str() {
            "ext_workspace_manager_v1" => {
                bar.global = (name, version);
                bar.manager = Some(registry.bind(name, version, queue, ()));
            }
            "wl_output" => bar.outputs.push(registry.bind(name, 4, queue, ())),
            _ => {}
        }
    }
}

impl Dispatch<WlOutput, ()> for Bar {
    fn event(
        bar: &mut Self,
        output: &WlOutput,
        event: wl_output::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_output::Event::Name { name } = event {
            // The newest of a name is the one that is there.
            bar.names.retain(|(_, known)| *known != name);
            bar.names.push((output.clone(), name));
        }
    }
}

impl Dispatch<ExtWorkspaceManagerV1, ()> for Bar {
    fn event(
        bar: &mut Self,
        _: &ExtWorkspaceManagerV1,
        event: ext_workspace_manager_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_workspace_manager_v1::Event as E;
        match event {
            E::WorkspaceGroup { workspace_group: handle } => {
                bar.groups.push(Group { handle, can: None, outputs: Vec::new(), has: Vec::new() });
            }
            E::Workspace { workspace: handle } => bar.workspaces.push(Workspace {
                handle,
                id: String::new(),
                name: String::new(),
                coordinates: Vec::new(),
                state: State::empty(),
                can: None,
            }),
            E::Done => bar.done += 1,
            E::Finished => bar.finished += 1,
            _ => {}
        }
    }

    event_created_child!(Bar, ExtWorkspaceManagerV1, [
        ext_workspace_manager_v1::EVT_WORKSPACE_GROUP_OPCODE => (ExtWorkspaceGroupHandleV1, ()),
        ext_workspace_manager_v1::EVT_WORKSPACE_OPCODE => (ExtWorkspaceHandleV1, ()),
    ]);
}

impl Dispatch<ExtWorkspaceGroupHandleV1, ()> for Bar {
    fn event(
        bar: &mut Self,
        handle: &ExtWorkspaceGroupHandleV1,
        event: ext_workspace_group_handle_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_workspace_group_handle_v1::Event as E;
        let index = bar.groups.iter().position(|group| group.handle == *handle).unwrap();
        let group = &mut bar.groups[index];
        match event {
            E::Capabilities { capabilities: WEnum::Value(can) } => group.can = Some(can),
            E::OutputEnter { output } => {
                assert!(!group.outputs.contains(&output), "it is told once");
                group.outputs.push(output);
            }
            E::OutputLeave { output } => group.outputs.retain(|known| *known != output),
            E::WorkspaceEnter { workspace } => group.has.push(workspace),
            E::WorkspaceLeave { workspace } => group.has.retain(|known| *known != workspace),
            E::Removed => {
                assert!(group.has.is_empty(), "its workspaces go first");
                bar.groups.remove(index).handle.destroy();
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Dispatch<ExtWorkspaceHandleV1, ()> for Bar {
    fn event(
        bar: &mut Self,
        handle: &ExtWorkspaceHandleV1,
        event: ext_workspace_handle_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_workspace_handle_v1::Event as E;
        let index = bar.workspaces.iter().position(|workspace| workspace.handle == *handle).unwrap();
        let workspace = &mut bar.workspaces[index];
        match event {
            E::Id { id } => workspace.id = id,
            E::Name { name } => workspace.name = name,
            E::Coordinates { coordinates } => workspace.coordinates = coordinates,
            E::State { state: WEnum::Value(state) } => workspace.state = state,
            E::Capabilities { capabilities: WEnum::Value(can) } => workspace.can = Some(can),
            E::Removed => {
                assert!(bar.groups.iter().all(|group| !group.has.contains(handle)), "it left its group");
                bar.workspaces.remove(index);
            }
            other => panic!("{other:?}"),
        }
    }
}
