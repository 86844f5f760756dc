//! Programs of X11, through Xwayland and smithay's window manager.
//!
//! dom0 tells no qube where its windows are (NO-ORACLE). So every managed window of X11 stands at
//! the corner of a screen of its own, as far as X11 knows; what a program places relative to its
//! window (menus, tooltips) is placed relative to it on dom0's desktop too.

use std::{
    collections::HashMap,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::Stdio,
    time::Duration,
};

use calloop::{
    Interest, Mode, PostAction,
    generic::Generic,
    timer::{TimeoutAction, Timer},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use smithay::{
    delegate_xwayland_shell,
    reexports::wayland_server::{Client, Resource, protocol::wl_surface::WlSurface},
    utils::{Logical, Rectangle},
    wayland::{
        selection::SelectionTarget,
        xwayland_shell::{XWaylandShellHandler, XWaylandShellState},
    },
    xwayland::{
        X11Surface, X11Wm, XWayland, XwmHandler,
        xwm::{Reorder, ResizeEdge, WmWindowProperty, X11Window, XwmId},
    },
};
use tracing::{debug, info, warn};
use transom_protocol::{
    message::{Configure, PopupReposition, ToDom0},
    types::{Request, edges, states},
};

use crate::{
    Agent, AgentError,
    windows::{Role, id_of, roles::exactly_at},
};

/// How long after the end of one Xwayland the next is started.
const AGAIN: Duration = Duration::from_secs(1);
/// So many in a row that end before they are ready, and none is started any more.
const MAX_FAILURES: u32 = 5;

/// What the agent knows of X11.
#[derive(Debug, Default)]
pub(crate) struct X11 {
    pub(crate) xwm: Option<X11Wm>,
    /// Xwayland itself: it holds its display's number.
    server: Option<XWayland>,
    /// … as a client.
    client: Option<Client>,
    /// Its number, or that of the last one.
    number: Option<u32>,
    /// How many in a row ended before they were ready.
    failures: u32,
    windows: Vec<X11Surface>,
    /// Surfaces of windows, for Xwayland before 23.1, which names them by number.
    numbered: HashMap<X11Window, WlSurface>,
    /// Numbers that windows had before they were hidden: they may name other surfaces by now.
    stale: HashMap<X11Window, u32>,
    /// The managed window that had the keys last.
    focused: Option<X11Surface>,
}

impl X11 {
    /// A managed window has the keys now.
    pub(crate) fn focused(&mut self, window: &X11Surface) {
        self.focused = Some(window.clone());
    }

    /// The surface of a window, if it is known.
    pub(crate) fn surface(&self, window: &X11Surface) -> Option<WlSurface> {
        window
            .wl_surface()
            .or_else(|| self.numbered.get(&window.window_id()).cloned())
            .filter(Resource::is_alive)
    }

    fn by_id(&self, id: X11Window) -> Option<&X11Surface> {
        self.windows.iter().find(|window| window.window_id() == id)
    }

    fn transient_for(&self, window: &X11Surface) -> Option<&X11Surface> {
        window.is_transient_for().and_then(|id| self.by_id(id)).filter(|parent| *parent != window)
    }

    /// The surface of the window that a dialog belongs to.
    pub(crate) fn transient_parent(&self, window: &X11Surface) -> Option<WlSurface> {
        self.transient_for(window)
            .filter(|parent| !parent.is_override_redirect())
            .and_then(|parent| self.surface(parent))
    }

    /// The managed window that a menu or tooltip hangs on: the one it names, else the one the
    /// person used last.
    fn popup_parent_window(&self, window: &X11Surface) -> Option<&X11Surface> {
        let managed = |w: &&X11Surface| !w.is_override_redirect() && self.surface(w).is_some();
        self.transient_for(window)
            .filter(managed)
            .or_else(|| self.focused.as_ref().filter(managed))
            .or_else(|| self.windows.iter().rev().find(managed))
    }

    /// Its surface.
    pub(crate) fn popup_parent(&self, window: &X11Surface) -> Option<WlSurface> {
        self.popup_parent_window(window).and_then(|parent| self.surface(parent))
    }

    /// Where a menu is, relative to the window it hangs on.
    pub(crate) fn relative(&self, window: &X11Surface) -> Rectangle<i32, Logical> {
        let mut rect = window.geometry();
        if let Some(parent) = self.popup_parent_window(window) {
            rect.loc -= parent.geometry().loc;
        }
        rect
    }
}

impl Agent {
    /// Starts Xwayland; returns the number for `DISPLAY`.
    ///
    /// # Errors
    /// It is not installed, or there is no place for its sockets.
    pub fn start_xwayland(&mut self) -> Result<u32, AgentError> {
        let spawn = |number: Option<u32>| {
            let envs = std::iter::empty::<(String, String)>();
            XWayland::spawn(&self.display, number, envs, true, Stdio::null(), Stdio::null(), |_| ())
        };
        // Programs that run already know only the number of the last one.
        let (server, client) = match self.x11.number.map(|number| spawn(Some(number))) {
            Some(Ok(same)) => same,
            _ => spawn(None).map_err(AgentError::Xwayland)?,
        };
        let number = server.display_number();
        self.x11.number = Some(number);
        // Watched here and not as smithay's own source, which takes the end of a server that was never
        // ready for silence, and hears of it for ever.
        let pipe = server.poll_fd().try_clone_to_owned()?;
        self.x11.server = Some(server);
        self.x11.client = Some(client);
        self.handle
            .insert_source(Generic::new(pipe, Interest::READ, Mode::Level), |_, pipe, agent: &mut Self| {
                Ok(agent.xwayland_speaks(pipe.as_fd()))
            })
            .map_err(|error| AgentError::Loop(error.to_string()))?;
        Ok(number)
    }

    /// Xwayland says that it is ready, or has ended before.
    fn xwayland_speaks(&mut self, pipe: BorrowedFd<'_>) -> PostAction {
        let Some(server) = &mut self.x11.server else { return PostAction::Remove };
        match server.take_socket() {
            Ok(Some(socket)) => self.xwayland_ready(socket),
            Ok(None) if !has_ended(pipe) => return PostAction::Continue,
            Ok(None) | Err(_) => self.xwayland_failed("it ended before it was ready"),
        }
        PostAction::Remove
    }

    fn xwayland_ready(&mut self, socket: UnixStream) {
        let (Some(server), Some(client)) = (&self.x11.server, self.x11.client.clone()) else { return };
        let number = server.display_number();
        match X11Wm::start_wm(self.handle.clone(), socket, client) {
            Ok(xwm) => {
                info!(display = number, "X11 programs can run");
                self.service.set_display(number);
                self.x11.xwm = Some(xwm);
                self.x11.failures = 0;
            }
            Err(error) => self.xwayland_failed(&error.to_string()),
        }
    }

    fn xwayland_failed(&mut self, reason: &str) {
        warn!(reason, "Xwayland did not start");
        self.x11.failures += 1;
        self.xwayland_ended();
    }

    /// With Xwayland its windows are gone. Another one is started, unless none ever gets ready.
    fn xwayland_ended(&mut self) {
        // The number is free from here on, so that the next one has it again.
        let X11 { number, failures, .. } = self.x11;
        self.x11 = X11 { number, failures, ..X11::default() };
        let ids: Vec<u32> = self
            .windows
            .by_id
            .iter()
            .filter(|(_, w)| matches!(w.role, Role::X11(_) | Role::X11Popup(_)))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.destroy_window(id);
        }
        if self.x11.failures >= MAX_FAILURES {
            warn!("Xwayland is given up: X11 programs cannot be shown");
            return;
        }
        let timer = Timer::from_duration(AGAIN);
        let again = self.handle.insert_source(timer, |_, (), agent: &mut Self| {
            if let Err(error) = agent.start_xwayland() {
                agent.xwayland_failed(&error.to_string());
            }
            TimeoutAction::Drop
        });
        if let Err(error) = again {
            warn!(%error, "Xwayland is not started again");
        }
    }

    /// dom0 says which size and state a managed window should have.
    pub(crate) fn configure_x11(window: &X11Surface, configure: &Configure) {
        let bits = configure.states.get();
        let size = window.geometry().size;
        let side = |wanted: u32, own: i32| if wanted == 0 { own } else { wanted as i32 };
        let (w, h) = (side(configure.width.get(), size.w), side(configure.height.get(), size.h));
        let results = [
            window.set_maximized(bits & states::MAXIMISED != 0),
            window.set_fullscreen(bits & states::FULLSCREEN != 0),
            window.set_suspended(bits & states::SUSPENDED != 0),
            window.set_activated(bits & states::ACTIVATED != 0),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            debug!(%error, "an X11 window's state cannot be set");
        }
        if (w, h) != (size.w, size.h)
            && let Err(error) = window.configure(Rectangle::new((0, 0).into(), (w, h).into()))
        {
            debug!(%error, "an X11 window cannot be resized");
        }
    }

    fn window_of_x11(&self, window: &X11Surface) -> Option<u32> {
        let same = |role: &Role| matches!(role, Role::X11(own) | Role::X11Popup(own) if own == window);
        self.windows.by_id.iter().find(|(_, w)| same(&w.role)).map(|(id, _)| *id)
    }

    #[expect(deprecated, reason = "see x11_look_again")]
    fn x11_gone(&mut self, window: &X11Surface) {
        if let Some(id) = self.window_of_x11(window) {
            self.destroy_window(id);
        }
        if self.x11.numbered.remove(&window.window_id()).is_some()
            && let Some(number) = window.wl_surface_id()
        {
            self.x11.stale.insert(window.window_id(), number);
        }
        if self.x11.focused.as_ref() == Some(window) {
            self.x11.focused = None;
        }
    }

    /// A window of X11 is on the screen, as far as X11 knows, and its surface is known.
    fn x11_appears(&mut self, window: &X11Surface) {
        let Some(surface) = self.x11.surface(window) else { return };
        if id_of(&surface).is_none() {
            let hangs = window.is_override_redirect() && self.x11.popup_parent_window(window).is_some();
            let role = if hangs { Role::X11Popup(window.clone()) } else { Role::X11(window.clone()) };
            self.windows.create(&surface, role);
            // What was committed before shows now.
            self.committed(&surface);
        }
    }

    /// Finds the surfaces of windows that Xwayland before 23.1 names by number, in a message that
    /// may come before or after the surface itself.
    #[expect(deprecated, reason = "it is the only way with Xwayland before 23.1, which Debian 12 has")]
    pub(crate) fn x11_look_again(&mut self) {
        let Some(client) = self.x11.client.clone() else { return };
        let new: Vec<(X11Surface, u32)> = self
            .x11
            .windows
            .iter()
            .filter(|window| self.x11.surface(window).is_none())
            .filter_map(|window| Some((window.clone(), window.wl_surface_id()?)))
            .filter(|(window, number)| self.x11.stale.get(&window.window_id()) != Some(number))
            .collect();
        for (window, number) in new {
            if let Ok(surface) = client.object_from_protocol_id::<WlSurface>(&self.display, number)
                && id_of(&surface).is_none()
            {
                self.x11.numbered.insert(window.window_id(), surface);
                self.x11_appears(&window);
            }
        }
    }

    fn x11_wish(&mut self, window: &X11Surface, request: Request) {
        if let Some(surface) = self.x11.surface(window) {
            self.wish(&surface, request);
        }
    }

    /// The press that a program of X11 means when it asks for a move.
    fn x11_press(&self, window: &X11Surface) -> Option<(u32, u32)> {
        let id = self.window_of_x11(window)?;
        self.input.last_press.filter(|(pressed, _)| *pressed == id)
    }
}

