//! What a program commits, as one message and without touching a pixel.

use smithay::{
    reexports::wayland_server::{
        Resource,
        protocol::{wl_buffer::WlBuffer, wl_callback::WlCallback, wl_output, wl_surface::WlSurface},
    },
    utils::{Buffer, Logical, Rectangle, Size},
    wayland::{
        compositor::{
            BufferAssignment, Damage, SurfaceAttributes, SurfaceData, is_sync_subsurface, with_states,
        },
        presentation::{PresentationFeedbackCachedState, PresentationFeedbackCallback},
        shell::xdg::SurfaceCachedState,
        single_pixel_buffer::get_single_pixel_buffer,
        viewporter::{ViewportCachedState, ensure_viewport_valid},
    },
};
use tracing::{debug, warn};
use transom_protocol::{
    limits::{MAX_BUFFERS_IN_FLIGHT, MAX_DIMENSION, MAX_OFFSET, MAX_RECTS},
    message::{Commit, ToDom0, commit_flags, tail_bytes},
    types::{BufferChange, Fixed, FixedRect, Format, Rect, Transform},
    wire::With,
};

use super::{Appearance, Picture, id_of, region, tree::take_up_places};
use crate::{
    Agent,
    memory::{GrantError, grants::Location},
    wayland::shm::ShmBuffer,
};

/// What is new in a commit.
#[derive(Debug, Default)]
struct News {
    /// A new picture, or none any more.
    buffer: Option<BufferAssignment>,
    damage: Vec<Damage>,
    delta: (i32, i32),
    callbacks: Vec<WlCallback>,
    feedback: Vec<PresentationFeedbackCallback>,
}

/// Takes what is new out of a surface's committed state.
fn take_news(states: &SurfaceData) -> News {
    let mut cached = states.cached_state.get::<SurfaceAttributes>();
    let current = cached.current();
    let delta = current.buffer_delta.take().unwrap_or_default();
    let far = |v: i32| v.clamp(-MAX_OFFSET, MAX_OFFSET);
    let mut news = News {
        buffer: current.buffer.take(),
        damage: std::mem::take(&mut current.damage),
        delta: (far(delta.x), far(delta.y)),
        callbacks: std::mem::take(&mut current.frame_callbacks),
        feedback: Vec::new(),
    };
    drop(cached);
    let mut cached = states.cached_state.get::<PresentationFeedbackCachedState>();
    news.feedback = std::mem::take(&mut cached.current().callbacks);
    news
}

/// State that lasts from commit to commit.
fn appearance(states: &SurfaceData) -> Appearance {
    let mut appearance = Appearance::default();
    {
        let mut cached = states.cached_state.get::<SurfaceAttributes>();
        let current = cached.current();
        appearance.scale = current.buffer_scale.clamp(1, 16) as u8;
        appearance.transform = transform(current.buffer_transform);
        // A region too fine for a message: nothing is promised to be opaque, input goes to all of it.
        appearance.opaque = current.opaque_region.as_ref().and_then(region::rects).unwrap_or_default();
        appearance.input =
            current.input_region.as_ref().map(|r| region::rects(r).unwrap_or_else(|| region::bounds(r)));
    }
    {
        let mut cached = states.cached_state.get::<ViewportCachedState>();
        let viewport = cached.current();
        appearance.source = viewport.src.map(|r| [r.loc.x, r.loc.y, r.size.w, r.size.h]);
        appearance.destination = viewport.dst.map(|s| (s.w.max(1) as u32, s.h.max(1) as u32));
    }
    let mut cached = states.cached_state.get::<SurfaceCachedState>();
    if let Some(g) = cached.current().geometry {
        appearance.content =
            region::clamp(g.loc.x, g.loc.y, g.size.w, g.size.h).unwrap_or(appearance.content);
    }
    appearance
}

fn transform(transform: wl_output::Transform) -> Transform {
    match transform {
        wl_output::Transform::_90 => Transform::Rot90,
        wl_output::Transform::_180 => Transform::Rot180,
        wl_output::Transform::_270 => Transform::Rot270,
        wl_output::Transform::Flipped => Transform::Flipped,
        wl_output::Transform::Flipped90 => Transform::Flipped90,
        wl_output::Transform::Flipped180 => Transform::Flipped180,
        wl_output::Transform::Flipped270 => Transform::Flipped270,
        _ => Transform::Normal,
    }
}

impl Picture {
    /// Size in buffer pixels.
    pub(crate) fn size(&self) -> (u32, u32) {
        match self {
            Self::Shm(_, shm) => (shm.width, shm.height),
            Self::Solid(_) => (1, 1),
        }
    }
}

