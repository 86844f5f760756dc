//! Figures of commits and frames, in one process: program, agent and desktop.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use transom::config::Config;
use transom_tests::fixture::{World, memory};
use transom_theming::Label;
use wayland_client::protocol::{wl_buffer::WlBuffer, wl_surface::WlSurface};

use crate::{Figure, quantile};

const VGA: (i32, i32) = (640, 480);
const FULL_HD: (i32, i32) = (1_920, 1_080);
const UHD: (i32, i32) = (3_840, 2_160);

/// A world with one window, and two buffers to show in turns.
struct Bench {
    world: World,
    surface: WlSurface,
    buffers: [WlBuffer; 2],
    size: (i32, i32),
    turn: usize,
}

impl Bench {
    fn new(size: (i32, i32)) -> Self {
        let screen = (size.0 as u32 + 20, size.1 as u32 + 80);
        let mut world = World::with(Config::default(), screen, 120);
        let qube = world.add_qube("work", Label::Blue);
        let client = world.add_client(qube);
        let window = world.add_window(client, "bench", size, 0xff20_4060);
        let program = &world.clients[client];
        let pixels = size.0 * size.1;
        let buffers = [0xff20_4060, 0xff60_4020]
            .map(|argb| program.buffer(&memory(pixels as usize, argb), 0, size, size.0 * 4, pixels * 4));
        let surface = program.windows()[window].surface.clone();
        let mut bench = Self { world, surface, buffers, size, turn: 0 };
        for _ in 0..4 {
            bench.commit();
            bench.world.frame();
        }
        bench
    }

    /// The program commits all of its window anew.
    fn commit(&mut self) {
        self.turn += 1;
        self.surface.attach(Some(&self.buffers[self.turn % 2]), 0, 0);
        self.surface.damage_buffer(0, 0, self.size.0, self.size.1);
        self.surface.commit();
    }
}

/// A program's commit to dom0's finished frame.
pub(crate) fn latency(samples: usize, figures: &mut Vec<Figure>) {
    for (name, size) in [("vga", VGA), ("1080p", FULL_HD), ("4k", UHD)] {
        let mut bench = Bench::new(size);
        let mut times = Vec::with_capacity(samples);
        for _ in 0..samples {
            bench.commit();
            let start = Instant::now();
            bench.world.hop();
            bench.world.desktop.frame();
            times.push(start.elapsed().as_secs_f64() * 1e6);
            bench.world.turn();
        }
        figures.push(Figure::new(
            format!("sandbox.latency.{name}.median_us"),
            quantile(&mut times, 0.5),
            "µs",
            None,
            samples,
        ));
        figures.push(Figure::new(
            format!("sandbox.latency.{name}.p99_us"),
            quantile(&mut times, 0.99),
            "µs",
            None,
            samples,
        ));
    }
}

/// CPU time of this thread, in microseconds.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}

/// What a commit costs agent and dom0 without drawing: it must not grow with the window.
pub(crate) fn commit_cost(samples: usize, figures: &mut Vec<Figure>) {
    let mut benches = [Bench::new(VGA), Bench::new(UHD)];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..samples {
        for (bench, times) in benches.iter_mut().zip(&mut times) {
            bench.commit();
            let start = cpu();
            bench.world.hop();
            times.push(cpu() - start);
            bench.world.frame();
        }
    }
    let [vga, uhd] = times.each_mut().map(|times| quantile(times, 0.5));
    figures.push(Figure::new("sandbox.commit_cost.vga_us", vga, "µs", None, samples));
    figures.push(Figure::new("sandbox.commit_cost.4k_over_vga", uhd / vga, "×", Some(1.3), samples));
}

/// Drawing all of a 1080p window with pixman, against copying as many bytes once.
pub(crate) fn drawing(samples: usize, figures: &mut Vec<Figure>) {
    let mut bench = Bench::new(FULL_HD);
    let bytes = (FULL_HD.0 * FULL_HD.1 * 4) as usize;
    let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes]);
    let (mut drawn, mut copied) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        bench.commit();
        bench.world.hop();
        let start = Instant::now();
        bench.world.desktop.frame();
        drawn.push(start.elapsed().as_secs_f64());
        bench.world.turn();
        let start = Instant::now();
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
        copied.push(start.elapsed().as_secs_f64());
    }
    let ratio = quantile(&mut drawn, 0.5) / quantile(&mut copied, 0.5);
    figures.push(Figure::new("draw.1080p.over_memcpy", ratio, "×", Some(2.0), samples));
}

/// Anonymous memory of this process, in MiB. Memory of windows is shared and not part of it.
fn anonymous_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

/// Growth of private memory by ten windows of 1080p (79 MiB of pixels): those of program, agent and
/// desktop together, so an upper bound for the desktop.
pub(crate) fn memory_of_ten(figures: &mut Vec<Figure>) {
    let mut world = World::with(Config::default(), (1_920, 1_080), 120);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.add_window(client, "first", (100, 100), 0xff20_4060);
    let before = anonymous_mib();
    for number in 0..10 {
        world.add_window(client, &format!("window {number}"), FULL_HD, 0xff20_4060);
    }
    world.frame();
    let grown = anonymous_mib() - before;
    figures.push(Figure::new("compositor.private_mib", grown, "MiB", Some(40.0), 1));
}
