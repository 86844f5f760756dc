//! The monitors of one graphics card, and drawing on them.

use std::{error::Error, fmt};

use smithay::{
    backend::{
        drm::DrmDevice,
        renderer::{Renderer, Texture},
    },
    reexports::drm::control::crtc,
    utils::{Physical, Point, Size},
};
use tracing::{error, info, warn};

use super::{
    connectors::{self, Monitor},
    surface::{Make, Surface},
};
use crate::{
    backend::Frame,
    ipc,
    render::{canvas::CanvasError, guest::SceneRenderer, painter::ScenePainter, scene::Scene},
};

/// A monitor and what drives it.
struct Head<R: Renderer> {
    monitor: Monitor,
    crtc: crtc::Handle,
    /// Its top left corner on the desktop.
    at: Point<i32, Physical>,
    surface: Box<dyn Surface<R>>,
    /// A frame waits for the vertical blank.
    pending: bool,
    flips: u64,
}

/// All monitors of one graphics card.
pub(super) struct Heads<R: Renderer> {
    heads: Vec<Head<R>>,
    make: Make<R>,
}

impl<R: Renderer> fmt::Debug for Heads<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.heads.iter().map(|head| &head.monitor.name)).finish()
    }
}

impl<R: SceneRenderer> Heads<R>
where
    R::TextureId: Texture + Clone + 'static,
    R::Error: Error + 'static,
{
    pub(super) fn new(make: Make<R>) -> Self {
        Self { heads: Vec::new(), make }
    }

    /// Takes up what has changed at the connectors. Monitors that stay as they are go on undisturbed.
    pub(super) fn rescan(&mut self, device: &mut DrmDevice) {
        let monitors = match connectors::plugged(device) {
            Ok(monitors) => monitors,
            Err(error) => {
                error!(%error, "the connectors cannot be read; monitors stay as they were");
                return;
            }
        };
        let stays = |head: &Head<R>| {
            let same = |monitor: &Monitor| {
                monitor.connector == head.monitor.connector && monitor.mode == head.monitor.mode
            };
            monitors.iter().any(same)
        };
        // First let go of what is gone: a new monitor may need what drove it.
        self.heads.retain(|head| {
            let stays = stays(head);
            if !stays {
                info!(monitor = head.monitor.name, "a monitor is gone, or has another mode");
            }
            stays
        });
        for monitor in monitors {
            if !self.heads.iter().any(|head| head.monitor.connector == monitor.connector) {
                self.add(device, monitor);
            }
        }
        self.heads.sort_by_key(|head| u32::from(head.monitor.connector));
        let (lefts, _) = self.layout();
        for (head, left) in self.heads.iter_mut().zip(lefts) {
            head.at = (left, 0).into();
        }
    }

    fn add(&mut self, device: &mut DrmDevice, monitor: Monitor) {
        let taken: Vec<_> = self.heads.iter().map(|head| head.crtc).collect();
        let Some(crtc) = connectors::free_crtc(&monitor, &taken) else {
            warn!(monitor = monitor.name, "the graphics card drives no more monitors than it does now");
            return;
        };
        let surface = device
            .create_surface(crtc, monitor.mode, &[monitor.connector])
            .map_err(|error| error.to_string())
            .and_then(|surface| (self.make)(surface, &monitor));
        match surface {
            Ok(surface) => {
                let size = monitor.size();
                info!(
                    monitor = monitor.name,
                    width = size.w,
                    height = size.h,
                    refresh = monitor.refresh(),
                    "a monitor is there"
                );
                let at = Point::default();
                self.heads.push(Head { monitor, crtc, at, surface, pending: false, flips: 0 });
            }
            Err(error) => error!(monitor = monitor.name, %error, "a monitor cannot be used"),
        }
    }

    fn layout(&self) -> (Vec<i32>, Size<i32, Physical>) {
        let sizes: Vec<_> = self.heads.iter().map(|head| head.monitor.size()).collect();
        connectors::side_by_side(&sizes)
    }

    /// Size of the desktop, and its refresh in millihertz: that of the slowest. `None`: no monitor.
    pub(super) fn desktop(&self) -> Option<(Size<i32, Physical>, u32)> {
        let refresh = self.heads.iter().map(|head| head.monitor.refresh()).min()?;
        Some((self.layout().1, refresh))
    }

    /// True if there is a monitor and each shows what was drawn last.
    pub(super) fn idle(&self) -> bool {
        !self.heads.is_empty() && self.heads.iter().all(|head| !head.pending)
    }

    /// Draws what changed on each monitor.
    pub(super) fn draw(
        &mut self,
        painter: &mut ScenePainter<R>,
        scene: &Scene,
    ) -> Result<Frame, CanvasError> {
        let quads = painter.quads(scene);
        let mut failure = None;
        for head in &mut self.heads {
            let seen: Vec<_> = quads.iter().map(|quad| quad.seen_from(head.at)).collect();
            match head.surface.show(&mut painter.renderer, &seen, scene.background) {
                Ok(pending) => head.pending = pending,
                Err(error) => failure = Some(format!("{}: {error}", head.monitor.name)),
            }
        }
        if let Some(failure) = failure {
            return Err(CanvasError::Draw(failure));
        }
        let pending = self.heads.iter().any(|head| head.pending);
        Ok(Frame { changed: pending, pending })
    }

    /// A vertical blank. True if a frame waited for it.
    pub(super) fn flipped(&mut self, crtc: crtc::Handle) -> bool {
        let waiting = |head: &&mut Head<R>| head.crtc == crtc && head.pending;
        let Some(head) = self.heads.iter_mut().find(waiting) else { return false };
        head.pending = false;
        head.flips += 1;
        if let Err(error) = head.surface.flipped() {
            warn!(monitor = head.monitor.name, %error, "a frame was lost");
        }
        true
    }

    /// The card is ours again; whatever others left there is not what was drawn.
    pub(super) fn reset(&mut self) {
        for head in &mut self.heads {
            // Its vertical blank may have gone by unseen.
            let flipped = if std::mem::take(&mut head.pending) { head.surface.flipped() } else { Ok(()) };
            if let Err(error) = flipped.and_then(|()| head.surface.reset()) {
                warn!(monitor = head.monitor.name, %error, "a monitor does not come back");
            }
        }
    }

    /// Monitors get no picture until the next one is drawn.
    pub(super) fn off(&mut self) {
        for head in &mut self.heads {
            head.pending = false;
            if let Err(error) = head.surface.off() {
                warn!(monitor = head.monitor.name, %error, "a monitor stays on");
            }
        }
    }

    pub(super) fn report(&self) -> Vec<ipc::Monitor> {
        let monitor = |head: &Head<R>| {
            let size = head.monitor.size();
            ipc::Monitor {
                name: head.monitor.name.clone(),
                area: [head.at.x, head.at.y, size.w, size.h],
                refresh: head.monitor.refresh(),
                flips: head.flips,
            }
        };
        self.heads.iter().map(monitor).collect()
    }
}
