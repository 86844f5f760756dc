//! `ext_foreign_toplevel_list_v1` and `zwlr_foreign_toplevel_manager_v1`: which windows there are, and for
//! the second what a taskbar does with them. What is told is in `toplevels`.

use std::collections::{BTreeMap, btree_map::Entry};

use smithay::{
    delegate_foreign_toplevel_list,
    reexports::{
        wayland_protocols_wlr::foreign_toplevel::v1::server::{
            zwlr_foreign_toplevel_handle_v1::{self, State as WireState, ZwlrForeignToplevelHandleV1},
            zwlr_foreign_toplevel_manager_v1::{self, ZwlrForeignToplevelManagerV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, backend::ClientId,
            protocol::wl_output::WlOutput,
        },
    },
    wayland::foreign_toplevel_list::{
        ForeignToplevelHandle, ForeignToplevelListHandler, ForeignToplevelListState,
    },
};
use transom_protocol::types::Request;

use crate::{
    Desktop,
    render::scene::SurfaceKey,
    wayland::toplevels::{News, State, Toplevel},
};

/// Most managers of all programs together.
const MOST: usize = 32;

/// A manager that listens, and its handles.
type Manager = (ZwlrForeignToplevelManagerV1, BTreeMap<SurfaceKey, Handle>);

/// A window as one program has it.
#[derive(Debug)]
struct Handle {
    resource: ZwlrForeignToplevelHandleV1,
    /// Screens that the program was told it is on.
    entered: Vec<u32>,
}

/// Managers of programs.
#[derive(Debug, Default)]
pub(in crate::wayland) struct Taskbars {
    managers: Vec<Manager>,
    /// Too many. They end with the turn: what is being bound cannot end at once.
    refused: Vec<ZwlrForeignToplevelManagerV1>,
}

impl Taskbars {
    /// The window of a handle that was not closed. Numbers of windows may come again; handles do not.
    fn window(&self, handle: &ZwlrForeignToplevelHandleV1) -> Option<SurfaceKey> {
        let key = *handle.data::<SurfaceKey>()?;
        self.managers
            .iter()
            .any(|(_, handles)| handles.get(&key).is_some_and(|h| h.resource == *handle))
            .then_some(key)
    }
}

fn states(state: State, version: u32) -> Vec<u8> {
    let all = [
        (state.maximised, WireState::Maximized),
        (state.minimised, WireState::Minimized),
        (state.activated, WireState::Activated),
        (state.fullscreen && version >= 2, WireState::Fullscreen),
    ];
    all.into_iter().filter(|(on, _)| *on).flat_map(|(_, state)| (state as u32).to_ne_bytes()).collect()
}

impl Desktop {
    /// A window changed, or is new.
    pub(in crate::wayland) fn toplevel_changed(&mut self, key: SurfaceKey, news: News) {
        let mut taskbars = std::mem::take(&mut self.wayland.taskbars.managers);
        if let Some(told) = self.wayland.toplevels.told.get(&key) {
            for manager in &mut taskbars {
                self.tell_taskbar(manager, key, told, news);
            }
        }
        self.wayland.taskbars.managers = taskbars;
    }

    fn tell_taskbar(
        &self,
        (manager, handles): &mut Manager,
        key: SurfaceKey,
        told: &Toplevel,
        mut news: News,
    ) {
        let version = manager.version();
        if let Entry::Vacant(place) = handles.entry(key) {
            let Some(client) = manager.client() else { return };
            let made = client.create_resource::<ZwlrForeignToplevelHandleV1, _, Self>(
                &self.wayland.handle,
                version,
                key,
            );
            let Ok(resource) = made else { return };
            manager.toplevel(&resource);
            place.insert(Handle { resource, entered: Vec::new() });
            news = News::ALL;
        }
        let parent = told.parent.and_then(|parent| handles.get(&parent)).map(|h| h.resource.clone());
        let Some(handle) = handles.get_mut(&key) else { return };
        if news.screens {
            self.tell_taskbar_screens(handle, told);
        }
        let handle = &handle.resource;
        if news.title {
            handle.title(told.title.clone());
        }
        if news.app_id {
            handle.app_id(told.app_id.clone());
        }
        if news.state {
            handle.state(states(told.state, version));
        }
        if news.parent && version >= 3 {
            handle.parent(parent.as_ref());
        }
        handle.done();
    }

    /// Tells on which outputs a window is to be seen, where that changed.
    fn tell_taskbar_screens(&self, handle: &mut Handle, told: &Toplevel) {
        let Some(client) = handle.resource.client() else { return };
        let before = std::mem::replace(&mut handle.entered, told.screens.clone());
        for (screen, output) in self.wayland.outputs.iter() {
            let (was, is) = (before.contains(&screen), told.screens.contains(&screen));
            for output in output.client_outputs(&client).filter(|_| was != is) {
                if is {
                    handle.resource.output_enter(&output);
                } else {
                    handle.resource.output_leave(&output);
                }
            }
        }
    }

    /// A program has bound an output: handles that it has are told of it.
    pub(in crate::wayland) fn taskbar_binds_output(&self, screen: u32, output: &WlOutput) {
        let client = output.client();
        for (manager, handles) in &self.wayland.taskbars.managers {
            if manager.client() != client {
                continue;
            }
            for handle in handles.values().filter(|handle| handle.entered.contains(&screen)) {
                handle.resource.output_enter(output);
                handle.resource.done();
            }
        }
    }

    /// A window is gone.
    pub(in crate::wayland) fn toplevel_closed(&mut self, key: SurfaceKey) {
        for (_, handles) in &mut self.wayland.taskbars.managers {
            if let Some(handle) = handles.remove(&key) {
                handle.resource.closed();
            }
        }
    }

    /// The end of a turn: managers that are too many hear nothing.
    pub(in crate::wayland) fn refuse_taskbars(&mut self) {
        for manager in self.wayland.taskbars.refused.drain(..) {
            manager.finished();
        }
    }

    /// A window is new in the list.
    pub(in crate::wayland) fn list_new(&mut self, title: String, app_id: String) -> ForeignToplevelHandle {
        self.wayland.globals.foreign_toplevels.new_toplevel::<Self>(title, app_id)
    }

    /// A window is gone from the list.
    pub(in crate::wayland) fn unlist(&mut self, listed: &ForeignToplevelHandle) {
        self.wayland.globals.foreign_toplevels.remove_toplevel(listed);
    }
}

impl ForeignToplevelListHandler for Desktop {
    fn foreign_toplevel_list_state(&mut self) -> &mut ForeignToplevelListState {
        &mut self.wayland.globals.foreign_toplevels
    }
}

delegate_foreign_toplevel_list!(Desktop);

impl GlobalDispatch<ZwlrForeignToplevelManagerV1, ()> for Desktop {
    fn bind(
        desktop: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwlrForeignToplevelManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let manager = init.init(manager, ());
        if desktop.wayland.taskbars.managers.len() >= MOST {
            desktop.wayland.taskbars.refused.push(manager);
            return;
        }
        let mut manager = (manager, BTreeMap::new());
        for (key, told) in &desktop.wayland.toplevels.told {
            desktop.tell_taskbar(&mut manager, *key, told, News::ALL);
        }
        desktop.wayland.taskbars.managers.push(manager);
    }
}

impl Dispatch<ZwlrForeignToplevelManagerV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        manager: &ZwlrForeignToplevelManagerV1,
        request: zwlr_foreign_toplevel_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        if let zwlr_foreign_toplevel_manager_v1::Request::Stop = request {
            desktop.wayland.taskbars.managers.retain(|(kept, _)| kept != manager);
            manager.finished();
        }
    }

    fn destroyed(desktop: &mut Self, _: ClientId, manager: &ZwlrForeignToplevelManagerV1, (): &()) {
        desktop.wayland.taskbars.managers.retain(|(kept, _)| kept != manager);
    }
}

