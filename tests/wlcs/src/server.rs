//! A desktop, an agent, and the thread that runs both.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    path::Path,
    sync::mpsc::{self, Receiver, Sender},
    thread::JoinHandle,
};

use calloop::EventLoop;
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{read, write},
};
use smithay::reexports::wayland_server::Client;
use transom::{
    Desktop, Options,
    backend::Pace,
    input::event::InputEvent,
    qubes::QubeIdentity,
    render::{canvas::RendererKind, scene::SurfaceKey},
    trust::QubeId,
};
use transom_agent::Agent;
use transom_theming::{Fonts, Label};

use crate::ORIGIN;

/// Turns of all event loops after which everybody must have gone silent.
const TURNS: usize = 8;
/// Longest time without a look at clocks.
const BREATH: Timespec = Timespec { tv_sec: 0, tv_nsec: 4_000_000 };
/// Room for windows anywhere the tests put them, beside [`ORIGIN`].
const SCREEN: (u32, u32) = (1600, 1200);

/// What WLCS asks of the thread. It waits until the answer is there.
#[derive(Debug)]
enum Command {
    /// A connected program: its end's number, and the agent's end.
    Program(RawFd, UnixStream),
    /// A toplevel goes to a place: the program's end, its number of the surface.
    Place(RawFd, u32, (i32, i32)),
    /// Things that a person does.
    Input(Vec<InputEvent>),
    /// The end.
    Stop,
}

/// A way to the thread, for each thing that WLCS holds.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    commands: Sender<(Command, Sender<()>)>,
    wake: std::sync::Arc<OwnedFd>,
}

impl Remote {
    /// Returns when it is done and everybody has heard of it.
    fn say(&self, command: Command) {
        let (done, answer) = mpsc::channel();
        if self.commands.send((command, done)).is_err() {
            return;
        }
        if let Ok(8) = write(&self.wake, &1_u64.to_ne_bytes()) {
            // An error is a thread that ended: there is nobody to wait for.
            let _ = answer.recv();
        }
    }

    /// A person does these things.
    pub(crate) fn input(&self, events: Vec<InputEvent>) {
        self.say(Command::Input(events));
    }
}

/// The server: its thread once it was started.
#[derive(Debug)]
pub(crate) struct Server {
    remote: Remote,
    waiting: Option<Receiver<(Command, Sender<()>)>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new() -> io::Result<Self> {
        let (commands, waiting) = mpsc::channel();
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?.into();
        Ok(Self { remote: Remote { commands, wake }, waiting: Some(waiting), thread: None })
    }

    pub(crate) fn remote(&self) -> Remote {
        self.remote.clone()
    }

    pub(crate) fn start(&mut self) {
        let Some(waiting) = self.waiting.take() else { return };
        let wake = self.remote.wake.clone();
        self.thread = Some(std::thread::spawn(move || match House::new() {
            Ok(house) => house.run(&waiting, &wake),
            Err(error) => complain(&format!("no server: {error}")),
        }));
    }

    pub(crate) fn stop(&mut self) {
        self.remote.say(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            complain("the server panicked");
        }
    }

    /// A program's end of a connection to the agent.
    pub(crate) fn program(&self) -> io::Result<OwnedFd> {
        use std::os::fd::AsRawFd;
        let (program, agent) = UnixStream::pair()?;
        self.remote.say(Command::Program(program.as_raw_fd(), agent));
        Ok(program.into())
    }

    /// Moves the toplevel with this surface.
    pub(crate) fn place(&self, program: RawFd, surface: u32, at: (i32, i32)) {
        self.remote.say(Command::Place(program, surface, at));
    }
}

#[expect(clippy::print_stderr, reason = "WLCS shows what its tests print, and nothing else")]
pub(crate) fn complain(what: &str) {
    eprintln!("transom-wlcs: {what}");
}

