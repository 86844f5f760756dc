//! The control socket: JSON, one value a line; for dom0's own programs only.
//!
//! Titles and application ids in answers were cleaned when they came in (CLEAN-TEXT). A screenshot
//! never leaves dom0: it is written to a file of dom0.

mod figures;
mod inputs;
mod server;

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

pub use figures::{Figures, FrameFigures};
pub use inputs::{Device, Inputs};
use serde::{Deserialize, Serialize};

use crate::input::event::InputEvent;

/// What a dom0 program asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Everything about the desktop.
    State,
    /// Devices and what is in force on them.
    Inputs,
    /// Write the screen as it was last drawn, as PNG.
    Screenshot {
        /// Where to.
        path: PathBuf,
    },
    /// A key, as if pressed; headless back end only.
    Key {
        /// evdev code.
        code: u32,
        /// Down.
        pressed: bool,
    },
    /// Move the pointer; headless back end only.
    Pointer {
        /// To the right.
        x: f64,
        /// Down.
        y: f64,
    },
    /// A button; headless back end only.
    Button {
        /// evdev code.
        code: u32,
        /// Down.
        pressed: bool,
    },
    /// Wheel steps; headless back end only.
    Wheel {
        /// Steps down.
        steps: i32,
    },
    /// End the desktop; qubes go on.
    Quit,
}

impl Request {
    /// The device event that this request stands for, if it does.
    fn input(&self) -> Option<InputEvent> {
        Some(match *self {
            Self::Key { code, pressed } => InputEvent::Key { code, pressed },
            Self::Pointer { x, y } => InputEvent::PointerTo { x, y },
            Self::Button { code, pressed } => InputEvent::Button { code, pressed },
            Self::Wheel { steps } => InputEvent::wheel(0.0, f64::from(steps)),
            _ => return None,
        })
    }
}

/// What the desktop answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Reply {
    /// Done.
    Done,
    /// See [`Request::State`].
    State(Box<State>),
    /// See [`Request::Inputs`].
    Inputs(Inputs),
    /// It was not done.
    Error {
        /// Why, in one line.
        message: String,
    },
}

/// Everything about the desktop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Version of this program.
    pub version: String,
    /// Back end and renderer.
    pub backend: String,
    /// See `backend`.
    pub renderer: String,
    /// Screen in device pixels, and its scale.
    pub screen: (i32, i32),
    /// See `screen`.
    pub scale: f64,
    /// The desktop's console is in front; always, except with `transom session`.
    pub in_front: bool,
    /// Monitors, from left to right; none except with `transom session`.
    pub monitors: Vec<Monitor>,
    /// Qubes with a link.
    pub qubes: Vec<Qube>,
    /// Windows on the current workspace, bottom first.
    pub windows: Vec<Window>,
    /// Number of the current workspace.
    pub workspace: u32,
    /// Windows in the open switcher, and the chosen one.
    pub switcher: Option<(Vec<String>, usize)>,
    /// What dom0 asks the person now.
    pub prompt: Option<String>,
    /// What dom0 tells the person now.
    pub notices: Vec<String>,
    /// What the bar says of the clipboard.
    pub clipboard: Option<String>,
    /// Where the pointer is.
    pub pointer: (f64, f64),
    /// Frames.
    pub frames: FrameFigures,
}

/// A monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    /// Its connector.
    pub name: String,
    /// Where it is on the desktop: x, y, width, height in device pixels.
    pub area: [i32; 4],
    /// Refresh in millihertz.
    pub refresh: u32,
    /// Frames it has shown.
    pub flips: u64,
}

/// A qube with a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Qube {
    /// Its name.
    pub name: String,
    /// Its label; `none`: dom0 itself.
    pub label: String,
    /// It has a virtual machine of its own.
    pub isolated: bool,
    /// Nothing in it runs, until it is resumed.
    #[serde(default)]
    pub paused: bool,
    /// Bytes of its memory that are mapped.
    pub mapped_bytes: u64,
    /// Messages heard.
    pub messages: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// A window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its qube.
    pub qube: String,
    /// Its id in that qube's link.
    pub id: u32,
    /// Cleaned title.
    pub title: String,
    /// Cleaned application id.
    pub app_id: String,
    /// With its frame: x, y, width, height in logical pixels.
    pub outer: [i32; 4],
    /// Inside its frame.
    pub content: [i32; 4],
    /// Has the keys.
    pub focused: bool,
    /// Asks for attention.
    pub attention: bool,
    /// Fills the work area.
    pub maximised: bool,
    /// Fills the screen.
    pub fullscreen: bool,
    /// Rectangles of its popups on screen.
    pub popups: Vec<[i32; 4]>,
}

/// Why the desktop cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// Nobody listens.
    #[error(
        "no Transom desktop listens at {path}: {source}; start one with `transom nested` or `transom headless`"
    )]
    NoDesktop {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The line broke.
    #[error("the desktop did not answer: {0}")]
    Io(#[from] std::io::Error),
    /// It speaks another language.
    #[error("the desktop's answer cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

/// Asks one thing and waits for the answer, at most ten seconds.
pub fn ask(path: &Path, request: &Request) -> Result<Reply, IpcError> {
    let mut socket =
        UnixStream::connect(path).map_err(|source| IpcError::NoDesktop { path: path.to_owned(), source })?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    socket.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}
