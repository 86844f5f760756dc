//! What dom0's programs ask of `transom-qubed`.

use serde::{Deserialize, Serialize};

use super::{
    BackendChoice, CallAnswer, Changes, ErrorBody, ErrorKind, LabelName, MAX_USAGE, Program, QubeName,
};
#[cfg(doc)]
use super::{CallAsk, Event, Reply, ReplyBody};

/// A question or order from a dom0 program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, given back in the [`Reply`].
    pub id: u64,
    /// What is asked.
    pub body: RequestBody,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RequestBody {
    /// Are you there? Answer: [`ReplyBody::Pong`].
    Ping,
    /// All qubes in the order of their names. Answer: [`ReplyBody::Qubes`], in pages.
    List {
        /// Only those whose name comes after this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<QubeName>,
    },
    /// One qube. Answer: [`ReplyBody::Qube`].
    Info {
        /// Which.
        qube: QubeName,
    },
    /// Makes a new, halted qube. Answer: [`ReplyBody::Qube`].
    Create {
        /// Its name.
        name: QubeName,
        /// Its trust label.
        label: LabelName,
        /// The template it is made from; none in a sandbox, which has dom0's own programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        template: Option<String>,
        /// The back end.
        #[serde(default)]
        backend: BackendChoice,
        /// Its volume is not to be encrypted.
        #[serde(default)]
        plain: bool,
    },
    /// Makes a copy of a halted qube, which stays halted until then. Answer: [`ReplyBody::Qube`] of the
    /// copy when it is there.
    Clone {
        /// Which.
        qube: QubeName,
        /// The copy's name.
        name: QubeName,
    },
    /// Gives a halted qube another name. Answer: [`ReplyBody::Qube`].
    Rename {
        /// Which.
        qube: QubeName,
        /// Its new name.
        name: QubeName,
    },
    /// Where the file is that describes a qube. Answer: [`ReplyBody::File`].
    File {
        /// Which.
        qube: QubeName,
    },
    /// Keeps a halted qube as it is, so that this client can read it, until this connection ends. Answer:
    /// [`ReplyBody::Held`] with the qube's directory.
    Hold {
        /// Which.
        qube: QubeName,
    },
    /// Keeps a name for a qube that this client makes, until it is adopted or this connection ends. Answer:
    /// [`ReplyBody::Held`] with the directory to make it in: `qube` below it becomes the qube.
    Reserve {
        /// The name.
        name: QubeName,
    },
    /// Makes a qube of what this client has made at a name that it reserved, and brought to the disk. Answer:
    /// [`ReplyBody::Qube`].
    Adopt {
        /// The name.
        name: QubeName,
    },
    /// Starts a qube. Answer: [`ReplyBody::Qube`] when its agent is ready, or an error.
    Start {
        /// Which.
        qube: QubeName,
    },
    /// Ends the programs politely, then the qube. Answer: [`ReplyBody::Qube`] when it is halted.
    Stop {
        /// Which.
        qube: QubeName,
        /// After this long it is killed, in milliseconds.
        timeout_ms: u64,
    },
    /// Ends the qube at once. Answer: [`ReplyBody::Qube`] when it is halted.
    Kill {
        /// Which.
        qube: QubeName,
    },
    /// Stops a running qube where it is. Answer: [`ReplyBody::Qube`] when nothing in it runs.
    Pause {
        /// Which.
        qube: QubeName,
    },
    /// Lets a paused qube go on. Answer: [`ReplyBody::Qube`] when it runs.
    Resume {
        /// Which.
        qube: QubeName,
    },
    /// Deletes a halted qube and everything in it. Answer: [`ReplyBody::Done`].
    Remove {
        /// Which.
        qube: QubeName,
    },
    /// Starts a program in a running qube. Answer: [`ReplyBody::Done`] when it runs.
    Run {
        /// Which.
        qube: QubeName,
        /// As [`Program::Command`].
        argv: Vec<String>,
    },
    /// Starts a program, and before it the qube, if that is halted. Answer: [`ReplyBody::Done`] when the
    /// program runs.
    Open {
        /// In which.
        qube: QubeName,
        /// What.
        program: Program,
    },
    /// The programs that a qube lists. Answer: [`ReplyBody::Programs`].
    Programs {
        /// Which.
        qube: QubeName,
    },
    /// The updates that a qube has told of. Answer: [`ReplyBody::Updates`].
    Updates {
        /// Which.
        qube: QubeName,
    },
    /// Starts a program in a qube of its own, of which nothing is left once its last window is closed.
    /// Answer: [`ReplyBody::Qube`] when it runs.
    RunDisposable {
        /// What it is made like: the name of a qube, of which it has the settings and none of the files,
        /// or of a template.
        pattern: String,
        /// Its trust label; else its pattern's, and of a template's [`LabelName::unknown`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<LabelName>,
        /// What.
        program: Program,
    },
    /// From the compositor: how many windows a disposable qube shows now. Answer: [`ReplyBody::Done`].
    Windows {
        /// Which.
        qube: QubeName,
        /// So many.
        windows: u32,
    },
    /// Has a qube's network go through another one, at once if it runs, and the rules in its file counted as
    /// they are now. Answer: [`ReplyBody::Qube`].
    Network {
        /// Which.
        qube: QubeName,
        /// Where to.
        to: NetworkTo,
    },
    /// Changes what a qube's file says; the rest of the file stays. Answer: [`ReplyBody::Qube`].
    Set {
        /// Which.
        qube: QubeName,
        /// What.
        changes: Changes,
    },
    /// What qubes use now, counted for this request. Answer: [`ReplyBody::Usage`].
    Usage {
        /// Which, at most [`MAX_USAGE`].
        qubes: Vec<QubeName>,
    },
    /// The templates that qubes can be made from. Answer: [`ReplyBody::Templates`].
    Templates,
    /// The end of a qube's log. Answer: [`ReplyBody::Log`].
    Log {
        /// Which.
        qube: QubeName,
    },
    /// The person's answer to [`Event::Ask`], or [`CallAnswer::Silence`] for [`Event::Serve`]. Only from the attached compositor. Answer:
    /// [`ReplyBody::Done`], also if the question is over already.
    AnswerCall {
        /// [`CallAsk::call`].
        call: u64,
        /// What was chosen.
        answer: CallAnswer,
    },
    /// Encrypts the volume of a halted qube, which stays halted until then. Answer: [`ReplyBody::Qube`]
    /// when it is done.
    Encrypt {
        /// Which.
        qube: QubeName,
    },
    /// Lets this computer's passphrase open the volume of a halted qube that came from another one. The passphrase
    /// of that one comes as with [`Self::Unlock`]. Answer: [`ReplyBody::Qube`] when it is done.
    TakeOver {
        /// Which.
        qube: QubeName,
    },
    /// Whether encrypted volumes can be used. Answer: [`ReplyBody::Keyring`].
    Keyring,
    /// Opens the keyring, so that they can. The passphrase is in a pipe beside the request, with its end:
    /// no packet holds one. Answer: [`ReplyBody::Done`], after seconds.
    Unlock,
    /// Sets the passphrase where none was ever set, and unlocks. It comes as with [`Self::Unlock`].
    SetPassphrase,
    /// Changes the passphrase; the old and the new one are in a pipe each. Answer: [`ReplyBody::Done`],
    /// after seconds.
    ChangePassphrase,
    /// Forgets what opens volumes. Those of running qubes stay open until they halt. Answer:
    /// [`ReplyBody::Done`].
    LockStore,
    /// Takes the compositor's role: links and events come from now on. There is one compositor at
    /// a time. Answer: [`ReplyBody::Attached`], then the state as events, then changes.
    Attach,
    /// Events without links come from now on. Answer: [`ReplyBody::Done`], then the state as
    /// events, then changes.
    Events,
}

