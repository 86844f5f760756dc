//! The outer machine: emulated by QEMU, whose emulation of AMD-V now and then resets the machine of
//! itself, or keeps its kernel in a guest's vCPU for ever. No program in it can do that to a kernel, so
//! such a run says nothing of what is tested, and is made anew. More rarely it makes a machine inside
//! that machine give up (a triple fault). That might be our fault as well: if it happens in the last run
//! too, it is.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A machine that says nothing for this long is stuck: whatever waits in it gives up, and says so, sooner.
const SILENCE: Duration = Duration::from_secs(100);
/// Runs before the emulation is given up.
const RUNS: usize = 4;

/// How the machine came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It said that all is good.
    Good,
    /// It did not: it switched itself off, panicked, or took too long.
    Failed,
    /// It was gone from one moment to the next, or it was stuck.
    Broke,
    /// It did not say so, and the machine inside it gave up.
    Faulted,
}

/// QEMU with AMD-V in software, for so many seconds at most, with this kernel and first file system.
pub(crate) fn emulated(seconds: u64, mib: u32, words: &str, kernel: &Path, initramfs: &Path) -> Command {
    let mut command = Command::new("timeout");
    // An emulated processor does not run ahead of itself: guards against that only cost.
    let words = format!("console=ttyS0 quiet panic=-1 mitigations=off {words}");
    command
        .arg(seconds.to_string())
        .args(["qemu-system-x86_64", "-accel", "tcg,thread=multi"])
        // One processor: with two, the emulation of AMD-V breaks down now and then.
        .args(["-smp", "1", "-cpu", "max,+svm", "-m", &mib.to_string()])
        .args(["-display", "none", "-vga", "none", "-nic", "none", "-monitor", "none", "-serial", "stdio"])
        .args(["-no-reboot", "-append", &words, "-kernel"])
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// Ends a machine: `timeout`, which is what was started, passes it on.
fn end(machine: &Child) {
    let _ = kill_process(Pid::from_child(machine), Signal::TERM);
}

/// Shows what a machine says until its end. It is started by `timeout`; its output must be a pipe, with
/// its kernel's own last words on it, and a reset its end; `good` is the line by which it says that all is good.
pub(crate) fn watch(mut machine: Child, good: &str, is_ours: impl Fn(&str) -> bool) -> End {
    let start = Instant::now();
    let (mut is_good, mut last_words, mut stuck, mut faulted) = (false, false, false, false);
    let (teller, told) = mpsc::channel();
    let console = BufReader::new(machine.stdout.take().unwrap());
    thread::spawn(move || console.split(b'\n').map_while(Result::ok).try_for_each(|line| teller.send(line)));
    loop {
        let line = match told.recv_timeout(SILENCE) {
            Ok(line) => String::from_utf8_lossy(&line).trim_end().to_owned(),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                println!("[{:>5.1}] silent for {SILENCE:?}", start.elapsed().as_secs_f32());
                stuck = true;
                end(&machine);
                continue;
            }
        };
        println!("[{:>5.1}] {line}", start.elapsed().as_secs_f32());
        is_good |= line == good;
        faulted |= ["triple fault", "TripleFault"].iter().any(|words| line.contains(words));
        // Asked once for each line: it may do something about it.
        let is_ours = is_ours(&line);
        if !stuck && !is_ours && line.contains("soft lockup") {
            stuck = true;
            end(&machine);
        }
        last_words |= !is_ours && ["reboot: ", "Kernel panic"].iter().any(|words| line.contains(words));
    }
    let status = machine.wait().unwrap();
    println!("the machine ended: {status}");
    if is_good {
        End::Good
    } else if stuck || (!last_words && status.success()) {
        End::Broke
    } else if faulted {
        End::Faulted
    } else {
        End::Failed
    }
}

/// Runs a machine, and anew if its emulation broke down.
pub(crate) fn until_it_ends_by_itself(what: &str, mut run: impl FnMut() -> End) -> End {
    for number in 1..=RUNS {
        match run() {
            End::Faulted if number == RUNS => return End::Failed,
            End::Faulted => println!("{what}: the machine inside gave up, run {number} of {RUNS}"),
            End::Broke => println!("{what}: the emulated machine broke down, run {number} of {RUNS}"),
            end => return end,
        }
    }
    println!("SKIP {what}: the emulated machine broke down {RUNS} times");
    End::Broke
}
