//! Screens and input devices.
//!
//! Headless: no screen at all, frames by timer or by hand. [`nested`]: a window on another desktop. Both
//! draw on the same [`Canvas`](crate::render::canvas::Canvas). [`drm`]: the monitors and devices of the
//! machine.

pub mod drm;
mod host_gone;
pub mod nested;

use std::{io, time::Duration};

use crate::{
    render::{
        canvas::{Canvas, CanvasError},
        scene::Scene,
    },
    screens::gamma::Ramp,
};

/// Entries of a ramp where there is no monitor that could have another number.
const HEADLESS_RAMP: u32 = 256;

/// Who says when a frame is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A timer, at the screen's refresh; only while there is something to draw.
    Timer,
    /// Whoever calls [`Desktop::frame`](crate::Desktop::frame): tests.
    Manual,
}

/// What drawing a frame did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Something to see changed.
    pub changed: bool,
    /// The screen does not show it yet; it will say when it does.
    pub pending: bool,
}

#[derive(Debug)]
enum Kind {
    Headless,
    Nested(nested::Presenter),
    Drm(Box<drm::Drm>),
}

/// The back end in use.
#[derive(Debug)]
pub(crate) struct Backend {
    pace: Pace,
    kind: Kind,
}

impl Backend {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, kind: Kind::Headless }
    }

    /// `headless`, `nested` or `drm`.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Headless => "headless",
            Kind::Nested(_) => "nested",
            Kind::Drm(_) => "drm",
        }
    }

    pub(crate) fn attach(&mut self, window: nested::Presenter) {
        self.kind = Kind::Nested(window);
    }

    pub(crate) fn take_seat(&mut self, drm: drm::Drm) {
        self.kind = Kind::Drm(Box::new(drm));
    }

    pub(crate) fn drm(&self) -> Option<&drm::Drm> {
        match &self.kind {
            Kind::Drm(drm) => Some(drm),
            _ => None,
        }
    }

    pub(crate) fn drm_mut(&mut self) -> Option<&mut drm::Drm> {
        match &mut self.kind {
            Kind::Drm(drm) => Some(drm),
            _ => None,
        }
    }

    /// No other console of the machine is in front.
    pub(crate) fn in_front(&self) -> bool {
        self.drm().is_none_or(drm::Drm::in_front)
    }

    /// The graphics card in use.
    pub(crate) fn card(&self) -> Option<String> {
        self.drm().and_then(drm::Drm::card_name)
    }

    /// Frames that a monitor has shown, where there is one.
    pub(crate) fn flips(&self, screen: u32) -> Option<u64> {
        self.drm().and_then(|drm| drm.flips(screen))
    }

    /// How frames came onto a screen's monitor, where there is one.
    pub(crate) fn planes(&self, screen: u32) -> crate::ipc::Planes {
        self.drm().map(|drm| drm.planes(screen)).unwrap_or_default()
    }

    /// The pointer has a plane of its own on a screen.
    pub(crate) fn pointer_plane(&self, screen: u32) -> bool {
        self.drm().is_some_and(|drm| drm.pointer_plane(screen))
    }

    /// Entries of a lit monitor's gamma ramp; 0: it has none. A window's light is its own desktop's.
    pub(crate) fn gamma_size(&self, screen: u32) -> u32 {
        match &self.kind {
            Kind::Headless => HEADLESS_RAMP,
            Kind::Nested(_) => 0,
            Kind::Drm(drm) => drm.gamma_size(screen),
        }
    }

    /// Sets a monitor's gamma ramp. Where it has that already, nothing happens.
    ///
    /// # Errors
    /// The graphics card refuses.
    pub(crate) fn set_ramp(&mut self, screen: u32, ramp: &Ramp) -> io::Result<()> {
        self.drm_mut().map_or(Ok(()), |drm| drm.set_ramp(screen, ramp))
    }

    /// Whether a monitor's refresh varies, where there is one.
    pub(crate) fn varies(&self, screen: u32) -> Option<bool> {
        self.drm().map(|drm| drm.varies(screen))
    }

    /// Lets a monitor's refresh vary from its next frame on, or not. `often`: it will change.
    ///
    /// # Errors
    /// It cannot.
    pub(crate) fn set_vrr(&mut self, screen: u32, on: bool, often: bool) -> Result<(), String> {
        match &mut self.kind {
            Kind::Headless => Ok(()),
            Kind::Nested(_) => Err("that is for the desktop around this one to say".into()),
            Kind::Drm(drm) => drm.set_vrr(screen, on, often),
        }
    }

    /// Others may have set ramps: the next that is set is set in any case.
    pub(crate) fn forget_ramps(&mut self) {
        if let Some(drm) = self.drm_mut() {
            drm.forget_ramps();
        }
    }

    /// Devices, where they are the machine's.
    pub(crate) fn devices(&self) -> Vec<crate::ipc::Device> {
        self.drm().map_or_else(Vec::new, drm::Drm::devices)
    }

    /// What is known of when a frame was shown: bits of `wp_presentation_feedback.kind`.
    pub(crate) fn presentation(&self) -> u32 {
        // Synchronised with the screen, by its clock, and seen to be so.
        if self.drm().is_some() { 0x7 } else { 0 }
    }

    /// A screen takes a frame now.
    pub(crate) fn ready(&self, screen: u32) -> bool {
        self.drm().is_none_or(|drm| drm.ready(screen))
    }

    /// Draws what changed on a screen and shows it.
    pub(crate) fn draw(&mut self, canvas: &mut Canvas, scene: &Scene) -> Result<Frame, CanvasError> {
        if let Kind::Drm(drm) = &mut self.kind {
            return drm.draw(canvas, scene);
        }
        let damage = canvas.draw(scene)?.damage;
        if let Kind::Nested(window) = &mut self.kind
            && !damage.is_empty()
        {
            window.present(canvas, scene.screen, &damage);
        }
        Ok(Frame { changed: !damage.is_empty(), pending: false })
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }
}

/// Time of one frame at a refresh in millihertz.
pub(crate) fn frame_time(refresh: u32) -> Duration {
    Duration::from_nanos(1_000_000_000_000 / u64::from(refresh.max(1)))
}
