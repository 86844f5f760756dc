//! Figures of frames, in one process: program, agent and desktop.

use std::time::Instant;

use transom::config::Config;
use transom_tests::fixture::{World, memory};
use transom_theming::Label;
use wayland_client::protocol::{
    wl_buffer::WlBuffer,
    wl_shm::{Format, WlShm},
    wl_surface::WlSurface,
};

use crate::{
    FULL_HD, UHD, VGA,
    report::{Figure, Goal, quantile},
};

/// A world with one window, and two buffers to show in turns.
struct Bench {
    world: World,
    surface: WlSurface,
    buffers: [WlBuffer; 2],
    size: (i32, i32),
    turn: usize,
}

impl Bench {
    fn new(size: (i32, i32), format: Format) -> Self {
        let screen = (size.0 as u32 + 20, size.1 as u32 + 80);
        let mut world = World::with(Config::default(), screen, 120);
        let qube = world.add_qube("work", Label::Blue);
        let client = world.add_client(qube);
        let window = world.add_window(client, "bench", size, 0xff20_4060);
        let program = &world.clients[client];
        let (pixels, queue) = (size.0 * size.1, program.queue());
        let buffers = [0xff20_4060, 0xff60_4020].map(|argb| {
            let fd = memory(pixels as usize, argb);
            let shm: WlShm = program.bind(1);
            let pool = shm.create_pool(std::os::fd::AsFd::as_fd(&fd), pixels * 4, &queue, ());
            pool.create_buffer(0, size.0, size.1, size.0 * 4, format, &queue, ())
        });
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

    /// Draws what was committed; in seconds.
    fn draw(&mut self) -> Result<f64, String> {
        let start = Instant::now();
        let drawn = self.world.desktop.frame();
        let time = start.elapsed().as_secs_f64();
        self.world.turn();
        if drawn { Ok(time) } else { Err("there was nothing to draw".into()) }
    }
}

/// A program's commit to dom0's finished frame.
pub(crate) fn latency(quick: bool, figures: &mut Vec<Figure>) -> Result<(), String> {
    let samples = if quick { 200 } else { 2_000 };
    for (name, size) in [("vga", VGA), ("1080p", FULL_HD), ("4k", UHD)] {
        let mut bench = Bench::new(size, Format::Argb8888);
        let mut times = Vec::with_capacity(samples);
        for _ in 0..samples {
            let start = Instant::now();
            bench.commit();
            bench.world.hop();
            let drawn = bench.world.desktop.frame();
            times.push(start.elapsed().as_secs_f64() * 1e6);
            if !drawn {
                return Err("a commit led to no frame".into());
            }
            bench.world.turn();
        }
        for (which, part) in [("median", 0.5), ("p99", 0.99)] {
            let name = format!("sandbox.latency.{name}.{which}_us");
            figures.push(Figure::new(name, quantile(&mut times, part)?, "µs", Goal::None, samples));
        }
    }
    Ok(())
}

/// Drawing all of a 1080p window with pixman, against copying as many bytes once: with an alpha
/// channel, as most programs commit, and without.
pub(crate) fn drawing(quick: bool, figures: &mut Vec<Figure>) -> Result<(), String> {
    let samples = if quick { 200 } else { 2_000 };
    let mut benches = vec![Bench::new(FULL_HD, Format::Argb8888), Bench::new(FULL_HD, Format::Xrgb8888)];
    let bytes = (FULL_HD.0 * FULL_HD.1 * 4) as usize;
    let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes]);
    let (mut drawn, mut copied) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..samples {
        for (bench, times) in benches.iter_mut().zip(&mut drawn) {
            bench.commit();
            bench.world.hop();
            times.push(bench.draw()?);
            let start = Instant::now();
            to.copy_from_slice(std::hint::black_box(&from));
            std::hint::black_box(&mut to);
            copied.push(start.elapsed().as_secs_f64());
        }
    }
    let copied = quantile(&mut copied, 0.5)?;
    let [argb, xrgb] = &mut drawn;
    let (argb, xrgb) = (quantile(argb, 0.5)? / copied, quantile(xrgb, 0.5)? / copied);
    figures.push(Figure::new("draw.1080p.memcpy_us", copied * 1e6, "µs", Goal::None, 2 * samples));
    figures.push(Figure::new("draw.1080p.over_memcpy", argb, "×", Goal::AtMost(2.0), samples));
    figures.push(Figure::new("draw.1080p.xrgb_over_memcpy", xrgb, "×", Goal::None, samples));
    Ok(())
}
