//! The monitors of one graphics card, and drawing on them.

use std::{error::Error, fmt};

use smithay::{
    backend::{
        drm::DrmDevice,
        renderer::{Renderer, Texture, utils::CommitCounter},
    },
    reexports::drm::control::{Device, connector, crtc},
};
use tracing::{error, info, warn};

use super::{
    connectors::{self, Connector},
    fault::{Failure, Fault},
    gamma::{Gamma, Step},
    surface::{Make, Surface},
};
use crate::{
    backend::Frame,
    ipc::Planes,
    render::{canvas::CanvasError, guest::SceneRenderer, painter::ScenePainter, scene::Scene},
    screens::{Planned, gamma::Ramp},
};

/// A monitor that is driven, and what drives it.
struct Head<R: Renderer> {
    name: String,
    connector: connector::Handle,
    crtc: crtc::Handle,
    /// How it is driven.
    planned: Planned,
    surface: Box<dyn Surface<R>>,
    /// What waits for the vertical blank.
    pending: Option<Pending>,
    /// It shows frames of ours.
    shows: bool,
    gamma: Gamma,
    flips: u64,
    /// The pointer has a plane of its own.
    pointer_plane: bool,
    /// How frames came onto the monitor.
    planes: Planes,
    /// What was drawn last.
    drawn: Option<CommitCounter>,
}

/// What waits for a vertical blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Frame,
    Ramp,
}

/// What a vertical blank has brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flipped {
    /// The screen whose frame waited for it.
    pub(super) frame: Option<u32>,
    /// The screen whose gamma ramp could not be set.
    pub(super) refused: Option<u32>,
}

impl<R: Renderer> Head<R> {
    /// Sets the ramp that is wanted, unless something waits for a vertical blank: then after that.
    fn set_ramp(&mut self, device: &impl Device) -> std::io::Result<()> {
        if self.pending.is_none() && self.gamma.set(device, self.shows)? == Step::OnItsWay {
            self.pending = Some(Pending::Ramp);
        }
        Ok(())
    }
}

/// All monitors of one graphics card.
#[expect(clippy::struct_field_names, reason = "heads are what they are")]
pub(super) struct Heads<R: Renderer> {
    heads: Vec<Head<R>>,
    make: Make<R>,
    /// Something failed that costs more than a frame.
    lost: bool,
}

impl<R: Renderer> fmt::Debug for Heads<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.heads.iter().map(|head| &head.name)).finish()
    }
}

