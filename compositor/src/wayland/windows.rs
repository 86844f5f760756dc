//! Surfaces of dom0's programs as windows of the local link. Ids are never used twice.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
};

use smithay::{
    reexports::wayland_server::{
        Resource,
        protocol::{wl_buffer::WlBuffer, wl_callback::WlCallback, wl_surface::WlSurface},
    },
    utils::Serial,
    wayland::{
        compositor::{get_parent, get_role, with_states},
        presentation::PresentationFeedbackCallback,
        shell::{
            wlr_layer::LayerSurface,
            xdg::{PopupSurface, ToplevelSurface},
        },
    },
};
use transom_protocol::{message::ToDom0, types::Request};

use crate::Desktop;

/// What a window is to its program.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// `xdg_toplevel`.
    Toplevel(ToplevelSurface),
    /// `xdg_popup`; the desktop's serial of the event that justifies its grab, if it grabs.
    Popup(PopupSurface, Option<u32>),
    /// `zwlr_layer_surface_v1`: to the link a toplevel, to the desktop no window.
    Layer(LayerSurface),
    /// `wl_subsurface`.
    Subsurface,
    /// The pointer's picture.
    Cursor,
    /// Follows the pointer in a drag.
    DragIcon,
    /// Words to choose from, of the input method; to the link a small picture as a cursor is.
    Candidates,
}

impl Role {
    pub(super) fn is_toplevel(&self) -> bool {
        matches!(self, Self::Toplevel(_))
    }
}

/// A window.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) surface: WlSurface,
    pub(super) role: Role,
    /// The link knows of it.
    pub(super) announced: bool,
    /// Commits that the desktop may still read, and their buffers.
    pub(super) uses: BTreeMap<u32, WlBuffer>,
    pub(super) callbacks: Vec<WlCallback>,
    pub(super) feedback: BTreeMap<u32, Vec<PresentationFeedbackCallback>>,
    /// Configures that the program has not acknowledged: its serial, the link's.
    pub(super) configures: VecDeque<(Serial, u32)>,
    /// Order and places of subsurfaces as the link was told: 0 stands for the surface itself.
    pub(super) children: Vec<(u32, (i32, i32))>,
    /// Size limits as the link was told.
    pub(super) limits: [u32; 4],
    /// A wish from before the link knew of the window.
    pub(super) early_wish: Option<Request>,
    /// Scale to draw at, in 120ths; 0: not told.
    pub(super) scale: u32,
}

/// All windows.
#[derive(Debug, Default)]
pub(super) struct Windows {
    pub(super) by_id: BTreeMap<u32, Window>,
    next: u32,
}

/// The id of a surface's window, kept with the surface; 0: none.
#[derive(Debug, Default)]
struct WindowId(Cell<u32>);

/// The window of a surface.
pub(super) fn id_of(surface: &WlSurface) -> Option<u32> {
    if !surface.is_alive() {
        return None;
    }
    let id = with_states(surface, |states| states.data_map.get::<WindowId>().map_or(0, |id| id.0.get()));
    (id != 0).then_some(id)
}

fn set_id(surface: &WlSurface, id: u32) {
    if surface.is_alive() {
        with_states(surface, |states| states.data_map.get_or_insert(WindowId::default).0.set(id));
    }
}

impl Windows {
    /// Makes a window of a surface.
    pub(super) fn create(&mut self, surface: &WlSurface, role: Role) -> u32 {
        self.next += 1;
        set_id(surface, self.next);
        let window = Window {
            surface: surface.clone(),
            role,
            announced: false,
            uses: BTreeMap::new(),
            callbacks: Vec::new(),
            feedback: BTreeMap::new(),
            configures: VecDeque::new(),
            children: Vec::new(),
            limits: [0; 4],
            early_wish: None,
            scale: 0,
        };
        self.by_id.insert(self.next, window);
        self.next
    }

    pub(super) fn get(&self, id: u32) -> Option<&Window> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Window> {
        self.by_id.get_mut(&id)
    }

    /// A window that the link knows of.
    pub(super) fn announced(&self, id: u32) -> Option<&Window> {
        self.get(id).filter(|window| window.announced)
    }

    /// The window of a surface, also when the surface is gone already.
    pub(super) fn find(&self, surface: &WlSurface) -> Option<u32> {
        self.by_id.iter().find(|(_, window)| window.surface == *surface).map(|(id, _)| *id)
    }

    /// The desktop reads the buffer of a commit no more. It goes back to its program when no other
    /// commit shows it.
    pub(super) fn released(&mut self, id: u32, serial: u32) {
        if let Some(buffer) = self.get_mut(id).and_then(|window| window.uses.remove(&serial)) {
            self.give_back(&buffer);
        }
    }

    fn give_back(&self, buffer: &WlBuffer) {
        let used = self.by_id.values().any(|window| window.uses.values().any(|other| other == buffer));
        if !used && buffer.is_alive() {
            buffer.release();
        }
    }

    fn remove(&mut self, id: u32) -> Option<Window> {
        let mut window = self.by_id.remove(&id)?;
        for buffer in std::mem::take(&mut window.uses).into_values() {
            self.give_back(&buffer);
        }
        for feedback in std::mem::take(&mut window.feedback).into_values().flatten() {
            feedback.discarded();
        }
        set_id(&window.surface, 0);
        Some(window)
    }
}

impl Window {
    /// The surface it hangs on.
    pub(super) fn parent(&self) -> Option<WlSurface> {
        match &self.role {
            Role::Toplevel(toplevel) => toplevel.parent(),
            Role::Popup(popup, _) => popup.get_parent_surface(),
            Role::Subsurface => self.surface.is_alive().then(|| get_parent(&self.surface)).flatten(),
            Role::Layer(_) | Role::Cursor | Role::DragIcon | Role::Candidates => None,
        }
    }
}

impl Desktop {
    /// The window of a surface with a role; subsurfaces become one here.
    pub(super) fn local_window(&mut self, surface: &WlSurface) -> Option<u32> {
        let found = id_of(surface);
        if found.is_none() && get_role(surface) == Some("subsurface") && get_parent(surface).is_some() {
            return Some(self.wayland.windows.create(surface, Role::Subsurface));
        }
        found
    }

    /// Destroys the window of a surface and all that hangs on it.
    pub(super) fn local_surface_gone(&mut self, surface: &WlSurface) {
        if let Some(id) = self.wayland.windows.find(surface) {
            self.destroy_local(id);
        }
    }

    pub(super) fn destroy_local(&mut self, id: u32) {
        let Some(window) = self.wayland.windows.get(id) else { return };
        let surface = window.surface.clone();
        // Newest first: the link wants no window to lose its parent.
        let children: Vec<u32> = self
            .wayland
            .windows
            .by_id
            .iter()
            .rev()
            .filter(|(child, w)| {
                **child != id && !w.role.is_toplevel() && w.parent().as_ref() == Some(&surface)
            })
            .map(|(child, _)| *child)
            .collect();
        for child in children {
            self.destroy_local(child);
        }
        self.forget_local_focus(id);
        let Some(window) = self.wayland.windows.remove(id) else { return };
        if window.announced {
            self.say(id, 0, &ToDom0::WindowDestroy(()));
        } else if let Some(key) = self.local_key(id) {
            // The link says it of those that it knows.
            self.layer_gone(key);
        }
        if let Role::Popup(popup, _) = window.role
            && popup.alive()
        {
            popup.send_popup_done();
        }
    }
}
