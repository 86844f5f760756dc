//! The desktop: all rooms together, one thread, one event loop.
//!
//! Each room owns its state and has its part of `impl Desktop` in its own folder. What happens in a
//! turn of the event loop: sources (links, devices, timers, control sockets) change the rooms,
//! then [`Desktop::settle`] tells qubes what changed for them, sends what is queued and asks for a
//! frame if something to see has changed.

use std::collections::BTreeMap;

use smithay::reexports::calloop::{LoopHandle, LoopSignal};
use tracing::warn;
use transom_theming::{Fonts, Theme, Variant};

use crate::{
    backend::{Backend, Pace},
    clock::Clock,
    config::{ArrangeConfig, Config},
    idle::Watch,
    input::Input,
    lock::{Lock, LockOptions},
    logind::Logind,
    qubes::{Qubes, Supervisor, WindowRecord},
    render::{
        canvas::{Canvas, CanvasError, RendererKind},
        moving::Moving,
        scene::SurfaceKey,
    },
    screens::{Monitor, Ramps, Screens},
    shell::Shell,
    trust::{QubeId, Trust},
    ui::Ui,
};

/// How a desktop is made.
#[derive(Debug)]
pub struct Options {
    /// Where "now" comes from.
    pub clock: Clock,
    /// Settings.
    pub config: Config,
    /// Theme; the built-in dark one if `None`.
    pub theme: Option<Theme>,
    /// Fonts.
    pub fonts: Fonts,
    /// Renderer.
    pub renderer: RendererKind,
    /// Size of the one screen in device pixels, until monitors are plugged in.
    pub size: (u32, u32),
    /// Scale of screens that have none of their own, in 120ths.
    pub scale: u32,
    /// Who says when a frame is drawn.
    pub pace: Pace,
    /// The bar shows the time of day.
    pub time_of_day: bool,
    /// It is locked and goes dark when nobody is there.
    pub watch_idle: bool,
    /// How it is locked.
    pub lock: LockOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            config: Config::default(),
            theme: None,
            fonts: Fonts::System,
            renderer: RendererKind::Auto,
            size: (1920, 1080),
            scale: 120,
            pace: Pace::Timer,
            time_of_day: false,
            watch_idle: false,
            lock: LockOptions::default(),
        }
    }
}

