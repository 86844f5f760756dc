//! A real agent process and dom0's side of its link: the real desktop in a thread of its own. It
//! draws nothing, so that what the two cost can be told apart from everything else; or it draws as
//! soon as there is something new, and says when it was done.

use std::{
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread::JoinHandle,
    time::Instant,
};

use smithay::reexports::calloop::{EventLoop, Interest, LoopSignal, Mode, PostAction, generic::Generic};
use transom::{
    Desktop, Options, backend::Pace, qubes::QubeIdentity, render::canvas::RendererKind, wayland::SOCKET_NAME,
};
use transom_tests::{
    fixture,
    process::{Owned, binary, wait_for},
    procs,
};
use transom_theming::{Fonts, Label};

/// A finished frame.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// When the last pixel was written.
    pub(crate) at: Instant,
    /// Contents of the windows on the screen: x, y, width, height.
    pub(crate) windows: Vec<[i32; 4]>,
}

/// A screen that is drawn by pixman.
#[derive(Debug)]
struct Screen {
    size: (u32, u32),
    drawn: mpsc::Sender<Drawn>,
}

/// See the module's text.
pub(crate) struct Linked {
    agent: Owned,
    dom0: Option<JoinHandle<Result<(), String>>>,
    /// The thread in `/proc`.
    thread: PathBuf,
    signal: LoopSignal,
    dir: tempfile::TempDir,
}

impl Linked {
    /// With a desktop that nobody asks for a frame.
    pub(crate) fn new() -> Result<Self, String> {
        Self::start(None)
    }

    /// With a desktop of this size that draws, and where it says so.
    pub(crate) fn drawing(size: (u32, u32)) -> Result<(Self, mpsc::Receiver<Drawn>), String> {
        let (tell, told) = mpsc::channel();
        Ok((Self::start(Some(Screen { size, drawn: tell }))?, told))
    }

    fn start(screen: Option<Screen>) -> Result<Self, String> {
        let dir = tempfile::Builder::new()
            .prefix("transom-bench-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .map_err(|e| e.to_string())?;
        let socket = dir.path().join("display.sock");
        let listener = UnixListener::bind(&socket).map_err(|e| e.to_string())?;
        let own = dir.path().join(SOCKET_NAME);
        let (tell, told) = mpsc::channel();
        let dom0 = std::thread::Builder::new()
            .name("dom0".into())
            .spawn(move || dom0(listener, &own, screen, &tell))
            .map_err(|e| e.to_string())?;
        let Ok((thread, signal)) = told.recv() else {
            return Err(match dom0.join() {
                Ok(Err(reason)) => reason,
                _ => "dom0's thread ended".into(),
            });
        };
        let agent = Owned::start(
            Command::new(binary("transom-agent"))
                .arg("--display-socket")
                .arg(&socket)
                .arg("--runtime-dir")
                .arg(dir.path())
                .arg("--no-xwayland")
                .env("RUST_LOG", "error"),
        )?;
        let linked = Self { agent, dom0: Some(dom0), thread, signal, dir };
        wait_for("the agent's socket", || linked.socket().exists().then_some(()))?;
        Ok(linked)
    }

    /// Folder of its sockets.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the agent takes programs.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("wayland-1")
    }

    /// Where dom0's desktop itself takes programs.
    pub(crate) fn dom0_socket(&self) -> PathBuf {
        self.dir().join(SOCKET_NAME)
    }

    /// CPU time of agent and dom0's thread so far, in microseconds.
    pub(crate) fn cpu(&self) -> Result<f64, String> {
        Ok(procs::cpu(&[self.agent.pid()])? + procs::thread_cpu(&self.thread)?)
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        self.signal.stop();
        self.signal.wakeup();
        if let Some(dom0) = self.dom0.take() {
            // What it had to complain about shows in what was measured.
            let _ = dom0.join();
        }
    }
}

fn dom0(
    listener: UnixListener,
    programs: &Path,
    screen: Option<Screen>,
    tell: &mpsc::Sender<(PathBuf, LoopSignal)>,
) -> Result<(), String> {
    let mut event_loop = EventLoop::<Desktop>::try_new().map_err(|e| e.to_string())?;
    let options = Options {
        fonts: Fonts::Files(fixture::fonts()),
        renderer: RendererKind::Pixman,
        // Frames are drawn below, or never.
        pace: Pace::Manual,
        size: screen.as_ref().map_or(Options::default().size, |screen| screen.size),
        ..Options::default()
    };
    let mut desktop = Desktop::new(event_loop.handle(), options).map_err(|e| e.to_string())?;
    desktop.listen_for_programs(programs).map_err(|e| e.to_string())?;
    let listener = Generic::new(listener, Interest::READ, Mode::Level);
    event_loop
        .handle()
        .insert_source(listener, |_, listener, desktop: &mut Desktop| {
            let (stream, _) = listener.accept()?;
            let identity = QubeIdentity { name: "work".into(), label: Label::Blue, isolated: false };
            desktop.add_link(identity, stream)?;
            Ok(PostAction::Continue)
        })
        .map_err(|e| e.to_string())?;
    let thread = Path::new("/proc").join(std::fs::read_link("/proc/thread-self").map_err(|e| e.to_string())?);
    tell.send((thread, event_loop.get_signal())).map_err(|e| e.to_string())?;
    let turn = |desktop: &mut Desktop| {
        if let Some(screen) = &screen
            && desktop.frame()
        {
            let at = Instant::now();
            let windows = desktop.state().windows.iter().map(|window| window.content).collect();
            // Nobody listens any more at the end.
            let _ = screen.drawn.send(Drawn { at, windows });
        }
        desktop.settle();
    };
    event_loop.run(None, &mut desktop, turn).map_err(|e| e.to_string())
}
