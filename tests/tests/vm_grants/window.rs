//! A program in the guest with windows on dom0's desktop, by a real agent and a real `transom-pin`.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::FileExt, net::UnixStream},
    },
    path::Path,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create,
};
use transom_agent::pin::client::Client as Pins;
use transom_tests::fixture::{Client, memory};
use wayland_client::protocol::{wl_buffer::WlBuffer, wl_shm, wl_shm_pool::WlShmPool};

use crate::guest::become_user;

const RED: u32 = 0xffc0_1020;
const GREEN: u32 = 0xff10_a030;
const BLUE: u32 = 0xff20_30b0;

const VGA: (u64, u64) = (640, 480);
const UHD: (u64, u64) = (3_840, 2_160);

struct Program {
    agent: Child,
    dom0: BufReader<File>,
    wayland: Client,
    commits: usize,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

impl Program {
    /// Says something to dom0 and waits until it has done it.
    fn tell(&mut self, line: &str) {
        self.wayland.dispatch();
        writeln!(self.dom0.get_mut(), "{line}").unwrap();
        let mut answer = String::new();
        self.dom0.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "ok");
        self.wayland.dispatch();
        assert_eq!(self.wayland.error, None);
    }

    fn until(&mut self, done: impl Fn(&Client) -> bool) {
        while !done(&self.wayland) {
            self.wayland.dispatch();
            assert_eq!(self.wayland.error, None);
            thread::yield_now();
        }
    }

    fn window(&mut self, title: &str) -> usize {
        let window = self.wayland.toplevel(title);
        self.until(|client| client.windows()[window].configured);
        window
    }

    fn expect(&mut self, title: &str, (x, y): (i32, i32), argb: u32) {
        self.tell(&format!("expect {title} {x} {y} {:06x}", argb & 0xff_ffff));
    }

    fn pool(&self, file: impl AsFd, bytes: i32) -> WlShmPool {
        let shm: wl_shm::WlShm = self.wayland.bind(1);
        shm.create_pool(file.as_fd(), bytes, &self.wayland.queue(), ())
    }

    fn buffer(&self, pool: &WlShmPool, offset: i32, (w, h): (i32, i32)) -> WlBuffer {
        pool.create_buffer(offset, w, h, w * 4, wl_shm::Format::Argb8888, &self.wayland.queue(), ())
    }

    /// Commits a buffer with rows `from..to` of it changed.
    fn commit(&mut self, window: usize, buffer: &WlBuffer, width: i32, (from, to): (i32, i32)) {
        let surface = &self.wayland.windows()[window].surface;
        surface.attach(Some(buffer), 0, 0);
        surface.damage_buffer(0, from, width, to - from);
        surface.commit();
        self.commits += 1;
        self.wayland.dispatch();
    }
}

/// Two buffers for pictures of one size, drawn in two colours.
struct Buffers {
    pool: WlShmPool,
    both: [WlBuffer; 2],
    size: (i32, i32),
}

impl Buffers {
    fn new(program: &Program, (w, h): (u64, u64), colors: [u32; 2]) -> Self {
        let bytes = w * h * 4;
        let file = empty(2 * bytes);
        let pool = program.pool(&file, 2 * bytes as i32);
        let size = (w as i32, h as i32);
        let both = [0, 1].map(|index| {
            draw(&file, index as u64 * bytes, w, 0..h, colors[index]);
            program.buffer(&pool, index as i32 * bytes as i32, size)
        });
        Self { pool, both, size }
    }

    /// Commits one of them, all of it damaged.
    fn commit(&self, program: &mut Program, window: usize, which: usize) {
        program.commit(window, &self.both[which % 2], self.size.0, (0, self.size.1));
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        for buffer in &self.both {
            buffer.destroy();
        }
        self.pool.destroy();
    }
}

/// Draws rows of one colour.
fn draw(file: &impl AsFd, offset: u64, width: u64, rows: std::ops::Range<u64>, argb: u32) {
    let file = File::from(file.as_fd().try_clone_to_owned().unwrap());
    let row = argb.to_le_bytes().repeat(width as usize);
    for y in rows {
        file.write_all_at(&row, offset + y * width * 4).unwrap();
    }
}

fn empty(bytes: u64) -> OwnedFd {
    let file = memfd_create("pool", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, bytes).unwrap();
    file
}

