//! The desktop's end of the control socket.

use std::{io, os::unix::net::UnixListener, path::Path};

use smithay::reexports::calloop::{Interest, Mode, PostAction, generic::Generic};
use tracing::{debug, warn};

use super::{Qube, Reply, Request, State, Window};
use crate::{Desktop, DesktopError, config::bindings::Action, shell::Arrangement};

/// Longest request, in bytes.
const MAX_REQUEST: usize = 64 << 10;
/// Longest time answers may wait for a program that does not read: none. The answer is dropped.
struct Connection {
    socket: std::os::unix::net::UnixStream,
    input: Vec<u8>,
}

impl Desktop {
    /// Listens at `path`, which only this user can open.
    pub fn listen(&mut self, path: &Path) -> Result<(), DesktopError> {
        let failed = |source: io::Error| DesktopError::Io { what: path.display().to_string(), source };
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(failed(io::Error::other("another desktop listens there already")));
        }
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, private).map_err(failed)?;
        let source = Generic::new(listener, Interest::READ, Mode::Level);
        self.handle
            .insert_source(source, |_, listener, desktop: &mut Self| {
                while let Ok((socket, _)) = listener.accept() {
                    desktop.add_control(socket);
                }
                Ok(PostAction::Continue)
            })
            .map_err(|e| DesktopError::Loop(e.to_string()))?;
        Ok(())
    }

    fn add_control(&mut self, socket: std::os::unix::net::UnixStream) {
        let Ok(watched) = socket.try_clone() else { return };
        if socket.set_nonblocking(true).is_err() {
            return;
        }
        let mut connection = Connection { socket, input: Vec::new() };
        let source = Generic::new(watched, Interest::READ, Mode::Level);
        let inserted = self.handle.insert_source(source, move |_, _, desktop: &mut Self| {
            Ok(if desktop.serve(&mut connection) { PostAction::Continue } else { PostAction::Remove })
        });
        if let Err(error) = inserted {
            warn!(%error, "a control connection is lost");
        }
    }

    /// `false`: the connection is done.
    fn serve(&mut self, connection: &mut Connection) -> bool {
        use std::io::{Read, Write};
        let mut chunk = [0; 4096];
        let open = match connection.socket.read(&mut chunk) {
            Ok(0) => false,
            Ok(read) => {
                connection.input.extend_from_slice(&chunk[..read]);
                connection.input.len() <= MAX_REQUEST
            }
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        };
        while let Some(end) = connection.input.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = connection.input.drain(..=end).collect();
            let reply = match serde_json::from_slice(&line) {
                Ok(Request::Events) => self.listens(connection),
                Ok(request) => self.answer(&request),
                Err(error) => Reply::Error { message: format!("the request cannot be read: {error}") },
            };
            let Ok(mut bytes) = serde_json::to_vec(&reply) else { return false };
            bytes.push(b'\n');
            if let Err(error) = connection.socket.write_all(&bytes) {
                debug!(%error, "a control connection does not read");
                return false;
            }
        }
        open
    }

    fn listens(&mut self, connection: &Connection) -> Reply {
        let added = connection.socket.try_clone().map(|socket| self.add_listener(socket));
        match added {
            Ok(true) => Reply::State(Box::new(self.state())),
            Ok(false) => Reply::Error { message: "too many programs listen".into() },
            Err(error) => Reply::Error { message: error.to_string() },
        }
    }

    /// What a chord does, without the chord.
    fn act(&mut self, words: &[String]) -> Result<(), String> {
        let action = Action::parse(words)?;
        if matches!(action, Action::ClipboardCopyOut | Action::ClipboardPasteIn) {
            return Err("copying between qubes takes a key".into());
        }
        if self.lock.covers() || self.dom0_asks() {
            return Err("not while the desktop is locked or asks something".into());
        }
        let now = self.clock.now();
        self.action(action.clone(), now);
        // The keys of the chord are up at once.
        self.action_released(&action);
        Ok(())
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Request) -> Reply {
        if let Some(event) = request.input() {
            if self.backend.name() != "headless" {
                return Reply::Error {
                    message: "input comes from devices, except with `transom headless`".into(),
                };
            }
            self.input(event);
            return Reply::Done;
        }
        match request {
            Request::Action { words } => match self.act(words) {
                Ok(()) => Reply::Done,
                Err(message) => Reply::Error { message },
            },
            Request::State => Reply::State(Box::new(self.state())),
            Request::Inputs => Reply::Inputs(self.inputs()),
            Request::Power { output, on } => {
                let id = self.screens.named(output).map(|screen| screen.id);
                if id.is_some_and(|id| self.set_power(id, *on)) {
                    Reply::Done
                } else {
                    Reply::Error { message: format!("there is no screen {output:?}") }
                }
            }
            Request::Night { mode } => {
                self.set_night(*mode);
                Reply::Done
            }
            Request::Outputs => Reply::Outputs { outputs: self.monitors() },
            Request::Screenshot { path, output } => {
                let picture = match output {
                    Some(name) => self.screenshot_of(name),
                    None => self.screenshot(),
                };
                let saved = picture.map_err(|e| e.to_string()).and_then(|picture| {
                    picture.save_with_format(path, image::ImageFormat::Png).map_err(|e| e.to_string())
                });
                match saved {
                    Ok(()) => Reply::Done,
                    Err(error) => {
                        Reply::Error { message: format!("no screenshot at {}: {error}", path.display()) }
                    }
                }
            }
            Request::Manager => {
                if self.ui.kept.manager.is_some() || self.open_manager(None) {
                    Reply::Done
                } else {
                    Reply::Error { message: "not while the desktop is locked or asks something".into() }
                }
            }
            Request::Lock => {
                self.lock();
                Reply::Done
            }
            Request::Notifications { on } => {
                self.do_not_disturb(!on);
                Reply::Done
            }
            // What would be in front then may be open to anybody.
            Request::Quit | Request::Logout if self.lock.covers() => {
                Reply::Error { message: "the desktop is locked".into() }
            }
            Request::Logout => {
                self.logout();
                Reply::Done
            }
            Request::Quit => {
                self.quit();
                Reply::Done
            }
            _ => Reply::Error { message: "not known".into() },
        }
    }

    /// Everything about the desktop now.
    pub fn state(&self) -> State {
        let rect = |r: smithay::utils::Rectangle<i32, smithay::utils::Logical>| {
            [r.loc.x, r.loc.y, r.size.w, r.size.h]
        };
        let title = |key: &crate::render::scene::SurfaceKey| {
            self.qubes
                .surface(*key)
                .map(|(link, surface)| format!("{}: {}", link.qube.name, surface.title))
                .unwrap_or_default()
        };
        let windows = self
            .placed_windows()
            .into_iter()
            .filter_map(|placed| {
                let (link, surface) = self.qubes.surface(placed.key)?;
                let popups = self.popups_of(placed.key);
                Some(Window {
                    qube: link.qube.name.clone(),
                    id: placed.key.window,
                    title: surface.title.clone(),
                    app_id: surface.app_id.clone(),
                    outer: rect(placed.outer),
                    content: rect(placed.content),
                    focused: self.trust.focus.keys_to() == Some(placed.key),
                    attention: placed.attention,
                    maximised: placed.maximised,
                    fullscreen: placed.fullscreen,
                    popups: popups
                        .into_iter()
                        .filter_map(|p| self.popup_geometry(p))
                        .map(|g| rect(g.outer))
                        .collect(),
                })
            })
            .collect();
        State {
            version: env!("CARGO_PKG_VERSION").into(),
            backend: self.backend.name().into(),
            renderer: self.canvas.renderer_name().into(),
            screen: self.picture_size(),
            scale: f64::from(self.screens.scale()) / 120.0,
            lock: self.lock.phase().name().into(),
            lock_says: self.lock.says().0,
            in_front: self.backend.in_front(),
            card: self.backend.card(),
            monitors: self.monitors(),
            night: self.night(),
            qubes: self
                .qubes
                .iter()
                .map(|link| Qube {
                    name: link.qube.name.clone(),
                    label: link.label().map_or("none", transom_theming::Label::name).into(),
                    isolated: link.qube.isolated,
                    paused: link.held,
                    mapped_bytes: link.mapped_bytes(),
                    messages: link.heard.0,
                    bytes: link.heard.1,
                })
                .collect(),
            windows,
            layers: self.layer_states(),
            workspace: self.shell.current_workspace(),
            arrangement: match self.shell.arrangement(self.shell.current_workspace()) {
                Arrangement::Floating => "floating".into(),
                Arrangement::Columns => "columns".into(),
            },
            switcher: self.shell.switcher().map(|s| (s.windows.iter().map(title).collect(), s.selected)),
            search: self.ui.kept.search.typed().into(),
            overview: self.overview_state(),
            prompt: self.ui.kept.prompt.as_ref().map(crate::ui::Prompt::text),
            capture: self.capture_text(),
            passphrase: self.passphrase_text(),
            input_method: self.input_method_state(),
            launcher: self.launcher_state(),
            manager: self.manager_state(),
            starting: self.starting_texts(),
            leaving: self.leaving_text(),
            notices: self.ui.notices.texts(),
            cards: self.card_states(),
            do_not_disturb: self.ui.cards.quiet,
            status_icons: self.icon_states(),
            clipboard: self.trust.clipboard.state_text(self.clock.now()),
            drag: self.drag_text(),
            zoom: self.screens.zoom.factor(),
            pointer: (self.input.pointer.at.x, self.input.pointer.at.y),
            frames: self.figures.report(),
        }
    }
}
