//! The qube's programs: found, listed for dom0, and started by their ids.
//!
//! The list is made by a process of its own, `transom-agent --list-programs`: it decodes pictures of many makers,
//! which takes its time and may fail, and windows must not wait for it.

mod entries;
mod watch;

use std::{
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use calloop::{
    Interest, Mode, PostAction,
    generic::Generic,
    timer::{TimeoutAction, Timer},
};
use rustix::fs::OFlags;
use tracing::{info, warn};
use transom_protocol::{
    programs::{MAX_LIST_BYTES, Program, ProgramList},
    service::{MAX_PROGRAM_NAME, MAX_PROGRAM_WORDS, next_to_qubed},
};

pub(crate) use self::entries::Start;
use self::{entries::Surroundings, watch::Watch};
use crate::{Agent, icon, text::cut};

/// How long nothing has changed before programs are listed anew.
const CALM: Duration = Duration::from_secs(2);
/// Least time between two lists: dom0 takes them no faster in the long run.
const BETWEEN: Duration = Duration::from_secs(12);
/// Bytes of a list that are sent in one turn of the event loop, and a bit more.
const AT_ONCE: usize = 48 * 1_024;

/// Which list dom0 has, and what is being done about it.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    watch: Option<Watch>,
    /// Makes a list.
    lister: Option<Lister>,
    /// The list that was sent last, and when.
    sent: Option<(Vec<u8>, Instant)>,
    /// Of the list that is being sent, what has not gone yet.
    outgoing: Vec<u8>,
    /// A timer is set.
    waiting: bool,
    /// Something has changed since the last list was begun.
    stale: bool,
}

#[derive(Debug)]
struct Lister {
    child: Child,
    out: ChildStdout,
    bytes: Vec<u8>,
}

/// Writes this qube's programs to standard output, in the form in which dom0 keeps them.
///
/// # Errors
/// Nobody reads.
pub fn print_list() -> io::Result<()> {
    let programs = Surroundings::of_process().programs().into_iter().map(|entry| Program {
        icon: entry.icon.as_deref().and_then(icon::draw),
        id: entry.id,
        name: cut(&entry.name, MAX_PROGRAM_NAME),
        comment: cut(&entry.comment, MAX_PROGRAM_WORDS),
        categories: cut(&entry.categories, MAX_PROGRAM_WORDS),
        keywords: cut(&entry.keywords, MAX_PROGRAM_WORDS),
    });
    let mut out = io::stdout().lock();
    out.write_all(&ProgramList::of(programs).encode())?;
    out.flush()
}

/// How a program is started.
///
/// # Errors
/// There is none of this id, or it cannot be: in one line.
pub(crate) fn start(id: &str) -> Result<Start, String> {
    Surroundings::of_process().start(id)
}

/// Starts a program in a process group of its own, which goes on after this process; without these variables.
///
/// # Errors
/// There is none of this id, or it cannot be: in one line.
pub fn start_apart(id: &str, without: &[&str]) -> Result<(), String> {
    let Start { argv, dir } = start(id)?;
    let (program, arguments) = argv.split_first().ok_or("its entry names no program")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    for name in without {
        command.env_remove(name);
    }
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    command.spawn().map(drop).map_err(|error| format!("{program}: {error}"))
}

impl Agent {
    /// dom0 wants to know which programs there are: from now on it is told whenever that changes.
    pub(crate) fn list_programs(&mut self) {
        let dirs = Surroundings::of_process().dirs;
        match Watch::new(&dirs) {
            Ok(watch) => {
                let inserted = watch.fd().try_clone_to_owned().map_err(io::Error::other).and_then(|fd| {
                    let source = Generic::new(fd, Interest::READ, Mode::Level);
                    let changed = |agent: &mut Self| {
                        if agent.programs.watch.as_mut().is_some_and(Watch::drain) {
                            agent.programs.stale = true;
                            agent.list_after(CALM);
                        }
                    };
                    self.handle
                        .insert_source(source, move |_, _, agent: &mut Self| {
                            changed(agent);
                            Ok(PostAction::Continue)
                        })
                        .map_err(|error| io::Error::other(error.to_string()))
                });
                match inserted {
                    Ok(_) => self.programs.watch = Some(watch),
                    Err(error) => warn!(%error, "new programs will not be seen"),
                }
            }
            Err(error) => warn!(%error, "new programs will not be seen"),
        }
        self.programs.stale = true;
        self.list_after(Duration::ZERO);
    }

