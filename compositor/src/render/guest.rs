//! Pictures of qubes as textures, straight from their memory.
//!
//! This is one of the few places that touch guest memory through a raw pointer. The qube may write
//! to it at any moment; nothing here decides anything by what it reads, so the worst that comes of
//! it is a torn picture inside the qube's own frame.
#![allow(unsafe_code)]

mod import;

use std::rc::Rc;

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            ImportMem, Renderer,
            gles::{GlesError, GlesRenderer, GlesTexture},
            pixman::{PixmanError, PixmanRenderer, PixmanTexture},
        },
    },
    utils::{Buffer, Rectangle, Size},
};
use transom_hypervisor::memory::{GrantMap, MemoryError};
use transom_protocol::{session::PictureMemory, types::Format};

use crate::qubes::surface::{Content, Pixels};

/// Why a picture of a qube cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It does not lie in its grant after all.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The CPU renderer refused it.
    #[error(transparent)]
    Pixman(#[from] PixmanError),
    /// The GPU renderer refused it.
    #[error(transparent)]
    Gles(#[from] GlesError),
    /// A picture without memory was asked for.
    #[error("the picture has no memory")]
    NoMemory,
}

/// A texture of a qube's picture.
#[derive(Debug)]
pub struct GuestTexture<T> {
    /// For the renderer.
    pub texture: T,
    /// Which memory and layout it stands for.
    layout: Layout,
    /// Keeps the memory mapped while the texture exists, if it reads it in place.
    memory: Memory,
    /// The GPU reads the memory itself.
    imported: bool,
    /// Textures of the same window's other buffers, which the GPU reads itself.
    spare: Vec<Spare<T>>,
}

/// See [`GuestTexture::spare`].
#[derive(Debug)]
struct Spare<T> {
    texture: T,
    layout: Layout,
    memory: Memory,
}

/// Other buffers of a window whose textures are kept: programs draw in two to four in turn.
const SPARES: usize = 3;

/// Memory behind a texture.
#[derive(Clone, Debug)]
enum Memory {
    Grant { grant: u32, map: Rc<GrantMap> },
    Kept { _bytes: Rc<[u8]> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    address: usize,
    stride: u32,
    size: Size<i32, Buffer>,
    format: Fourcc,
}

impl<T> GuestTexture<T> {
    fn new(texture: T, layout: Layout, memory: Memory) -> Self {
        Self { texture, layout, memory, imported: false, spare: Vec::new() }
    }

    /// True if it reads this grant.
    pub fn reads(&self, grant: u32) -> bool {
        let reads = |memory: &Memory| matches!(memory, Memory::Grant { grant: g, .. } if *g == grant);
        reads(&self.memory) || self.spare.iter().any(|spare| reads(&spare.memory))
    }
}

/// Where a picture lies, checked against its memory once more: `(pointer, memory, layout)`.
fn locate(content: &Content) -> Result<(*const u8, Memory, Layout), ImportError> {
    let PictureMemory::Grant { grant: _, offset, stride, format } = content.picture.memory else {
        return Err(ImportError::NoMemory);
    };
    let size = content.buffer_size();
    let row = u64::from(content.picture.width) * 4;
    let format = fourcc(format);
    match &content.pixels {
        Pixels::Grant { grant, map } => {
            let length = u64::from(stride) * u64::from(content.picture.height - 1) + row;
            let pointer = map.bytes(offset, length)?.as_ptr();
            let layout = Layout { address: pointer as usize, stride, size, format };
            Ok((pointer, Memory::Grant { grant: *grant, map: map.clone() }, layout))
        }
        Pixels::Kept(kept) => {
            if (kept.len() as u64) < row * u64::from(content.picture.height) {
                return Err(ImportError::NoMemory);
            }
            let layout = Layout { address: kept.as_ptr() as usize, stride: row as u32, size, format };
            Ok((kept.as_ptr(), Memory::Kept { _bytes: kept.clone() }, layout))
        }
        Pixels::Solid => Err(ImportError::NoMemory),
    }
}

/// A renderer that can show pictures of qubes.
pub trait SceneRenderer: Renderer + ImportMem {
    /// Makes a texture of `content`, or brings `old` up to date.
    ///
    /// `damage` is what changed since `old` was made, in buffer pixels; `None`: everything.
    fn import_guest(
        &mut self,
        content: &Content,
        old: Option<GuestTexture<Self::TextureId>>,
        damage: Option<&[Rectangle<i32, Buffer>]>,
    ) -> Result<GuestTexture<Self::TextureId>, ImportError>;
}

impl SceneRenderer for PixmanRenderer {
    fn import_guest(
        &mut self,
        content: &Content,
        old: Option<GuestTexture<PixmanTexture>>,
        _damage: Option<&[Rectangle<i32, Buffer>]>,
    ) -> Result<GuestTexture<PixmanTexture>, ImportError> {
        let (pointer, memory, layout) = locate(content)?;
        if let Some(old) = old.filter(|old| old.layout == layout) {
            // Same place, same layout: the pixels are read when they are drawn.
            return Ok(GuestTexture { memory, ..old });
        }
        let format = pixman::FormatCode::try_from(layout.format)
            .map_err(|_| PixmanError::UnsupportedPixelFormat(layout.format))?;
        // SAFETY: `locate` checked that every row of the picture lies in memory that `memory`
        // keeps mapped for as long as the texture is kept beside it. The image is only ever read:
        // textures are never drawn to. The memory may change at any time; pixman computes colours
        // from it and nothing else. A fault by truncation is caught by the mapping's guard.
        let image = unsafe {
            pixman::Image::from_raw_mut(
                format,
                layout.size.w as usize,
                layout.size.h as usize,
                pointer.cast_mut().cast(),
                layout.stride as usize,
                false,
            )
        }
        .map_err(|_| PixmanError::ImportFailed)?;
        Ok(GuestTexture::new(PixmanTexture::from(image), layout, memory))
    }
}

impl SceneRenderer for GlesRenderer {
    fn import_guest(
        &mut self,
        content: &Content,
        old: Option<GuestTexture<GlesTexture>>,
        damage: Option<&[Rectangle<i32, Buffer>]>,
    ) -> Result<GuestTexture<GlesTexture>, ImportError> {
        let (pointer, memory, layout) = locate(content)?;
        let old = match import::in_place(self, content, &memory, layout, old) {
            Ok(imported) => return Ok(imported),
            // What the GPU reads itself is never written to.
            Err(old) => old.filter(|old| !old.imported),
        };
        let row = layout.size.w as usize * 4;
        let length = row * layout.size.h as usize;
        let staged;
        let pixels = if layout.stride as usize == row {
            // SAFETY: `locate` checked that these bytes lie in memory that `memory` keeps mapped.
            // Rust code never reads through the slice: the renderer hands its address to
            // `glTexImage2D`, which may see the qube write meanwhile, and that only tears the
            // picture.
            unsafe { std::slice::from_raw_parts(pointer, length) }
        } else {
            // OpenGL ES 2 has no row length: rows are packed first.
            let PictureMemory::Grant { offset, .. } = content.picture.memory else {
                return Err(ImportError::NoMemory);
            };
            let Memory::Grant { map, .. } = &memory else { return Err(ImportError::NoMemory) };
            let mut packed = vec![0; length];
            let rows = layout.size.h as u64;
            let span = u64::from(layout.stride) * (rows - 1) + row as u64;
            map.bytes(offset, span)?.copy_rows(layout.stride.into(), row as u64, rows, &mut packed, row)?;
            staged = packed;
            &staged
        };
        let reusable = old.filter(|old| old.layout.size == layout.size && old.layout.format == layout.format);
        let texture = match (reusable, damage) {
            (Some(old), Some(damage)) => {
                for rect in damage {
                    self.update_memory(&old.texture, pixels, *rect)?;
                }
                old.texture
            }
            (Some(old), None) => {
                self.update_memory(&old.texture, pixels, Rectangle::from_size(layout.size))?;
                old.texture
            }
            (None, _) => self.import_memory(pixels, layout.format, layout.size, false)?,
        };
        Ok(GuestTexture::new(texture, layout, memory))
    }
}

/// The DRM name of a pixel format.
pub fn fourcc(format: Format) -> Fourcc {
    match format {
        Format::Argb8888 => Fourcc::Argb8888,
        Format::Xrgb8888 => Fourcc::Xrgb8888,
        Format::Abgr8888 => Fourcc::Abgr8888,
        Format::Xbgr8888 => Fourcc::Xbgr8888,
        Format::Argb2101010 => Fourcc::Argb2101010,
        Format::Xrgb2101010 => Fourcc::Xrgb2101010,
    }
}

/// True if the format has no alpha channel, so that every pixel is opaque whatever the qube says.
pub fn is_opaque(format: Format) -> bool {
    matches!(format, Format::Xrgb8888 | Format::Xbgr8888 | Format::Xrgb2101010)
}
