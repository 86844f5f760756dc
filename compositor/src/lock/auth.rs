//! Asking whether a password is right, in a process of its own (`transom-auth`, which asks PAM).
//!
//! One process per attempt: it gets the password on its standard input and says what came of it on
//! its standard output, line by line:
//!
//! ```text
//! info TEXT     something for the person to read
//! right         the last line: the password is theirs
//! wrong         the last line: it is not
//! error TEXT    the last line: that cannot be told, and why
//! ```
//!
//! Whatever else it says, or nothing, counts as not right. The desktop never waits for it: the
//! password fits into the pipe, the answer is a source of the event loop, and one that does not come
//! in time ends the process. The next attempt starts another. How long a wrong password takes is
//! PAM's business (`pam_faildelay`, `pam_faillock`): until the answer is there, there is no other
//! attempt.

use std::{
    io::{self, Write as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use rustix::io::{Errno, ioctl_fionbio};
use smithay::reexports::calloop::{
    Interest, LoopHandle, Mode, PostAction, RegistrationToken, generic::Generic,
};
use tracing::{error, warn};

use super::state::Attempt;
use crate::Desktop;

/// Name of the helper.
pub const HELPER: &str = "transom-auth";
/// An answer takes no longer: also that of an account on another machine, after a wrong password.
const PATIENCE: Duration = Duration::from_mins(1);
/// Most bytes that the helper may say.
const MOST: usize = 16 << 10;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is the person's.
    Right,
    /// It is not.
    Wrong,
    /// That cannot be told, and why.
    Unknown(String),
}

/// What a helper has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    bytes: Vec<u8>,
}

impl Said {
    /// The last thing for the person to read.
    fn info(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().rev().find_map(|line| line.strip_prefix("info ")).map(clean)
    }

    /// What came of it, once it says no more.
    fn verdict(&self) -> Verdict {
        let text = String::from_utf8_lossy(&self.bytes);
        let last = text.strip_suffix('\n').and_then(|text| text.lines().next_back());
        match last {
            Some("right") => Verdict::Right,
            Some("wrong") => Verdict::Wrong,
            Some(line) if line.starts_with("error ") => Verdict::Unknown(clean(&line[6..])),
            _ => Verdict::Unknown(format!("{HELPER} has ended without an answer")),
        }
    }
}

/// One line of text.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// An attempt under way.
#[derive(Debug)]
struct Running {
    attempt: Attempt,
    child: Child,
    source: RegistrationToken,
    said: Said,
    until: Duration,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    helper: Option<PathBuf>,
    running: Option<Running>,
}

impl Checker {
    /// With this helper; `None`: no password can be checked.
    pub(crate) fn new(helper: Option<PathBuf>) -> Self {
        Self { helper, running: None }
    }

    /// When an answer has to be there.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.running.as_ref().map(|running| running.until)
    }

    /// Asks about a password.
    pub(crate) fn start(
        &mut self,
        handle: &LoopHandle<'static, Desktop>,
        attempt: Attempt,
        password: &[u8],
        now: Duration,
    ) -> Result<(), String> {
        let helper = self.helper.as_deref().ok_or_else(|| format!("{HELPER} is not installed"))?;
        let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", helper.display());
        let (mut child, stdin, stdout) = spawn(helper).map_err(|error| problem(&error))?;
        let watched = hand_over(stdin, password).and_then(|()| {
            ioctl_fionbio(&stdout, true)?;
            let source = Generic::new(stdout, Interest::READ, Mode::Level);
            handle
                .insert_source(source, |_, stdout, desktop: &mut Desktop| Ok(desktop.helper_says(stdout)))
                .map_err(|error| io::Error::other(error.error))
        });
        match watched {
            Ok(source) => {
                let until = now + PATIENCE;
                self.running = Some(Running { attempt, child, source, said: Said::default(), until });
                Ok(())
            }
            Err(error) => {
                end(&mut child);
                Err(problem(&error))
            }
        }
    }

    /// Takes the attempt, if it is over. `None`: it goes on.
    fn hear(&mut self, stdout: &ChildStdout) -> Option<(Attempt, Verdict)> {
        let running = self.running.as_mut()?;
        let mut chunk = [0; 1024];
        let open = match rustix::io::read(stdout, &mut chunk) {
            Ok(0) => false,
            Ok(read) => {
                running.said.bytes.extend_from_slice(&chunk[..read]);
                running.said.bytes.len() <= MOST
            }
            Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
        };
        if open {
            return None;
        }
        let mut running = self.running.take()?;
        end(&mut running.child);
        Some((running.attempt, running.said.verdict()))
    }

    /// Gives up an attempt that takes too long.
    fn overdue(&mut self, handle: &LoopHandle<'static, Desktop>, now: Duration) -> Option<Attempt> {
        let mut running = self.running.take_if(|running| running.until <= now)?;
        handle.remove(running.source);
        end(&mut running.child);
        Some(running.attempt)
    }
}

