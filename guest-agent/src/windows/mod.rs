//! Surfaces of the qube's programs as windows of dom0.
//!
//! A surface becomes a window when it has a role and makes its first commit. Ids are never used
//! twice while the agent runs. A window outlives the connection: with a new one it is announced
//! again with what it last showed.

pub(crate) mod commit;
pub(crate) mod region;
pub(crate) mod roles;
pub(crate) mod tree;

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap, VecDeque},
};

use smithay::{
    reexports::wayland_server::{
        Client, Resource,
        backend::ObjectId,
        protocol::{wl_buffer::WlBuffer, wl_callback::WlCallback, wl_surface::WlSurface},
    },
    utils::Serial,
    wayland::{
        compositor::{SurfaceData, with_states},
        presentation::PresentationFeedbackCallback,
        shell::xdg::{PopupSurface, ToplevelSurface},
    },
    xwayland::X11Surface,
};
use transom_protocol::{
    message::{Time, ToDom0},
    types::{Rect, Request, Transform},
};

use crate::{Agent, wayland::shm::ShmBuffer};

/// What a window is to its program.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// `xdg_toplevel`.
    Toplevel(ToplevelSurface),
    /// `xdg_popup`; the serial of the event that justifies its grab, if it grabs.
    Popup(PopupSurface, Option<u32>),
    /// A managed window of X11.
    X11(X11Surface),
    /// A window of X11 that no window manager may touch: menus and the like.
    X11Popup(X11Surface),
    /// `wl_subsurface`.
    Subsurface,
    /// The pointer's picture.
    Cursor,
    /// Follows the pointer in a drag.
    DragIcon,
}

impl Role {
    pub(crate) fn is_toplevel(&self) -> bool {
        matches!(self, Self::Toplevel(_) | Self::X11(_))
    }

    pub(crate) fn is_popup(&self) -> bool {
        matches!(self, Self::Popup(..) | Self::X11Popup(_))
    }
}

/// What a surface shows.
#[derive(Clone, Debug)]
pub(crate) enum Picture {
    /// A piece of a pool.
    Shm(WlBuffer, ShmBuffer),
    /// One colour.
    Solid(u32),
}

/// How a surface shows it: state that lasts from commit to commit.
#[derive(Clone, Debug)]
pub(crate) struct Appearance {
    pub(crate) scale: u8,
    pub(crate) transform: Transform,
    /// Viewport source: x, y, width, height.
    pub(crate) source: Option<[f64; 4]>,
    /// Viewport destination.
    pub(crate) destination: Option<(u32, u32)>,
    pub(crate) opaque: Vec<Rect>,
    /// `None`: everything.
    pub(crate) input: Option<Vec<Rect>>,
    pub(crate) content: Rect,
}

impl Default for Appearance {
    fn default() -> Self {
        Self {
            scale: 1,
            transform: Transform::Normal,
            source: None,
            destination: None,
            opaque: Vec::new(),
            input: None,
            content: Rect::new(0, 0, 0, 0),
        }
    }
}

/// A window.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) surface: WlSurface,
    pub(crate) role: Role,
    /// dom0 knows of it on this connection.
    pub(crate) announced: bool,
    /// dom0 had its first commit on this connection.
    pub(crate) initial: bool,
    /// A configure of this connection has to be answered without the program: it showed its
    /// picture before.
    pub(crate) restoring: bool,
    pub(crate) picture: Option<Picture>,
    /// The agent keeps the picture's buffer from its program, as dom0 has not been told of it.
    kept: bool,
    /// Commits that dom0 may still read, and their buffers.
    uses: BTreeMap<u32, WlBuffer>,
    /// What was committed last has not been sent yet.
    pub(crate) deferred: bool,
    pub(crate) appearance: Appearance,
    callbacks: Vec<WlCallback>,
    feedback: BTreeMap<u32, Vec<PresentationFeedbackCallback>>,
    /// Configures that the program has not acknowledged: its serial, dom0's.
    configures: VecDeque<(Serial, u32)>,
    /// Order and places of subsurfaces as dom0 was told: 0 stands for the surface itself.
    children: Vec<(u32, (i32, i32))>,
    /// Size limits as dom0 was told.
    limits: [u32; 4],
    pub(crate) idle_inhibit: bool,
    /// A wish the program had before dom0 knew of the window.
    pub(crate) early_wish: Option<Request>,
    /// Scale that dom0 prefers, in 120ths; 0: not told.
    pub(crate) scale: u32,
    pub(crate) outputs: Vec<u32>,
}

/// All windows.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    pub(crate) by_id: BTreeMap<u32, Window>,
    next: u32,
    /// How often each buffer is in use; at none it goes back to its program.
    held: HashMap<ObjectId, usize>,
}

/// The id of a surface's window, kept with the surface; 0: none.
#[derive(Debug, Default)]
struct WindowId(Cell<u32>);

/// The window of a surface.
pub(crate) fn id_of(surface: &WlSurface) -> Option<u32> {
    if !surface.is_alive() {
        return None;
    }
    with_states(surface, id_of_states)
}

/// As [`id_of`], where the surface's data are at hand.
fn id_of_states(states: &SurfaceData) -> Option<u32> {
    states.data_map.get::<WindowId>().map(|id| id.0.get()).filter(|id| *id != 0)
}

fn set_id(surface: &WlSurface, id: u32) {
    if surface.is_alive() {
        with_states(surface, |states| states.data_map.get_or_insert(WindowId::default).0.set(id));
    }
}

