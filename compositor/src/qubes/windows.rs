//! Toplevels of qubes as windows of the desktop: the seam between links and the shell.
//!
//! A qube wishes, the person decides, the shell places; here the wishes are checked against what
//! the person did (FOCUS, INTENT) and the shell's answers become configures.

use smithay::utils::{Logical, Point, Rectangle, Size};
use transom_protocol::{
    message::{self, Configure, ToQube},
    types::{Request, states},
};
use transom_theming::FrameKind;

use crate::{
    Desktop,
    config::window_rules::{self, Ruled, Stand},
    render::scene::SurfaceKey,
    shell::{self, Spec, Wanted},
    trust::QubeId,
};

/// What the desktop keeps of a toplevel beside the shell.
#[derive(Debug, Default)]
pub(crate) struct WindowRecord {
    /// It is in the shell: it has shown something.
    pub mapped: bool,
    /// It has shown something, but its qube is backstage.
    pub backstage: bool,
    /// What it was last asked to be.
    pub told: Option<Wanted>,
    /// Smallest and largest content size, 0: no limit.
    pub limits: (shell::Size, shell::Size),
    /// Wishes from before it was mapped.
    pub wants_maximised: bool,
    /// See `wants_maximised`.
    pub wants_fullscreen: bool,
    /// Keeps the screen on.
    pub idle_inhibit: bool,
}

/// A window where it is drawn, in logical pixels of the desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedWindow {
    /// Whose.
    pub key: SurfaceKey,
    /// With its frame.
    pub outer: Rectangle<i32, Logical>,
    /// Inside its frame.
    pub content: Rectangle<i32, Logical>,
    /// Fills the work area.
    pub maximised: bool,
    /// Fills the screen.
    pub fullscreen: bool,
    /// Asks for attention.
    pub attention: bool,
    /// The screen that it belongs to.
    pub output: u32,
    /// No other screen shows it, wherever it reaches.
    pub on_that_only: bool,
}

impl PlacedWindow {
    /// A screen may show it, if it reaches there.
    pub(crate) fn may_be_on(&self, screen: u32) -> bool {
        !self.on_that_only || self.output == screen
    }
}

impl From<shell::Placed<SurfaceKey>> for PlacedWindow {
    fn from(placed: shell::Placed<SurfaceKey>) -> Self {
        Self {
            key: placed.key,
            outer: rect(placed.outer),
            content: rect(placed.content),
            maximised: placed.maximised,
            on_that_only: placed.state == shell::State::Column,
            fullscreen: placed.state == shell::State::Fullscreen,
            attention: placed.attention,
            output: placed.output,
        }
    }
}

fn rect(r: shell::Rect) -> Rectangle<i32, Logical> {
    Rectangle::new((r.x, r.y).into(), (r.w, r.h).into())
}

fn size(s: Size<i32, Logical>) -> shell::Size {
    shell::Size { w: s.w, h: s.h }
}

fn pointer(at: Point<f64, Logical>) -> shell::Point {
    shell::Point { x: at.x.floor() as i32, y: at.y.floor() as i32 }
}

impl Desktop {
    // What others ask about windows.

    /// Windows on the current workspace, bottom first.
    pub fn placed_windows(&self) -> Vec<PlacedWindow> {
        self.shell.visible().map(PlacedWindow::from).collect()
    }

    /// One window, if it is on the current workspace.
    pub(crate) fn placed_window(&self, key: SurfaceKey) -> Option<PlacedWindow> {
        self.shell.is_visible(key).then(|| self.shell.placed(key)).flatten().map(PlacedWindow::from)
    }

    /// Where a toplevel's content is.
    pub(crate) fn window_content(&self, key: SurfaceKey) -> Option<Rectangle<i32, Logical>> {
        self.placed_window(key).map(|w| w.content)
    }

