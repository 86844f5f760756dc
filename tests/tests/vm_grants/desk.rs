//! dom0's side of windows: the real compositor reads the pools of programs in a guest.

use std::{
    fs::File,
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    time::{Duration, Instant},
};

use transom::{
    config::Config,
    qubes::{Link, LinkMemory, QubeIdentity},
};
use transom_hypervisor::memory::RamLayout;
use transom_tests::{
    figure::figure,
    fixture::{World, pixel},
};
use transom_theming::Label;

use crate::machine::Machine;

/// Longest time until a picture is there, on a slow and busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A desktop that stays awake: while it looks out for the guest its clock runs far ahead of the guest's, and
/// screens that sleep are black.
fn awake() -> World {
    let config = Config::parse("test.kdl", r#"idle { lock "never"; screens-off "never"; }"#).unwrap();
    World::with(config, (800, 600), 120)
}

fn link(world: &World) -> &Link {
    world.desktop.qubes.by_name("guest").expect("the link is open")
}

/// Draws until a window shows a colour in one of its points.
fn expect(world: &mut World, machine: &Machine, title: &str, point: (i32, i32), rgb: u32) {
    let since = Instant::now();
    let mut last = None;
    while since.elapsed() < PATIENCE {
        world.wait(Duration::from_millis(16));
        let picture = world.picture();
        let there = world.desktop.state().windows.iter().any(|window| window.title == title);
        if there {
            let [x, y, ..] = world.content(title);
            last = Some(pixel(&picture, x + point.0, y + point.1) & 0xff_ffff);
            if last == Some(rgb) {
                return;
            }
        }
        if let Some(line) = machine.hear_now() {
            panic!("the guest failed: {line}\n{}", machine.console());
        }
    }
    panic!("{title} shows {last:x?}, not {rgb:06x}; the guest's console:\n{}", machine.console());
}

/// Boots, or says why not.
fn boot(part: &str) -> Option<Machine> {
    Machine::boot(1_024, part).inspect_err(|missing| println!("SKIP no virtual machine: {missing}")).ok()
}

/// Takes over a guest's control stream.
fn attach(world: &mut World, machine: &Machine, stream: UnixStream) {
    let (bytes, hole_start, hole_end) = machine.layout();
    let layout = RamLayout::new(bytes, hole_start, hole_end).unwrap();
    let memory = LinkMemory::GuestRam(File::open(machine.ram()).unwrap().into(), layout);
    let identity = QubeIdentity { name: "guest".into(), label: Label::Green, isolated: true };
    world.desktop.add_link_with_memory(identity, stream, memory).unwrap();
}

/// The guest's next connection.
fn accept(machine: &Machine, listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Ok((stream, _)) = listener.accept() {
            return stream;
        }
        std::thread::yield_now();
    }
    panic!("the guest does not connect; its console:\n{}", machine.console());
}

/// What the guest says next; the desktop goes on meanwhile, for it waits for nobody, and draws or not.
fn next(world: &mut World, machine: &Machine, draws: bool) -> String {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Some(line) = machine.hear_now() {
            return line;
        }
        world.wait(Duration::from_millis(16));
        if draws {
            world.frame();
        }
    }
    panic!("the guest says nothing; its console:\n{}", machine.console());
}

/// Waits until a program of the guest runs: seconds since its kernel was entered.
fn up(machine: &Machine) -> f64 {
    let line = machine.hear();
    let uptime = line.strip_prefix("up ").unwrap_or_else(|| panic!("{line}; {}", machine.console()));
    uptime.parse().unwrap()
}

/// Bytes of pixels that the agent has copied so far; it says so of the first and then now and then.
fn copied(machine: &Machine) -> u64 {
    let console = machine.console();
    let last = console.lines().rfind(|line| line.contains("pixels copied"));
    let bytes = last.map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>());
    bytes.map_or(0, |line| {
        let (_, bytes) = line.rsplit_once('=').expect("a count of bytes");
        bytes.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(u64::MAX)
    })
}