fn spawn(helper: &Path) -> io::Result<(Child, ChildStdin, ChildStdout)> {
    let mut child = Command::new(helper).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(stdin), Some(stdout)) => Ok((child, stdin, stdout)),
        _ => Err(io::Error::other("no pipes")),
    }
}

/// Writes the password and ends the helper's input. It fits into an empty pipe at once.
fn hand_over(mut stdin: ChildStdin, password: &[u8]) -> io::Result<()> {
    ioctl_fionbio(stdin.as_fd(), true)?;
    stdin.write_all(password)
}

impl Drop for Checker {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            end(&mut running.child);
        }
    }
}

/// Nothing of a helper is left. A killed process ends at once.
fn end(child: &mut Child) {
    let _ = child.kill();
    if let Err(error) = child.wait() {
        warn!(%error, "the helper that checks passwords");
    }
}

impl Desktop {
    fn helper_says(&mut self, stdout: &ChildStdout) -> PostAction {
        let over = self.lock.checker.hear(stdout);
        if let Some(running) = &self.lock.checker.running
            && let Some(info) = running.said.info()
        {
            self.lock.told = super::Told::Info(info);
            self.damage_all();
        }
        let Some((attempt, verdict)) = over else {
            return if self.lock.checker.running.is_some() {
                PostAction::Continue
            } else {
                PostAction::Remove
            };
        };
        self.password_checked(attempt, &verdict);
        PostAction::Remove
    }

    /// Gives up an attempt that takes too long.
    pub(super) fn helper_overdue(&mut self, now: Duration) {
        if let Some(attempt) = self.lock.checker.overdue(&self.handle, now) {
            error!("{HELPER} does not answer and was ended");
            self.password_checked(attempt, &Verdict::Unknown("no answer in time".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        Said { bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn only_the_last_whole_line_is_a_verdict() {
        assert_eq!(said("right\n").verdict(), Verdict::Right);
        assert_eq!(said("info touch the key\nright\n").verdict(), Verdict::Right);
        assert_eq!(said("wrong\n").verdict(), Verdict::Wrong);
        assert_eq!(
            said("error no such\u{1b}[2J user\n").verdict(),
            Verdict::Unknown("no such[2J user".into())
        );
        for nothing in ["", "right", "righ", "right\nwrong", "right\nx\n", "Right\n", " right\n", "right \n"]
        {
            assert!(matches!(said(nothing).verdict(), Verdict::Unknown(_)), "{nothing:?}");
        }
    }

    #[test]
    fn what_is_for_the_person_is_told_as_it_comes() {
        assert_eq!(said("info touch").info(), None, "half a line");
        assert_eq!(said("info touch the key\n").info().as_deref(), Some("touch the key"));
        assert_eq!(said("info one\ninfo two\n").info().as_deref(), Some("two"));
    }
}