    /// The toplevel that a window belongs to.
    pub(crate) fn toplevel_of(&self, key: SurfaceKey) -> SurfaceKey {
        let window = self.qubes.get(key.qube).map_or(key.window, |link| link.toplevel(key.window));
        SurfaceKey { window, ..key }
    }

    /// Toplevels of a qube.
    pub(super) fn windows_of(&self, qube: QubeId) -> Vec<SurfaceKey> {
        self.windows.keys().filter(|key| key.qube == qube).copied().collect()
    }

    // What qubes say.

    pub(super) fn toplevel_initial(&mut self, key: SurfaceKey) {
        if !self.layers.contains(key) {
            self.windows.entry(key).or_default();
        }
    }

    pub(super) fn committed(&mut self, key: SurfaceKey) {
        if self.layers.contains(key) {
            self.layer_committed(key);
            return;
        }
        let before = self.placed_window(key).map(|window| window.outer);
        self.take_commit(key);
        let after = self.placed_window(key).map(|window| window.outer);
        match (before, after) {
            // What stays in its frame changes only the screens that show it.
            (Some(before), Some(after)) => {
                self.damage(before);
                self.damage(after);
            }
            _ => self.damage_all(),
        }
    }

    fn take_commit(&mut self, key: SurfaceKey) {
        let Some((link, surface)) = self.qubes.surface(key) else { return };
        let (has_content, content) = (surface.content.is_some(), size(surface.geometry().size));
        let parent = (surface.parent != 0).then_some(SurfaceKey { window: surface.parent, ..key });
        debug_assert!(link.id == key.qube);
        let Some(record) = self.windows.get_mut(&key) else {
            // A popup, a cursor or a drag icon.
            let now = self.clock.now();
            self.refresh_pointer(now);
            return;
        };
        match (record.mapped, has_content) {
            (false, drawn) if link.backstage.is_some() => {
                if std::mem::replace(&mut record.backstage, drawn) != drawn {
                    self.count_windows(key.qube);
                }
            }
            (false, true) => {
                record.mapped = true;
                record.backstage = false;
                let record = std::mem::take(record);
                let qube = link.qube.name.clone();
                let granted = self.start_shown(&qube);
                self.map(key, content, parent, record, granted);
            }
            (true, true) => self.shell.content_committed(key, content),
            (true, false) => {
                record.mapped = false;
                record.told = None;
                self.shell.remove(key);
                self.after_window_gone(key);
                self.count_windows(key.qube);
            }
            (false, false) => {}
        }
    }

    /// What the person's rules say of a window.
    fn ruled(&self, key: SurfaceKey) -> Ruled {
        let Some((link, surface)) = self.qubes.surface(key) else { return Ruled::default() };
        window_rules::ruled(&self.config.windows, &link.qube.name, &surface.app_id, &surface.title)
    }

    fn apply_rules(&mut self, key: SurfaceKey, ruled: &Ruled) {
        let screen = ruled.output.as_ref().and_then(|name| self.screens.iter().find(|s| s.name == *name));
        if let Some(screen) = screen {
            self.shell.move_to_output(key, screen.id);
        }
        match ruled.stand {
            Some(Stand::Floating) => self.shell.set_floating(key, true),
            Some(Stand::Maximised) => self.shell.set_maximised(key, true),
            Some(Stand::Fullscreen) => self.shell.set_fullscreen(key, true),
            Some(Stand::Left) => self.shell.tile(key, true),
            Some(Stand::Right) => self.shell.tile(key, false),
            Some(Stand::Minimised) => self.shell.minimise(key),
            None => {}
        }
        if let Some(workspace) = ruled.workspace {
            self.shell.move_to_workspace(key, workspace);
        }
    }

    /// Frames of windows, and of those that fill the screen.
    pub(crate) fn window_insets(&self) -> (shell::Insets, shell::Insets) {
        let insets = |kind| {
            let i = self.ui.theme().insets(kind);
            shell::Insets { top: i.top, right: i.right, bottom: i.bottom, left: i.left }
        };
        (insets(FrameKind::Toplevel), insets(FrameKind::Fullscreen))
    }

