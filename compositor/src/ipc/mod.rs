//! The control socket: JSON, one value a line; for dom0's own programs only.
//!
//! Titles and application ids in answers were cleaned when they came in (CLEAN-TEXT). A screenshot
//! never leaves dom0: it is written to a file of dom0.

mod events;
mod figures;
mod inputs;
mod monitors;
mod server;

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use events::Listeners;
pub use figures::{Figures, FrameFigures};
pub use inputs::{Device, Inputs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::input::event::InputEvent;
pub use crate::screens::night::Mode as NightMode;

/// What a dom0 program asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Everything about the desktop.
    State,
    /// Everything about the desktop, and from then on what of it changes.
    Events,
    /// What a chord of the config does: its name and what it needs. Refused while the desktop is locked, or
    /// asks something; what carries something between qubes takes a key (rule INTENT).
    Action {
        /// As in the config file: `["workspace", "3"]`.
        words: Vec<String>,
    },
    /// Devices and what is in force on them.
    Inputs,
    /// The monitors.
    Outputs,
    /// Make a monitor dark, or light it.
    Power {
        /// Its connector.
        output: String,
        /// Light it.
        on: bool,
    },
    /// Night colour: day, night, or as the schedule says.
    Night {
        /// Which.
        mode: NightMode,
    },
    /// Show notifications of qubes, or none until it is said otherwise.
    Notifications {
        /// Show them.
        on: bool,
    },
    /// Write the desktop as it was last drawn, as PNG.
    Screenshot {
        /// Where to.
        path: PathBuf,
        /// Only this screen, by its connector, pixel for pixel.
        #[serde(default)]
        output: Option<String>,
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
    /// Open the qube manager. Refused while the desktop is locked, or asks something.
    Manager,
    /// Lock the desktop.
    Lock,
    /// Stop the qubes, then end the desktop. Refused while it is locked.
    Logout,
    /// End the desktop; qubes go on. Refused while it is locked.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Reply {
    /// Done.
    Done,
    /// See [`Request::State`].
    State(Box<State>),
    /// What has changed since: parts of the state by their names, each whole. See [`Request::Events`].
    Changed {
        /// They take the place of those that were told before.
        state: serde_json::Map<String, serde_json::Value>,
    },
    /// See [`Request::Outputs`].
    Outputs {
        /// Every monitor that is plugged in.
        outputs: Vec<Monitor>,
    },
    /// See [`Request::Inputs`].
    Inputs(Inputs),
    /// It was not done.
    Error {
        /// Why, in one line.
        message: String,
    },
}

/// Everything about the desktop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// Version of this program.
    pub version: String,
    /// Back end and renderer.
    pub backend: String,
    /// See `backend`.
    pub renderer: String,
    /// Size of a screenshot of the whole desktop, and its scale: the largest of a screen.
    pub screen: (i32, i32),
    /// See `screen`.
    pub scale: f64,
    /// `open`, `covering` (no window is drawn any more, but a screen may still show one) or `locked`.
    #[serde(default)]
    pub lock: String,
    /// What the lock screen tells the person.
    #[serde(default)]
    pub lock_says: String,
    /// The desktop's console is in front; always, except with `transom session`.
    pub in_front: bool,
    /// The graphics card whose monitors are used; none without `transom session`, and while it has none.
    #[serde(default)]
    pub card: Option<String>,
    /// Monitors that are plugged in.
    pub monitors: Vec<Monitor>,
    /// Night colour.
    #[serde(default)]
    pub night: Night,
    /// Qubes with a link.
    pub qubes: Vec<Qube>,
    /// Windows on the current workspace, bottom first.
    pub windows: Vec<Window>,
    /// Surfaces of dom0's programs that are no windows, in the order in which they came.
    #[serde(default)]
    pub layers: Vec<Layer>,
    /// dom0's input method, if one runs.
    #[serde(default)]
    pub input_method: Option<InputMethod>,
    /// Number of the workspace where the person is.
    pub workspace: u32,
    /// How it is arranged: `floating` or `columns`.
    #[serde(default)]
    pub arrangement: String,
    /// Windows in the open switcher, and the chosen one.
    pub switcher: Option<(Vec<String>, usize)>,
    /// What was typed into it, or into the overview.
    #[serde(default)]
    pub search: String,
    /// The overview, while it is open.
    #[serde(default)]
    pub overview: Option<Overview>,
    /// What dom0 asks the person now.
    pub prompt: Option<String>,
    /// What is chosen to be taken, while the person chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
    /// What is asked and said while the passphrase of the volumes is asked for.
    #[serde(default)]
    pub passphrase: Option<String>,
    /// The launcher, while it is open.
    #[serde(default)]
    pub launcher: Option<Launcher>,
    /// The qube manager, while it is open.
    #[serde(default)]
    pub manager: Option<Manager>,
    /// Programs that are on their way: qube, name and how far.
    #[serde(default)]
    pub starting: Vec<String>,
    /// What it tells while the session ends.
    #[serde(default)]
    pub leaving: Option<String>,
    /// What dom0 tells the person now.
    pub notices: Vec<String>,
    /// Notifications of qubes that are kept, oldest first.
    #[serde(default)]
    pub cards: Vec<Card>,
    /// None of them is shown until the person says otherwise.
    #[serde(default)]
    pub do_not_disturb: bool,
    /// Status icons of qubes in the bars.
    #[serde(default)]
    pub status_icons: Vec<StatusIcon>,
    /// What the bar says of the clipboard.
    pub clipboard: Option<String>,
    /// What the card of a drag says.
    #[serde(default)]
    pub drag: Option<String>,
    /// How much larger the screen with the pointer is made: 1 is as it is.
    #[serde(default)]
    pub zoom: f64,
    /// Where the pointer is.
    pub pointer: (f64, f64),
    /// Frames.
    pub frames: FrameFigures,
}