/// Why there is no desktop.
#[derive(Debug, thiserror::Error)]
pub enum DesktopError {
    /// Nothing can be drawn.
    #[error(transparent)]
    Canvas(#[from] CanvasError),
    /// The machine's screen and devices cannot be had.
    #[error("no screen: {0}")]
    Seat(String),
    /// There is no desktop to nest in.
    #[error("no window can be opened on this desktop: {0}; without one, use `transom headless`")]
    Host(String),
    /// A source did not fit into the event loop.
    #[error("the event loop refused a source: {0}")]
    Loop(String),
    /// The machine refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// The desktop. See the module's text.
#[derive(Debug)]
pub struct Desktop {
    /// Where "now" comes from.
    pub clock: Clock,
    /// Settings in force.
    pub config: Config,
    pub(crate) handle: LoopHandle<'static, Self>,
    pub(crate) signal: Option<LoopSignal>,
    /// Why the desktop cannot go on.
    failure: Option<String>,
    pub(crate) backend: Backend,
    /// The screens.
    pub screens: Screens,
    pub(crate) ramps: Ramps,
    /// What draws, and what screens without a monitor of their own show.
    pub(crate) canvas: Canvas,
    /// Links to the qubes.
    pub qubes: Qubes,
    /// Toplevels of qubes beside what the shell knows of them.
    pub(crate) windows: BTreeMap<SurfaceKey, WindowRecord>,
    /// Where windows are.
    pub shell: Shell<SurfaceKey>,
    pub(crate) input: Input,
    /// What is drawn on its way.
    pub(crate) moving: Moving,
    pub(crate) trust: Trust,
    pub(crate) ui: Ui,
    pub(crate) lock: Lock,
    pub(crate) watch: Watch,
    pub(crate) logind: Logind,
    pub(crate) supervisor: Option<Supervisor>,
    pub(crate) figures: crate::ipc::Figures,
    pub(crate) timers: crate::timers::Timers,
    pub(crate) listeners: crate::ipc::Listeners,
    pub(crate) watched: crate::reload::Watched,
    /// Surfaces of dom0's own programs that are no windows.
    pub(crate) layers: crate::layers::Layers,
    /// dom0's own programs.
    pub(crate) wayland: crate::wayland::Server,
}

impl Desktop {
    /// A desktop in an event loop.
    pub fn new(handle: LoopHandle<'static, Self>, options: Options) -> Result<Self, DesktopError> {
        let Options {
            clock,
            config,
            theme,
            fonts,
            renderer,
            size,
            scale,
            pace,
            time_of_day,
            watch_idle,
            lock,
        } = options;
        let canvas = Canvas::new(renderer)?;
        let theme = theme.unwrap_or_else(|| Theme::builtin(Variant::Dark));
        let config = Config { night: config.night.clone().within(&theme), ..config };
        let mut desktop = Self {
            input: Input::new(&config),
            trust: Trust::new(&config),
            ui: Ui::new(theme, fonts),
            lock: Lock::new(lock),
            watch: Watch::new(watch_idle),
            logind: Logind::default(),
            clock,
            config,
            handle: handle.clone(),
            signal: None,
            failure: None,
            backend: Backend::new(pace),
            screens: Screens::new(scale),
            ramps: Ramps::default(),
            canvas,
            qubes: Qubes::default(),
            windows: BTreeMap::new(),
            moving: Moving::default(),
            shell: Shell::default(),
            supervisor: None,
            figures: crate::ipc::Figures::default(),
            timers: crate::timers::Timers::default(),
            listeners: crate::ipc::Listeners::default(),
            watched: crate::reload::Watched::default(),
            layers: crate::layers::Layers::default(),
            wayland: crate::wayland::Server::new(handle)?,
        };
        desktop.arrange_as_configured(&ArrangeConfig::default());
        desktop.ui.cards.quiet = desktop.config.notifications.quiet;
        if time_of_day {
            desktop.show_time_of_day();
        }
        desktop.plug(vec![Monitor::simple("screen-1", (size.0 as i32, size.1 as i32).into())]);
        if desktop.lock.covers() {
            desktop.shut_in();
        }
        if let Some(problem) = desktop.font_problem() {
            warn!("{problem}");
        }
        Ok(desktop)
    }

    /// What is wrong with the fonts, and what to do about it.
    pub fn font_problem(&self) -> Option<&str> {
        self.ui.problem()
    }

    /// Lets the desktop stop the event loop it runs in.
    pub fn set_signal(&mut self, signal: LoopSignal) {
        self.signal = Some(signal);
    }

    /// Ends the event loop because of this.
    pub(crate) fn fail(&mut self, reason: &str) {
        self.failure = Some(reason.into());
        self.quit();
    }

    /// Why the desktop cannot go on; `None`: it was told to end.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Ends the event loop.
    pub fn quit(&self) {
        if let Some(signal) = &self.signal {
            signal.stop();
            signal.wakeup();
        }
    }

    /// The end of each turn of the event loop.
    pub fn settle(&mut self) {
        self.settle_capture();
        self.settle_card();
        self.settle_cards();
        self.lock_screens_changed();
        self.settle_idle();
        self.sync_configures();
        self.sync_layers();
        self.sync_screens();
        self.settle_local();
        self.flush_links();
        self.tell_listeners();
        self.schedule_frames();
        self.schedule_timers();
    }

    /// The host lost the picture: all of it is drawn again.
    pub(crate) fn redraw_all(&mut self) {
        self.canvas.forget_drawn();
        self.damage_all();
    }

    /// dom0's keyboard layout as the protocol tells it: five zero-terminated names.
    pub(crate) fn keymap_for_qubes(&self) -> Vec<u8> {
        let names = self.input.keyboard.names();
        names.iter().flat_map(|name| name.bytes().chain([0])).collect()
    }

    pub(crate) fn forget_grant(&mut self, qube: QubeId, grant: u32) {
        self.canvas.forget_grant(qube, grant);
    }

    pub(crate) fn forget_qube(&mut self, qube: QubeId) {
        self.canvas.forget_qube(qube);
        self.damage_all();
    }
}