/// Does what an `expect` line asks for.
fn expect_line(world: &mut World, machine: &Machine, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let rgb = u32::from_str_radix(words[4], 16).unwrap();
    expect(world, machine, words[1], (words[2].parse().unwrap(), words[3].parse().unwrap()), rgb);
    println!("{:>10} {line}", machine.age());
}

#[test]
fn windows_of_a_guest() {
    let Some(mut machine) = boot("windows") else { return };
    let (display, service) = (machine.listen(5_000), machine.listen(5_001));
    let uptime = up(&machine);
    figure("vm.start.minimal_s", uptime, "s", 1);
    let mut world = awake();
    attach(&mut world, &machine, accept(&machine, &display));
    let _service = accept(&machine, &service);
    machine.say("ok");
    let (mut mark, mut draws) = (0, true);
    loop {
        let line = next(&mut world, &machine, draws);
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        match words[0] {
            "expect" => expect_line(&mut world, &machine, &line),
            "mark" => mark = link(&world).heard.1,
            "wire" => {
                let bytes = link(&world).heard.1 - mark;
                figure("vm.wire_bytes_per_4k_commit", bytes as f64 / number(1) as f64, "B", number(1));
                assert!(bytes < 256 * number(1), "{bytes} bytes");
            }
            "quiet" => draws = false,
            "cost" => {
                draws = true;
                let (vga, uhd) = (words[1].parse::<f64>().unwrap(), words[2].parse::<f64>().unwrap());
                figure("vm.commit_cost.vga_us", vga, "µs", number(3));
                figure("vm.commit_cost.4k_us", uhd, "µs", number(3));
                figure("vm.commit_cost.4k_over_vga", uhd / vga, "×", number(3));
            }
            "uncopied" => {
                let bytes = copied(&machine);
                figure("vm.copied_bytes_per_frame", bytes as f64 / number(1) as f64, "B", number(1));
                assert_eq!(bytes, 0, "{}", machine.console());
            }
            "copied" => assert!(copied(&machine) > 0),
            "grants" => {
                // What was given up is still on its way when the guest speaks.
                let since = Instant::now();
                while link(&world).session().grant_count() as u64 > number(1) && since.elapsed() < PATIENCE {
                    world.wait(Duration::from_millis(16));
                    world.frame();
                }
                let session = link(&world).session();
                let (grants, mapped) = (session.grant_count(), session.granted_bytes());
                println!(
                    "{:>10} {grants} grants, {} KiB, {} runs",
                    machine.age(),
                    mapped >> 10,
                    session.granted_runs()
                );
                assert!(grants as u64 <= number(1), "{grants} grants are left");
            }
            "note" => println!("{:>10} {line}", machine.age()),
            "done" => break,
            _ => panic!("the guest failed: {line}\n{}", machine.console()),
        }
        machine.say("ok");
    }
}

/// The desktop dies, and then `transom-pin`.
#[test]
fn windows_come_back() {
    let Some(mut machine) = boot("windows-again") else { return };
    let (display, service) = (machine.listen(5_000), machine.listen(5_001));
    up(&machine);
    let mut world = awake();
    let stream = accept(&machine, &display);
    let mut old = stream.try_clone().unwrap();
    attach(&mut world, &machine, stream);
    let _service = accept(&machine, &service);
    machine.say("ok");
    loop {
        let line = next(&mut world, &machine, true);
        match line.split(' ').next() {
            Some("expect") => expect_line(&mut world, &machine, &line),
            Some("restart") => {
                world = awake();
                // Read to its end: the vsock daemon passes on an end, but not always a reset.
                old.shutdown(Shutdown::Write).unwrap();
                old.set_nonblocking(false).unwrap();
                old.set_read_timeout(Some(PATIENCE)).unwrap();
                std::io::copy(&mut old, &mut std::io::sink()).unwrap();
                attach(&mut world, &machine, accept(&machine, &display));
            }
            Some("again") => attach(&mut world, &machine, accept(&machine, &display)),
            Some("done") => break,
            _ => panic!("the guest failed: {line}\n{}", machine.console()),
        }
        machine.say("ok");
    }
}