/// Where a qube's network goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkTo {
    /// Where its file says.
    Same,
    /// Nowhere.
    Nothing,
    /// Through this qube.
    Qube(QubeName),
}

impl RequestBody {
    /// The qube that it is about, if it is about one that exists.
    pub fn qube(&self) -> Option<&QubeName> {
        match self {
            Self::Info { qube }
            | Self::Clone { qube, .. }
            | Self::Rename { qube, .. }
            | Self::File { qube }
            | Self::Hold { qube }
            | Self::Start { qube }
            | Self::Stop { qube, .. }
            | Self::Kill { qube }
            | Self::Pause { qube }
            | Self::Resume { qube }
            | Self::Remove { qube }
            | Self::Run { qube, .. }
            | Self::Open { qube, .. }
            | Self::Programs { qube }
            | Self::Updates { qube }
            | Self::Windows { qube, .. }
            | Self::Log { qube }
            | Self::Network { qube, .. }
            | Self::TakeOver { qube }
            | Self::Set { qube, .. }
            | Self::Encrypt { qube } => Some(qube),
            Self::Ping
            | Self::List { .. }
            | Self::Create { .. }
            | Self::RunDisposable { .. }
            | Self::AnswerCall { .. }
            | Self::Usage { .. }
            | Self::Templates
            | Self::Reserve { .. }
            | Self::Adopt { .. }
            | Self::Attach
            | Self::Events
            | Self::Keyring
            | Self::Unlock
            | Self::SetPassphrase
            | Self::ChangePassphrase
            | Self::LockStore => None,
        }
    }

    /// Checks what the types do not say: the limits of what is started.
    pub fn check(&self) -> Result<(), ErrorBody> {
        let checked = match self {
            Self::Run { argv, .. } => super::programs::check_command(argv),
            Self::Open { program, .. } | Self::RunDisposable { program, .. } => program.check(),
            Self::Usage { qubes } if qubes.len() > MAX_USAGE => {
                Err(format!("more than {MAX_USAGE} qubes at once"))
            }
            _ => return Ok(()),
        };
        checked.map_err(|reason| ErrorBody::new(ErrorKind::BadRequest, reason))
    }
}