/// Starts the agent, and a program that it serves.
fn start() -> Program {
    std::fs::create_dir("/run/user").unwrap();
    let agent = Command::new("/bin/transom-agent")
        .args(["--vsock", "--pin-socket", "/run/pin", "--runtime-dir", "/run/user", "--no-xwayland"])
        .spawn()
        .unwrap();
    let socket = loop {
        let found = ["wayland-0", "wayland-1"].map(|name| UnixStream::connect(format!("/run/user/{name}")));
        if let Some(socket) = found.into_iter().find_map(Result::ok) {
            break socket;
        }
        thread::yield_now();
    };
    let dom0 = OpenOptions::new().read(true).write(true).open("/dev/ttyS1").unwrap();
    let mut program = Program { agent, dom0: BufReader::new(dom0), wayland: Client::new(socket), commits: 0 };
    // Seconds since the kernel was entered.
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    program.tell(&format!("up {}", uptime.split(' ').next().unwrap()));
    program.until(|client| client.heard.globals.contains_key("wl_shm"));
    program
}

pub(crate) fn run() {
    become_user();
    let mut program = start();
    let window = program.window("first");
    program.wayland.show(window, (300, 200), RED);
    program.expect("first", (30, 30), RED);
    a_4k_picture(&mut program, window);
    a_scrolling_program(&mut program, window);
    a_thousand_pools(&mut program, window);
    program.tell(&format!("uncopied {}", program.commits));
    pictures_that_are_copied(&mut program, window);
    a_truncated_pool(&mut program, window);
    // Its window covers others.
    commits_of_two_sizes(&mut program, window);
    program.tell("done");
}

/// dom0's desktop and `transom-pin` die, each once.
pub(crate) fn run_again() {
    let (kill, asked) = std::sync::mpsc::channel::<()>();
    // Stays root.
    thread::spawn(move || {
        for () in asked {
            let pid = std::fs::read_to_string("/run/pin.pid").unwrap();
            assert!(
                Command::new("/bin/busybox").args(["kill", "-9", pid.trim()]).status().unwrap().success()
            );
        }
    });
    become_user();
    let mut program = start();
    let window = program.window("first");
    program.wayland.show(window, (300, 200), RED);
    program.expect("first", (30, 30), RED);
    program.tell("restart");
    program.expect("first", (30, 30), RED);
    kill.send(()).unwrap();
    program.tell("again");
    program.expect("first", (30, 30), RED);
    program.wayland.show(window, (300, 200), BLUE);
    program.expect("first", (30, 30), BLUE);
    program.tell("done");
}

fn a_4k_picture(program: &mut Program, window: usize) {
    let colors = [BLUE, GREEN];
    let buffers = Buffers::new(program, UHD, colors);
    for (which, color) in colors.into_iter().enumerate() {
        buffers.commit(program, window, which);
        program.expect("first", (200, 100), color);
    }
    program.tell("mark");
    for round in 0..10 {
        buffers.commit(program, window, round);
        program.expect("first", (200, 100), colors[round % 2]);
    }
    program.tell("wire 10");
}

/// Time from a commit until dom0 gives back the buffer that was shown before, in two windows in
/// turns, while dom0 draws nothing.
fn commits_of_two_sizes(program: &mut Program, window: usize) {
    const ROUNDS: usize = 40;
    const SLICE: usize = 10;
    let small = program.window("small");
    let sizes = [(small, VGA), (window, UHD)].map(|(window, size)| {
        let buffers = Buffers::new(program, size, [BLUE, GREEN]);
        buffers.commit(program, window, 1);
        program.expect(if window == small { "small" } else { "first" }, (200, 100), GREEN);
        (window, buffers)
    });
    program.tell("quiet");
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for turn in 0..2 {
            // Neither of the two always comes first.
            let which = (round + turn) % 2;
            let (window, buffers) = &sizes[which];
            let begin = Instant::now();
            for number in 0..SLICE {
                let before = program.wayland.heard.released;
                buffers.commit(program, *window, number);
                program.until(|client| client.heard.released > before);
            }
            // The first round warms up.
            if round > 0 {
                times[which].push(begin.elapsed().as_secs_f64() * 1e6 / SLICE as f64);
            }
        }
    }
    let [vga, uhd] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    program.tell(&format!("cost {vga:.1} {uhd:.1} {}", ROUNDS * SLICE));
}

