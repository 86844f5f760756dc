//! What can be done with a row, and why not. Pure.

use super::rows::{Kind, Row, State};

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Start,
    Stop,
    Restart,
    Pause,
    Resume,
    Kill,
    Programs,
    Log,
    New,
    Clone,
    Rename,
    Settings,
    Remove,
}

/// All of them in the order in which they are shown.
pub(crate) const VERBS: [Verb; 13] = [
    Verb::Start,
    Verb::Stop,
    Verb::Restart,
    Verb::Pause,
    Verb::Resume,
    Verb::Kill,
    Verb::Programs,
    Verb::Log,
    Verb::New,
    Verb::Clone,
    Verb::Rename,
    Verb::Settings,
    Verb::Remove,
];

/// So many are in the first line.
pub(crate) const FIRST_LINE: usize = 8;

impl Verb {
    /// What its button says.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Stop => "Stop",
            Self::Restart => "Restart",
            Self::Pause => "Pause",
            Self::Resume => "Resume",
            Self::Kill => "Kill\u{2026}",
            Self::Programs => "Programs",
            Self::Log => "Log",
            Self::New => "New\u{2026}",
            Self::Clone => "Clone\u{2026}",
            Self::Rename => "Rename\u{2026}",
            Self::Settings => "Settings\u{2026}",
            Self::Remove => "Remove\u{2026}",
        }
    }

    /// Whether it can be done with this row.
    ///
    /// # Errors
    /// Why not, in a few words that go behind the qube's name.
    pub(crate) fn fits(self, row: Option<&Row>) -> Result<(), &'static str> {
        if self == Self::New {
            return Ok(());
        }
        let row = row.ok_or("there is no qube that is chosen")?;
        if row.kind == Kind::Template {
            return Err("is a template: make a new qube from it");
        }
        let of_the_file = matches!(
            self,
            Self::Start | Self::Restart | Self::Programs | Self::Clone | Self::Rename | Self::Settings
        );
        if of_the_file && row.problem.is_some() {
            return Err("has a file that cannot be used: mend that first, or remove the qube");
        }
        match self {
            Self::Start => match row.state {
                State::Halted | State::Failed => Ok(()),
                State::Starting => Err("is starting already"),
                State::Running => Err("is running already"),
                State::Paused => Err("is paused: resume it"),
                State::Stopping => Err("is stopping: start it when it is halted"),
            },
            Self::Stop => match row.state {
                State::Starting | State::Running | State::Paused => Ok(()),
                State::Stopping => Err("is stopping already: kill it if that takes too long"),
                State::Halted | State::Failed => Err("is not running"),
            },
            Self::Restart => match row.state {
                _ if !row.lasts() => Err("is disposable: nothing of it would be left to start"),
                State::Running | State::Paused => Ok(()),
                _ => Err("is not running"),
            },
            Self::Pause => match row.state {
                State::Running => Ok(()),
                State::Paused => Err("is paused already"),
                _ => Err("is not running"),
            },
            Self::Resume if row.state == State::Paused => Ok(()),
            Self::Resume => Err("is not paused"),
            Self::Kill if row.is_up() => Ok(()),
            Self::Kill => Err("is not running"),
            Self::Programs => match row.state {
                _ if !row.lasts() => Err("is disposable: it is there for one program"),
                State::Paused => Err("is paused: resume it first"),
                _ => Ok(()),
            },
            Self::Log | Self::New => Ok(()),
            Self::Settings if !row.lasts() => Err("is disposable: nothing of it lasts"),
            Self::Settings => Ok(()),
            Self::Clone | Self::Rename | Self::Remove => {
                if !row.lasts() {
                    Err("is disposable: nothing of it lasts")
                } else if row.is_up() {
                    Err("is running: stop it first")
                } else {
                    Ok(())
                }
            }
        }
    }
}
