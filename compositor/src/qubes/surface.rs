//! The picture of one window of a qube, as dom0 knows it: content, regions, children.
//!
//! Everything in here has passed the protocol's checks. What it says about size and place is the
//! qube's wish; where it may be drawn is decided by `render::scene` alone (rule FRAME).

use std::{rc::Rc, time::Duration};

use smithay::{
    backend::renderer::{element::Id, utils::DamageBag},
    utils::{Buffer, Logical, Point, Rectangle, Size, Transform},
};
use transom_hypervisor::memory::GrantMap;
use transom_protocol::{
    message::{Commit, commit_flags},
    session::{Picture, PictureMemory, WindowRole},
    types::{self, BufferChange, Positioner},
    wire::With,
};

use super::on_screens::Told;

/// Where the pixels of a content lie.
#[derive(Clone, Debug)]
pub enum Pixels {
    /// In a granted piece of the qube's memory.
    Grant {
        /// The grant's id, for revoking.
        grant: u32,
        /// The mapping; lives as long as somebody may read it.
        map: Rc<GrantMap>,
    },
    /// In dom0's own memory: kept when the grant of a picture still on screen was revoked. Rows
    /// are tight: 4 × width bytes each.
    Kept(Rc<[u8]>),
    /// Nowhere: one colour.
    Solid,
}

/// What a surface shows.
#[derive(Clone, Debug)]
pub struct Content {
    /// Sizes and layout, checked.
    pub picture: Picture,
    /// The pixels.
    pub pixels: Pixels,
    /// The commit that attached the buffer; named when it is released.
    pub serial: u32,
    /// How the buffer is turned.
    pub transform: Transform,
    /// Cut-out of the buffer that is shown, in buffer pixels after transform and scale, as the
    /// viewport says; `None`: all of it.
    pub source: Option<Rectangle<f64, Logical>>,
    /// Buffer scale.
    pub scale: u8,
}

impl Content {
    /// Size of the surface in logical pixels.
    pub fn size(&self) -> Size<i32, Logical> {
        (self.picture.surface_width as i32, self.picture.surface_height as i32).into()
    }

    /// Size of the buffer.
    pub fn buffer_size(&self) -> Size<i32, Buffer> {
        (self.picture.width as i32, self.picture.height as i32).into()
    }
}

/// State that comes with a commit.
#[derive(Debug, Default)]
struct Pending {
    /// `None`: the buffer stays; `Some(None)`: it goes.
    #[expect(clippy::option_option, reason = "two questions: is it new, and is there one")]
    content: Option<Option<Content>>,
    damage: Vec<Rectangle<i32, Buffer>>,
    regions: Regions,
    want_frame: bool,
    presented: Vec<u32>,
    delta: Point<i32, Logical>,
}

/// Regions of a surface, in surface coordinates.
#[derive(Clone, Debug, Default)]
pub struct Regions {
    /// The window's content; empty: the whole surface.
    pub geometry: Rectangle<i32, Logical>,
    /// What takes input; `None`: everything.
    pub input: Option<Vec<Rectangle<i32, Logical>>>,
    /// What is opaque.
    pub opaque: Vec<Rectangle<i32, Logical>>,
}

/// A popup's rules and the place dom0 gave it.
#[derive(Clone, Copy, Debug)]
pub struct Popup {
    /// Rules.
    pub positioner: Positioner,
    /// Takes the pointer of its qube until dismissed.
    pub grab: bool,
    /// Serial of the event that justifies the grab.
    pub grab_serial: u32,
    /// Content rectangle relative to the parent's content rectangle.
    pub rect: Rectangle<i32, Logical>,
    /// Token of the last reposition that was not answered yet, 0: none.
    pub token: u32,
    /// dom0 has asked for its end; it takes no more input.
    pub dismissed: bool,
}

/// A window of a qube.
#[derive(Debug)]
pub struct Surface {
    /// What it is.
    pub role: WindowRole,
    /// Parent of a popup or subsurface, transient parent of a toplevel; 0: none.
    pub parent: u32,
    /// Cleaned title.
    pub title: String,
    /// Cleaned application id.
    pub app_id: String,
    /// Subsurface: position in the parent's surface coordinates.
    pub place: Point<i32, Logical>,
    pending_place: Option<Point<i32, Logical>>,
    /// Children below and above this surface, bottom first.
    pub below: Vec<u32>,
    /// See `below`.
    pub above: Vec<u32>,
    /// Wanted order of children, taken up with the next commit.
    pending_order: Option<(Vec<u32>, Vec<u32>)>,
    /// What it shows.
    pub content: Option<Content>,
    /// Regions.
    pub regions: Regions,
    /// Damage history in buffer pixels.
    pub damage: DamageBag<i32, Buffer>,
    /// Identity for damage tracking.
    pub element: Id,
    /// The program wants to know when to draw again.
    pub wants_frame: bool,
    /// Commits that want to know when they were shown.
    pub presented: Vec<u32>,
    /// Popup state, for popups.
    pub popup: Option<Popup>,
    /// Hot-spot movement for cursors and drag icons.
    pub delta: Point<i32, Logical>,
    /// When the last frame callback was sent; hidden windows get one a second.
    pub last_frame: Duration,
    /// The first commit has come: dom0 has answered with a configure.
    pub initial: bool,
    /// The screen that it was told to draw for.
    pub(super) told_screen: Option<Told>,
    pending: Option<Pending>,
}

