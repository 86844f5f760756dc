//! Chords and what they do.

use std::fmt;

use smithay::input::keyboard::xkb::{self, Keysym};

use super::bound::Bound;
use crate::shell::{Arrangement, Direction, Show};

/// Consoles that have a key.
const CONSOLES: i32 = 12;
/// Layouts that a keyboard can have at once (XKB).
const LAYOUTS: u32 = 32;

/// Modifiers of a chord.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mods(u8);

impl Mods {
    /// None.
    pub const NONE: Self = Self(0);
    /// Control.
    pub const CTRL: Self = Self(1);
    /// Alt.
    pub const ALT: Self = Self(2);
    /// Shift.
    pub const SHIFT: Self = Self(4);
    /// Super, also called logo. Reserved to dom0: no qube ever sees it.
    pub const SUPER: Self = Self(8);

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All but those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True if one of `other` is among them.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// True if there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A key with modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    /// Exactly these.
    pub mods: Mods,
    /// What the key means without modifiers.
    pub key: Keysym,
}

impl Chord {
    /// Reads `Super+Shift+Tab`. Keys have their XKB names, in upper or lower case.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut mods = Mods::NONE;
        let mut parts = text.split('+').map(str::trim).peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                mods = mods.with(match part.to_ascii_lowercase().as_str() {
                    "ctrl" | "control" => Mods::CTRL,
                    "alt" => Mods::ALT,
                    "shift" => Mods::SHIFT,
                    "super" | "logo" | "mod" => Mods::SUPER,
                    _ => return Err(format!("\"{part}\" is no modifier; they are Super, Ctrl, Alt, Shift")),
                });
                continue;
            }
            let key = xkb::keysym_from_name(part, xkb::KEYSYM_CASE_INSENSITIVE);
            if key.raw() == xkb::keysyms::KEY_NoSymbol {
                return Err(format!(
                    "\"{part}\" is no key; see the XKB names of keys, such as Tab, Return, F4, c"
                ));
            }
            // A chord that is an ordinary key would keep that key from every qube.
            if mods.without(Mods::SHIFT).is_empty()
                && key.raw() < 0x1000_0000
                && key.raw() != xkb::keysyms::KEY_Print
            {
                return Err(format!(
                    "\"{text}\" needs Super, Ctrl or Alt: else no program could be typed into"
                ));
            }
            return Ok(Self { mods, key });
        }
        Err("a chord is written as in \"Super+Shift+Tab\"".into())
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mods, name) in
            [(Mods::SUPER, "Super"), (Mods::CTRL, "Ctrl"), (Mods::ALT, "Alt"), (Mods::SHIFT, "Shift")]
        {
            if self.mods.meets(mods) {
                write!(f, "{name}+")?;
            }
        }
        f.write_str(&xkb::keysym_get_name(self.key))
    }
}

/// One of several things in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The one after that in force; after the last comes the first.
    Next,
    /// The one before.
    Previous,
    /// That of this number, from 1.
    To(u32),
}

impl Step {
    fn parse(words: &[String], most: u32) -> Option<Self> {
        let [word] = words else { return None };
        match word.as_str() {
            "next" => Some(Self::Next),
            "previous" | "prev" => Some(Self::Previous),
            number => number.parse().ok().filter(|number| (1..=most).contains(number)).map(Self::To),
        }
    }

    /// Where it leads, of `count` things numbered from 0; `None`: there is none of that number.
    pub fn from(self, at: u32, count: u32) -> Option<u32> {
        match self {
            Self::Next => (count > 0).then(|| (at + 1) % count),
            Self::Previous => (count > 0).then(|| (at + count - 1) % count),
            Self::To(number) => (1..=count).contains(&number).then(|| number - 1),
        }
    }
}

