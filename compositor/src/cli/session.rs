//! A desktop from the command line: `transom session`, `transom nested` and `transom headless`.

use std::os::unix::net::UnixStream;

use sd_notify::NotifyState;
use smithay::reexports::calloop::{EventLoop, Interest, Mode, PostAction, generic::Generic};
use tracing::{error, info, warn};
use transom_hypervisor::{
    client::{Launch, ensure_running},
    paths::find_program,
};
use transom_theming::{Fonts, Theme};

use super::{Session, load_config, socket_path};
use crate::{
    Desktop, Options,
    backend::{Pace, drm, nested},
    clock::Clock,
    config::Config,
    lock::{LockOptions, auth::HELPER, marker::MARKER_NAME},
    logind::Bus,
    render::canvas::RendererKind,
    ui::notices::Notice,
    wayland,
};

/// Logs go to standard error; `RUST_LOG` says what.
pub(super) fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// The theme that the config names; a bad one is reported and the built-in one used.
pub(super) fn load_theme(config: &Config) -> (Option<Theme>, Option<String>) {
    match crate::reload::theme(config) {
        Ok(theme) => (Some(theme), None),
        Err(problem) => (
            Some(Theme::builtin(config.theme.variant)),
            Some(format!("{problem}; the built-in theme is used")),
        ),
    }
}

/// Where a desktop is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// The monitors of this machine.
    Seat,
    /// A window of another desktop.
    Window,
    /// Nothing.
    Nowhere,
}

/// Runs a desktop until it is told to end.
pub(super) fn run(session: &Session, on: On) -> Result<(), String> {
    start_logging();
    // A bad config never keeps a person from their desktop: it is shown, defaults are used.
    let (path, loaded) = load_config(session.config.as_ref());
    let loaded = loaded.unwrap_or_default();
    let (config, mut problem) = match loaded.config {
        Ok(config) => (config, None),
        Err(error) => (Config::default(), Some(format!("{error}; the built-in settings are used"))),
    };
    let (theme, theme_problem) = load_theme(&config);
    problem = problem.or(theme_problem);
    let files = [loaded.files, config.theme.file.clone().into_iter().collect()].concat();
    let options = Options {
        clock: Clock::default(),
        config,
        theme,
        fonts: Fonts::System,
        // On a seat the graphics card has a say, once it is known.
        renderer: if on == On::Seat { RendererKind::Pixman } else { session.renderer },
        size: session.size,
        scale: ((session.scale * 120.0).round() as u32).clamp(60, 480),
        pace: Pace::Timer,
        time_of_day: true,
        // A desktop around this one has a lock of its own.
        watch_idle: on == On::Seat,
        lock: LockOptions {
            helper: find_program(HELPER),
            marker: Some(socket_path()?.with_file_name(MARKER_NAME)),
            person: None,
        },
    };
    let mut event_loop = EventLoop::<Desktop>::try_new().map_err(|e| e.to_string())?;
    let mut desktop = Desktop::new(event_loop.handle(), options).map_err(|e| e.to_string())?;
    if let Some(problem) = problem {
        error!("{problem}");
        desktop.tell_of_settings(Some(problem));
    }
    // It is in the log already.
    if let Some(problem) = desktop.font_problem().map(str::to_owned) {
        desktop.notify(Notice::Text(problem));
    }
    if let Some(path) = &path
        && let Err(problem) = desktop.watch_settings(path, files)
    {
        warn!(%problem, "changes of the settings are not noticed");
    }
    desktop.set_signal(event_loop.get_signal());
    let signals = Generic::new(asked_to_end().map_err(|e| e.to_string())?, Interest::READ, Mode::Level);
    event_loop
        .handle()
        .insert_source(signals, |_, _, desktop: &mut Desktop| {
            desktop.quit();
            Ok(PostAction::Remove)
        })
        .map_err(|e| e.to_string())?;
    match on {
        On::Seat => desktop
            .watch_logind(Bus::System)
            .and_then(|()| drm::start(&event_loop.handle(), &mut desktop, session.renderer)),
        On::Window => nested::start(&event_loop.handle(), &mut desktop),
        On::Nowhere => {
            if !session.outputs.is_empty() {
                desktop.plug(session.outputs.clone());
            }
            Ok(())
        }
    }
    .map_err(|e| e.to_string())?;
    let path = socket_path()?;
    desktop.listen(&path).map_err(|e| e.to_string())?;
    let programs = path.with_file_name(wayland::SOCKET_NAME);
    if let Err(problem) = desktop.listen_for_programs(&programs) {
        error!("{problem}");
        desktop.notify(Notice::Text(format!("dom0's own programs cannot be shown: {problem}")));
    }
    match ensure_running(&Launch::default()) {
        Ok(client) => desktop.attach_supervisor(client).map_err(|e| e.to_string())?,
        Err(error) => {
            error!(%error, "no supervisor");
            desktop.notify(Notice::Text(format!("qubes cannot be reached: {error}")));
        }
    }
    info!(socket = %path.display(), programs = %programs.display(), "the desktop is ready");
    desktop.settle();
    // The seat and the sockets are there; what systemd starts next can connect.
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        warn!(%error, "systemd cannot be told that the desktop is ready");
    }
    let ended = event_loop.run(None, &mut desktop, Desktop::settle).map_err(|e| e.to_string());
    let _ = std::fs::remove_file(path);
    ended.and_then(|()| desktop.failure().map_or(Ok(()), |reason| Err(reason.into())))
}

/// A stream that can be read once a signal asks this program to end. Signals are caught, not
/// blocked: what this program starts would inherit a block, and never be interrupted again.
fn asked_to_end() -> std::io::Result<UnixStream> {
    let (ours, handlers) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, handlers.try_clone()?)?;
    }
    Ok(ours)
}