impl XWaylandShellHandler for Agent {
    fn xwayland_shell_state(&mut self) -> &mut XWaylandShellState {
        &mut self.protocols.xwayland_shell
    }

    fn surface_associated(&mut self, _: XwmId, _: WlSurface, window: X11Surface) {
        self.x11_appears(&window);
    }
}

impl XwmHandler for Agent {
    #[expect(clippy::expect_used, reason = "smithay calls this only for the window manager it was given")]
    fn xwm_state(&mut self, _: XwmId) -> &mut X11Wm {
        self.x11.xwm.as_mut().expect("a window manager")
    }

    fn new_window(&mut self, _: XwmId, window: X11Surface) {
        self.x11.windows.push(window);
    }

    fn new_override_redirect_window(&mut self, _: XwmId, window: X11Surface) {
        self.x11.windows.push(window);
    }

    fn map_window_request(&mut self, _: XwmId, window: X11Surface) {
        let size = window.geometry().size;
        let placed = window.set_mapped(true).map_err(|error| error.to_string()).and_then(|()| {
            window.configure(Rectangle::new((0, 0).into(), size)).map_err(|error| error.to_string())
        });
        if let Err(error) = placed {
            warn!(%error, "an X11 window cannot be shown");
        }
        self.x11_appears(&window);
    }