impl Dispatch<ZwlrForeignToplevelHandleV1, SurfaceKey> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        handle: &ZwlrForeignToplevelHandleV1,
        request: zwlr_foreign_toplevel_handle_v1::Request,
        _: &SurfaceKey,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use zwlr_foreign_toplevel_handle_v1::Request as R;
        if let R::SetRectangle { width, height, .. } = request
            && (width < 0 || height < 0)
        {
            handle.post_error(zwlr_foreign_toplevel_handle_v1::Error::InvalidRectangle, "a negative size");
            return;
        }
        let Some(key) = desktop.wayland.taskbars.window(handle) else { return };
        match request {
            R::Activate { .. } => desktop.toplevel_activate(key),
            R::Close => desktop.close_window(key),
            R::SetMaximized => desktop.request(key, Request::Maximise),
            R::UnsetMaximized => desktop.request(key, Request::Unmaximise),
            R::SetMinimized => desktop.request(key, Request::Minimise),
            R::UnsetMinimized => desktop.unminimise(key),
            R::SetFullscreen { output } => {
                let output = output.as_ref().and_then(smithay::output::Output::from_resource);
                match output.and_then(|output| desktop.wayland.outputs.screen(&output)) {
                    Some(screen) => desktop.fullscreen_on(key, screen),
                    None => desktop.request(key, Request::Fullscreen),
                }
            }
            R::UnsetFullscreen => desktop.request(key, Request::Unfullscreen),
            _ => {}
        }
    }

    fn destroyed(desktop: &mut Self, _: ClientId, handle: &ZwlrForeignToplevelHandleV1, key: &SurfaceKey) {
        for (_, handles) in &mut desktop.wayland.taskbars.managers {
            if handles.get(key).is_some_and(|kept| kept.resource == *handle) {
                handles.remove(key);
            }
        }
    }
}