/// What applying a commit means for others.
#[derive(Debug, Default)]
pub struct Applied {
    /// Commits whose buffers dom0 reads no more.
    pub released: Vec<u32>,
    /// Commits that will never be shown.
    pub discarded: Vec<u32>,
    /// Something to see changed.
    pub changed: bool,
}

impl Surface {
    /// An empty window.
    pub fn new(role: WindowRole, parent: u32) -> Self {
        Self {
            role,
            parent,
            title: String::new(),
            app_id: String::new(),
            place: Point::default(),
            pending_place: None,
            below: Vec::new(),
            above: Vec::new(),
            pending_order: None,
            content: None,
            regions: Regions::default(),
            damage: DamageBag::new(8),
            element: Id::new(),
            wants_frame: false,
            presented: Vec::new(),
            popup: None,
            delta: Point::default(),
            last_frame: Duration::ZERO,
            initial: false,
            told_screen: None,
            pending: None,
        }
    }

    /// The rectangle that counts as the window, in surface coordinates.
    pub fn geometry(&self) -> Rectangle<i32, Logical> {
        let geometry = self.regions.geometry;
        if geometry.is_empty() {
            Rectangle::from_size(self.content.as_ref().map(Content::size).unwrap_or_default())
        } else {
            geometry
        }
    }

    /// True if a point in surface coordinates takes input.
    pub fn takes_input(&self, at: Point<f64, Logical>) -> bool {
        let Some(content) = &self.content else { return false };
        Rectangle::from_size(content.size()).to_f64().contains(at)
            && self.regions.input.as_ref().is_none_or(|r| r.iter().any(|r| r.to_f64().contains(at)))
    }

    /// Position for a subsurface; taken up with the parent's commit.
    pub fn set_pending_place(&mut self, at: Point<i32, Logical>) {
        self.pending_place = Some(at);
    }

    /// Puts `child` next to `sibling` (or, if that is this surface's own id, next to itself).
    pub fn restack(&mut self, own: u32, child: u32, sibling: u32, put_above: bool) {
        let (mut below, mut above) =
            self.pending_order.take().unwrap_or_else(|| (self.below.clone(), self.above.clone()));
        below.retain(|c| *c != child);
        above.retain(|c| *c != child);
        if sibling == own {
            if put_above {
                above.insert(0, child);
            } else {
                below.push(child);
            }
        } else {
            for list in [&mut below, &mut above] {
                if let Some(at) = list.iter().position(|c| *c == sibling) {
                    list.insert(at + usize::from(put_above), child);
                }
            }
        }
        // The sibling may have gone in the meantime: the child must not be lost.
        if !below.contains(&child) && !above.contains(&child) {
            above.push(child);
        }
        self.pending_order = Some((below, above));
    }

    /// Forgets a child that is gone.
    pub fn remove_child(&mut self, child: u32) {
        self.below.retain(|c| *c != child);
        self.above.retain(|c| *c != child);
        if let Some((below, above)) = &mut self.pending_order {
            below.retain(|c| *c != child);
            above.retain(|c| *c != child);
        }
    }

