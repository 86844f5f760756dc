//! Pictures in guest RAM that a GPU reads where they are: DMA buffers over the guest's own pages, no
//! copy. Where the kernel or the driver cannot, pictures are uploaded as any others.

use std::sync::{
    Once,
    atomic::{AtomicBool, Ordering},
};

use smithay::{
    backend::{
        allocator::{
            Format, Modifier,
            dmabuf::{Dmabuf, DmabufFlags},
        },
        renderer::{
            ImportDma as _,
            gles::{GlesRenderer, GlesTexture},
        },
    },
    utils::{Buffer, Size},
};
use tracing::{debug, info};
use transom_hypervisor::memory::udmabuf;
use transom_protocol::session::PictureMemory;

use super::{GuestTexture, Layout, Memory, SPARES, Spare};
use crate::qubes::surface::Content;

/// A driver that has refused one is not asked again.
static REFUSED: AtomicBool = AtomicBool::new(false);
/// That it works is said once.
static TOLD: Once = Once::new();

type Texture = GuestTexture<GlesTexture>;

/// The texture of a picture in guest RAM: the same as before, another that was kept, or a new one.
/// `Err`: it must be uploaded; what there was before comes back.
pub(super) fn in_place(
    renderer: &mut GlesRenderer,
    content: &Content,
    memory: &Memory,
    layout: Layout,
    old: Option<Texture>,
) -> Result<Texture, Option<Texture>> {
    if let Some(mut old) = old {
        if !old.imported {
            return new(renderer, content, memory, layout).ok_or(Some(old));
        }
        if old.layout == layout {
            return Ok(Texture { memory: memory.clone(), ..old });
        }
        let kept = old.spare.iter().position(|spare| spare.layout == layout);
        let texture = match kept {
            Some(kept) => old.spare.remove(kept).texture,
            None => match new(renderer, content, memory, layout) {
                Some(new) => new.texture,
                None => return Err(Some(old)),
            },
        };
        let mut spare = old.spare;
        spare.insert(0, Spare { texture: old.texture, layout: old.layout, memory: old.memory });
        spare.truncate(SPARES);
        return Ok(Texture { texture, layout, memory: memory.clone(), imported: true, spare });
    }
    new(renderer, content, memory, layout).ok_or(None)
}

fn new(renderer: &mut GlesRenderer, content: &Content, memory: &Memory, layout: Layout) -> Option<Texture> {
    let (Memory::Grant { map, .. }, PictureMemory::Grant { offset, .. }) = (memory, content.picture.memory)
    else {
        return None;
    };
    if REFUSED.load(Ordering::Relaxed) {
        return None;
    }
    let device = udmabuf()?;
    if !renderer.has_dmabuf_format(Format { code: layout.format, modifier: Modifier::Linear }) {
        return None;
    }
    let exported = match device.export(map, offset, length(layout.size, layout.stride)?) {
        Ok(exported) => exported,
        Err(error) => {
            debug!(%error, "a picture cannot be read in place");
            return None;
        }
    };
    let mut builder = Dmabuf::builder(layout.size, layout.format, Modifier::Linear, DmabufFlags::empty());
    builder.add_plane(exported.buffer, 0, exported.offset, layout.stride);
    let texture = renderer.import_dmabuf(&builder.build()?, None);
    let texture = texture
        .inspect_err(|error| {
            info!(%error, "the graphics driver does not read guest memory itself; pictures are uploaded");
            REFUSED.store(true, Ordering::Relaxed);
        })
        .ok()?;
    TOLD.call_once(|| info!("the GPU reads pictures of virtual machines where they are"));
    Some(Texture { imported: true, ..Texture::new(texture, layout, memory.clone()) })
}

/// Bytes from a picture's first to its last, in rows of `stride` bytes; pixels have four.
fn length(size: Size<i32, Buffer>, stride: u32) -> Option<u64> {
    let rows = u64::try_from(size.h).ok()?.checked_sub(1)?;
    rows.checked_mul(stride.into())?.checked_add(u64::try_from(size.w).ok()?.checked_mul(4)?)
}
