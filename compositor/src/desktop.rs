//! The desktop: all rooms together, one thread, one event loop.
//!
//! Each room owns its state and has its part of `impl Desktop` in its own folder. What happens in a
//! turn of the event loop: sources (links, devices, timers, control sockets) change the rooms,
//! then [`Desktop::settle`] tells qubes what changed for them, sends what is queued and asks for a
//! frame if something to see has changed.

use std::{collections::BTreeMap, time::Duration};

use smithay::{
    reexports::calloop::{LoopHandle, LoopSignal},
    utils::{Logical, Physical, Point, Rectangle, Size},
};
use tracing::{error, warn};
use transom_protocol::types;
use transom_theming::{Fonts, Theme, Variant};

use crate::{
    backend::{Backend, Pace, frame_time},
    clock::Clock,
    config::Config,
    idle::Watch,
    input::{Input, event::InputEvent},
    lock::{Lock, LockOptions, state::Cover},
    logind::Logind,
    qubes::{Qubes, Supervisor, WindowRecord},
    render::{
        canvas::{Canvas, CanvasError, RendererKind},
        scene::SurfaceKey,
    },
    shell::Shell,
    trust::{QubeId, Trust},
    ui::Ui,
};

/// A frame that could not be drawn is tried again after this.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

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
    /// Size of the screen in device pixels.
    pub size: (u32, u32),
    /// Scale in 120ths.
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

/// The one screen; with several monitors it spans them all.
#[derive(Debug)]
pub struct Screen {
    /// Its id in the protocol.
    pub id: u32,
    /// Size in device pixels.
    pub size: Size<i32, Physical>,
    /// Scale in 120ths.
    pub scale: u32,
    /// Refresh in millihertz.
    pub refresh: u32,
    /// What is drawn on.
    pub canvas: Canvas,
    /// Something to see has changed since the last frame.
    pub dirty: bool,
    /// A frame is due by a timer or the host.
    pub scheduled: bool,
    /// Frames drawn so far.
    pub frames: u64,
    /// No frame is drawn before this.
    pub(crate) next_frame: Duration,
    /// A frame on its way.
    pub(crate) awaited: Option<Awaited>,
}

/// A frame that the screen does not show yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited {
    /// The window that is drawn as the focused one.
    pub focus: Option<SurfaceKey>,
    /// The lock that it shows.
    pub cover: Option<Cover>,
}