    /// Lists programs after this time, unless that is to be done already.
    fn list_after(&mut self, time: Duration) {
        if self.programs.waiting {
            return;
        }
        let timer = Timer::from_duration(time);
        let inserted = self.handle.insert_source(timer, |_, (), agent: &mut Self| {
            agent.programs.waiting = false;
            agent.begin_list();
            TimeoutAction::Drop
        });
        match inserted {
            Ok(_) => self.programs.waiting = true,
            Err(error) => warn!(%error, "programs are not listed"),
        }
    }

    fn begin_list(&mut self) {
        if !self.programs.stale || self.programs.lister.is_some() || !self.programs.outgoing.is_empty() {
            // What ends looks again.
            return;
        }
        let early = self.programs.sent.as_ref().map(|(_, at)| BETWEEN.saturating_sub(at.elapsed()));
        if let Some(left) = early.filter(|left| !left.is_zero()) {
            self.list_after(left);
            return;
        }
        self.programs.stale = false;
        if let Err(error) = self.spawn_lister() {
            warn!(%error, "programs are not listed");
        }
    }

    fn spawn_lister(&mut self) -> io::Result<()> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--list-programs")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
        rustix::fs::fcntl_setfl(&out, OFlags::NONBLOCK)?;
        let source = Generic::new(out.as_fd().try_clone_to_owned()?, Interest::READ, Mode::Level);
        self.handle
            .insert_source(source, |_, _, agent: &mut Self| Ok(agent.lister_readable()))
            .map_err(|error| io::Error::other(error.to_string()))?;
        self.programs.lister = Some(Lister { child, out, bytes: Vec::new() });
        Ok(())
    }

    fn lister_readable(&mut self) -> PostAction {
        let Some(lister) = &mut self.programs.lister else { return PostAction::Remove };
        let mut chunk = vec![0; 64 * 1_024];
        match lister.out.read(&mut chunk) {
            Ok(read) if read > 0 && lister.bytes.len() + read <= MAX_LIST_BYTES => {
                lister.bytes.extend_from_slice(&chunk[..read]);
                return PostAction::Continue;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                return PostAction::Continue;
            }
            _ => {}
        }
        if let Some(mut lister) = self.programs.lister.take() {
            // It has closed its output, or says too much: either way it is done.
            let _ = lister.child.kill();
            let _ = lister.child.wait();
            self.listed(lister.bytes);
        }
        PostAction::Remove
    }

    /// A list is there.
    fn listed(&mut self, bytes: Vec<u8>) {
        match ProgramList::decode(&bytes) {
            Ok(list) if self.programs.sent.as_ref().is_none_or(|(sent, _)| *sent != bytes) => {
                info!(programs = list.programs().len(), bytes = bytes.len(), "dom0 is told of the programs");
                self.programs.outgoing.clone_from(&bytes);
                self.programs.sent = Some((bytes, Instant::now()));
                self.send_list();
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "the programs could not be listed"),
        }
        if self.programs.stale {
            self.list_after(CALM);
        }
    }

    /// Sends a part of the list, in whole messages; the rest in turns to come, so that windows do not wait.
    fn send_list(&mut self) {
        let outgoing = &self.programs.outgoing;
        let mut end = 0;
        while end < AT_ONCE && end < outgoing.len() {
            match next_to_qubed(&outgoing[end..]) {
                Ok(Some(raw)) => end += raw.wire_len(),
                _ => break,
            }
        }
        if end == 0 {
            self.programs.outgoing.clear();
            return;
        }
        let part: Vec<u8> = self.programs.outgoing.drain(..end).collect();
        self.write_to_qubed(&part);
        if self.programs.outgoing.is_empty() {
            if self.programs.stale {
                self.list_after(CALM);
            }
            return;
        }
        let timer = Timer::from_duration(Duration::from_millis(1));
        let inserted = self.handle.insert_source(timer, |_, (), agent: &mut Self| {
            agent.send_list();
            TimeoutAction::Drop
        });
        if let Err(error) = inserted {
            // Half a list is of no use to anybody, and dom0 waits for nothing.
            warn!(%error, "the list of programs is not sent");
            self.programs.outgoing.clear();
        }
    }
}