/// What a chord does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The switcher: the next window.
    SwitchNext,
    /// The switcher: the one before.
    SwitchPrevious,
    /// The switcher, windows of the focused qube only.
    SwitchNextOfQube,
    /// See [`Action::SwitchNextOfQube`].
    SwitchPreviousOfQube,
    /// The switcher, windows of the focused program only.
    SwitchNextOfApp,
    /// See [`Action::SwitchNextOfApp`].
    SwitchPreviousOfApp,
    /// The switcher stays open: windows are found by typing.
    FindWindow,
    /// All workspaces at once, or no longer.
    Overview,
    /// Asks the focused window to close.
    Close,
    /// Puts it away.
    Minimise,
    /// Fills the work area with it, or restores it.
    Maximise,
    /// Fills the screen with it, or restores it.
    Fullscreen,
    /// Fills the left half with it.
    TileLeft,
    /// Fills the right half with it.
    TileRight,
    /// What an arrow does: in columns the focus goes there. A floating window fills the left or the right
    /// half; up fills the work area with it, down lets it float again.
    Arrow(Direction),
    /// The focus goes to the window on that side.
    Focus(Direction),
    /// Moves it: past others in columns, else a little.
    Move(Direction),
    /// Moves it to the screen on that side.
    MoveToOutput(Direction),
    /// The person turns to the screen on that side.
    Output(Direction),
    /// Makes it larger or smaller, by steps to the right and down.
    Grow(i32, i32),
    /// Gives its column the next of the usual widths; `false`: the one before.
    ColumnWidth(bool),
    /// Shows the windows of its column in another way; `None`: the next one.
    ColumnShow(Option<Show>),
    /// Takes it out of the columns of its workspace, or puts it back.
    Float,
    /// Makes the screen with the pointer larger by so many steps.
    Zoom(i32),
    /// No longer.
    ZoomOff,
    /// Calls the window of the scratch area, or puts it away.
    Scratch,
    /// Puts the focused window into the scratch area, or takes it out.
    ToScratch,
    /// Arranges the workspace anew; `None`: the other way.
    Arrange(Option<Arrangement>),
    /// Shows a workspace.
    Workspace(u32),
    /// Shows the workspace after the current one; after the last nothing happens.
    WorkspaceNext,
    /// Shows the one before.
    WorkspacePrevious,
    /// Moves the focused window to a workspace.
    MoveToWorkspace(u32),
    /// Copies the selection out of the focused qube.
    ClipboardCopyOut,
    /// Pastes into the focused qube.
    ClipboardPasteIn,
    /// Saves a picture of the screen.
    Screenshot,
    /// Lets the person choose what a picture is taken of, and where it goes.
    Capture,
    /// The same for a video; ends one that is being taken.
    Record,
    /// Opens the launcher, or closes it.
    Launcher,
    /// Asks for the passphrase of the volumes.
    Unlock,
    /// Opens the qube manager, or closes it.
    Manager,
    /// Starts a program, and its qube if that is halted.
    Launch {
        /// In this qube.
        qube: String,
        /// Program and arguments.
        argv: Vec<String>,
    },
    /// Another keyboard layout.
    Layout(Step),
    /// Puts the newest notification away.
    DismissNotification,
    /// Shows no notifications from now on, or shows them again.
    DoNotDisturb,
    /// Locks the desktop.
    Lock,
    /// Stops the qubes and ends the desktop.
    Logout,
    /// Ends the desktop; qubes go on.
    Quit,
    /// Shows or hides the title bar of a fullscreen window.
    ShowTitle,
    /// Takes the pointer back from a program that holds it.
    ReleasePointer,
    /// Goes to a console of the machine; only with `transom session`.
    Console(i32),
}