    fn map(
        &mut self,
        key: SurfaceKey,
        content: shell::Size,
        parent: Option<SurfaceKey>,
        record: WindowRecord,
        granted: bool,
    ) {
        let ruled = if parent.is_none() { self.ruled(key) } else { Ruled::default() };
        let (insets, fullscreen_insets) = self.window_insets();
        let spec = Spec {
            content,
            min: record.limits.0,
            max: record.limits.1,
            insets,
            fullscreen_insets,
            parent,
            grant_focus: granted && ruled.focus != Some(false),
        };
        self.shell.insert(key, spec);
        if record.wants_maximised {
            self.shell.set_maximised(key, true);
        }
        if record.wants_fullscreen {
            self.shell.set_fullscreen(key, true);
        }
        self.apply_rules(key, &ruled);
        self.windows.insert(key, record);
        self.follow_shell_focus();
        self.attention(key);
        self.count_windows(key.qube);
    }

    /// A toplevel is gone.
    pub(super) fn unmap(&mut self, key: SurfaceKey) {
        self.layer_gone(key);
        let (mapped, backstage) =
            self.windows.remove(&key).map_or((false, false), |record| (record.mapped, record.backstage));
        if mapped {
            self.shell.remove(key);
        }
        self.after_window_gone(key);
        if mapped || backstage {
            self.count_windows(key.qube);
        }
    }

    fn after_window_gone(&mut self, key: SurfaceKey) {
        self.ui.forget_window(key);
        self.input_window_gone(key);
        self.follow_shell_focus();
        self.damage_all();
    }

    pub(super) fn titled(&mut self, _key: SurfaceKey) {
        self.damage_all();
    }

    pub(super) fn reparented(&mut self, key: SurfaceKey) {
        let Some((_, surface)) = self.qubes.surface(key) else { return };
        let parent = (surface.parent != 0).then_some(SurfaceKey { window: surface.parent, ..key });
        if self.windows.get(&key).is_some_and(|r| r.mapped) {
            self.shell.set_parent(key, parent);
            self.damage_all();
        }
    }

    pub(super) fn size_limits(&mut self, key: SurfaceKey, limits: message::SizeLimits) {
        let size = |w: u32, h: u32| shell::Size { w: w as i32, h: h as i32 };
        let min = size(limits.min_width.get(), limits.min_height.get());
        let max = size(limits.max_width.get(), limits.max_height.get());
        let record = self.windows.entry(key).or_default();
        record.limits = (min, max);
        if record.mapped {
            self.shell.set_limits(key, min, max);
        }
    }

    pub(crate) fn request(&mut self, key: SurfaceKey, request: Request) {
        let record = self.windows.entry(key).or_default();
        if !record.mapped {
            match request {
                Request::Maximise => record.wants_maximised = true,
                Request::Unmaximise => record.wants_maximised = false,
                Request::Fullscreen => record.wants_fullscreen = true,
                Request::Unfullscreen => record.wants_fullscreen = false,
                Request::Activate | Request::Minimise => {}
            }
            return;
        }
        match request {
            Request::Activate => self.attention(key),
            Request::Maximise => self.shell.set_maximised(key, true),
            Request::Unmaximise => self.shell.set_maximised(key, false),
            Request::Fullscreen => self.shell.set_fullscreen(key, true),
            Request::Unfullscreen => self.shell.set_fullscreen(key, false),
            Request::Minimise => {
                self.shell.minimise(key);
                self.follow_shell_focus();
            }
        }
        self.windows_moved();
    }

    /// A window asks to be looked at: it is marked, and takes nothing.
    pub(crate) fn attention(&mut self, key: SurfaceKey) {
        if self.trust.focus.wanted() != Some(key) {
            self.shell.set_attention(key, true);
            self.damage_all();
        }
    }

