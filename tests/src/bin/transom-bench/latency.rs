//! A program's commit to dom0's finished frame: in a qube, and connected straight to the same desktop.
//!
//! Program, agent and desktop run at once, as they do for a person: the program and the desktop are
//! threads, the agent is a process. The time ends when the desktop has written the frame's last
//! pixel, by one clock for both ways.

use std::{sync::mpsc::Receiver, time::Instant};

use crate::{
    FULL_HD, UHD, VGA,
    link::{Drawn, Linked},
    program::{Program, Window},
    report::{Figure, Goal, quantile},
};

/// Frames before the first one that counts.
const WARM_UP: usize = 10;

/// A program on its way to the desktop.
struct Way {
    program: Program,
    window: Window,
    times: Vec<f64>,
}

impl Way {
    fn new(socket: &std::path::Path, title: &str, size: (i32, i32)) -> Result<Self, String> {
        let mut program = Program::connect(socket)?;
        let window = program.window(title, size)?;
        Ok(Self { program, window, times: Vec::new() })
    }

    /// Shows all of the window anew; in microseconds until the frame is finished.
    fn sample(&mut self, drawn: &Receiver<Drawn>) -> Result<f64, String> {
        self.window.paint()?;
        // Frames from before this commit.
        let early = drawn.try_iter().count();
        if early > 0 {
            return Err(format!("{early} frames that no commit asked for"));
        }
        let start = Instant::now();
        self.program.commit(&mut self.window)?;
        let frame = drawn.recv().map_err(|_| "the desktop ended")?;
        self.program.settle(&self.window)?;
        Ok(frame.at.duration_since(start).as_secs_f64() * 1e6)
    }
}

/// Both windows have to be seen whole, so that both frames are the same work.
fn check(frame: &Drawn, size: (i32, i32), screen: (u32, u32)) -> Result<(), String> {
    let whole = |[x, y, w, h]: [i32; 4]| {
        (w, h) == size && x >= 0 && y >= 0 && x + w <= screen.0 as i32 && y + h <= screen.1 as i32
    };
    match frame.windows[..] {
        [a, b] if whole(a) && whole(b) && (a[0] + a[2] <= b[0] || b[0] + b[2] <= a[0]) => Ok(()),
        _ => Err(format!("the windows are not side by side on the screen: {:?}", frame.windows)),
    }
}

fn measure(size: (i32, i32), samples: usize) -> Result<[Vec<f64>; 2], String> {
    let screen = (2 * size.0 as u32 + 40, size.1 as u32 + 80);
    let (linked, drawn) = Linked::drawing(screen)?;
    let mut ways =
        [Way::new(&linked.socket(), "qube", size)?, Way::new(&linked.dom0_socket(), "native", size)?];
    // Frames of the beginning: until both windows have been shown and the desktop is quiet.
    for way in &mut ways {
        for _ in 0..WARM_UP {
            way.program.show(&mut way.window, true)?;
        }
    }
    std::thread::park_timeout(std::time::Duration::from_millis(200));
    let last = drawn.try_iter().last().ok_or("nothing was drawn")?;
    check(&last, size, screen)?;
    for round in 0..samples {
        for turn in 0..2 {
            // Neither of the two always comes first.
            let way = &mut ways[(round + turn) % 2];
            let time = way.sample(&drawn)?;
            way.times.push(time);
        }
    }
    Ok(ways.map(|way| way.times))
}

/// See the module's text.
pub(crate) fn over_native(quick: bool, figures: &mut Vec<Figure>) -> Result<(), String> {
    for (name, size, few, many) in
        [("vga", VGA, 1_000, 5_000), ("1080p", FULL_HD, 300, 2_000), ("4k", UHD, 100, 500)]
    {
        let samples = if quick { few } else { many };
        let [mut qube, mut native] = measure(size, samples).map_err(|e| format!("{name}: {e}"))?;
        for (which, part, most) in [("median", 0.5, 1.2), ("p99", 0.99, 1.5)] {
            let (qube, native) = (quantile(&mut qube, part)?, quantile(&mut native, part)?);
            let name = |what: &str| format!("sandbox.latency.{name}.{which}_{what}");
            figures.push(Figure::new(name("qube_us"), qube, "µs", Goal::None, samples));
            figures.push(Figure::new(name("native_us"), native, "µs", Goal::None, samples));
            let goal = Goal::AtMost(most);
            figures.push(Figure::new(name("over_native"), qube / native, "×", goal, samples));
        }
    }
    Ok(())
}