    fn mapped_override_redirect_window(&mut self, _: XwmId, window: X11Surface) {
        self.x11_appears(&window);
    }

    fn unmapped_window(&mut self, _: XwmId, window: X11Surface) {
        self.x11_gone(&window);
        if !window.is_override_redirect()
            && let Err(error) = window.set_mapped(false)
        {
            debug!(%error, "an X11 window cannot be hidden");
        }
    }

    fn destroyed_window(&mut self, _: XwmId, window: X11Surface) {
        self.x11_gone(&window);
        self.x11.windows.retain(|known| *known != window);
        self.x11.stale.remove(&window.window_id());
    }

    fn configure_request(
        &mut self,
        _: XwmId,
        window: X11Surface,
        _: Option<i32>,
        _: Option<i32>,
        w: Option<u32>,
        h: Option<u32>,
        _: Option<Reorder>,
    ) {
        let mut rect = window.geometry();
        let side = |wanted: Option<u32>, own: i32| wanted.and_then(|v| i32::try_from(v).ok()).unwrap_or(own);
        rect.size = (side(w, rect.size.w), side(h, rect.size.h)).into();
        rect.loc = (0, 0).into();
        if let Err(error) = window.configure(rect) {
            debug!(%error, "an X11 window cannot be resized");
        }
    }

