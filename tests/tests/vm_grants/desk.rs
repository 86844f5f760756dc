//! dom0's side of windows: the real compositor reads the pools of programs in a guest.

use std::{
    fs::File,
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    time::{Duration, Instant},
};

use transom::qubes::{Link, LinkMemory, QubeIdentity};
use transom_hypervisor::memory::RamLayout;
use transom_tests::fixture::{World, pixel};
use transom_theming::Label;

use crate::machine::Machine;

/// Longest time until a picture is there, on a slow and busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

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

/// What the guest says next; the desktop goes on meanwhile, for it waits for nobody.
fn next(world: &mut World, machine: &Machine) -> String {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Some(line) = machine.hear_now() {
            return line;
        }
        world.wait(Duration::from_millis(16));
        world.frame();
    }
    panic!("the guest says nothing; its console:\n{}", machine.console());
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
    let Some(mut machine) = boot("window") else { return };
    let stream = machine.stream();
    let first = machine.hear();
    assert_eq!(first, "up", "{}", machine.console());
    let mut world = World::new();
    attach(&mut world, &machine, stream);
    machine.say("ok");
    let mut mark = 0;
    loop {
        let line = next(&mut world, &machine);
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        match words[0] {
            "expect" => expect_line(&mut world, &machine, &line),
            "mark" => mark = link(&world).heard.1,
            "wire" => {
                let bytes = link(&world).heard.1 - mark;
                println!("{:>10} {bytes} bytes on the wire for {} commits", machine.age(), words[1]);
                assert!(bytes < 256 * number(1), "{bytes} bytes");
            }
            "uncopied" => assert!(!machine.console().contains("pixels copied"), "{}", machine.console()),
            "copied" => assert!(machine.console().contains("pixels copied")),
            "grants" => {
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

/// By vsock, as a guest of our own monitor does; the desktop dies, and then `transom-pin`.
#[test]
fn windows_come_back() {
    let Some(mut machine) = boot("vsock") else { return };
    let (display, service) = (machine.listen(5_000), machine.listen(5_001));
    let first = machine.hear();
    assert_eq!(first, "up", "{}", machine.console());
    let mut world = World::new();
    let stream = accept(&machine, &display);
    let mut old = stream.try_clone().unwrap();
    attach(&mut world, &machine, stream);
    let _service = accept(&machine, &service);
    machine.say("ok");
    loop {
        let line = next(&mut world, &machine);
        match line.split(' ').next() {
            Some("expect") => expect_line(&mut world, &machine, &line),
            Some("restart") => {
                world = World::new();
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