/// All that lives in the thread.
struct House {
    desktop: Desktop,
    desktop_loop: EventLoop<'static, Desktop>,
    agent: Agent,
    agent_loop: EventLoop<'static, Agent>,
    qube: QubeId,
    /// Programs by the number of their end.
    programs: Vec<(RawFd, Client)>,
}

impl House {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let agent_loop = EventLoop::<Agent>::try_new()?;
        let mut agent = Agent::new(agent_loop.handle())?;
        let desktop_loop = EventLoop::<Desktop>::try_new()?;
        let fonts = Path::new("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf");
        let options = Options {
            fonts: if fonts.exists() { Fonts::Files(vec![fonts.into()]) } else { Fonts::System },
            renderer: RendererKind::Pixman,
            size: SCREEN,
            pace: Pace::Manual,
            ..Options::default()
        };
        let mut desktop = Desktop::new(desktop_loop.handle(), options)?;
        let (dom0, inside) = UnixStream::pair()?;
        let identity = QubeIdentity { name: "wlcs".into(), label: Label::Orange, isolated: true };
        let qube = desktop.add_link(identity, dom0)?;
        agent.connect_stream(inside)?;
        let mut house = Self { desktop, desktop_loop, agent, agent_loop, qube, programs: Vec::new() };
        house.turn()?;
        Ok(house)
    }

    fn run(mut self, waiting: &Receiver<(Command, Sender<()>)>, wake: &OwnedFd) {
        if let Err(error) = self.serve(waiting, wake) {
            complain(&format!("the server ended: {error}"));
        }
    }

    fn serve(
        &mut self,
        waiting: &Receiver<(Command, Sender<()>)>,
        wake: &OwnedFd,
    ) -> Result<(), Box<dyn std::error::Error>> {
        loop {
            let fds = [self.desktop_loop.as_fd(), self.agent_loop.as_fd(), wake.as_fd()];
            let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            match poll(&mut fds, Some(&BREATH)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            // Nothing to read is no error here.
            let _ = read(wake, &mut [0; 8]);
            while let Ok((command, done)) = waiting.try_recv() {
                let stop = matches!(command, Command::Stop);
                self.turn()?;
                self.obey(command)?;
                self.turn()?;
                // Nobody waits if WLCS has gone on without the answer.
                let _ = done.send(());
                if stop {
                    return Ok(());
                }
            }
            self.hop()?;
            self.desktop.tick();
            self.desktop.frame();
            self.desktop.settle();
        }
    }

    fn obey(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Program(end, stream) => {
                let client = self.agent.add_program(stream)?;
                // A number is used again when its connection was closed.
                self.programs.retain(|(old, _)| *old != end);
                self.programs.push((end, client));
            }
            Command::Place(end, surface, (x, y)) => {
                let program = self.programs.iter().find(|(known, _)| *known == end);
                let window = program.and_then(|(_, client)| self.agent.window_of(client, surface));
                match window {
                    Some(window) => {
                        let key = SurfaceKey { qube: self.qube, window };
                        self.desktop.place_window(key, (x + ORIGIN.0, y + ORIGIN.1).into());
                    }
                    None => complain("a surface that is no window cannot be placed"),
                }
            }
            Command::Input(events) => {
                for event in events {
                    self.desktop.input(event);
                }
            }
            Command::Stop => {}
        }
        Ok(())
    }

    /// Everybody hears and answers until all are silent, and what changed is drawn.
    fn turn(&mut self) -> Result<(), calloop::Error> {
        for _ in 0..TURNS {
            self.hop()?;
        }
        self.desktop.frame();
        for _ in 0..TURNS {
            self.hop()?;
        }
        Ok(())
    }

    fn hop(&mut self) -> Result<(), calloop::Error> {
        let now = Some(std::time::Duration::ZERO);
        self.agent_loop.dispatch(now, &mut self.agent)?;
        self.agent.settle();
        self.desktop_loop.dispatch(now, &mut self.desktop)?;
        self.desktop.settle();
        Ok(())
    }
}