    /// INTENT: a move begins only with the press that is still held on this window.
    pub(super) fn move_request(&mut self, key: SurfaceKey, serial: u32) {
        if self.trust.intent.justifies_move(key, serial) {
            self.begin_move(key);
            self.hand_over_press();
        }
    }

    /// As [`Desktop::move_request`].
    pub(super) fn resize_request(&mut self, key: SurfaceKey, serial: u32, edges: u32) {
        use message_edges::{BOTTOM, LEFT, RIGHT, TOP};
        use transom_protocol::types::edges as message_edges;
        if self.trust.intent.justifies_move(key, serial) {
            let has = |edge| edges & edge != 0;
            let edges =
                shell::Edges { top: has(TOP), bottom: has(BOTTOM), left: has(LEFT), right: has(RIGHT) };
            self.begin_resize(key, edges);
            self.hand_over_press();
        }
    }

    /// The press that began in a qube's window is dom0's from here on.
    fn hand_over_press(&mut self) {
        if self.trust.drag.held().is_some() {
            self.cancel_drag();
        }
        let now = self.clock.now();
        self.input.pointer.grab = None;
        let buttons = self.input.pointer.buttons.clone();
        self.input.pointer.swallowed.extend(buttons);
        self.input.tool.hand_over();
        self.refresh_pointer(now);
    }

    // What the person does.

    /// Gives a window the focus. Only ever called for something a person did.
    pub(crate) fn focus_window(&mut self, key: SurfaceKey) {
        // A word is chosen: the keys stay where it goes.
        if self.is_candidates(key) {
            return;
        }
        if self.layers.contains(key) {
            self.click_layer(Some(key));
            return;
        }
        self.click_layer(None);
        self.shell.focus(key);
        self.shell.set_attention(key, false);
        self.follow_shell_focus();
        self.damage_all();
    }

    /// The focus is where the shell has it; keys follow once it was drawn.
    pub(crate) fn follow_shell_focus(&mut self) {
        let focused = self.layers.focus().or(self.shell.focused());
        if self.trust.focus.wanted() != focused {
            let now = self.clock.now();
            self.release_constraint();
            if let Some(old) = self.trust.focus.wanted()
                && focused.is_none_or(|new| new.qube != old.qube)
            {
                self.dismiss_popups(old.qube, None);
            }
            self.trust.focus.want(focused);
            self.layout_follows(focused, now);
            self.deliver_keys(now);
            self.damage_all();
        }
        self.windows_moved();
    }

    /// Puts a window where its content begins at a place, as when a person drags it there: it is on
    /// top then, and has the focus.
    pub fn place_window(&mut self, key: SurfaceKey, at: Point<i32, Logical>) {
        if self.windows.get(&key).is_some_and(|record| record.mapped) {
            self.shell.place_content(key, shell::Point { x: at.x, y: at.y });
            self.focus_window(key);
        }
    }

    pub(crate) fn begin_move(&mut self, key: SurfaceKey) {
        self.shell.begin_move(key, pointer(self.input.pointer.at));
    }

    pub(crate) fn begin_resize(&mut self, key: SurfaceKey, edges: shell::Edges) {
        self.shell.begin_resize(key, edges, pointer(self.input.pointer.at));
    }

    pub(crate) fn shell_drag(&mut self, at: Point<f64, Logical>) {
        self.shell.drag(pointer(at));
    }

    pub(crate) fn end_drag(&mut self) {
        self.shell.end_drag();
        self.windows_moved();
    }

    pub(crate) fn close_window(&mut self, key: SurfaceKey) {
        if let Some(link) = self.qubes.get_mut(key.qube)
            && link.session().window(key.window).is_some()
        {
            link.send(key.window, 0, &ToQube::Close(()));
        }
    }

    pub(crate) fn toggle_maximised(&mut self, key: SurfaceKey) {
        let maximised = self.placed_window(key).is_some_and(|w| w.maximised);
        self.shell.set_maximised(key, !maximised);
        self.windows_moved();
    }

