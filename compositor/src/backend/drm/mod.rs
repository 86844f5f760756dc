//! The screen itself: kernel mode setting on a graphics card, a seat of the machine, its devices.
//!
//! libseat lends card and devices while this desktop's console is the one in front, and takes them
//! back when another is; udev tells of monitors that come and go. A GPU draws with OpenGL ES into
//! buffers of GBM; where there is none, pixman draws into dumb buffers. Each monitor is drawn only when
//! something on it changed, and a frame counts as shown once that monitor has flipped to it.

mod card;
mod connectors;
mod fault;
mod gamma;
mod heads;
mod knobs;
mod libinput;
mod loss;
mod recovery;
mod surface;

use std::time::Duration;

use smithay::{
    backend::{
        allocator::{
            dmabuf::Dmabuf,
            dumb::DumbAllocator,
            gbm::{GbmAllocator, GbmBufferFlags, GbmDevice},
        },
        drm::{DrmDeviceFd, DrmEventMetadata, DrmEventTime, exporter::gbm::GbmFramebufferExporter},
        renderer::{Bind, gles::GlesRenderer, pixman::PixmanRenderer},
        session::{Event as SessionEvent, Session as _, libseat::LibSeatSession},
    },
    reexports::{calloop::LoopHandle, drm::control::crtc},
};
use tracing::{error, info};

use self::{
    card::Card,
    heads::{Flipped, Heads},
    libinput::Devices,
    loss::Cards,
    surface::maker,
};
use super::Frame;
use crate::{
    Desktop, DesktopError,
    input::event::InputEvent,
    render::{
        canvas::{Canvas, CanvasError, RendererKind},
        scene::Scene,
    },
    screens::{Monitor, Plugged, gamma::Ramp},
};

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Drm {
    session: LibSeatSession,
    devices: Devices,
    renderer: RendererKind,
    /// `None` until the seat is ours for the first time, and while no card can be had.
    card: Option<Card>,
    cards: Cards,
}

/// Monitors by what draws on them.
#[derive(Debug)]
enum Monitors {
    Pixman(Heads<PixmanRenderer>),
    Gles(Heads<GlesRenderer>),
}

/// The same for both renderers.
macro_rules! heads {
    ($monitors:expr, $heads:ident => $what:expr) => {
        match $monitors {
            Monitors::Pixman($heads) => $what,
            Monitors::Gles($heads) => $what,
        }
    };
}

impl Monitors {
    /// The card failed, not only a frame.
    fn lost(&self) -> bool {
        heads!(self, heads => heads.lost())
    }
}

fn failed(what: &str, error: impl std::fmt::Display) -> DesktopError {
    DesktopError::Seat(format!("{what}: {error}"))
}

/// Makes the machine's screen and devices those of this desktop.
pub fn start(
    handle: &LoopHandle<'static, Desktop>,
    desktop: &mut Desktop,
    renderer: RendererKind,
) -> Result<(), DesktopError> {
    let refused = |error: &dyn std::fmt::Display| DesktopError::Loop(error.to_string());
    let (session, notifier) = LibSeatSession::new().map_err(|error| {
        failed("this user cannot have the seat; is seatd or logind running, and is this a console?", error)
    })?;
    loss::watch(handle)?;
    let mut devices = Devices::start(handle, &session)?;
    handle
        .insert_source(notifier, |event, (), desktop: &mut Desktop| match event {
            SessionEvent::PauseSession => desktop.seat_lost(),
            SessionEvent::ActivateSession => desktop.seat_taken(),
        })
        .map_err(|error| refused(&error))?;
    let active = session.is_active();
    if !active {
        // Devices that were refused are asked for again then.
        devices.suspend();
    }
    // Until monitors are known there is no screen.
    desktop.plug(Vec::new());
    let now = desktop.clock.now();
    let mut cards = Cards::new(now);
    cards.recovery.seated(active, now);
    desktop.backend.take_seat(Drm { session, devices, renderer, card: None, cards });
    if active {
        desktop.take_card()?;
    }
    Ok(())
}

impl Drm {
    /// The seat is ours now.
    pub(super) fn in_front(&self) -> bool {
        self.cards.recovery.is_seated()
    }

    /// Other settings of devices.
    pub(crate) fn set_devices(&mut self, config: &crate::config::devices::DeviceConfig) {
        self.devices.take_up(config);
    }

    /// The card in use.
    pub(super) fn card_name(&self) -> Option<String> {
        self.card.as_ref().map(|card| card.path.display().to_string())
    }

    /// A frame can be drawn and shown on a screen.
    pub(super) fn ready(&self, screen: u32) -> bool {
        self.card.as_ref().is_some_and(|card| {
            card.device.is_active() && heads!(&card.monitors, heads => heads.idle(screen))
        })
    }

