//! Pictures in memory to draw scenes on, with the renderer chosen at run time.

use std::{collections::BTreeMap, fmt};

use smithay::{
    backend::{
        allocator::{Fourcc, gbm::GbmDevice},
        drm::DrmDeviceFd,
        egl::{
            EGLContext, EGLDevice, EGLDisplay,
            native::{EGLNativeDisplay, EGLSurfacelessDisplay},
        },
        renderer::{
            Bind, ExportMem, Offscreen, Texture,
            damage::OutputDamageTracker,
            gles::{GlesRenderer, GlesTexture},
            pixman::PixmanRenderer,
        },
    },
    utils::{Physical, Rectangle, Size, Transform},
};

use super::{
    guest::SceneRenderer,
    painter::{Drawn, ScenePainter},
    scene::Scene,
};
use crate::trust::QubeId;

/// Which renderer draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RendererKind {
    /// GLES where there is one, else pixman.
    #[default]
    Auto,
    /// On the CPU, exact.
    Pixman,
    /// OpenGL ES, on a GPU or in software.
    Gles,
}

/// Why nothing can be drawn.
#[derive(Debug, thiserror::Error)]
pub enum CanvasError {
    /// No OpenGL ES here.
    #[error(
        "the GLES renderer cannot start: {0}; choose --renderer pixman, or install libegl1 and libgl1-mesa-dri"
    )]
    NoGles(String),
    /// The renderer failed.
    #[error("drawing failed: {0}")]
    Draw(String),
}

fn failed(error: impl fmt::Display) -> CanvasError {
    CanvasError::Draw(error.to_string())
}

fn no_gles(error: impl fmt::Display) -> CanvasError {
    CanvasError::NoGles(error.to_string())
}

/// True if there is a device to render with.
fn has_gpu() -> bool {
    let nodes = std::fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    nodes.into_iter().any(|node| node.file_name().to_string_lossy().starts_with("renderD"))
}

/// Pictures in memory, one a screen, and the painter that draws on them.
#[derive(Debug)]
pub enum Canvas {
    /// Drawn by the CPU.
    Pixman(Box<Pictures<PixmanRenderer, pixman::Image<'static, 'static>>>),
    /// Drawn by OpenGL ES.
    Gles(Box<Pictures<GlesRenderer, GlesTexture>>),
}

/// See [`Canvas`].
pub struct Pictures<R: SceneRenderer, B> {
    /// Draws here, and on monitors.
    pub(crate) painter: ScenePainter<R>,
    kept: BTreeMap<u32, Picture<B>>,
}

/// What one screen shows.
struct Picture<B> {
    buffer: B,
    size: Size<i32, Physical>,
    tracker: OutputDamageTracker,
    drawn: bool,
}

impl<R: SceneRenderer + fmt::Debug, B> fmt::Debug for Pictures<R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pictures")
            .field("renderer", &self.painter.renderer)
            .field("screens", &self.kept.keys())
            .finish_non_exhaustive()
    }
}

impl<R, B> Pictures<R, B>
where
    R: SceneRenderer + Offscreen<B> + Bind<B> + ExportMem,
    R::TextureId: Texture + Clone + 'static,
    R::Error: std::error::Error + 'static,
{
    fn new(renderer: R) -> Self {
        Self { painter: ScenePainter::new(renderer), kept: BTreeMap::new() }
    }

    fn draw(&mut self, scene: &Scene, format: Fourcc) -> Result<Drawn, CanvasError> {
        let size = scene.size;
        if self.kept.get(&scene.screen).is_none_or(|picture| picture.size != size) {
            let buffer = self.painter.renderer.create_buffer(format, (size.w, size.h).into());
            let tracker = OutputDamageTracker::new(size, 1.0, Transform::Normal);
            let picture = Picture { buffer: buffer.map_err(failed)?, size, tracker, drawn: false };
            self.kept.insert(scene.screen, picture);
        }
        let Some(picture) = self.kept.get_mut(&scene.screen) else { return Ok(Drawn::default()) };
        let mut target = self.painter.renderer.bind(&mut picture.buffer).map_err(failed)?;
        let age = usize::from(std::mem::replace(&mut picture.drawn, true));
        // The painter borrows the renderer for itself; the target only borrows the buffer.
        self.painter.draw(&mut target, &mut picture.tracker, scene, age).map_err(failed)
    }

    fn read(&mut self, screen: u32, format: Fourcc) -> Result<Pixels, CanvasError> {
        let picture = self.kept.get_mut(&screen);
        let picture = picture.ok_or_else(|| CanvasError::Draw("nothing was drawn yet".into()))?;
        let target = self.painter.renderer.bind(&mut picture.buffer).map_err(failed)?;
        let region = Rectangle::from_size((picture.size.w, picture.size.h).into());
        let mapping = self.painter.renderer.copy_framebuffer(&target, region, format).map_err(failed)?;
        Ok((self.painter.renderer.map_texture(&mapping).map_err(failed)?.to_vec(), picture.size))
    }

    fn forget_drawn(&mut self) {
        for picture in self.kept.values_mut() {
            picture.drawn = false;
            picture.tracker = OutputDamageTracker::new(picture.size, 1.0, Transform::Normal);
        }
    }
}

