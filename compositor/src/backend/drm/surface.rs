//! What one monitor shows: its planes and buffers, whatever the renderer and the kind of buffers.

use std::{error::Error, fmt};

use smithay::{
    backend::{
        allocator::{
            Allocator, Format, Fourcc,
            dmabuf::{AsDmabuf, Dmabuf},
            gbm::GbmDevice,
        },
        drm::{
            DrmDeviceFd, DrmSurface, VrrSupport,
            compositor::{DrmCompositor, FrameFlags, PrimaryPlaneElement},
            exporter::ExportFramebuffer,
        },
        renderer::{Bind, Color32F, Renderer, Texture, utils::CommitCounter},
    },
    output::OutputModeSource,
    reexports::drm::control::connector,
    utils::{Buffer, Size},
};

use super::fault::Failure;
use crate::{render::element::Quad, screens::Planned};

/// What became of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// It is on its way; else nothing had changed.
    pub pending: bool,
    /// The pointer has a plane of its own.
    pub pointer_plane: bool,
    /// Something is shown straight from its buffer.
    pub scanout: bool,
    /// What was drawn of the desktop last; the same as before: nothing was.
    pub drawn: Option<CommitCounter>,
}

/// Planes and buffers of one monitor. Which buffers they are is nobody else's business.
pub(super) trait Surface<R: Renderer> {
    /// Draws, and has it shown at the next vertical blank.
    fn show(
        &mut self,
        renderer: &mut R,
        quads: &[Quad<R::TextureId>],
        background: Color32F,
    ) -> Result<Shown, Failure>;
    /// What was drawn last is on the monitor.
    fn flipped(&mut self) -> Result<(), Failure>;
    /// Somebody else had the monitor.
    fn reset(&mut self) -> Result<(), Failure>;
    /// The refresh varies.
    fn varies(&self) -> bool;
    /// Lets the refresh vary from the next frame on, or not; `often` as for all heads.
    fn set_vrr(&mut self, connector: connector::Handle, on: bool, often: bool) -> Result<(), String>;
}

impl<A, F, R> Surface<R> for DrmCompositor<A, F, (), DrmDeviceFd>
where
    A: Allocator,
    A::Error: Error + Send + Sync + 'static,
    A::Buffer: AsDmabuf,
    <A::Buffer as AsDmabuf>::Error: Error + Send + Sync + 'static,
    F: ExportFramebuffer<A::Buffer>,
    F::Framebuffer: fmt::Debug + 'static,
    F::Error: Error + Send + Sync + 'static,
    R: Renderer + Bind<Dmabuf>,
    R::TextureId: Texture + 'static,
    R::Error: Error + Send + Sync + 'static,
{
    fn show(
        &mut self,
        renderer: &mut R,
        quads: &[Quad<R::TextureId>],
        background: Color32F,
    ) -> Result<Shown, Failure> {
        let frame = self.render_frame(renderer, quads, background, FrameFlags::ALLOW_CURSOR_PLANE_SCANOUT)?;
        let mut shown = Shown {
            pending: false,
            pointer_plane: frame.cursor_element.is_some(),
            scanout: !frame.overlay_elements.is_empty(),
            drawn: None,
        };
        match &frame.primary_element {
            PrimaryPlaneElement::Swapchain(element) => shown.drawn = Some(element.damage.current_commit()),
            PrimaryPlaneElement::Element(_) => shown.scanout = true,
        }
        if frame.is_empty {
            return Ok(shown);
        }
        if frame.needs_sync()
            && let PrimaryPlaneElement::Swapchain(element) = &frame.primary_element
            && element.sync.wait().is_err()
        {
            return Err(Failure::of_frame("drawing was interrupted"));
        }
        drop(frame);
        self.queue_frame(())?;
        shown.pending = true;
        Ok(shown)
    }

    fn flipped(&mut self) -> Result<(), Failure> {
        Ok(self.frame_submitted().map(drop)?)
    }

    fn reset(&mut self) -> Result<(), Failure> {
        Ok(self.reset_state()?)
    }

    fn varies(&self) -> bool {
        self.vrr_enabled()
    }

    fn set_vrr(&mut self, connector: connector::Handle, on: bool, often: bool) -> Result<(), String> {
        match self.vrr_supported(connector).map_err(|error| error.to_string())? {
            VrrSupport::NotSupported => return Err("monitor or graphics card cannot".into()),
            VrrSupport::RequiresModeset if often => {
                return Err("each change would make the monitor dark for a moment".into());
            }
            VrrSupport::RequiresModeset | VrrSupport::Supported => {}
        }
        self.use_vrr(on).map_err(|error| error.to_string())
    }
}

/// Makes the surface of a monitor.
pub(super) type Make<R> =
    Box<dyn Fn(DrmSurface, Size<u32, Buffer>, &Planned) -> Result<Box<dyn Surface<R>>, Failure>>;

/// Makes surfaces whose buffers come from such an allocator; the pointer's, if it can have a plane, from
/// GBM.
pub(super) fn maker<A, F, R>(
    parts: impl Fn() -> (A, F) + 'static,
    formats: impl IntoIterator<Item = Format>,
    pointer: Option<GbmDevice<DrmDeviceFd>>,
) -> Make<R>
where
    A: Allocator + 'static,
    F: ExportFramebuffer<A::Buffer> + 'static,
    A::Error: Error + Send + Sync + 'static,
    A::Buffer: AsDmabuf,
    <A::Buffer as AsDmabuf>::Error: Error + Send + Sync + 'static,
    F::Framebuffer: fmt::Debug + 'static,
    F::Error: Error + Send + Sync + 'static,
    R: Renderer + Bind<Dmabuf>,
    R::TextureId: Texture + 'static,
    R::Error: Error + Send + Sync + 'static,
{
    let formats: Vec<Format> = formats.into_iter().collect();
    Box::new(move |surface, pointer_size, planned| {
        let (allocator, exporter) = parts();
        let mode = OutputModeSource::Static {
            size: planned.mode.size,
            scale: 1.0.into(),
            transform: planned.transform,
        };
        let compositor = DrmCompositor::<A, F, (), DrmDeviceFd>::new(
            mode,
            surface,
            None,
            allocator,
            exporter,
            [Fourcc::Xrgb8888, Fourcc::Argb8888],
            formats.iter().copied(),
            pointer_size,
            pointer.clone(),
        );
        Ok(Box::new(compositor?))
    })
}
