//! A picture in memory to draw scenes on, with the renderer chosen at run time.

use std::fmt;

use smithay::{
    backend::{
        allocator::{Fourcc, gbm::GbmDevice},
        drm::DrmDeviceFd,
        egl::{
            EGLContext, EGLDevice, EGLDisplay,
            native::{EGLNativeDisplay, EGLSurfacelessDisplay},
        },
        renderer::{
            Bind, ExportMem, Offscreen,
            gles::{GlesRenderer, GlesTexture},
            pixman::PixmanRenderer,
        },
    },
    utils::{Physical, Rectangle, Size},
};

use super::{
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

/// A picture in memory and the painter that draws on it.
#[derive(Debug)]
pub enum Canvas {
    /// Drawn by the CPU.
    Pixman(Box<PixmanCanvas>),
    /// Drawn by OpenGL ES.
    Gles(Box<GlesCanvas>),
}

/// See [`Canvas::Pixman`].
#[derive(Debug)]
pub struct PixmanCanvas {
    /// Draws here, and on screens.
    pub(crate) painter: ScenePainter<PixmanRenderer>,
    image: pixman::Image<'static, 'static>,
    size: Size<i32, Physical>,
    fresh: bool,
}

/// See [`Canvas::Gles`].
#[derive(Debug)]
pub struct GlesCanvas {
    /// Draws here, and on screens.
    pub(crate) painter: ScenePainter<GlesRenderer>,
    texture: GlesTexture,
    size: Size<i32, Physical>,
    fresh: bool,
}

impl Canvas {
    /// A canvas of `size` device pixels.
    pub fn new(kind: RendererKind, size: Size<i32, Physical>) -> Result<Self, CanvasError> {
        match kind {
            RendererKind::Pixman => Self::pixman(size),
            RendererKind::Gles => Self::gles(size),
            // OpenGL in software only costs more than pixman.
            RendererKind::Auto if !has_gpu() => Self::pixman(size),
            RendererKind::Auto => Self::gles(size).or_else(|error| {
                tracing::info!(%error, "drawing with pixman");
                Self::pixman(size)
            }),
        }
    }

    fn pixman(size: Size<i32, Physical>) -> Result<Self, CanvasError> {
        let mut renderer = PixmanRenderer::new().map_err(failed)?;
        let image = renderer.create_buffer(Fourcc::Xrgb8888, (size.w, size.h).into()).map_err(failed)?;
        let painter = ScenePainter::new(renderer, size);
        Ok(Self::Pixman(Box::new(PixmanCanvas { painter, image, size, fresh: true })))
    }

    fn gles(size: Size<i32, Physical>) -> Result<Self, CanvasError> {
        let (renderer, _) = gles_on(EGLSurfacelessDisplay).map_err(no_gles)?;
        Self::with_gles(renderer, size)
    }

    /// A canvas drawn by the GPU that shows pictures of this device. `Auto` refuses one that is
    /// software: it only costs more than pixman.
    pub(crate) fn on_device(
        kind: RendererKind,
        gbm: &GbmDevice<DrmDeviceFd>,
        size: Size<i32, Physical>,
    ) -> Result<Self, CanvasError> {
        let (renderer, software) = gles_on(gbm.clone()).map_err(no_gles)?;
        if software && kind == RendererKind::Auto {
            return Err(no_gles("the driver draws in software"));
        }
        Self::with_gles(renderer, size)
    }

    fn with_gles(mut renderer: GlesRenderer, size: Size<i32, Physical>) -> Result<Self, CanvasError> {
        let texture: GlesTexture =
            renderer.create_buffer(Fourcc::Abgr8888, (size.w, size.h).into()).map_err(no_gles)?;
        let painter = ScenePainter::new(renderer, size);
        Ok(Self::Gles(Box::new(GlesCanvas { painter, texture, size, fresh: true })))
    }

    /// `pixman` or `gles`.
    pub fn renderer_name(&self) -> &'static str {
        match self {
            Self::Pixman(_) => "pixman",
            Self::Gles(_) => "gles",
        }
    }

    /// Size in device pixels.
    pub fn size(&self) -> Size<i32, Physical> {
        match self {
            Self::Pixman(canvas) => canvas.size,
            Self::Gles(canvas) => canvas.size,
        }
    }

    /// Draws what changed.
    pub fn draw(&mut self, scene: &Scene) -> Result<Drawn, CanvasError> {
        match self {
            Self::Pixman(c) => {
                let mut target = c.painter.renderer.bind(&mut c.image).map_err(failed)?;
                let age = usize::from(!std::mem::take(&mut c.fresh));
                // The painter borrows the renderer for itself; the target only borrows the image.
                c.painter.draw(&mut target, scene, age).map_err(failed)
            }
            Self::Gles(c) => {
                let mut target = c.painter.renderer.bind(&mut c.texture).map_err(failed)?;
                let age = usize::from(!std::mem::take(&mut c.fresh));
                c.painter.draw(&mut target, scene, age).map_err(failed)
            }
        }
    }

    /// Reads the picture back: rows of BGRX bytes, 4 × width each, top first.
    pub fn read(&mut self) -> Result<Vec<u8>, CanvasError> {
        match self {
            Self::Pixman(c) => {
                let target = c.painter.renderer.bind(&mut c.image).map_err(failed)?;
                let region = Rectangle::from_size((c.size.w, c.size.h).into());
                let mapping =
                    c.painter.renderer.copy_framebuffer(&target, region, Fourcc::Xrgb8888).map_err(failed)?;
                Ok(c.painter.renderer.map_texture(&mapping).map_err(failed)?.to_vec())
            }
            Self::Gles(c) => {
                let target = c.painter.renderer.bind(&mut c.texture).map_err(failed)?;
                let region = Rectangle::from_size((c.size.w, c.size.h).into());
                let mapping =
                    c.painter.renderer.copy_framebuffer(&target, region, Fourcc::Abgr8888).map_err(failed)?;
                let mut pixels = c.painter.renderer.map_texture(&mapping).map_err(failed)?.to_vec();
                pixels.chunks_exact_mut(4).for_each(|p| p.swap(0, 2));
                Ok(pixels)
            }
        }
    }

    /// Changes the size; what was drawn is gone.
    pub fn resize(&mut self, size: Size<i32, Physical>) -> Result<(), CanvasError> {
        match self {
            Self::Pixman(c) => {
                let buffer = (size.w, size.h).into();
                c.image = c.painter.renderer.create_buffer(Fourcc::Xrgb8888, buffer).map_err(failed)?;
                c.size = size;
            }
            Self::Gles(c) => {
                let buffer = (size.w, size.h).into();
                c.texture = c.painter.renderer.create_buffer(Fourcc::Abgr8888, buffer).map_err(failed)?;
                c.size = size;
            }
        }
        self.forget_drawn();
        Ok(())
    }

    /// The next scene is drawn in full.
    pub fn forget_drawn(&mut self) {
        match self {
            Self::Pixman(c) => {
                c.fresh = true;
                c.painter.reset(c.size);
            }
            Self::Gles(c) => {
                c.fresh = true;
                c.painter.reset(c.size);
            }
        }
    }

    /// See [`ScenePainter::forget_grant`].
    pub fn forget_grant(&mut self, qube: QubeId, grant: u32) {
        match self {
            Self::Pixman(c) => c.painter.forget_grant(qube, grant),
            Self::Gles(c) => c.painter.forget_grant(qube, grant),
        }
    }

    /// See [`ScenePainter::forget_qube`].
    pub fn forget_qube(&mut self, qube: QubeId) {
        match self {
            Self::Pixman(c) => c.painter.forget_qube(qube),
            Self::Gles(c) => c.painter.forget_qube(qube),
        }
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