impl Appearance {
    /// Size of a surface that shows a picture of this size, in logical pixels.
    pub(crate) fn surface_size(&self, (width, height): (u32, u32)) -> (u32, u32) {
        if let Some(destination) = self.destination {
            return destination;
        }
        if let Some([_, _, w, h]) = self.source {
            return (w.ceil() as u32, h.ceil() as u32);
        }
        let turned = matches!(
            self.transform,
            Transform::Rot90 | Transform::Rot270 | Transform::Flipped90 | Transform::Flipped270
        );
        let (width, height) = if turned { (height, width) } else { (width, height) };
        (width.div_ceil(self.scale.into()), height.div_ceil(self.scale.into()))
    }

    /// Damage in buffer pixels; all of it where that cannot be told more closely.
    fn damage(&self, damage: &[Damage], size: (u32, u32)) -> Vec<Rect> {
        let whole = vec![Rect::new(0, 0, size.0 as i32, size.1 as i32)];
        let buffer = Rectangle::<i32, Buffer>::from_size((size.0 as i32, size.1 as i32).into());
        let mut out: Vec<Rect> = Vec::new();
        for damage in damage {
            let rect = match damage {
                Damage::Buffer(rect) => *rect,
                Damage::Surface(rect) => {
                    if self.source.is_some() || self.destination.is_some() {
                        return whole;
                    }
                    let (w, h) = self.surface_size(size);
                    let area: Size<i32, Logical> = (w as i32, h as i32).into();
                    let Some(cut) = rect.intersection(Rectangle::from_size(area)) else { continue };
                    cut.to_buffer(i32::from(self.scale), smithay_transform(self.transform), &area)
                }
            };
            if let Some(cut) = rect.intersection(buffer) {
                out.push(Rect::new(cut.loc.x, cut.loc.y, cut.size.w, cut.size.h));
            }
        }
        if out.len() > MAX_RECTS { whole } else { out }
    }
}

fn smithay_transform(transform: Transform) -> smithay::utils::Transform {
    use smithay::utils::Transform as T;
    match transform {
        Transform::Normal => T::Normal,
        Transform::Rot90 => T::_90,
        Transform::Rot180 => T::_180,
        Transform::Rot270 => T::_270,
        Transform::Flipped => T::Flipped,
        Transform::Flipped90 => T::Flipped90,
        Transform::Flipped180 => T::Flipped180,
        Transform::Flipped270 => T::Flipped270,
    }
}

/// What was committed to a surface that has no role yet.
#[derive(Debug, Default)]
pub(crate) struct Roleless {
    buffer: Option<WlBuffer>,
    callbacks: Vec<WlCallback>,
}

impl Roleless {
    /// It was given a picture.
    pub(crate) fn has_picture(&self) -> bool {
        self.buffer.is_some()
    }
}

impl Agent {
    /// A program's commit has taken effect.
    pub(crate) fn committed(&mut self, surface: &WlSurface) {
        self.ensure_window(surface);
        let Some(id) = id_of(surface) else {
            // No role yet, or one that shows nothing. Frames that are asked for are answered once it is shown:
            // some programs ask long before, and wait.
            let news = with_states(surface, take_news);
            let early = self.roleless.entry(surface.id()).or_default();
            early.callbacks.extend(news.callbacks);
            match news.buffer {
                Some(BufferAssignment::NewBuffer(buffer)) => early.buffer = Some(buffer),
                Some(BufferAssignment::Removed) => early.buffer = None,
                None => {}
            }
            return;
        };
        let (mut news, appearance) = with_states(surface, |states| (take_news(states), appearance(states)));
        if let Some(early) = self.roleless.remove(&surface.id()) {
            news.callbacks.splice(0..0, early.callbacks);
            news.buffer = news.buffer.or(early.buffer.map(BufferAssignment::NewBuffer));
        }
        let unmapped = matches!(news.buffer, Some(BufferAssignment::Removed));
        let Some(window) = self.windows.get_mut(id) else { return };
        let had_picture = window.picture.is_some();
        window.appearance = appearance;
        window.callbacks.append(&mut news.callbacks);
        if unmapped && had_picture && (window.role.is_toplevel() || window.role.is_popup()) {
            // The program starts again from the beginning with this surface.
            let role = window.role.clone();
            self.destroy_window(id);
            self.windows.create(surface, role);
            return;
        }
        if let Some(assignment) = news.buffer.take() {
            let picture = match assignment {
                BufferAssignment::Removed => None,
                BufferAssignment::NewBuffer(buffer) => picture(surface, buffer),
            };
            self.show(id, picture);
        }
        let Some(window) = self.windows.get(id) else { return };
        if let Some(picture) = &window.picture {
            let (w, h) = picture.size();
            let mut plain = window.appearance.clone();
            (plain.source, plain.destination) = (None, None);
            let (w, h) = plain.surface_size((w, h));
            let valid =
                with_states(surface, |states| ensure_viewport_valid(states, (w as i32, h as i32).into()));
            if !valid {
                return;
            }
        }
        self.tell_state(id);
        take_up_places(surface);
        self.tell_children(id);
        if let Some(bounds) = self.bounds_beyond(id)
            && let Some(window) = self.windows.get_mut(id)
        {
            window.appearance.content = bounds;
        }
        let hold = is_sync_subsurface(surface);
        self.send_commit(id, hold, &news.damage, news.delta, news.feedback);
        self.refresh_pointer();
    }

