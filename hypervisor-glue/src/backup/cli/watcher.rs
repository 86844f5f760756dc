//! How far it is, on the terminal and for programs; and the signals that end it.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{
    super::{BackupError, Progress, Watch},
    size,
};

/// How often it is told.
const PERIOD: Duration = Duration::from_millis(250);

/// One line for programs.
#[derive(Serialize)]
struct Line<'a> {
    qube: &'a str,
    done: u64,
    total: u64,
    bytes_per_second: u64,
}

/// Tells how far it is.
#[derive(Debug)]
pub(super) struct Watcher {
    begin: Instant,
    told: Option<Instant>,
    /// Standard error is a terminal.
    terminal: bool,
    /// A line of progress stands there now.
    shown: bool,
    programs: Option<File>,
    /// A person said no.
    cancelled: Arc<AtomicBool>,
    /// The system said so.
    ended: Arc<AtomicBool>,
}

impl Watcher {
    /// Listens to signals from now on. A second one ends the program at once.
    pub(super) fn new(programs: Option<u32>) -> Result<Self, BackupError> {
        let open = |fd| File::options().write(true).open(format!("/proc/self/fd/{fd}"));
        let programs = programs.map(open).transpose();
        let programs = programs.map_err(BackupError::io("write", "how far it is"))?;
        let [cancelled, ended] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        for (signal, flag) in [(SIGINT, &cancelled), (SIGTERM, &ended), (SIGHUP, &ended)] {
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, flag.clone())
                .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
                .map_err(BackupError::io("listen to", "signals"))?;
        }
        let terminal = io::stderr().is_terminal();
        Ok(Self { begin: Instant::now(), told: None, terminal, shown: false, programs, cancelled, ended })
    }

    /// Takes the line of progress away.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\u{1b}[K");
        }
    }
}

impl Watch for Watcher {
    fn progress(&mut self, progress: &Progress<'_>) {
        let now = Instant::now();
        let last = progress.done >= progress.total;
        if !last && self.told.is_some_and(|told| now - told < PERIOD) {
            return;
        }
        self.told = Some(now);
        let seconds = (now - self.begin).as_secs_f64().max(0.001);
        let rate = (progress.done as f64 / seconds) as u64;
        if let Some(programs) = &mut self.programs {
            let qube = progress.qube.as_str();
            let line = Line { qube, done: progress.done, total: progress.total, bytes_per_second: rate };
            let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut line| {
                line.push(b'\n');
                programs.write_all(&line)
            });
            // Nobody listens any more: it goes on without them.
            if written.is_err() {
                self.programs = None;
            }
        }
        if self.terminal {
            let percent = (progress.done as f64 * 100.0 / progress.total.max(1) as f64).min(100.0);
            let (done, total) = (size(progress.done), size(progress.total));
            eprint!("\r{}: {done} of {total}, {percent:.0} %, {}/s\u{1b}[K", progress.qube, size(rate));
            let _ = io::stderr().flush();
            self.shown = true;
        }
    }

    fn note(&mut self, line: &str) {
        self.end();
        eprintln!("transom: {line}");
    }

    fn go_on(&mut self) -> Result<(), BackupError> {
        let error = if self.cancelled.load(Ordering::Relaxed) {
            BackupError::Cancelled
        } else if self.ended.load(Ordering::Relaxed) {
            BackupError::Interrupted
        } else {
            return Ok(());
        };
        self.end();
        Err(error)
    }
}