/// A terminal that scrolls: each frame a new buffer further on in a large pool, the memory before it
/// given back; then it begins again where it has been, in other page frames.
fn a_scrolling_program(program: &mut Program, window: usize) {
    let (width, height) = (640, 400);
    let file = empty(256 << 20);
    let pool = program.pool(&file, 256 << 20);
    let step = width * 4 * 40;
    let mut last: Option<WlBuffer> = None;
    for round in 0..30 {
        // The last ten go to and fro between two places that are still granted.
        let place = if round < 20 { round % 10 } else { round % 2 };
        let (offset, color) = (place * step, 0xff00_0000 | (round as u32 * 0x08_0907 + 0x04_0608));
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, mode, 0, 10 * step + width * height * 4).unwrap();
        draw(&file, offset, width, 0..height, color);
        let buffer = program.buffer(&pool, offset as i32, (width as i32, height as i32));
        program.commit(window, &buffer, width as i32, (0, height as i32));
        if let Some(last) = last.replace(buffer) {
            last.destroy();
        }
        program.expect("first", (100, 100), color);
    }
    program.tell("grants 6");
    last.unwrap().destroy();
    pool.destroy();
}

fn a_thousand_pools(program: &mut Program, window: usize) {
    let (width, height) = (64, 64);
    for round in 0..1_000u32 {
        let file = memory(width * height, 0xff00_0000 | round);
        let pool = program.pool(&file, (width * height * 4) as i32);
        let buffer = program.buffer(&pool, 0, (width as i32, height as i32));
        program.commit(window, &buffer, width as i32, (0, height as i32));
        buffer.destroy();
        pool.destroy();
    }
    program.wayland.show(window, (300, 200), RED);
    program.expect("first", (30, 30), RED);
    program.tell("grants 4");
    // dom0's answers may still be on their way to the agent.
    let mut pins = Pins::connect(Path::new("/run/pin")).unwrap();
    let since = Instant::now();
    let mut usage = pins.usage().unwrap();
    while usage.pieces.get() > 4 && since.elapsed() < Duration::from_secs(20) {
        thread::yield_now();
        usage = pins.usage().unwrap();
    }
    program.tell(&format!("note {} pieces of {} KiB are pinned", usage.pieces, usage.bytes.get() >> 10));
    assert!(usage.pieces.get() <= 4, "pins are left");
}

/// Pools that the kernel does not pin: sealed against writing, and on a file system of another kind.
fn pictures_that_are_copied(program: &mut Program, window: usize) {
    let (width, height) = (300, 200);
    let size = (width as i32, height as i32);
    let file = empty(width * height * 4);
    draw(&file, 0, width, 0..height, GREEN);
    fcntl_add_seals(&file, SealFlags::WRITE).unwrap();
    let pool = program.pool(&file, (width * height * 4) as i32);
    let buffer = program.buffer(&pool, 0, size);
    program.commit(window, &buffer, size.0, (0, size.1));
    program.expect("first", (30, 30), GREEN);
    program.tell("copied");
    // Two buffers in turn, of which only some rows change from frame to frame.
    let path = "/mnt/pool";
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).unwrap();
    let bytes = width * height * 4;
    file.set_len(2 * bytes).unwrap();
    let pool = program.pool(&file, 2 * bytes as i32);
    let buffers = [0, bytes as i32].map(|offset| program.buffer(&pool, offset, size));
    draw(&file, 0, width, 0..height, RED);
    program.commit(window, &buffers[0], size.0, (0, size.1));
    program.expect("first", (30, 30), RED);
    draw(&file, bytes, width, 0..height, RED);
    draw(&file, bytes, width, 20..40, BLUE);
    program.commit(window, &buffers[1], size.0, (20, 40));
    program.expect("first", (30, 30), BLUE);
    program.expect("first", (30, 100), RED);
    // The first again: the rows of the frame between have changed in it too.
    draw(&file, 0, width, 20..40, BLUE);
    draw(&file, 0, width, 90..120, GREEN);
    program.commit(window, &buffers[0], size.0, (90, 120));
    program.expect("first", (30, 100), GREEN);
    program.expect("first", (30, 30), BLUE);
    program.expect("first", (30, 60), RED);
}

fn a_truncated_pool(program: &mut Program, window: usize) {
    let (width, height) = (300, 200);
    let file = empty(width * height * 4);
    draw(&file, 0, width, 0..height, BLUE);
    let pool = program.pool(&file, (width * height * 4) as i32);
    let buffer = program.buffer(&pool, 0, (width as i32, height as i32));
    program.commit(window, &buffer, width as i32, (0, height as i32));
    program.expect("first", (30, 30), BLUE);
    ftruncate(&file, 0).unwrap();
    // The picture stays what it was, and the desktop lives.
    program.expect("first", (30, 60), BLUE);
    let second = program.window("second");
    program.wayland.show(second, (300, 200), GREEN);
    program.expect("second", (30, 30), GREEN);
}