impl<R: SceneRenderer> Heads<R>
where
    R::TextureId: Texture + Clone + 'static,
    R::Error: Error + 'static,
{
    pub(super) fn new(make: Make<R>) -> Self {
        Self { heads: Vec::new(), make, lost: false }
    }

    /// Drives monitors as planned. Those that stay as they are go on undisturbed. Returns which of
    /// them are driven now.
    pub(super) fn drive(&mut self, device: &mut DrmDevice, wanted: &[(Connector, Planned)]) -> Vec<bool> {
        // First let go of what is gone: a new monitor may need what drove it.
        self.heads.retain(|head| {
            let stays = wanted.iter().any(|(connector, planned)| {
                connector.handle == head.connector
                    && planned.on
                    && planned.lit
                    && (planned.id, planned.mode, planned.transform)
                        == (head.planned.id, head.planned.mode, head.planned.transform)
            });
            if !stays {
                info!(monitor = head.name, "a monitor is gone, or is driven otherwise");
            }
            stays
        });
        let mut driven = Vec::new();
        for (connector, planned) in wanted {
            let known = self.heads.iter_mut().find(|head| head.connector == connector.handle);
            driven.push(match known {
                Some(head) => {
                    head.planned = *planned;
                    true
                }
                // A dark one is not driven, and comes back.
                None => planned.on && (!planned.lit || self.add(device, connector, *planned)),
            });
        }
        driven
    }

    fn add(&mut self, device: &mut DrmDevice, connector: &Connector, planned: Planned) -> bool {
        let name = connector.monitor.identity.connector.clone();
        let taken: Vec<_> = self.heads.iter().map(|head| head.crtc).collect();
        let Some(crtc) = connectors::free_crtc(connector, &taken) else {
            warn!(monitor = name, "the graphics card drives no more monitors than it does now");
            return false;
        };
        let Some(mode) = connector.mode(planned.mode) else {
            warn!(monitor = name, "the monitor has no such mode");
            return false;
        };
        let pointer_size = device.cursor_size();
        let surface = device
            .create_surface(crtc, mode, &[connector.handle])
            .map_err(Failure::from)
            .and_then(|surface| (self.make)(surface, pointer_size, &planned));
        match surface {
            Ok(surface) => {
                let (size, refresh) = (planned.mode.size, planned.mode.refresh);
                let monitor = connector.monitor.identity.to_string();
                info!(monitor, width = size.w, height = size.h, refresh, "a monitor is there");
                let connector = connector.handle;
                self.heads.push(Head {
                    name,
                    connector,
                    crtc,
                    planned,
                    surface,
                    pending: None,
                    shows: false,
                    gamma: Gamma::of(device, crtc, device.is_atomic()),
                    flips: 0,
                    pointer_plane: false,
                    planes: Planes::default(),
                    drawn: None,
                });
                true
            }
            Err(error) => {
                error!(monitor = name, %error, "a monitor cannot be used");
                self.lost |= error.fault == Fault::Card;
                false
            }
        }
    }

    fn of(&self, screen: u32) -> Option<&Head<R>> {
        self.heads.iter().find(|head| head.planned.id == screen)
    }

    /// True if there is such a monitor, and it shows what was drawn last.
    pub(super) fn idle(&self, screen: u32) -> bool {
        self.of(screen).is_some_and(|head| head.pending.is_none())
    }

    /// Frames that a monitor has shown.
    pub(super) fn flips(&self, screen: u32) -> Option<u64> {
        self.of(screen).map(|head| head.flips)
    }

    /// How frames came onto a monitor.
    pub(super) fn planes(&self, screen: u32) -> Planes {
        self.of(screen).map(|head| head.planes).unwrap_or_default()
    }

    /// The pointer has a plane of its own there.
    pub(super) fn pointer_plane(&self, screen: u32) -> bool {
        self.of(screen).is_some_and(|head| head.pointer_plane)
    }

    /// Draws what changed on the monitor that the scene is of.
    pub(super) fn draw(
        &mut self,
        painter: &mut ScenePainter<R>,
        scene: &Scene,
    ) -> Result<Frame, CanvasError> {
        let quads = painter.quads(scene);
        let head = self.heads.iter_mut().find(|head| head.planned.id == scene.screen);
        let head = head.ok_or_else(|| CanvasError::Draw("there is no such monitor".into()))?;
        let shown = head.surface.show(&mut painter.renderer, &quads, scene.background);
        let shown = shown.map_err(|error| {
            self.lost |= error.fault == Fault::Card;
            CanvasError::Draw(error.to_string())
        })?;
        head.pending = shown.pending.then_some(Pending::Frame);
        head.pointer_plane = shown.pointer_plane;
        if shown.pending {
            let composed = shown.drawn.is_some() && shown.drawn != head.drawn;
            head.drawn = shown.drawn.or(head.drawn);
            head.planes.cursor += u64::from(shown.pointer_plane);
            head.planes.scanout += u64::from(shown.scanout);
            head.planes.composed += u64::from(composed);
        }
        Ok(Frame { changed: shown.pending, pending: shown.pending })
    }

    /// A vertical blank.
    pub(super) fn flipped(&mut self, device: &impl Device, crtc: crtc::Handle) -> Flipped {
        let mut flipped = Flipped::default();
        let Some(head) = self.heads.iter_mut().find(|head| head.crtc == crtc) else { return flipped };
        match head.pending.take() {
            Some(Pending::Frame) => {
                head.flips += 1;
                head.shows = true;
                if let Err(error) = head.surface.flipped() {
                    warn!(monitor = head.name, %error, "a frame was lost");
                    self.lost |= error.fault == Fault::Card;
                }
                flipped.frame = Some(head.planned.id);
            }
            Some(Pending::Ramp) => {}
            None => return flipped,
        }
        if let Err(error) = head.set_ramp(device) {
            warn!(monitor = head.name, %error, "a gamma ramp is refused");
            flipped.refused = Some(head.planned.id);
        }
        flipped
    }

    /// Entries of a monitor's gamma ramp; 0: it has none.
    pub(super) fn gamma_size(&self, screen: u32) -> u32 {
        self.of(screen).map_or(0, |head| head.gamma.size())
    }

    /// Sets a monitor's gamma ramp, now or once it shows what was drawn last.
    pub(super) fn set_ramp(&mut self, device: &impl Device, screen: u32, ramp: &Ramp) -> std::io::Result<()> {
        let Some(head) = self.heads.iter_mut().find(|head| head.planned.id == screen) else { return Ok(()) };
        head.gamma.want(ramp);
        head.set_ramp(device)
    }

    /// A monitor's refresh varies.
    pub(super) fn varies(&self, screen: u32) -> bool {
        self.of(screen).is_some_and(|head| head.surface.varies())
    }

    /// Lets a monitor's refresh vary from its next frame on, or not. `often`: it will change, which where
    /// each change makes the monitor dark for a moment is refused.
    pub(super) fn set_vrr(&mut self, screen: u32, on: bool, often: bool) -> Result<(), String> {
        let head = self.heads.iter_mut().find(|head| head.planned.id == screen);
        let head = head.ok_or("there is no such monitor")?;
        head.surface.set_vrr(head.connector, on, often)
    }

    /// Others may have set gamma ramps.
    pub(super) fn forget_ramps(&mut self) {
        self.heads.iter_mut().for_each(|head| head.gamma.forget());
    }

    /// Leaves monitors to whoever comes next in their own light.
    pub(super) fn leave(&mut self, device: &impl Device) {
        for head in &mut self.heads {
            head.gamma.want(&Ramp::to(head.gamma.size(), [1.0; 3]));
            if let Err(error) = head.gamma.set(device, false) {
                warn!(monitor = head.name, %error, "its gamma ramp stays");
            }
        }
    }

    /// The card failed, not only a frame.
    pub(super) fn lost(&self) -> bool {
        self.lost
    }

    /// The card is ours again; whatever others left there is not what was drawn.
    pub(super) fn reset(&mut self) {
        for head in &mut self.heads {
            // Its vertical blank may have gone by unseen.
            let frame = head.pending.take() == Some(Pending::Frame);
            let flipped = if frame { head.surface.flipped() } else { Ok(()) };
            head.shows = false;
            head.gamma.forget();
            if let Err(error) = flipped.and_then(|()| head.surface.reset()) {
                warn!(monitor = head.name, %error, "a monitor does not come back");
                self.lost |= error.fault == Fault::Card;
            }
        }
    }
}
