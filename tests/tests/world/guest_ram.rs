//! Grants of page frames: what is shown, and what cuts a qube off.

use std::{
    fs::File,
    os::fd::{AsRawFd as _, OwnedFd},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use rustix::fs::{SealFlags, fcntl_add_seals};
use transom::{
    config::Config,
    qubes::{LinkMemory, QubeIdentity},
    render::canvas::RendererKind,
};
use transom_hypervisor::memory::{PAGE, RamLayout};
use transom_protocol::{
    message::{Commit, GrantCreate, GrantName, PageRun, ToDom0, tail_bytes},
    types::{BufferChange, GrantKind, WindowKind},
    wire::With,
};
use transom_tests::fixture::{World, hostile::Hostile, memory, pixel};
use transom_theming::Label;

const PAGES: u64 = 64;
/// Page frames of the hole.
const HOLE: (u64, u64) = (40, 1_000);
const GREEN: u32 = 0xff00_ff00;

/// A qube with so much RAM, all of it green, and the file of it.
fn qube(world: &mut World) -> (Hostile, OwnedFd) {
    let ram = memory((PAGES * PAGE / 4) as usize, GREEN);
    // As the machines' own.
    fcntl_add_seals(&ram, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    let read_only = File::open(format!("/proc/self/fd/{}", ram.as_raw_fd())).unwrap();
    let layout = RamLayout::new(PAGES * PAGE, HOLE.0 * PAGE, HOLE.1 * PAGE).unwrap();
    let (dom0, qube) = UnixStream::pair().unwrap();
    let identity = QubeIdentity { name: "machine".into(), label: Label::Red, isolated: true };
    world
        .desktop
        .add_link_with_memory(identity, dom0, LinkMemory::GuestRam(read_only.into(), layout))
        .unwrap();
    qube.set_nonblocking(true).unwrap();
    let mut hostile = Hostile::new(qube);
    hostile.hello();
    hostile.create(1, WindowKind::Toplevel, 0);
    hostile.commit(1, Commit { buffer: BufferChange::Detach, ..Hostile::picture(0, 0, 0) });
    world.turn();
    hostile.acknowledge();
    (hostile, ram)
}

fn grant(hostile: &mut Hostile, grant: u32, runs: &[(u64, u32)]) {
    let runs: Vec<PageRun> = runs
        .iter()
        .map(|(first, count)| PageRun { first: (*first).into(), count: (*count).into() })
        .collect();
    let pages: u64 = runs.iter().map(|run| u64::from(run.count.get())).sum();
    let fixed = GrantCreate { grant: grant.into(), kind: GrantKind::PageRuns, bytes: (pages * PAGE).into() };
    hostile.say(0, 0, &ToDom0::GrantCreate(With { fixed: &fixed, tail: tail_bytes(&runs) }));
}

fn cut_off(mut world: World, mut hostile: Hostile, reason: &str) {
    world.frame();
    hostile.hear();
    let goodbye = hostile.goodbye.unwrap_or_default();
    assert!(hostile.closed && goodbye.contains(reason), "told {goodbye:?}, not {reason:?}");
    assert!(world.desktop.state().qubes.is_empty());
}

#[test]
fn scattered_pages_make_one_picture() {
    one_picture(World::new());
}

/// Uploaded, or read by the GPU where it is.
#[test]
fn scattered_pages_make_one_picture_by_gles() {
    one_picture(World::drawn_by(RendererKind::Gles, Config::default(), (800, 600), 120));
}

fn one_picture(mut world: World) {
    let (mut hostile, ram) = qube(&mut world);
    // 128 × 64 pixels are eight pages, eight rows in each: last of RAM first, over the hole, twice.
    let red = 0xffff_0000u32.to_le_bytes().repeat(PAGE as usize / 4);
    rustix::io::pwrite(&ram, &red, (PAGES - 1) * PAGE).unwrap();
    grant(&mut hostile, 1, &[(1_023, 1), (39, 1), (1_000, 1), (0, 3), (1_023, 1), (5, 1)]);
    hostile.commit(1, Hostile::picture(1, 128, 64));
    let picture = world.picture();
    let [x, y, ..] = world.desktop.state().windows[0].content;
    for row in 0..64 {
        let want = if matches!(row / 8, 0 | 6) { 0xff_0000 } else { 0x00_ff00 };
        assert_eq!(pixel(&picture, x + 100, y + row) & 0xff_ffff, want, "row {row}");
    }
    // Two buffers in turn.
    grant(&mut hostile, 2, &[(8, 8)]);
    for (buffer, want) in [(2, 0x00_ff00), (1, 0xff_0000), (2, 0x00_ff00), (1, 0xff_0000)] {
        hostile.commit(1, Hostile::picture(buffer, 128, 64));
        assert_eq!(pixel(&world.picture(), x + 100, y + 4) & 0xff_ffff, want);
    }
    hostile.say(0, 0, &ToDom0::GrantRevoke(&GrantName { grant: 2.into() }));
    world.frame();
    let mapped = |world: &World| world.desktop.qubes.by_name("machine").unwrap().mapped_bytes();
    assert_eq!(mapped(&world), 8 * PAGE);
    // Revoked: dom0 keeps what it shows, and the pages are the qube's again.
    hostile.say(0, 0, &ToDom0::GrantRevoke(&GrantName { grant: 1.into() }));
    world.frame();
    assert_eq!(mapped(&world), 0);
    let blue = 0xff00_00ffu32.to_le_bytes().repeat((PAGES * PAGE / 4) as usize);
    rustix::io::pwrite(&ram, &blue, 0).unwrap();
    let picture = world.picture();
    assert_eq!(pixel(&picture, x + 100, y + 20) & 0xff_ffff, 0x00_ff00);
}

#[test]
fn pages_that_are_no_ram() {
    for runs in [&[(39, 2)][..], &[(40, 1)], &[(999, 2)], &[(1_023, 2)], &[(0, 1), (u64::MAX / PAGE - 1, 1)]]
    {
        let mut world = World::new();
        let (mut hostile, _ram) = qube(&mut world);
        grant(&mut hostile, 1, runs);
        cut_off(world, hostile, "not all guest RAM");
    }
}

#[test]
fn a_file_where_page_frames_are_due() {
    let mut world = World::new();
    let (mut hostile, ram) = qube(&mut world);
    hostile.grant(1, &ram, PAGE);
    cut_off(world, hostile, "ClientFd");
}

#[test]
fn page_frames_where_a_file_is_due() {
    let mut world = World::new();
    let mut hostile = Hostile::new(world.add_raw_qube("machine", Label::Red));
    world.turn();
    hostile.hello();
    grant(&mut hostile, 1, &[(0, 1)]);
    cut_off(world, hostile, "PageRuns");
}

#[test]
fn more_runs_than_a_qube_may_have() {
    let mut world = World::new();
    let (mut hostile, _ram) = qube(&mut world);
    let scattered: Vec<(u64, u32)> = (0..6_144).map(|i| (i % 2 * 2, 1)).collect();
    // Each spends the budget for mapping; dom0 hears the next one when a timer has passed.
    let since = Instant::now();
    for id in 1..=3u32 {
        grant(&mut hostile, id, &scattered);
        let taken = |world: &World| {
            let link = world.desktop.qubes.by_name("machine");
            link.is_none_or(|link| link.session().grant_count() == id as usize)
        };
        while !taken(&world) && since.elapsed() < Duration::from_mins(1) {
            world.wait(Duration::from_millis(17));
        }
    }
    cut_off(world, hostile, "page runs");
}

#[test]
fn a_link_without_sound_memory_is_not_opened() {
    let mut world = World::new();
    let ram = memory(1_024, 0);
    let layout = |pages: u64| RamLayout::new(pages * PAGE, pages * PAGE, 0).unwrap();
    let read_only = || OwnedFd::from(File::open(format!("/proc/self/fd/{}", ram.as_raw_fd())).unwrap());
    for (file, layout, good) in [
        (read_only(), layout(2), false),
        (ram.try_clone().unwrap(), layout(1), false),
        (read_only(), layout(1), true),
    ] {
        let (dom0, _qube) = UnixStream::pair().unwrap();
        let identity = QubeIdentity { name: "machine".into(), label: Label::Red, isolated: true };
        let added = world.desktop.add_link_with_memory(identity, dom0, LinkMemory::GuestRam(file, layout));
        assert_eq!(added.is_ok(), good);
    }
}