    /// A window shows another picture from now on.
    fn show(&mut self, id: u32, picture: Option<Picture>) {
        let Some(window) = self.windows.by_id.get_mut(&id) else { return };
        let kept = std::mem::take(&mut window.kept);
        let old = std::mem::replace(&mut window.picture, picture);
        // Until dom0 is told, the agent keeps the new buffer.
        let new = match &window.picture {
            Some(Picture::Shm(buffer, _)) => Some(buffer.clone()),
            _ => None,
        };
        window.kept = new.is_some();
        if let Some(buffer) = new {
            self.windows.hold(&buffer);
        }
        if let (true, Some(Picture::Shm(buffer, _))) = (kept, &old) {
            self.windows.let_go(buffer);
        }
    }

    /// Sends what a window shows, or puts it off until dom0 can take it.
    fn send_commit(
        &mut self,
        id: u32,
        hold: bool,
        damage: &[Damage],
        delta: (i32, i32),
        feedback: Vec<PresentationFeedbackCallback>,
    ) {
        let Some(window) = self.windows.by_id.get_mut(&id) else { return };
        let Some((link, grants, last_commit)) = self.dom0.open_with_grants() else {
            feedback.into_iter().for_each(PresentationFeedbackCallback::discarded);
            return;
        };
        if !window.announced {
            feedback.into_iter().for_each(PresentationFeedbackCallback::discarded);
            return;
        }
        let configured = link.session().window(id).is_some_and(|w| w.configured);
        let needs_configure = window.role.is_toplevel() || window.role.is_popup();
        let wait = (needs_configure && !configured && window.picture.is_some())
            || window.uses.len() + 1 >= MAX_BUFFERS_IN_FLIGHT
            || link.is_busy();
        if wait && window.initial {
            window.deferred = true;
            feedback.into_iter().for_each(PresentationFeedbackCallback::discarded);
            return;
        }
        let mut message = Message::new(&window.appearance);
        if wait {
            // dom0 has to see a first commit before it configures.
            message.fixed.buffer = BufferChange::Detach;
            window.deferred = true;
        } else {
            let size = window.picture.as_ref().map_or((0, 0), Picture::size);
            message.damage = if window.deferred {
                vec![Rect::new(0, 0, size.0 as i32, size.1 as i32)]
            } else {
                window.appearance.damage(damage, size)
            };
            match &window.picture {
                None => message.fixed.buffer = BufferChange::Detach,
                Some(Picture::Solid(color)) => {
                    message.fixed.buffer = BufferChange::Solid;
                    message.fixed.color = (*color).into();
                }
                Some(Picture::Shm(_, shm)) if !window.kept => {
                    grants.kept(id, shm, &message.damage);
                    message.fixed.buffer = BufferChange::Keep;
                }
                Some(Picture::Shm(buffer, shm)) => match grants.for_buffer(link, id, shm, &message.damage) {
                    Ok(location) => message.attach(location, shm),
                    Err(GrantError::NoPins) => {
                        // The whole connection begins anew when transom-pin is back.
                        window.deferred = true;
                        feedback.into_iter().for_each(PresentationFeedbackCallback::discarded);
                        return;
                    }
                    Err(error) => {
                        warn!(%error, "a program's window cannot be shown");
                        if let Some(client) = buffer.client() {
                            let reason = smithay::reexports::wayland_server::backend::DisconnectReason::ConnectionClosed;
                            self.display.backend_handle().kill_client(client.id(), reason);
                        }
                        return;
                    }
                },
            }
            window.deferred = false;
        }
        let attach = message.fixed.buffer == BufferChange::Attach;
        message.fixed.delta_x = delta.0.into();
        message.fixed.delta_y = delta.1.into();
        message.fixed.flags |= if hold { commit_flags::HOLD } else { 0 };
        message.fixed.flags |= if window.callbacks.is_empty() { 0 } else { commit_flags::WANT_FRAME };
        message.fixed.flags |= if feedback.is_empty() { 0 } else { commit_flags::WANT_PRESENTED };
        *last_commit = last_commit.wrapping_add(1).max(1);
        let serial = *last_commit;
        if !message.send(link, id, serial) {
            feedback.into_iter().for_each(PresentationFeedbackCallback::discarded);
            return;
        }
        window.initial = true;
        if !feedback.is_empty() {
            window.feedback.insert(serial, feedback);
        }
        if attach && let Some(Picture::Shm(buffer, _)) = &window.picture {
            // The agent's hold becomes dom0's.
            window.kept = false;
            window.uses.insert(serial, buffer.clone());
        }
        debug!(window = id, serial, "commit");
    }

