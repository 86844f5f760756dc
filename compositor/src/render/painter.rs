//! Draws scenes with a renderer, only where something changed.

use std::collections::{HashMap, HashSet};

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            Color32F, Texture,
            damage::{Error as DamageError, OutputDamageTracker},
            element::Id,
            utils::CommitCounter,
        },
    },
    utils::{Rectangle, Transform},
};
use tracing::warn;
use transom_protocol::session::PictureMemory;

use super::{
    DeviceRect,
    element::{Changes, Fill, Quad},
    guest::{GuestTexture, SceneRenderer, is_opaque},
    scene::{Item, Scene, SurfaceKey},
};
use crate::{
    qubes::surface::{Content, Pixels},
    trust::QubeId,
};

/// What drawing a scene did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawn {
    /// What changed on the output; empty: nothing was drawn.
    pub damage: Vec<DeviceRect>,
}

/// A renderer and what it remembers of the scenes it drew.
#[derive(Debug)]
pub struct ScenePainter<R: SceneRenderer> {
    /// The renderer.
    pub renderer: R,
    guests: HashMap<SurfaceKey, (GuestTexture<R::TextureId>, CommitCounter)>,
    pictures: HashMap<Id, R::TextureId>,
    /// What the last scene of each screen shows: a texture is kept while any of them needs it.
    used: HashMap<u32, Used>,
}

/// See [`ScenePainter::used`].
#[derive(Debug, Default)]
struct Used {
    pictures: HashSet<Id>,
    guests: HashSet<SurfaceKey>,
}