impl Screen {
    /// Logical size.
    pub fn logical(&self) -> Rectangle<i32, Logical> {
        let scale = |v: i32| (i64::from(v) * 120 / i64::from(self.scale)) as i32;
        Rectangle::from_size((scale(self.size.w), scale(self.size.h)).into())
    }
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
    /// The screen.
    pub screen: Screen,
    /// Links to the qubes.
    pub qubes: Qubes,
    /// Toplevels of qubes beside what the shell knows of them.
    pub(crate) windows: BTreeMap<SurfaceKey, WindowRecord>,
    /// Where windows are.
    pub shell: Shell<SurfaceKey>,
    pub(crate) input: Input,
    pub(crate) trust: Trust,
    pub(crate) ui: Ui,
    pub(crate) lock: Lock,
    pub(crate) watch: Watch,
    pub(crate) logind: Logind,
    pub(crate) supervisor: Option<Supervisor>,
    pub(crate) figures: crate::ipc::Figures,
    pub(crate) timers: crate::timers::Timers,
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
        let size: Size<i32, Physical> = (size.0 as i32, size.1 as i32).into();
        let canvas = Canvas::new(renderer, size)?;
        let theme = theme.unwrap_or_else(|| Theme::builtin(Variant::Dark));
        let screen = Screen {
            id: 1,
            size,
            scale,
            refresh: 60_000,
            canvas,
            dirty: true,
            scheduled: false,
            frames: 0,
            next_frame: Duration::ZERO,
            awaited: None,
        };
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
            screen,
            qubes: Qubes::default(),
            windows: BTreeMap::new(),
            shell: Shell::default(),
            supervisor: None,
            figures: crate::ipc::Figures::default(),
            timers: crate::timers::Timers::default(),
            wayland: crate::wayland::Server::new(handle)?,
        };
        if time_of_day {
            desktop.show_time_of_day();
        }
        desktop.outputs_changed();
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
        self.lock_screens_changed();
        self.settle_idle();
        self.sync_configures();
        self.settle_local();
        self.flush_links();
        self.schedule_frame();
        self.schedule_timers();
    }

    /// Something to see has changed.
    pub(crate) fn damage_all(&mut self) {
        self.screen.dirty = true;
    }

    /// The host lost the picture: all of it is drawn again.
    pub(crate) fn redraw_all(&mut self) {
        self.screen.canvas.forget_drawn();
        self.damage_all();
    }

    /// The screen has another size or scale.
    pub fn resize_screen(&mut self, size: Size<i32, Physical>, scale: u32) -> Result<(), DesktopError> {
        if size == self.screen.size && scale == self.screen.scale {
            return Ok(());
        }
        self.screen.canvas.resize(size)?;
        self.screen.size = size;
        self.screen.scale = scale;
        self.outputs_changed();
        // The pointer stays where it can be seen.
        let at = self.input.pointer.at;
        self.input(InputEvent::PointerTo { x: at.x, y: at.y });
        Ok(())
    }

    fn outputs_changed(&mut self) {
        let area = self.screen.logical();
        let bar = self.ui.theme().bar_height();
        self.shell_set_output(area, bar);
        let outputs = self.outputs_for_qubes();
        for link in self.qubes.iter_mut() {
            link.set_outputs(outputs.clone());
        }
        self.ui.forget_pictures();
        self.lock.forget_pictures();
        self.damage_all();
    }

    /// Outputs as the protocol tells them.
    pub(crate) fn outputs_for_qubes(&self) -> Vec<transom_protocol::message::Output> {
        vec![transom_protocol::message::Output {
            output: self.screen.id.into(),
            x: 0.into(),
            y: 0.into(),
            width: (self.screen.size.w as u32).into(),
            height: (self.screen.size.h as u32).into(),
            width_mm: 0.into(),
            height_mm: 0.into(),
            scale: self.screen.scale.into(),
            refresh: self.screen.refresh.into(),
            transform: types::Transform::Normal,
        }]
    }

    /// The part of the screen that windows may fill.
    pub(crate) fn work_area_at(&self, _at: Point<i32, Logical>) -> Rectangle<i32, Logical> {
        let mut area = self.screen.logical();
        let bar = self.ui.theme().bar_height().min(area.size.h);
        area.loc.y += bar;
        area.size.h -= bar;
        area
    }

    /// dom0's keyboard layout as the protocol tells it: five zero-terminated names.
    pub(crate) fn keymap_for_qubes(&self) -> Vec<u8> {
        let names = self.input.keyboard.names();
        names.iter().flat_map(|name| name.bytes().chain([0])).collect()
    }

    pub(crate) fn forget_grant(&mut self, qube: QubeId, grant: u32) {
        self.screen.canvas.forget_grant(qube, grant);
    }

    pub(crate) fn forget_qube(&mut self, qube: QubeId) {
        self.screen.canvas.forget_qube(qube);
        self.damage_all();
    }

    /// Draws a frame if something changed. `true`: there was something to draw.
    pub fn frame(&mut self) -> bool {
        self.screen.scheduled = false;
        if !self.screen.dirty || !self.backend.ready() {
            return false;
        }
        let now = self.clock.now();
        self.screen.dirty = false;
        let scene = self.compose();
        // On a dark screen nothing is drawn as focused.
        let focus = self.trust.focus.wanted().filter(|_| !self.screens_off());
        let cover = self.lock.cover();
        let started = std::time::Instant::now();
        self.screen.next_frame = now + frame_time(self.screen.refresh);
        match self.backend.draw(&mut self.screen.canvas, &scene) {
            Ok(frame) => {
                self.screen.frames += 1;
                self.figures.frame(started.elapsed(), frame.changed);
                if frame.pending {
                    // The screen sets the pace.
                    self.screen.next_frame = now;
                    self.screen.awaited = Some(Awaited { focus, cover });
                } else {
                    self.after_frame(now, focus);
                    self.lock_frame_shown(self.screen.id, cover);
                }
            }
            Err(error) => {
                // Nothing new was shown, so nobody is told of it.
                error!(%error, "a frame is lost");
                self.screen.dirty = true;
                self.screen.next_frame = now + AFTER_FAILURE;
            }
        }
        true
    }

    /// The screen as it was last drawn, for dom0 only; on monitors, or locked, as it would be drawn now.
    pub fn screenshot(&mut self) -> Result<image::RgbImage, CanvasError> {
        // What was last drawn may be older than the lock.
        if self.backend.drm().is_some() || self.lock.covers() {
            let scene = self.compose();
            self.screen.canvas.draw(&scene)?;
            if self.backend.drm().is_none() {
                // What a window of another desktop shows is not what was drawn last any more.
                self.redraw_all();
            }
        }
        let bytes = self.screen.canvas.read()?;
        let size = self.screen.canvas.size();
        let rgb = bytes.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0]]).collect();
        image::RgbImage::from_raw(size.w as u32, size.h as u32, rgb)
            .ok_or_else(|| CanvasError::Draw("the picture has the wrong size".into()))
    }
}
