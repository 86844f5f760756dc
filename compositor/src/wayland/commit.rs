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
use transom_protocol::{
    limits::{MAX_DIMENSION, MAX_OFFSET, MAX_RECTS},
    message::{Commit, ToDom0, commit_flags, tail_bytes},
    types::{BufferChange, Fixed, FixedRect, Format, Rect, Transform},
    wire::With,
};

use super::{
    handlers::ShmBuffer,
    region,
    windows::{Role, Windows},
};
use crate::Desktop;

/// What a surface has come to with a commit.
#[derive(Debug)]
struct News {
    /// A new picture, or none any more.
    buffer: Option<BufferAssignment>,
    damage: Vec<Damage>,
    callbacks: Vec<WlCallback>,
    feedback: Vec<PresentationFeedbackCallback>,
    /// Everything that lasts from commit to commit.
    fixed: Commit,
    opaque: Vec<Rect>,
    input: Option<Vec<Rect>>,
}

/// Takes what is new out of a surface's state, and reads the rest.
fn news(states: &SurfaceData) -> News {
    let mut cached = states.cached_state.get::<SurfaceAttributes>();
    let current = cached.current();
    let far = |v: i32| v.clamp(-MAX_OFFSET, MAX_OFFSET).into();
    let delta = current.buffer_delta.take().unwrap_or_default();
    let mut news = News {
        buffer: current.buffer.take(),
        damage: std::mem::take(&mut current.damage),
        callbacks: std::mem::take(&mut current.frame_callbacks),
        feedback: Vec::new(),
        // A region too fine for a message: nothing is promised to be opaque, input goes to all of it.
        opaque: current.opaque_region.as_ref().and_then(region::rects).unwrap_or_default(),
        input: current.input_region.as_ref().and_then(region::rects),
        fixed: Commit {
            buffer: BufferChange::Keep,
            format: Format::Argb8888,
            transform: transform(current.buffer_transform),
            scale: current.buffer_scale.clamp(1, 16) as u8,
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
            source: FixedRect { x: 0.0.into(), y: 0.0.into(), width: 0.0.into(), height: 0.0.into() },
            dest_width: 0.into(),
            dest_height: 0.into(),
            content: Rect::new(0, 0, 0, 0),
            delta_x: far(delta.x),
            delta_y: far(delta.y),
        },
    };
    drop(cached);
    let mut cached = states.cached_state.get::<PresentationFeedbackCachedState>();
    news.feedback = std::mem::take(&mut cached.current().callbacks);
    let mut cached = states.cached_state.get::<ViewportCachedState>();
    let viewport = cached.current();
    if let Some(src) = viewport.src {
        let [x, y, width, height] = [src.loc.x, src.loc.y, src.size.w, src.size.h].map(Fixed::from);
        news.fixed.source = FixedRect { x, y, width, height };
    }
    if let Some(dst) = viewport.dst {
        let side = |v: i32| (v.max(1) as u32).min(MAX_DIMENSION).into();
        (news.fixed.dest_width, news.fixed.dest_height) = (side(dst.w), side(dst.h));
    }
    let mut cached = states.cached_state.get::<SurfaceCachedState>();
    if let Some(content) = cached.current().geometry.and_then(region::clamp) {
        news.fixed.content = region::wire(content);
    }
    news
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

impl News {
    fn has_viewport(&self) -> bool {
        !self.fixed.source.is_unset() || self.fixed.dest_width.get() != 0
    }

    /// A buffer's size in logical pixels, without a viewport.
    fn logical(&self, size: Size<i32, Buffer>) -> Size<i32, Logical> {
        let scale = i32::from(self.fixed.scale);
        let turned = crate::qubes::surface::transform(self.fixed.transform).transform_size(size);
        ((turned.w + scale - 1) / scale, (turned.h + scale - 1) / scale).into()
    }

    /// Damage in buffer pixels; all of it where that cannot be told more closely.
    fn damage(&self, size: Size<i32, Buffer>) -> Vec<Rect> {
        let whole = Rectangle::from_size(size);
        let area = self.logical(size);
        let in_buffer = |damage: &Damage| match damage {
            Damage::Buffer(rect) => rect.intersection(whole),
            Damage::Surface(_) if self.has_viewport() => Some(whole),
            Damage::Surface(rect) => {
                let cut = rect.intersection(Rectangle::from_size(area))?;
                let turn = crate::qubes::surface::transform(self.fixed.transform);
                cut.to_buffer(i32::from(self.fixed.scale), turn, &area).intersection(whole)
            }
        };
        let rects: Vec<Rect> = self.damage.iter().filter_map(in_buffer).map(region::wire).collect();
        if rects.len() > MAX_RECTS { vec![region::wire(whole)] } else { rects }
    }
}

impl Desktop {
    /// A program's commit has taken effect.
    pub(super) fn local_commit(&mut self, surface: &WlSurface) {
        self.take_up_commit(surface);
        self.layer_asks(surface);
    }

    fn take_up_commit(&mut self, surface: &WlSurface) {
        // Without a role, or a parent that is known, all of it stays with the surface until there is.
        let Some(id) = self.local_window(surface) else { return };
        self.announce(id);
        if self.wayland.windows.announced(id).is_none() {
            return;
        }
        let mut news = with_states(surface, news);
        let Some(window) = self.wayland.windows.get_mut(id) else { return };
        window.callbacks.append(&mut news.callbacks);
        let role = window.role.clone();
        let assigned = news.buffer.take();
        if matches!(assigned, Some(BufferAssignment::Removed)) && self.begins_anew(id, surface, &role) {
            return;
        }
        // A picture waits for the first configure; to say that there is none does not.
        let configured = match (&role, &assigned) {
            (Role::Toplevel(toplevel), Some(BufferAssignment::NewBuffer(_))) => toplevel.ensure_configured(),
            (Role::Popup(popup, _), Some(BufferAssignment::NewBuffer(_))) => popup.ensure_configured(),
            (Role::Layer(layer), Some(BufferAssignment::NewBuffer(_))) => layer.ensure_configured(),
            _ => true,
        };
        if !configured {
            return;
        }
        match assigned {
            None => self.send_commit(id, surface, news, None),
            Some(BufferAssignment::Removed) => {
                news.fixed.buffer = BufferChange::Detach;
                self.send_commit(id, surface, news, None);
            }
            Some(BufferAssignment::NewBuffer(buffer)) => match self.attach(&mut news.fixed, &buffer) {
                Ok(held) => self.send_commit(id, surface, news, held.then_some(buffer)),
                Err(reason) => Self::refuse_program(surface, &reason),
            },
        }
    }

    /// Puts a buffer into a commit. `true`: the desktop reads it until it is released.
    fn attach(&mut self, fixed: &mut Commit, buffer: &WlBuffer) -> Result<bool, String> {
        if let Some(shm) = buffer.data::<ShmBuffer>() {
            fixed.grant = self.grant_for(shm)?.into();
            fixed.buffer = BufferChange::Attach;
            fixed.format = shm.format;
            fixed.offset = shm.offset.into();
            fixed.width = shm.width.into();
            fixed.height = shm.height.into();
            fixed.stride = shm.stride.into();
            return Ok(true);
        }
        let pixel = get_single_pixel_buffer(buffer).map_err(|_| "a kind of buffer that was not offered")?;
        let [r, g, b, a] = pixel.rgba8888().map(u32::from);
        fixed.buffer = BufferChange::Solid;
        fixed.color = (a << 24 | r << 16 | g << 8 | b).into();
        buffer.release();
        Ok(false)
    }

    /// A toplevel or popup without a picture begins again as one that was never shown. `true`: it
    /// had one before.
    fn begins_anew(&mut self, id: u32, surface: &WlSurface, role: &Role) -> bool {
        let shown = self.local_link().and_then(|link| link.session().window(id)?.picture).is_some();
        match role {
            Role::Toplevel(toplevel) if shown => toplevel.reset_initial_configure_sent(),
            Role::Popup(popup, _) if shown => popup.reset_initial_configure_sent(),
            Role::Layer(layer) if shown => {
                self.layer_begins_anew(layer, id);
                return true;
            }
            _ => return false,
        }
        self.destroy_local(id);
        self.wayland.windows.create(surface, role.clone());
        true
    }

    fn send_commit(&mut self, id: u32, surface: &WlSurface, mut news: News, buffer: Option<WlBuffer>) {
        let picture = match news.fixed.buffer {
            BufferChange::Attach => Some((news.fixed.width.get(), news.fixed.height.get())),
            BufferChange::Solid => Some((1, 1)),
            BufferChange::Keep => {
                let shown = self.local_link().and_then(|link| link.session().window(id)?.picture);
                shown.map(|picture| (picture.width, picture.height))
            }
            BufferChange::Detach => None,
        };
        let mut damage = Vec::new();
        if let Some((w, h)) = picture {
            let size = Size::from((w as i32, h as i32));
            if news.has_viewport()
                && !with_states(surface, |states| ensure_viewport_valid(states, news.logical(size)))
            {
                return;
            }
            damage = news.damage(size);
        }
        self.tell_limits(id);
        self.tell_children(id);
        let feedback = std::mem::take(&mut news.feedback);
        let Some(window) = self.wayland.windows.get(id) else { return };
        let fixed = &mut news.fixed;
        for (on, flag) in [
            (is_sync_subsurface(surface), commit_flags::HOLD),
            (!window.callbacks.is_empty(), commit_flags::WANT_FRAME),
            (!feedback.is_empty(), commit_flags::WANT_PRESENTED),
            (news.input.is_some(), commit_flags::INPUT_REGION),
        ] {
            fixed.flags |= if on { flag } else { 0 };
        }
        let lists = [damage, news.opaque, news.input.unwrap_or_default()];
        [fixed.damage, fixed.opaque, fixed.input] = [0, 1, 2].map(|list: usize| lists[list].len() as u8);
        let tail: Vec<u8> = lists.iter().flat_map(|list| tail_bytes(list)).copied().collect();
        self.wayland.last_commit = self.wayland.last_commit.wrapping_add(1).max(1);
        let serial = self.wayland.last_commit;
        // The buffer is the desktop's before it hears of it: it may give it back at once.
        let held = buffer.is_some();
        if let Some(window) = self.wayland.windows.get_mut(id) {
            window.uses.extend(buffer.map(|buffer| (serial, buffer)));
            if !feedback.is_empty() {
                window.feedback.insert(serial, feedback);
            }
        }
        let commit = ToDom0::Commit(With { fixed, tail: &tail });
        if let Err(error) = self.try_say(None, id, serial, &commit) {
            Self::refuse_program(surface, &error.to_string());
            if held {
                Windows::released(&mut self.wayland.windows, id, serial);
            }
        }
    }
}
