//! One rectangle to draw, as smithay's damage tracker wants it.

use smithay::{
    backend::renderer::{
        Color32F, Frame, Renderer, Texture,
        element::{Element, Id, Kind, RenderElement, UnderlyingStorage, memory::MemoryBuffer},
        utils::{CommitCounter, DamageSet, DamageSnapshot, OpaqueRegions},
    },
    utils::{Buffer, Logical, Physical, Rectangle, Scale, Size, Transform},
};

use super::DeviceRect;
use crate::screens::Magnifier;

/// What a quad is filled with.
#[derive(Clone, Debug)]
pub enum Fill<T> {
    /// A texture: the part `src` of it, turned.
    Texture {
        /// The texture.
        texture: T,
        /// Part of the buffer that is shown.
        src: Rectangle<f64, Buffer>,
        /// How the buffer is turned.
        transform: Transform,
    },
    /// One colour, premultiplied.
    Color(Color32F),
}

/// How a quad changes from frame to frame.
#[derive(Clone, Debug)]
pub enum Changes {
    /// All of it, whenever this counter moves.
    Counter(CommitCounter),
    /// As the qube's damage says, in buffer pixels of a buffer of this size.
    Damage(DamageSnapshot<i32, Buffer>, Size<i32, Buffer>),
}

/// A rectangle to draw: all of it would cover `dst`, what is drawn lies in `clip`.
#[derive(Clone, Debug)]
pub struct Quad<T> {
    /// Identity from frame to frame.
    pub id: Id,
    /// What is drawn.
    pub fill: Fill<T>,
    /// How it changes.
    pub changes: Changes,
    /// Where all of it would go.
    pub dst: DeviceRect,
    /// Where it may go; empty draws nothing.
    pub clip: DeviceRect,
    /// Every pixel is opaque. Never the qube's word for it: it follows from the pixel format.
    pub opaque: bool,
    /// The pixels, where they may go on a plane of the pointer's own.
    pub pointer: Option<MemoryBuffer>,
}

impl<T> Quad<T> {
    /// The same on a screen of which a part is made larger.
    #[must_use]
    pub fn magnified(self, magnifier: Magnifier) -> Self {
        let (dst, clip) = (magnifier.apply(self.dst), magnifier.apply(self.clip));
        Self { dst, clip, pointer: None, ..self }
    }
}

impl<T: Texture> Quad<T> {
    /// Damage in buffer pixels as device pixels relative to `clip`'s corner.
    fn to_device(&self, rect: Rectangle<i32, Buffer>, buffer: Size<i32, Buffer>) -> Option<DeviceRect> {
        let Fill::Texture { src, transform, .. } = &self.fill else { return None };
        let logical: Rectangle<f64, Logical> = rect.to_f64().to_logical(1.0, *transform, &buffer.to_f64());
        let turned: Size<f64, Logical> =
            transform.transform_size(buffer.to_f64().to_logical(1.0, Transform::Normal));
        let src: Rectangle<f64, Logical> = src.to_logical(1.0, *transform, &buffer.to_f64());
        debug_assert!(turned.w > 0.0);
        let (sx, sy) = (f64::from(self.dst.size.w) / src.size.w, f64::from(self.dst.size.h) / src.size.h);
        let left = (logical.loc.x - src.loc.x) * sx;
        let top = (logical.loc.y - src.loc.y) * sy;
        let right = left + logical.size.w * sx;
        let bottom = top + logical.size.h * sy;
        // Scaling smears a pixel over its neighbours.
        let smear = if (sx - 1.0).abs() < 1e-6 && (sy - 1.0).abs() < 1e-6 { 0.0 } else { 1.0 };
        let from = ((left - smear).floor() as i32, (top - smear).floor() as i32);
        let to = ((right + smear).ceil() as i32, (bottom + smear).ceil() as i32);
        let mut out = DeviceRect::new(from.into(), (to.0 - from.0, to.1 - from.1).into());
        out.loc += self.dst.loc;
        out.intersection(self.clip).map(|mut r| {
            r.loc -= self.clip.loc;
            r
        })
    }
}

impl<T: Texture> Element for Quad<T> {
    fn id(&self) -> &Id {
        &self.id
    }

    fn current_commit(&self) -> CommitCounter {
        match &self.changes {
            Changes::Counter(counter) => *counter,
            Changes::Damage(damage, _) => damage.current_commit(),
        }
    }

    fn src(&self) -> Rectangle<f64, Buffer> {
        match &self.fill {
            Fill::Texture { src, .. } => *src,
            Fill::Color(_) => Rectangle::from_size((1.0, 1.0).into()),
        }
    }

    fn geometry(&self, _scale: Scale<f64>) -> Rectangle<i32, Physical> {
        self.clip
    }

    fn damage_since(&self, _scale: Scale<f64>, commit: Option<CommitCounter>) -> DamageSet<i32, Physical> {
        let whole = Rectangle::from_size(self.clip.size);
        match &self.changes {
            Changes::Counter(counter) if commit == Some(*counter) => DamageSet::default(),
            Changes::Counter(_) => DamageSet::from_slice(&[whole]),
            Changes::Damage(damage, buffer) => match damage.damage_since(commit) {
                Some(rects) => rects.into_iter().filter_map(|r| self.to_device(r, *buffer)).collect(),
                None => DamageSet::from_slice(&[whole]),
            },
        }
    }

    fn opaque_regions(&self, _scale: Scale<f64>) -> OpaqueRegions<i32, Physical> {
        if self.opaque {
            OpaqueRegions::from_slice(&[Rectangle::from_size(self.clip.size)])
        } else {
            OpaqueRegions::default()
        }
    }

    fn kind(&self) -> Kind {
        if self.pointer.is_some() { Kind::Cursor } else { Kind::Unspecified }
    }
}

impl<R: Renderer> RenderElement<R> for Quad<R::TextureId>
where
    R::TextureId: Texture,
{
    fn draw(
        &self,
        frame: &mut R::Frame<'_, '_>,
        _src: Rectangle<f64, Buffer>,
        dst: DeviceRect,
        damage: &[DeviceRect],
        _opaque: &[DeviceRect],
    ) -> Result<(), R::Error> {
        match &self.fill {
            Fill::Color(color) => frame.draw_solid(dst, damage, *color),
            Fill::Texture { texture, src, transform } => {
                // `damage` is relative to the clip; the renderer gets all of the picture and draws
                // only where the clip is, so that cutting never moves or blurs a pixel.
                let shift = self.clip.loc - self.dst.loc;
                let whole = Rectangle::from_size(self.clip.size);
                let damage: Vec<_> = damage
                    .iter()
                    .filter_map(|rect| rect.intersection(whole))
                    .map(|mut rect| {
                        rect.loc += shift;
                        rect
                    })
                    .collect();
                if damage.is_empty() {
                    return Ok(());
                }
                frame.render_texture_from_to(texture, *src, self.dst, &damage, &[], *transform, 1.0)
            }
        }
    }

    fn underlying_storage(&self, _renderer: &mut R) -> Option<UnderlyingStorage<'_>> {
        self.pointer.as_ref().map(UnderlyingStorage::Memory)
    }
}