/// A surface of a program of dom0 that is no window: a bar, a dock, a wallpaper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Layer {
    /// `background`, `bottom`, `top` or `overlay`.
    pub layer: String,
    /// The monitor that it is on, by its connector.
    pub output: String,
    /// Where it is: x, y, width, height in logical pixels.
    pub area: [i32; 4],
    /// It has the keys.
    pub focused: bool,
}

/// dom0's input method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InputMethod {
    /// It writes into the text field of the window that has the keys, and has shown that it knows of it.
    pub serves: bool,
    /// Where it shows words to choose from: x, y, width, height in logical pixels.
    pub words: Vec<[i32; 4]>,
}

/// A notification of a qube. Its texts were cleaned when they came in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    /// Its qube.
    pub qube: String,
    /// What it is about.
    pub summary: String,
    /// More of it.
    pub body: String,
    /// What its buttons say.
    pub actions: Vec<String>,
    /// It stays until the person puts it away.
    pub critical: bool,
    /// So many more of its qube, as the card says.
    pub more: u32,
    /// Where it is seen: x, y, width, height in logical pixels; none while it is not.
    pub area: Option<[i32; 4]>,
    /// Where it is put away.
    pub close: Option<[i32; 4]>,
    /// Where its buttons are.
    pub buttons: Vec<[i32; 4]>,
}

/// A status icon of a qube in a bar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusIcon {
    /// Its qube.
    pub qube: String,
    /// What it is called.
    pub title: String,
    /// It is marked.
    pub attention: bool,
    /// Where it is, with its frame: x, y, width, height in logical pixels.
    pub area: [i32; 4],
}

/// The open overview.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overview {
    /// The workspace that is chosen: its monitor, by its connector.
    pub output: String,
    /// See `output`: its number.
    pub workspace: u32,
    /// Title of the window that is chosen.
    pub window: Option<String>,
    /// All workspaces.
    pub tiles: Vec<Tile>,
}

/// A workspace in the overview. Areas are x, y, width, height in logical pixels of the desktop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tile {
    /// Its monitor, by its connector.
    pub output: String,
    /// Its number.
    pub workspace: u32,
    /// Where it is.
    pub area: [i32; 4],
    /// Titles of its windows, bottom first, and where these are.
    pub windows: Vec<(String, [i32; 4])>,
}

/// The open launcher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Launcher {
    /// What was typed.
    pub typed: String,
    /// Qube and program of each row that is seen.
    pub rows: Vec<String>,
    /// That of the chosen one.
    pub chosen: Option<String>,
    /// What is said where there are no rows.
    pub message: String,
}