impl Action {
    /// Reads an action: its name and what it needs.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let Some((name, rest)) = words.split_first() else {
            return Err("a chord needs something to do".into());
        };
        let number = || match rest {
            [number] => number.parse().ok().filter(|n| (1..=crate::shell::WORKSPACES).contains(n)),
            _ => None,
        };
        let numbered = |make: fn(u32) -> Self| {
            number()
                .map(make)
                .ok_or_else(|| format!("\"{name}\" needs a number, 1 to {}", crate::shell::WORKSPACES))
        };
        let plain = match name.as_str() {
            "workspace" if rest == ["next"] => return Ok(Self::WorkspaceNext),
            "workspace" if rest == ["previous"] => return Ok(Self::WorkspacePrevious),
            "workspace" => return numbered(Self::Workspace),
            "move-to-workspace" => return numbered(Self::MoveToWorkspace),
            "column-width" => {
                return match rest {
                    [way] if way == "next" => Ok(Self::ColumnWidth(true)),
                    [way] if way == "previous" => Ok(Self::ColumnWidth(false)),
                    _ => Err("\"column-width\" needs \"next\" or \"previous\"".into()),
                };
            }
            "column-show" => {
                return match rest {
                    [way] if way == "next" => Ok(Self::ColumnShow(None)),
                    [way] if way == "split" => Ok(Self::ColumnShow(Some(Show::Split))),
                    [way] if way == "stacked" => Ok(Self::ColumnShow(Some(Show::Stacked))),
                    [way] if way == "tabbed" => Ok(Self::ColumnShow(Some(Show::Tabbed))),
                    _ => Err("\"column-show\" needs \"next\", \"split\", \"stacked\" or \"tabbed\"".into()),
                };
            }
            "arrange" => {
                return match rest {
                    [way] if way == "next" => Ok(Self::Arrange(None)),
                    [way] if way == "floating" => Ok(Self::Arrange(Some(Arrangement::Floating))),
                    [way] if way == "columns" => Ok(Self::Arrange(Some(Arrangement::Columns))),
                    _ => Err("\"arrange\" needs \"next\", \"floating\" or \"columns\"".into()),
                };
            }
            "console" => {
                let number = rest.first().filter(|_| rest.len() == 1).and_then(|number| number.parse().ok());
                return number
                    .filter(|number| (1..=CONSOLES).contains(number))
                    .map(Self::Console)
                    .ok_or_else(|| format!("\"console\" needs a number, 1 to {CONSOLES}"));
            }
            "layout" => {
                return Step::parse(rest, LAYOUTS).map(Self::Layout).ok_or_else(|| {
                    format!("\"layout\" needs \"next\", \"previous\" or a number, 1 to {LAYOUTS}")
                });
            }
            "launch" => {
                return match rest.split_first() {
                    Some((qube, argv)) if !argv.is_empty() => {
                        Ok(Self::Launch { qube: qube.clone(), argv: argv.to_vec() })
                    }
                    _ => Err("\"launch\" needs a qube and a program".into()),
                };
            }
            "switch-next" => Self::SwitchNext,
            "switch-previous" => Self::SwitchPrevious,
            "switch-next-of-qube" => Self::SwitchNextOfQube,
            "switch-previous-of-qube" => Self::SwitchPreviousOfQube,
            "switch-next-of-app" => Self::SwitchNextOfApp,
            "switch-previous-of-app" => Self::SwitchPreviousOfApp,
            "find-window" => Self::FindWindow,
            "overview" => Self::Overview,
            "close" => Self::Close,
            "minimise" => Self::Minimise,
            "maximise" => Self::Maximise,
            "fullscreen" => Self::Fullscreen,
            "tile-left" => Self::TileLeft,
            "tile-right" => Self::TileRight,
            "left" => Self::Arrow(Direction::Left),
            "right" => Self::Arrow(Direction::Right),
            "up" => Self::Arrow(Direction::Up),
            "down" => Self::Arrow(Direction::Down),
            "focus-left" => Self::Focus(Direction::Left),
            "focus-right" => Self::Focus(Direction::Right),
            "focus-up" => Self::Focus(Direction::Up),
            "focus-down" => Self::Focus(Direction::Down),
            "move-left" => Self::Move(Direction::Left),
            "move-right" => Self::Move(Direction::Right),
            "move-up" => Self::Move(Direction::Up),
            "move-down" => Self::Move(Direction::Down),
            "move-to-output-left" => Self::MoveToOutput(Direction::Left),
            "move-to-output-right" => Self::MoveToOutput(Direction::Right),
            "move-to-output-up" => Self::MoveToOutput(Direction::Up),
            "move-to-output-down" => Self::MoveToOutput(Direction::Down),
            "output-left" => Self::Output(Direction::Left),
            "output-right" => Self::Output(Direction::Right),
            "output-up" => Self::Output(Direction::Up),
            "output-down" => Self::Output(Direction::Down),
            "zoom-in" => Self::Zoom(1),
            "zoom-out" => Self::Zoom(-1),
            "zoom-off" => Self::ZoomOff,
            "scratch" => Self::Scratch,
            "to-scratch" => Self::ToScratch,
            "wider" => Self::Grow(1, 0),
            "narrower" => Self::Grow(-1, 0),
            "higher" => Self::Grow(0, 1),
            "lower" => Self::Grow(0, -1),
            "float" => Self::Float,
            "copy-out" => Self::ClipboardCopyOut,
            "paste-in" => Self::ClipboardPasteIn,
            "screenshot" => Self::Screenshot,
            "capture" => Self::Capture,
            "record" => Self::Record,
            "launcher" => Self::Launcher,
            "unlock" => Self::Unlock,
            "dismiss-notification" => Self::DismissNotification,
            "do-not-disturb" => Self::DoNotDisturb,
            "manager" => Self::Manager,
            "lock" => Self::Lock,
            "logout" => Self::Logout,
            "quit" => Self::Quit,
            "show-title" => Self::ShowTitle,
            "release-pointer" => Self::ReleasePointer,
            _ => return Err(format!("there is no action \"{name}\"; the default config lists them all")),
        };
        if rest.is_empty() { Ok(plain) } else { Err(format!("\"{name}\" takes nothing more")) }
    }
}

/// Chords in force, each with one action.
pub type Bindings = Bound<Chord>;

impl Bound<Chord> {
    /// Modifiers that some chord uses. They are kept back until it is clear that no chord is meant.
    pub fn mods(&self) -> Mods {
        self.iter().fold(Mods::SUPER, |all, (chord, _)| all.with(chord.mods))
    }
}