    pub(super) fn draw(&mut self, canvas: &mut Canvas, scene: &Scene) -> Result<Frame, CanvasError> {
        // OpenGL ES in software ends the desktop where the card's memory is gone.
        self.ask_card()?;
        let drawn = match (self.card.as_mut().map(|card| &mut card.monitors), canvas) {
            (Some(Monitors::Pixman(heads)), Canvas::Pixman(canvas)) => heads.draw(&mut canvas.painter, scene),
            (Some(Monitors::Gles(heads)), Canvas::Gles(canvas)) => heads.draw(&mut canvas.painter, scene),
            _ => Err(CanvasError::Draw("there is no screen".into())),
        };
        if drawn.is_err() {
            self.ask_card()?;
        }
        drawn
    }

    /// A vertical blank.
    fn flipped(&mut self, crtc: crtc::Handle) -> Flipped {
        let Some(Card { device, monitors, .. }) = self.card.as_mut() else { return Flipped::default() };
        heads!(monitors, heads => heads.flipped(device, crtc))
    }

    /// Entries of a monitor's gamma ramp; 0: it has none.
    pub(super) fn gamma_size(&self, screen: u32) -> u32 {
        self.card.as_ref().map_or(0, |card| heads!(&card.monitors, heads => heads.gamma_size(screen)))
    }

    /// Sets a monitor's gamma ramp, or has it set when the seat is ours again.
    pub(super) fn set_ramp(&mut self, screen: u32, ramp: &Ramp) -> std::io::Result<()> {
        let set = match self.card.as_mut().filter(|card| card.device.is_active()) {
            Some(Card { device, monitors, .. }) => {
                heads!(monitors, heads => heads.set_ramp(device, screen, ramp))
            }
            None => Ok(()),
        };
        set.inspect_err(|error| self.failed(error))
    }

    /// A monitor's refresh varies.
    pub(super) fn varies(&self, screen: u32) -> bool {
        self.card.as_ref().is_some_and(|card| heads!(&card.monitors, heads => heads.varies(screen)))
    }

    /// Lets a monitor's refresh vary from its next frame on, or not.
    pub(super) fn set_vrr(&mut self, screen: u32, on: bool, often: bool) -> Result<(), String> {
        let card = self.card.as_mut().ok_or("there is no screen")?;
        heads!(&mut card.monitors, heads => heads.set_vrr(screen, on, often))
    }

    /// Others may have set gamma ramps.
    pub(super) fn forget_ramps(&mut self) {
        if let Some(card) = &mut self.card {
            heads!(&mut card.monitors, heads => heads.forget_ramps());
        }
    }

    /// Frames that a screen's monitor has shown.
    pub(super) fn flips(&self, screen: u32) -> Option<u64> {
        let card = self.card.as_ref()?;
        heads!(&card.monitors, heads => heads.flips(screen))
    }

    /// How frames came onto a screen's monitor.
    pub(super) fn planes(&self, screen: u32) -> crate::ipc::Planes {
        let planes = |card: &Card| heads!(&card.monitors, heads => heads.planes(screen));
        self.card.as_ref().map(planes).unwrap_or_default()
    }

    /// The pointer has a plane of its own on a screen.
    pub(super) fn pointer_plane(&self, screen: u32) -> bool {
        let plane = |card: &Card| heads!(&card.monitors, heads => heads.pointer_plane(screen));
        self.card.as_ref().is_some_and(plane)
    }

    pub(super) fn devices(&self) -> Vec<crate::ipc::Device> {
        self.devices.report()
    }

    /// Goes to another console.
    pub(crate) fn change_console(&mut self, number: i32) {
        if let Err(error) = self.session.change_vt(number) {
            error!(%error, number, "the console stays");
        }
    }

    /// Lamps of the keyboards.
    fn show_locks(&mut self, locks: crate::input::keyboard::Locks) {
        self.devices.show_locks(locks);
    }
}

impl Drop for Drm {
    fn drop(&mut self) {
        // Card and seat are still ours.
        if let Some(Card { device, monitors, .. }) = self.card.as_mut().filter(|card| card.device.is_active())
        {
            heads!(monitors, heads => heads.leave(device));
        }
    }
}

