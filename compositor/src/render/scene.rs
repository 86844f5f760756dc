//! What is to be seen on one screen: a list of items, front to back, in device pixels.

use std::rc::Rc;

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            Color32F,
            element::{Id, memory::MemoryBuffer},
            utils::{CommitCounter, DamageSnapshot},
        },
    },
    utils::{Buffer, Physical, Point, Size},
};

use super::DeviceRect;
use crate::{qubes::surface::Content, screens::Magnifier, trust::QubeId};

/// A surface of a qube, over all qubes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SurfaceKey {
    /// The qube.
    pub qube: QubeId,
    /// The window id in its link.
    pub window: u32,
}

/// A picture that dom0 has drawn.
#[derive(Debug)]
pub struct Picture {
    /// Identity for damage tracking; a picture never changes.
    pub id: Id,
    /// Pixels: premultiplied BGRA.
    pub image: transom_theming::Image,
    /// Every pixel is opaque.
    pub opaque: bool,
    /// The pixels once more, for a plane of the pointer's own; of pointers only.
    pub pointer: Option<MemoryBuffer>,
}

impl Picture {
    /// A new picture.
    pub fn new(image: transom_theming::Image) -> Rc<Self> {
        let opaque = image.data.chunks_exact(4).all(|p| p[3] == u8::MAX);
        Rc::new(Self { id: Id::new(), image, opaque, pointer: None })
    }

    /// A new picture of the pointer.
    pub fn pointer(image: transom_theming::Image) -> Rc<Self> {
        let size = (image.width as i32, image.height as i32);
        let pointer = Some(MemoryBuffer::from_slice(&image.data, Fourcc::Argb8888, size));
        Rc::new(Self { id: Id::new(), image, opaque: false, pointer })
    }

    /// Size in device pixels.
    pub fn size(&self) -> Size<i32, Physical> {
        (self.image.width as i32, self.image.height as i32).into()
    }
}

/// One thing to draw.
#[derive(Clone, Debug)]
pub enum Item {
    /// Pixels of a qube. `clip` lies inside a frame of that qube (rule FRAME).
    Guest {
        /// Whose.
        key: SurfaceKey,
        /// Identity for damage tracking.
        id: Id,
        /// What.
        content: Content,
        /// What changed in the buffer.
        damage: DamageSnapshot<i32, Buffer>,
        /// Where all of it would go.
        dst: DeviceRect,
        /// Where it may go.
        clip: DeviceRect,
    },
    /// A picture of dom0.
    Picture {
        /// Which.
        picture: Rc<Picture>,
        /// Its top left corner.
        at: Point<i32, Physical>,
        /// Where it may go.
        clip: Option<DeviceRect>,
    },
    /// One colour.
    Solid {
        /// Identity for damage tracking.
        id: Id,
        /// Counts changes of the colour.
        commit: CommitCounter,
        /// Where.
        rect: DeviceRect,
        /// Premultiplied.
        color: Color32F,
    },
}

/// All that is on one screen.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The screen.
    pub screen: u32,
    /// Its size in device pixels.
    pub size: Size<i32, Physical>,
    /// Front to back.
    pub items: Vec<Item>,
    /// Where nothing is.
    pub background: Color32F,
    /// A part of it fills the screen.
    pub magnified: Option<Magnifier>,
}

/// An sRGB colour, opaque.
pub fn color(rgb: transom_theming::Rgb) -> Color32F {
    Color32F::new(f32::from(rgb.r) / 255.0, f32::from(rgb.g) / 255.0, f32::from(rgb.b) / 255.0, 1.0)
}

/// Keeps the identity of a patch of one colour from frame to frame.
#[derive(Clone, Debug)]
pub struct Patch {
    id: Id,
    commit: CommitCounter,
    color: Color32F,
}

impl Patch {
    /// A patch of this colour.
    pub fn new(color: Color32F) -> Self {
        Self { id: Id::new(), commit: CommitCounter::default(), color }
    }

    /// The item for it.
    pub fn item(&self, rect: DeviceRect) -> Item {
        Item::Solid { id: self.id.clone(), commit: self.commit, rect, color: self.color }
    }
}