/// The open qube manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manager {
    /// What was typed.
    pub typed: String,
    /// Name, state and figures of each row that is seen.
    pub rows: Vec<String>,
    /// Name of the chosen one.
    pub chosen: Option<String>,
    /// What can be done with it.
    pub verbs: Vec<String>,
    /// `table`, what a form is for, or `log of` a qube.
    pub page: String,
    /// The verb, line or button that has the keys; empty: the table.
    pub focus: String,
    /// Lines of a form, or of a log.
    pub lines: Vec<String>,
    /// What is said below it.
    pub says: String,
    /// Something that was asked of qubed is not answered yet.
    pub waits: bool,
    /// What can be pressed, as it was drawn: x, y, width, height in logical pixels of the desktop.
    pub places: Vec<(String, [i32; 4])>,
}

/// Night colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Night {
    /// What was said.
    pub mode: NightMode,
    /// Colour temperature of monitors that no program holds, in kelvin; 6500: their own white.
    pub temperature: u32,
}

/// How frames came onto a monitor; one frame may count for several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Planes {
    /// The pointer had a plane of its own.
    pub cursor: u64,
    /// Something was shown straight from its buffer.
    pub scanout: u64,
    /// The desktop was drawn.
    pub composed: u64,
}

/// The variable refresh of a monitor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VariableRefresh {
    /// The monitor says that it can.
    pub supported: bool,
    /// `off`, `on` or `fullscreen`.
    pub wanted: String,
    /// It does, since its last frame.
    pub on: bool,
}

/// The gamma ramp of a monitor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gamma {
    /// Entries; 0: this monitor has none.
    pub size: u32,
    /// Whose it is: `night`, `program`, or `refused` by the graphics card; empty without one.
    pub by: String,
    /// Its colour temperature in kelvin, while it is that of night colour.
    pub temperature: Option<u32>,
    /// Where red, green and blue begin, from 0 to 65535.
    pub first: [u16; 3],
    /// Where they end.
    pub last: [u16; 3],
}

/// A monitor that is plugged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Monitor {
    /// Its connector.
    pub name: String,
    /// As its EDID says; empty: nothing.
    pub make: String,
    /// See `make`.
    pub model: String,
    /// See `make`.
    pub serial: String,
    /// It is a part of the desktop.
    pub on: bool,
    /// It is lit.
    pub lit: bool,
    /// Where it is on the desktop: x, y, width, height in logical pixels; zeros while it is off.
    pub area: [i32; 4],
    /// Size as it is seen, in device pixels.
    pub size: (i32, i32),
    /// Scale.
    pub scale: f64,
    /// How it is mounted: degrees, `flipped` before them if it is mirrored.
    pub transform: String,
    /// Refresh in millihertz.
    pub refresh: u32,
    /// Its modes: width, height, refresh in millihertz; the one that it likes best first.
    pub modes: Vec<(i32, i32, u32)>,
    /// Number of the workspace that it shows.
    #[serde(default)]
    pub workspace: u32,
    /// Its workspaces that are in use: number, and whether a window on it asks for attention.
    #[serde(default)]
    pub workspaces: Vec<(u32, bool)>,
    /// Frames it has shown.
    pub flips: u64,
    /// Vertical blanks that went by while a frame was on its way to them.
    pub missed: u64,
    /// A frame is begun so long before its vertical blank, in microseconds.
    pub margin_us: u64,
    /// The pointer has a plane of its own there.
    pub pointer_plane: bool,
    /// How its frames came onto it.
    #[serde(default)]
    pub planes: Planes,
    /// Its gamma ramp.
    #[serde(default)]
    pub gamma: Gamma,
    /// Its variable refresh.
    #[serde(default)]
    pub vrr: VariableRefresh,
}

/// A qube with a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// The form of requests and answers: a JSON schema of both.
pub fn schema() -> String {
    let of = |schema: schemars::Schema| schema.to_value();
    let both = serde_json::json!({
        "request": of(schemars::schema_for!(Request)),
        "answer": of(schemars::schema_for!(Reply)),
    });
    serde_json::to_string_pretty(&both).unwrap_or_default()
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

/// Listens: the whole state, then what changes, one after the other until the desktop ends.
pub fn listen(path: &Path) -> Result<impl Iterator<Item = Result<Reply, IpcError>>, IpcError> {
    let mut socket =
        UnixStream::connect(path).map_err(|source| IpcError::NoDesktop { path: path.to_owned(), source })?;
    let mut line = serde_json::to_vec(&Request::Events)?;
    line.push(b'\n');
    socket.write_all(&line)?;
    let lines = BufReader::new(socket).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
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