impl<R: SceneRenderer> ScenePainter<R>
where
    R::TextureId: Texture + Clone + 'static,
    R::Error: std::error::Error + 'static,
{
    /// A painter that has drawn nothing yet.
    pub fn new(renderer: R) -> Self {
        Self { renderer, guests: HashMap::new(), pictures: HashMap::new(), used: HashMap::new() }
    }

    /// Lets go of what only this screen showed.
    pub fn forget_screen(&mut self, screen: u32) {
        self.used.remove(&screen);
        self.forget_unused();
    }

    /// Lets go of a grant's memory.
    pub fn forget_grant(&mut self, qube: QubeId, grant: u32) {
        self.guests.retain(|key, (texture, _)| key.qube != qube || !texture.reads(grant));
    }

    /// Lets go of all that a qube had on the screen.
    pub fn forget_qube(&mut self, qube: QubeId) {
        self.guests.retain(|key, _| key.qube != qube);
    }

    /// Draws `scene` onto `target`, which holds what was drawn `age` scenes ago (0: anything);
    /// `tracker` has seen all that was drawn there.
    pub fn draw(
        &mut self,
        target: &mut R::Framebuffer<'_>,
        tracker: &mut OutputDamageTracker,
        scene: &Scene,
        age: usize,
    ) -> Result<Drawn, DamageError<R::Error>> {
        let quads = self.quads(scene);
        let result = tracker.render_output(&mut self.renderer, target, age, &quads, scene.background)?;
        Ok(Drawn { damage: result.damage.cloned().unwrap_or_default() })
    }

    /// What there is to draw of `scene`, front to back, for whoever keeps count of damage himself.
    /// Textures that neither it nor another screen's last scene needs are let go.
    pub fn quads(&mut self, scene: &Scene) -> Vec<Quad<R::TextureId>> {
        let larger = |quad: Quad<_>| match scene.magnified {
            Some(magnifier) => quad.magnified(magnifier),
            None => quad,
        };
        let quads = scene.items.iter().filter_map(|item| self.quad(item)).map(larger).collect();
        self.used.insert(scene.screen, used(scene));
        self.forget_unused();
        quads
    }

    fn quad(&mut self, item: &Item) -> Option<Quad<R::TextureId>> {
        match item {
            Item::Solid { id, commit, rect, color } => Some(Quad {
                id: id.clone(),
                fill: Fill::Color(*color),
                changes: Changes::Counter(*commit),
                dst: *rect,
                clip: *rect,
                opaque: color.is_opaque(),
                pointer: None,
            }),
            Item::Picture { picture, at, clip } => {
                let dst = Rectangle::new(*at, picture.size());
                let clip = clip.map_or(Some(dst), |clip| clip.intersection(dst))?;
                let texture = self.picture(picture)?;
                let src = Rectangle::from_size((f64::from(dst.size.w), f64::from(dst.size.h)).into());
                Some(Quad {
                    id: picture.id.clone(),
                    fill: Fill::Texture { texture, src, transform: Transform::Normal },
                    changes: Changes::Counter(CommitCounter::default()),
                    dst,
                    clip,
                    opaque: picture.opaque,
                    pointer: picture.pointer.clone(),
                })
            }
            Item::Guest { key, id, content, damage, dst, clip } => {
                let clip = clip.intersection(*dst)?;
                if let (Pixels::Solid, PictureMemory::Solid(argb)) = (&content.pixels, content.picture.memory)
                {
                    let channel = |shift: u32| (argb >> shift & 0xff) as f32 / 255.0;
                    let color = Color32F::new(channel(16), channel(8), channel(0), channel(24));
                    return Some(Quad {
                        id: id.clone(),
                        fill: Fill::Color(color),
                        changes: Changes::Damage(damage.clone(), content.buffer_size()),
                        dst: *dst,
                        clip,
                        opaque: color.is_opaque(),
                        pointer: None,
                    });
                }
                let since = self.guests.get(key).map(|(_, commit)| *commit);
                let changed = damage.damage_since(since);
                let old = self.guests.remove(key).map(|(texture, _)| texture);
                let imported = self.renderer.import_guest(content, old, changed.as_deref());
                let imported = match imported {
                    Ok(imported) => imported,
                    Err(error) => {
                        // The window's backdrop stays in its place.
                        warn!(qube = key.qube.0, window = key.window, %error, "a picture cannot be drawn");
                        return None;
                    }
                };
                let texture = imported.texture.clone();
                self.guests.insert(*key, (imported, damage.current_commit()));
                let opaque = match content.picture.memory {
                    PictureMemory::Grant { format, .. } => is_opaque(format),
                    PictureMemory::Solid(argb) => argb >> 24 == 0xff,
                };
                Some(Quad {
                    id: id.clone(),
                    fill: Fill::Texture { texture, src: source(content), transform: content.transform },
                    changes: Changes::Damage(damage.clone(), content.buffer_size()),
                    dst: *dst,
                    clip,
                    opaque,
                    pointer: None,
                })
            }
        }
    }

    fn picture(&mut self, picture: &super::scene::Picture) -> Option<R::TextureId> {
        if let Some(texture) = self.pictures.get(&picture.id) {
            return Some(texture.clone());
        }
        let size = (picture.image.width as i32, picture.image.height as i32).into();
        let format = if picture.opaque { Fourcc::Xrgb8888 } else { Fourcc::Argb8888 };
        match self.renderer.import_memory(&picture.image.data, format, size, false) {
            Ok(texture) => {
                self.pictures.insert(picture.id.clone(), texture.clone());
                Some(texture)
            }
            Err(error) => {
                warn!(%error, "a picture of dom0 cannot be drawn");
                None
            }
        }
    }

    fn forget_unused(&mut self) {
        let used = &self.used;
        self.pictures.retain(|id, _| used.values().any(|used| used.pictures.contains(id)));
        self.guests.retain(|key, _| used.values().any(|used| used.guests.contains(key)));
    }
}

fn used(scene: &Scene) -> Used {
    let mut used = Used::default();
    for item in &scene.items {
        match item {
            Item::Picture { picture, .. } => drop(used.pictures.insert(picture.id.clone())),
            Item::Guest { key, .. } => drop(used.guests.insert(*key)),
            Item::Solid { .. } => {}
        }
    }
    used
}

/// The part of the buffer that is shown, in buffer pixels.
fn source(content: &Content) -> Rectangle<f64, smithay::utils::Buffer> {
    let buffer = content.buffer_size().to_f64();
    match content.source {
        None => Rectangle::from_size(buffer),
        Some(source) => {
            let scale = f64::from(content.scale.max(1));
            let size =
                content.transform.transform_size(buffer).to_logical(scale, smithay::utils::Transform::Normal);
            source.to_buffer(scale, content.transform, &size)
        }
    }
}