    pub(crate) fn toggle_fullscreen(&mut self, key: SurfaceKey) {
        let fullscreen = self.placed_window(key).is_some_and(|w| w.fullscreen);
        self.shell.set_fullscreen(key, !fullscreen);
        self.windows_moved();
    }

    pub(crate) fn minimise(&mut self, key: SurfaceKey) {
        self.shell.minimise(key);
        self.follow_shell_focus();
    }

    /// Brings a window back into sight; the focus stays where it is.
    pub(crate) fn unminimise(&mut self, key: SurfaceKey) {
        self.shell.unminimise(key);
        self.windows_moved();
    }

    /// Lets a window fill a certain screen.
    pub(crate) fn fullscreen_on(&mut self, key: SurfaceKey, screen: u32) {
        self.shell.set_fullscreen_on(key, screen);
        self.follow_shell_focus();
    }

    /// Windows are somewhere else now: the pointer may be over another.
    pub(crate) fn windows_moved(&mut self) {
        let now = self.clock.now();
        self.refresh_pointer(now);
        self.damage_all();
    }

    /// Ends popups if the person pressed somewhere else. `true`: that was what the press was for.
    pub(crate) fn dismiss_on_press(&mut self, under: crate::input::pointer::Under) -> bool {
        use crate::input::pointer::Under;
        let layers = self.layers.shown().map(|layer| layer.key);
        let holders: Vec<SurfaceKey> = self.shell.focused().into_iter().chain(layers).collect();
        let held = holders.into_iter().find_map(|key| Some((key, self.grabbing_popup(key)?)));
        let Some((focused, grabbing)) = held else { return false };
        let inside = match under {
            Under::Content(key, _) | Under::PopupFrame(key) if self.is_candidates(key) => true,
            Under::Content(key, _) | Under::PopupFrame(key) => {
                key.qube == grabbing.qube && self.popups_of(focused).contains(&key)
            }
            _ => false,
        };
        if !inside {
            self.dismiss_popups(grabbing.qube, None);
        }
        !inside
    }

    // What qubes are told.

    /// Sends a configure to every window that should be something else than it was last told.
    pub(crate) fn sync_configures(&mut self) {
        let insets = self.ui.theme().insets(FrameKind::Toplevel);
        let locked = self.lock.covers();
        for (key, record) in &mut self.windows {
            let wanted = if record.mapped {
                let Some(mut wanted) = self.shell.wanted(*key) else { continue };
                wanted.suspended |= locked;
                wanted.activated &= !locked;
                wanted
            } else {
                Wanted::default()
            };
            if record.told.as_ref() == Some(&wanted) {
                continue;
            }
            let Some(link) = self.qubes.get_mut(key.qube) else { continue };
            let at = self.shell.outer(*key).map_or(shell::Point { x: 0, y: 0 }, shell::Rect::center);
            let room = self.shell.output_at(at).usable;
            let bounds = (
                (room.w - insets.left - insets.right).max(1) as u32,
                (room.h - insets.top - insets.bottom).max(1) as u32,
            );
            let mut bits = 0;
            for (on, bit) in [
                (wanted.maximised, states::MAXIMISED),
                (wanted.fullscreen, states::FULLSCREEN),
                (wanted.activated, states::ACTIVATED),
                (wanted.resizing, states::RESIZING),
                (wanted.suspended, states::SUSPENDED),
            ] {
                bits |= if on { bit } else { 0 };
            }
            if wanted.tiled {
                bits |= states::TILED.iter().sum::<u32>();
            }
            let configure = Configure {
                width: (wanted.content.w.max(0) as u32).into(),
                height: (wanted.content.h.max(0) as u32).into(),
                bounds_width: bounds.0.into(),
                bounds_height: bounds.1.into(),
                states: bits.into(),
                x: 0.into(),
                y: 0.into(),
                token: 0.into(),
            };
            if link.configure(key.window, &configure).is_some() {
                record.told = Some(wanted);
            }
        }
    }
}