/// The renderer asked for, on this card.
fn renderer(kind: RendererKind, fd: &DrmDeviceFd) -> Result<(Canvas, Monitors), CanvasError> {
    let gles = || {
        let gbm = GbmDevice::new(fd.clone()).map_err(|error| CanvasError::NoGles(error.to_string()))?;
        let canvas = Canvas::on_device(kind, &gbm)?;
        Ok((canvas, gbm))
    };
    if kind != RendererKind::Pixman {
        match gles() {
            Ok((Canvas::Gles(canvas), gbm)) => {
                let formats = canvas.painter.renderer.egl_context().dmabuf_render_formats().clone();
                let pointer = gbm.clone();
                let parts = move || {
                    let flags = GbmBufferFlags::RENDERING | GbmBufferFlags::SCANOUT;
                    (GbmAllocator::new(gbm.clone(), flags), GbmFramebufferExporter::new(gbm.clone(), None))
                };
                return Ok((
                    Canvas::Gles(canvas),
                    Monitors::Gles(Heads::new(maker(parts, formats, Some(pointer)))),
                ));
            }
            Ok(_) => {}
            Err(error) if kind == RendererKind::Gles => return Err(error),
            Err(error) => info!(%error, "drawing with pixman"),
        }
    }
    let canvas = Canvas::new(RendererKind::Pixman)?;
    let formats = match &canvas {
        Canvas::Pixman(canvas) => Bind::<Dmabuf>::supported_formats(&canvas.painter.renderer),
        Canvas::Gles(_) => None,
    };
    let fd = fd.clone();
    let pointer = GbmDevice::new(fd.clone()).inspect_err(|error| info!(%error, "the pointer gets no plane"));
    let parts = move || (DumbAllocator::new(fd.clone()), fd.clone());
    let make = maker(parts, formats.unwrap_or_default(), pointer.ok());
    Ok((canvas, Monitors::Pixman(Heads::new(make))))
}

impl Desktop {
    /// Another console is in front: neither screen nor devices are ours.
    fn seat_lost(&mut self) {
        info!("the seat is another's for now");
        let now = self.clock.now();
        if let Some(drm) = self.backend.drm_mut() {
            drm.cards.recovery.seated(false, now);
            drm.devices.suspend();
            if let Some(card) = &mut drm.card {
                card.device.pause();
            }
        }
        self.nothing_is_shown();
        self.input(InputEvent::Lost);
    }

    /// The seat is ours, for the first time or again.
    fn seat_taken(&mut self) {
        let now = self.clock.now();
        let Some(drm) = self.backend.drm_mut() else { return };
        drm.cards.recovery.seated(true, now);
        drm.devices.resume();
        if let Some(card) = &mut drm.card {
            if let Err(error) = card.device.activate(false) {
                error!(%error, "the graphics card does not come back");
            }
            heads!(&mut card.monitors, heads => heads.reset());
            self.monitors_changed();
        }
        // Without one, one is tried for in this turn.
    }

    /// Monitors came, went, or have another mode.
    pub(crate) fn monitors_changed(&mut self) {
        let Some(card) = self.backend.drm_mut().and_then(|drm| drm.card.as_mut()) else { return };
        if !card.device.is_active() {
            // Looked at when the seat is ours again.
            return;
        }
        let connectors = match connectors::plugged(&card.device) {
            Ok(connectors) => connectors,
            Err(error) => {
                error!(%error, "the connectors cannot be read; monitors stay as they were");
                if let Some(drm) = self.backend.drm_mut() {
                    drm.failed(&error);
                }
                return;
            }
        };
        let monitors: Vec<Monitor> = connectors.iter().map(|c| c.monitor.clone()).collect();
        let planned = self.screens.plan(&monitors, &self.config.outputs);
        let wanted: Vec<_> = connectors.into_iter().zip(planned).collect();
        let Card { device, monitors, .. } = card;
        let driven = heads!(monitors, heads => heads.drive(device, &wanted));
        let plugged = wanted.into_iter().zip(driven).map(|((connector, mut planned), driven)| {
            planned.on = driven;
            Plugged { monitor: connector.monitor, planned }
        });
        // Without a monitor everything stays where it is, and nothing is drawn.
        self.adopt_screens(plugged.collect());
    }

    fn flipped(&mut self, crtc: crtc::Handle, metadata: Option<&DrmEventMetadata>) {
        let Some(flipped) = self.backend.drm_mut().map(|drm| drm.flipped(crtc)) else { return };
        if let Some(screen) = flipped.refused {
            self.ramp_refused(screen);
        }
        let Some(screen) = flipped.frame else { return };
        let shown = self.clock.now().saturating_sub(metadata.and_then(age).unwrap_or_default());
        self.screen_shows(screen, shown);
    }
}

/// Time since an event of the card.
fn age(metadata: &DrmEventMetadata) -> Option<Duration> {
    let DrmEventTime::Monotonic(at) = metadata.time else { return None };
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(now).ok()?.checked_sub(at)
}