    /// Takes in a commit without showing it.
    ///
    /// `picture` is what the state machine made of it; `map` is the grant's mapping for `Attach`.
    pub fn stage(
        &mut self,
        serial: u32,
        commit: &With<'_, Commit>,
        picture: Option<Picture>,
        map: Option<Rc<GrantMap>>,
        applied: &mut Applied,
    ) {
        let before = match self.pending.as_ref().and_then(|p| p.content.as_ref()) {
            Some(staged) => staged.clone(),
            None => self.content.clone(),
        };
        let fixed = commit.fixed;
        let pixels = match (fixed.buffer, picture.map(|p| p.memory), map) {
            (BufferChange::Attach, Some(PictureMemory::Grant { grant, .. }), Some(map)) => {
                Some((Pixels::Grant { grant, map }, serial))
            }
            (BufferChange::Solid, ..) => Some((Pixels::Solid, serial)),
            (BufferChange::Keep, ..) => before.map(|b| (b.pixels, b.serial)),
            _ => None,
        };
        let content = match (picture, pixels) {
            (Some(picture), Some((pixels, serial))) => Some(Content {
                picture,
                pixels,
                serial,
                transform: transform(fixed.transform),
                source: (!fixed.source.is_unset()).then(|| source(fixed)),
                scale: fixed.scale,
            }),
            _ => None,
        };
        let pending = self.pending.get_or_insert_default();
        if let Some(Some(old)) = pending.content.take()
            && matches!(old.pixels, Pixels::Grant { .. })
            && content.as_ref().is_none_or(|c| c.serial != old.serial)
        {
            // A staged buffer that was replaced before it was ever shown.
            applied.released.push(old.serial);
        }
        pending.content = Some(content);
        pending.damage.extend(commit.damage().iter().map(|r| rect(*r)));
        if pending.damage.len() > 4 * transom_protocol::limits::MAX_RECTS {
            let all = pending.damage.iter().copied().reduce(Rectangle::merge);
            pending.damage = all.into_iter().collect();
        }
        pending.regions = Regions {
            geometry: rect(fixed.content),
            input: commit.input().map(|list| list.iter().map(|r| rect(*r)).collect()),
            opaque: commit.opaque().iter().map(|r| rect(*r)).collect(),
        };
        pending.want_frame |= fixed.flags & commit_flags::WANT_FRAME != 0;
        if fixed.flags & commit_flags::WANT_PRESENTED != 0 {
            applied.discarded.append(&mut pending.presented);
            pending.presented.push(serial);
        }
        pending.delta += (fixed.delta_x.get(), fixed.delta_y.get()).into();
    }

    /// Makes the staged state the one that is shown.
    pub fn apply(&mut self, applied: &mut Applied) {
        if let Some((below, above)) = self.pending_order.take() {
            applied.changed |= (&below, &above) != (&self.below, &self.above);
            (self.below, self.above) = (below, above);
        }
        let Some(pending) = self.pending.take() else { return };
        if let Some(content) = pending.content {
            let old = std::mem::replace(&mut self.content, content);
            let same_buffer = match (&old, &self.content) {
                (Some(old), Some(new)) => old.serial == new.serial,
                (None, None) => true,
                _ => false,
            };
            if let Some(old) = old
                && !same_buffer
                && matches!(old.pixels, Pixels::Grant { .. })
            {
                applied.released.push(old.serial);
            }
            applied.changed |= !same_buffer;
        }
        let bounds =
            Rectangle::from_size(self.content.as_ref().map(Content::buffer_size).unwrap_or_default());
        let damage: Vec<_> = pending.damage.into_iter().filter_map(|r| r.intersection(bounds)).collect();
        applied.changed |= !damage.is_empty();
        if !damage.is_empty() {
            self.damage.add(damage);
        }
        applied.changed |= self.regions.geometry != pending.regions.geometry;
        self.regions = pending.regions;
        self.wants_frame |= pending.want_frame;
        if !pending.presented.is_empty() {
            applied.discarded.append(&mut self.presented);
            self.presented = pending.presented;
        }
        self.delta += pending.delta;
    }

    /// Takes up the place that was asked for; part of the parent's commit.
    pub fn apply_place(&mut self, applied: &mut Applied) {
        if let Some(place) = self.pending_place.take() {
            applied.changed |= place != self.place;
            self.place = place;
        }
    }

    /// Every buffer this surface still holds, for the case that its grant ends.
    pub fn replace_grant(&mut self, grant: u32, keep: impl Fn(&Content) -> Pixels) -> Vec<u32> {
        let mut replaced = Vec::new();
        let staged = self.pending.as_mut().and_then(|p| p.content.as_mut()).and_then(Option::as_mut);
        for content in self.content.as_mut().into_iter().chain(staged) {
            if matches!(content.pixels, Pixels::Grant { grant: g, .. } if g == grant) {
                content.pixels = keep(content);
                if !replaced.contains(&content.serial) {
                    replaced.push(content.serial);
                }
            }
        }
        replaced
    }
}

fn rect<K>(r: types::Rect) -> Rectangle<i32, K> {
    let (x, y, width, height) = r.get();
    Rectangle::new((x, y).into(), (width.max(0), height.max(0)).into())
}

fn source(commit: &Commit) -> Rectangle<f64, Logical> {
    let s = commit.source;
    Rectangle::new((s.x.to_f64(), s.y.to_f64()).into(), (s.width.to_f64(), s.height.to_f64()).into())
}

/// A transform of the protocol.
pub(crate) fn transform(t: types::Transform) -> Transform {
    match t {
        types::Transform::Normal => Transform::Normal,
        types::Transform::Rot90 => Transform::_90,
        types::Transform::Rot180 => Transform::_180,
        types::Transform::Rot270 => Transform::_270,
        types::Transform::Flipped => Transform::Flipped,
        types::Transform::Flipped90 => Transform::Flipped90,
        types::Transform::Flipped180 => Transform::Flipped180,
        types::Transform::Flipped270 => Transform::Flipped270,
    }
}