impl Default for Bound<Chord> {
    fn default() -> Self {
        use xkb::keysyms as k;
        let (sup, alt, shift, ctrl) = (Mods::SUPER, Mods::ALT, Mods::SHIFT, Mods::CTRL);
        let mut bindings = Self::none();
        let mut bind = |mods: Mods, key: u32, action| bindings.bind(Chord { mods, key: key.into() }, action);
        bind(alt, k::KEY_Tab, Action::SwitchNext);
        bind(alt.with(shift), k::KEY_Tab, Action::SwitchPrevious);
        bind(alt, k::KEY_grave, Action::SwitchNextOfQube);
        bind(alt.with(shift), k::KEY_grave, Action::SwitchPreviousOfQube);
        bind(sup, k::KEY_grave, Action::SwitchNextOfApp);
        bind(sup.with(shift), k::KEY_grave, Action::SwitchPreviousOfApp);
        bind(sup, k::KEY_slash, Action::FindWindow);
        bind(sup, k::KEY_Tab, Action::Overview);
        bind(sup, k::KEY_c, Action::ClipboardCopyOut);
        bind(sup, k::KEY_v, Action::ClipboardPasteIn);
        bind(sup, k::KEY_q, Action::Close);
        bind(sup, k::KEY_n, Action::Minimise);
        bind(sup, k::KEY_m, Action::Maximise);
        bind(sup, k::KEY_f, Action::Fullscreen);
        let arrows = [
            (k::KEY_Left, Direction::Left),
            (k::KEY_Right, Direction::Right),
            (k::KEY_Up, Direction::Up),
            (k::KEY_Down, Direction::Down),
        ];
        for (key, direction) in arrows {
            bind(sup, key, Action::Arrow(direction));
        }
        for (key, direction) in arrows {
            bind(sup.with(shift), key, Action::Move(direction));
        }
        for (key, direction) in arrows {
            bind(sup.with(ctrl), key, Action::Focus(direction));
        }
        for (key, direction) in arrows {
            bind(sup.with(ctrl).with(shift), key, Action::MoveToOutput(direction));
        }
        for (key, direction) in arrows {
            bind(sup.with(alt), key, Action::Output(direction));
        }
        bind(sup, k::KEY_equal, Action::Grow(1, 0));
        bind(sup, k::KEY_minus, Action::Grow(-1, 0));
        bind(sup.with(ctrl), k::KEY_equal, Action::Grow(0, 1));
        bind(sup.with(ctrl), k::KEY_minus, Action::Grow(0, -1));
        bind(sup.with(alt), k::KEY_equal, Action::Zoom(1));
        bind(sup.with(alt), k::KEY_minus, Action::Zoom(-1));
        bind(sup.with(alt), k::KEY_0, Action::ZoomOff);
        bind(sup, k::KEY_w, Action::Arrange(None));
        bind(sup, k::KEY_r, Action::ColumnWidth(true));
        bind(sup.with(shift), k::KEY_r, Action::ColumnWidth(false));
        bind(sup, k::KEY_s, Action::ColumnShow(None));
        bind(sup, k::KEY_g, Action::Float);
        bind(sup, k::KEY_z, Action::Scratch);
        bind(sup.with(shift), k::KEY_z, Action::ToScratch);
        for number in 1..=crate::shell::WORKSPACES.min(9) {
            bind(sup, k::KEY_0 + number, Action::Workspace(number));
            bind(sup.with(shift), k::KEY_0 + number, Action::MoveToWorkspace(number));
        }
        bind(Mods::NONE, k::KEY_Print, Action::Capture);
        bind(shift, k::KEY_Print, Action::Screenshot);
        bind(sup, k::KEY_Print, Action::Record);
        bind(sup, k::KEY_space, Action::Layout(Step::Next));
        bind(sup, k::KEY_t, Action::ShowTitle);
        bind(sup, k::KEY_Escape, Action::ReleasePointer);
        bind(sup, k::KEY_d, Action::Launcher);
        bind(sup, k::KEY_u, Action::Unlock);
        bind(sup, k::KEY_BackSpace, Action::DismissNotification);
        bind(sup.with(shift), k::KEY_n, Action::DoNotDisturb);
        bind(sup, k::KEY_a, Action::Manager);
        bind(sup, k::KEY_l, Action::Lock);
        bind(sup.with(shift), k::KEY_q, Action::Logout);
        bind(sup.with(ctrl), k::KEY_q, Action::Quit);
        for (key, number) in (k::KEY_F1..).zip(1..=CONSOLES) {
            bind(ctrl.with(alt), key, Action::Console(number));
        }
        bindings
    }
}