/// Rows of BGRX bytes, 4 × width each, top first; and the size in device pixels.
type Pixels = (Vec<u8>, Size<i32, Physical>);

/// The same for both renderers.
macro_rules! pictures {
    ($canvas:expr, $pictures:ident => $what:expr) => {
        match $canvas {
            Canvas::Pixman($pictures) => $what,
            Canvas::Gles($pictures) => $what,
        }
    };
}

impl Canvas {
    /// A canvas without pictures.
    pub fn new(kind: RendererKind) -> Result<Self, CanvasError> {
        match kind {
            RendererKind::Pixman => Self::pixman(),
            RendererKind::Gles => Self::gles(),
            // OpenGL in software only costs more than pixman.
            RendererKind::Auto if !has_gpu() => Self::pixman(),
            RendererKind::Auto => Self::gles().or_else(|error| {
                tracing::info!(%error, "drawing with pixman");
                Self::pixman()
            }),
        }
    }

    fn pixman() -> Result<Self, CanvasError> {
        Ok(Self::Pixman(Box::new(Pictures::new(PixmanRenderer::new().map_err(failed)?))))
    }

    fn gles() -> Result<Self, CanvasError> {
        let (renderer, _) = gles_on(EGLSurfacelessDisplay).map_err(no_gles)?;
        Ok(Self::Gles(Box::new(Pictures::new(renderer))))
    }

    /// A canvas drawn by the GPU that shows pictures of this device. `Auto` refuses one that is
    /// software: it only costs more than pixman.
    pub(crate) fn on_device(kind: RendererKind, gbm: &GbmDevice<DrmDeviceFd>) -> Result<Self, CanvasError> {
        let (renderer, software) = gles_on(gbm.clone()).map_err(no_gles)?;
        if software && kind == RendererKind::Auto {
            return Err(no_gles("the driver draws in software"));
        }
        Ok(Self::Gles(Box::new(Pictures::new(renderer))))
    }

    /// `pixman` or `gles`.
    pub fn renderer_name(&self) -> &'static str {
        match self {
            Self::Pixman(_) => "pixman",
            Self::Gles(_) => "gles",
        }
    }

    /// Draws what changed on the screen that the scene is of.
    pub fn draw(&mut self, scene: &Scene) -> Result<Drawn, CanvasError> {
        match self {
            Self::Pixman(pictures) => pictures.draw(scene, Fourcc::Xrgb8888),
            Self::Gles(pictures) => pictures.draw(scene, Fourcc::Abgr8888),
        }
    }

    /// Reads a screen's picture back.
    pub fn read(&mut self, screen: u32) -> Result<Pixels, CanvasError> {
        match self {
            Self::Pixman(pictures) => pictures.read(screen, Fourcc::Xrgb8888),
            Self::Gles(pictures) => {
                let (mut pixels, size) = pictures.read(screen, Fourcc::Abgr8888)?;
                pixels.chunks_exact_mut(4).for_each(|p| p.swap(0, 2));
                Ok((pixels, size))
            }
        }
    }

    /// The next scenes are drawn in full.
    pub fn forget_drawn(&mut self) {
        pictures!(self, pictures => pictures.forget_drawn());
    }

    /// Lets go of a screen's picture.
    pub fn forget_picture(&mut self, screen: u32) {
        pictures!(self, pictures => drop(pictures.kept.remove(&screen)));
    }

    /// Lets go of all that was kept for a screen.
    pub fn forget_screen(&mut self, screen: u32) {
        self.forget_picture(screen);
        pictures!(self, pictures => pictures.painter.forget_screen(screen));
    }

    /// See [`ScenePainter::forget_grant`].
    pub fn forget_grant(&mut self, qube: QubeId, grant: u32) {
        pictures!(self, pictures => pictures.painter.forget_grant(qube, grant));
    }

    /// See [`ScenePainter::forget_qube`].
    pub fn forget_qube(&mut self, qube: QubeId) {
        pictures!(self, pictures => pictures.painter.forget_qube(qube));
    }
}

/// OpenGL ES on a device, and whether it is only software.
fn gles_on(
    device: impl EGLNativeDisplay + 'static,
) -> Result<(GlesRenderer, bool), Box<dyn std::error::Error>> {
    #![allow(unsafe_code)]
    // SAFETY: the display is used by this renderer alone, which keeps it, and the display keeps the
    // device.
    let display = unsafe { EGLDisplay::new(device)? };
    let software = EGLDevice::device_for_display(&display).is_ok_and(|device| device.is_software());
    let context = EGLContext::new(&display)?;
    // SAFETY: the context was made just now and is current nowhere else.
    Ok((unsafe { GlesRenderer::new(context)? }, software))
}