    fn configure_notify(
        &mut self,
        _: XwmId,
        window: X11Surface,
        _: Rectangle<i32, Logical>,
        _: Option<X11Window>,
    ) {
        let Some(id) = self.window_of_x11(&window) else { return };
        let Some(known) = self.windows.get(id) else { return };
        if !known.announced || !matches!(known.role, Role::X11Popup(_)) {
            return;
        }
        let positioner = exactly_at(self.x11.relative(&window));
        if let Some(link) = self.dom0.open() {
            link.send(id, 0, &ToDom0::PopupReposition(&PopupReposition { positioner, token: 0.into() }));
        }
    }

    fn property_notify(&mut self, _: XwmId, window: X11Surface, property: WmWindowProperty) {
        let Some(id) = self.window_of_x11(&window) else { return };
        match property {
            WmWindowProperty::Title | WmWindowProperty::Class => self.tell_x11_title(id, &window),
            WmWindowProperty::TransientFor if !window.is_override_redirect() => self.tell_parent(id),
            WmWindowProperty::NormalHints => self.tell_state(id),
            _ => {}
        }
    }

    fn maximize_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wish(&window, Request::Maximise);
    }

    fn unmaximize_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wish(&window, Request::Unmaximise);
    }

    fn fullscreen_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wish(&window, Request::Fullscreen);
    }

    fn unfullscreen_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wish(&window, Request::Unfullscreen);
    }

    fn minimize_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wish(&window, Request::Minimise);
    }

    fn resize_request(&mut self, _: XwmId, window: X11Surface, _: u32, edge: ResizeEdge) {
        let Some((id, serial)) = self.x11_press(&window) else { return };
        let edges = match edge {
            ResizeEdge::Top => edges::TOP,
            ResizeEdge::Bottom => edges::BOTTOM,
            ResizeEdge::Left => edges::LEFT,
            ResizeEdge::Right => edges::RIGHT,
            ResizeEdge::TopLeft => edges::TOP | edges::LEFT,
            ResizeEdge::TopRight => edges::TOP | edges::RIGHT,
            ResizeEdge::BottomLeft => edges::BOTTOM | edges::LEFT,
            ResizeEdge::BottomRight => edges::BOTTOM | edges::RIGHT,
        };
        self.ask_resize(id, serial, edges);
    }

    fn move_request(&mut self, _: XwmId, window: X11Surface, _: u32) {
        if let Some((id, serial)) = self.x11_press(&window) {
            self.ask_move(id, serial);
        }
    }

    /// Inside a qube every program may read the clipboard, as on any desktop of X11.
    fn allow_selection_access(&mut self, _: XwmId, _: SelectionTarget) -> bool {
        true
    }

    fn send_selection(&mut self, _: XwmId, target: SelectionTarget, mime: String, fd: OwnedFd) {
        self.x11_reads_selection(target, mime, fd);
    }

    fn new_selection(&mut self, _: XwmId, target: SelectionTarget, types: Vec<String>) {
        self.x11_selection(target, types);
    }

    fn cleared_selection(&mut self, _: XwmId, target: SelectionTarget) {
        self.x11_selection_gone(target);
    }

    fn disconnected(&mut self, xwm: XwmId) {
        if self.x11.xwm.as_ref().is_some_and(|current| current.id() == xwm) {
            warn!("Xwayland is gone, and its windows with it");
            self.xwayland_ended();
        }
    }
}

/// True if nothing more will come out of a pipe.
fn has_ended(pipe: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(pipe, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let polled = poll(&mut fds, Some(&now));
    polled.is_ok() && fds[0].revents().contains(PollFlags::HUP) && !fds[0].revents().contains(PollFlags::IN)
}

delegate_xwayland_shell!(Agent);