impl Windows {
    /// Makes a window of a surface.
    pub(crate) fn create(&mut self, surface: &WlSurface, role: Role) -> u32 {
        self.next += 1;
        let id = self.next;
        set_id(surface, id);
        let window = Window {
            surface: surface.clone(),
            role,
            announced: false,
            initial: false,
            restoring: false,
            picture: None,
            kept: false,
            uses: BTreeMap::new(),
            deferred: false,
            appearance: Appearance::default(),
            callbacks: Vec::new(),
            feedback: BTreeMap::new(),
            configures: VecDeque::new(),
            children: Vec::new(),
            limits: [0; 4],
            idle_inhibit: false,
            early_wish: None,
            scale: 0,
            outputs: Vec::new(),
        };
        self.by_id.insert(id, window);
        id
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Window> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Window> {
        self.by_id.get_mut(&id)
    }

    fn hold(&mut self, buffer: &WlBuffer) {
        *self.held.entry(buffer.id()).or_default() += 1;
    }

    fn let_go(&mut self, buffer: &WlBuffer) {
        let Some(count) = self.held.get_mut(&buffer.id()) else { return };
        *count -= 1;
        if *count == 0 {
            self.held.remove(&buffer.id());
            if buffer.is_alive() {
                buffer.release();
            }
        }
    }

    /// dom0 reads the buffer of a commit no more.
    pub(crate) fn released(&mut self, id: u32, serial: u32) {
        let buffer = self.by_id.get_mut(&id).and_then(|window| window.uses.remove(&serial));
        if let Some(buffer) = buffer {
            self.let_go(&buffer);
        }
    }

    /// dom0 reads nothing of a window any more.
    fn all_released(&mut self, id: u32) {
        let Some(window) = self.by_id.get_mut(&id) else { return };
        for buffer in std::mem::take(&mut window.uses).into_values() {
            self.let_go(&buffer);
        }
    }

    /// The connection is gone: buffers go back to their programs, but for what each window shows.
    pub(crate) fn forget_dom0(&mut self) {
        let ids: Vec<u32> = self.by_id.keys().copied().collect();
        for id in ids {
            let Some(window) = self.by_id.get_mut(&id) else { continue };
            window.announced = false;
            window.initial = false;
            window.restoring = false;
            window.configures.clear();
            window.children.clear();
            window.limits = [0; 4];
            window.outputs.clear();
            for callback in std::mem::take(&mut window.feedback).into_values().flatten() {
                callback.discarded();
            }
            let shown = match &window.picture {
                Some(Picture::Shm(buffer, _)) if !window.kept => Some(buffer.clone()),
                _ => None,
            };
            if let Some(buffer) = shown {
                window.kept = true;
                self.hold(&buffer);
            }
            self.all_released(id);
        }
    }

    /// A window is no more: all its buffers go back.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Window> {
        self.all_released(id);
        let mut window = self.by_id.remove(&id)?;
        if let (true, Some(Picture::Shm(buffer, _))) = (window.kept, &window.picture) {
            self.let_go(&buffer.clone());
        }
        if window.surface.is_alive() && id_of(&window.surface) == Some(id) {
            set_id(&window.surface, 0);
        }
        for callback in std::mem::take(&mut window.feedback).into_values().flatten() {
            callback.discarded();
        }
        Some(window)
    }
}

impl Agent {
    /// The number of the window that shows a program's surface, by the program's own number of it.
    pub fn window_of(&self, program: &Client, surface: u32) -> Option<u32> {
        let is_it = |window: &Window| {
            window.surface.id().protocol_id() == surface && window.surface.client().as_ref() == Some(program)
        };
        self.windows.by_id.iter().find(|(_, window)| is_it(window)).map(|(id, _)| *id)
    }

    /// Destroys a window and all that hangs on it.
    pub(crate) fn destroy_window(&mut self, id: u32) {
        let Some(window) = self.windows.get(id) else { return };
        let surface = window.surface.clone();
        // Popups first, newest first; then subsurfaces: dom0 wants no window to lose its parent.
        let children: Vec<u32> = self
            .windows
            .by_id
            .iter()
            .rev()
            .filter(|(child, window)| **child != id && self.parent_of(window).as_ref() == Some(&surface))
            .filter(|(_, window)| !window.role.is_toplevel())
            .map(|(child, _)| *child)
            .collect();
        for child in children {
            self.destroy_window(child);
        }
        self.forget_focus(&surface);
        let Some(window) = self.windows.remove(id) else { return };
        if window.announced
            && let Some(link) = self.dom0.open()
        {
            link.send(id, 0, &ToDom0::WindowDestroy(()));
        }
        match window.role {
            Role::Popup(popup, _) if popup.alive() => popup.send_popup_done(),
            _ => {}
        }
    }

    /// dom0: a good moment to draw again.
    pub(crate) fn frame_done(&mut self, id: u32, time: Time) {
        let Some(window) = self.windows.get_mut(id) else { return };
        for callback in std::mem::take(&mut window.callbacks) {
            callback.done(time.time.get());
        }
    }

    /// dom0's end is gone: input ends, buffers come back.
    pub(crate) fn forget_dom0(&mut self) {
        self.drags_gone();
        self.input_gone();
        self.windows.forget_dom0();
        self.transfers_gone();
        self.dom0.grants.reset();
        self.notifications_gone();
    }
}

impl Window {
    /// Wishes to know when a commit was shown.
    pub(crate) fn take_feedback(&mut self, serial: u32) -> Vec<PresentationFeedbackCallback> {
        self.feedback.remove(&serial).unwrap_or_default()
    }
}