    /// Sends what was put off, or what dom0 has not seen on this connection.
    pub(crate) fn send_again(&mut self, id: u32) {
        let Some(window) = self.windows.get_mut(id) else { return };
        window.deferred = true;
        let hold = is_sync_subsurface(&window.surface);
        self.send_commit(id, hold, &[], (0, 0), Vec::new());
    }

    /// Sends what could not be sent before.
    pub(crate) fn send_deferred(&mut self) {
        let waiting: Vec<u32> =
            self.windows.by_id.iter().filter(|(_, w)| w.deferred && w.announced).map(|(id, _)| *id).collect();
        for id in waiting {
            self.send_again(id);
        }
    }
}

/// A buffer as a picture; a program's unknown kind of buffer shows nothing.
fn picture(surface: &WlSurface, buffer: WlBuffer) -> Option<Picture> {
    if let Some(shm) = buffer.data::<ShmBuffer>() {
        return Some(Picture::Shm(buffer.clone(), shm.clone()));
    }
    if let Ok(pixel) = get_single_pixel_buffer(&buffer) {
        let [r, g, b, a] = pixel.rgba8888().map(u32::from);
        buffer.release();
        return Some(Picture::Solid(a << 24 | r << 16 | g << 8 | b));
    }
    warn!(surface = ?surface.id(), "a buffer of a kind that was not offered");
    None
}

/// A commit being put together.
struct Message {
    fixed: Commit,
    damage: Vec<Rect>,
    opaque: Vec<Rect>,
    input: Option<Vec<Rect>>,
}

impl Message {
    fn new(appearance: &Appearance) -> Self {
        let fixed_rect = |v: [f64; 4]| {
            let [x, y, width, height] = v.map(Fixed::from);
            FixedRect { x, y, width, height }
        };
        let (dest_width, dest_height) = appearance.destination.unwrap_or_default();
        let fixed = Commit {
            buffer: BufferChange::Keep,
            format: Format::Argb8888,
            transform: appearance.transform,
            scale: appearance.scale,
            flags: 0,
            damage: 0,
            opaque: 0,
            input: 0,
            grant: 0.into(),
            offset: 0.into(),
            width: 0.into(),
            height: 0.into(),
            stride: 0.into(),
            color: 0.into(),
            source: fixed_rect(appearance.source.unwrap_or_default()),
            dest_width: dest_width.min(MAX_DIMENSION).into(),
            dest_height: dest_height.min(MAX_DIMENSION).into(),
            content: appearance.content,
            delta_x: 0.into(),
            delta_y: 0.into(),
        };
        Self { fixed, damage: Vec::new(), opaque: appearance.opaque.clone(), input: appearance.input.clone() }
    }

    fn attach(&mut self, location: Location, shm: &ShmBuffer) {
        self.fixed.buffer = BufferChange::Attach;
        self.fixed.format = shm.format;
        self.fixed.grant = location.grant.into();
        self.fixed.offset = location.offset.into();
        self.fixed.width = shm.width.into();
        self.fixed.height = shm.height.into();
        self.fixed.stride = shm.stride.into();
    }

    fn send(mut self, link: &mut crate::dom0::Link, window: u32, serial: u32) -> bool {
        let input = self.input.as_deref();
        self.fixed.damage = self.damage.len() as u8;
        self.fixed.opaque = self.opaque.len() as u8;
        self.fixed.input = input.map_or(0, |rects| rects.len() as u8);
        self.fixed.flags |= if input.is_some() { commit_flags::INPUT_REGION } else { 0 };
        let lists = [self.damage.as_slice(), &self.opaque, input.unwrap_or_default()];
        let tail: Vec<u8> = lists.into_iter().flat_map(tail_bytes).copied().collect();
        link.send(window, serial, &ToDom0::Commit(With { fixed: &self.fixed, tail: &tail }))
    }
}
