//! `transom-qubed`: the supervisor. It holds the qubes and outlives the compositor.
//!
//! One thread, one loop, nothing waits: every iteration polls all descriptors, serves those that
//! are ready within budgets, and writes what is queued.

mod cables;
mod calls;
mod copies;
mod disposables;
mod holds;
mod job;
mod log;
mod network;
mod programs;
mod rate;
mod requests;
mod running;
mod server;
mod service;
mod session;
mod settings;
mod socket;
mod startup;
mod updates;
mod usage;
mod vault;
mod volumes;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FlockOperation, flock},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
    process::{DumpableBehavior, Resource, getrlimit, set_child_subreaper, set_dumpable_behavior, setrlimit},
};

use self::server::{Server, Source};
use crate::{
    backends::Backends,
    encryption::Keyring,
    image::Images,
    paths::{self, PathError},
    store::{Store, StoreError, reason},
};

/// How long qubes may take to end when qubed ends, in seconds.
const SHUTDOWN_S: u64 = 5;
/// Longest runtime directory, in bytes: addresses of Unix sockets have 107, and below it come
/// `/qubes/NAME/service.sock`.
const MAX_RUNTIME_DIR: usize = 107 - "/qubes/".len() - 31 - "/service.sock".len();

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Options {
    /// For sockets; ours alone.
    pub runtime_dir: PathBuf,
    /// For qubes.
    pub data_dir: PathBuf,
    /// The agent's program. Looked at when a qube starts.
    pub agent: PathBuf,
    /// bubblewrap's program; the one in `PATH` if `None`.
    pub bwrap: Option<PathBuf>,
    /// The rules for service calls, which need not be there.
    pub policy: PathBuf,
}

/// Why qubed cannot run.
#[derive(Debug, thiserror::Error)]
pub enum QubedError {
    /// The runtime directory cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Its path is too long for sockets below it.
    #[error("the runtime directory {0} is too long for sockets: set {var} to one of at most {MAX_RUNTIME_DIR} bytes", var = paths::RUNTIME_DIR_VAR)]
    TooLong(PathBuf),
    /// The qubes cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another one runs.
    #[error("transom-qubed runs already in {0}")]
    Running(PathBuf),
    /// The system refused.
    #[error("cannot {doing}: {}", reason(.source))]
    System {
        /// At which step.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
}

fn at<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> QubedError {
    move |error| QubedError::System { doing, source: error.into() }
}

/// A qubed that is ready to run.
#[derive(Debug)]
pub struct Qubed {
    server: Server,
    /// Bytes come here for each signal that ends us.
    signals: UnixStream,
    socket: PathBuf,
    /// Held as long as we run.
    _lock: File,
}

impl Qubed {
    /// Takes possession of the directories and opens the socket. From then on clients can connect.
    pub fn open(options: &Options) -> Result<Self, QubedError> {
        let dir = &options.runtime_dir;
        paths::private_dir(dir)?;
        if dir.as_os_str().as_bytes().len() > MAX_RUNTIME_DIR {
            return Err(QubedError::TooLong(dir.clone()));
        }
        let lock = File::create(dir.join("qubed.lock")).map_err(at("make the lock file"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::AGAIN) => return Err(QubedError::Running(dir.clone())),
            other => other.map_err(at("take the lock file"))?,
        }
        // From here on we are alone: what lies here is of one that died.
        for left in ["qubes", disposables::LOGS] {
            let left = dir.join(left);
            match fs::remove_dir_all(&left) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at("clean the runtime directory")(error));
                }
                _ => {}
            }
            paths::private_dir(&left)?;
        }
        // The key of all volumes will be in our memory: no core file of it, and no debugger but root's.
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(at("hide from debuggers"))?;
        let store = Store::open(&options.data_dir)?;
        Keyring::of(&options.data_dir).clean();
        empty_trash(store.leftovers());

        // Orphans of a dead bubblewrap become ours, so that none stays as a zombie.
        set_child_subreaper(Some(rustix::process::getpid())).map_err(at("become the reaper"))?;
        raise_descriptor_limit();
        let socket = dir.join(paths::SOCKET_NAME);
        let listener = listen_at(&socket, SocketType::SEQPACKET).map_err(at("open the socket"))?;
        let calls = dir.join(paths::CALLS_NAME);
        let calls = listen_at(&calls, SocketType::STREAM).map_err(at("open the socket for calls"))?;
        let signals = signals().map_err(at("listen to signals"))?;
        let backends = Backends::new(options.bwrap.clone(), Images::new(&options.data_dir));
        let server = Server::new(options.clone(), store, backends, (listener, calls));
        Ok(Self { server, signals, socket, _lock: lock })
    }

    /// Serves until a signal ends it and all qubes are halted.
    pub fn run(mut self) -> Result<(), QubedError> {
        let result = self.serve();
        let _ = fs::remove_file(&self.socket);
        result
    }

    fn serve(&mut self) -> Result<(), QubedError> {
        loop {
            let now = Instant::now();
            self.server.tick(now);
            self.server.flush(now);
            if self.server.is_finished() {
                return Ok(());
            }
            let ready = self.wait(now).map_err(at("poll"))?;
            let now = Instant::now();
            for source in ready {
                match source {
                    None => self.take_signals(now),
                    Some(source) => self.server.ready(&source, now),
                }
            }
        }
    }

    /// Waits for descriptors or the next deadline. `None` stands for a signal.
    fn wait(&self, now: Instant) -> Result<Vec<Option<Source>>, Errno> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN)];
        let mut sources = vec![None];
        for (source, fd, flags) in self.server.sources(now) {
            sources.push(Some(source));
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        }
        let timeout = self.server.next_wake(now).map(|at| at.saturating_duration_since(now));
        // Rounded up, so that the deadline has passed when poll returns.
        let timeout = timeout.and_then(|left| {
            Timespec::try_from(left.saturating_add(std::time::Duration::from_millis(1))).ok()
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        Ok(sources.into_iter().zip(ready).filter(|(_, ready)| *ready).map(|(source, _)| source).collect())
    }

    fn take_signals(&mut self, now: Instant) {
        let mut bytes = [0; 16];
        let count = io::Read::read(&mut self.signals, &mut bytes).unwrap_or(0);
        for _ in 0..count {
            self.server.shut_down(now);
        }
    }
}

/// A listening socket for clients.
fn listen_at(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, kind, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listen(&socket, 64)?;
    Ok(socket)
}

/// A stream with one byte for each signal that should end us.
fn signals() -> io::Result<UnixStream> {
    let (ours, handlers) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, handlers.try_clone()?)?;
    }
    Ok(ours)
}

/// Each qube takes a handful of descriptors.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum.map(|most| most.min(1 << 16)).or(Some(1 << 16));
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit on descriptors stays");
    }
}

/// Deletes what was removed, on a thread of its own: a home can hold millions of files.
fn empty_trash(trash: crate::store::Trash) {
    if trash.is_empty() {
        return;
    }
    let spawned = std::thread::Builder::new().name("trash".to_owned()).spawn(move || {
        if let Err(error) = trash.empty() {
            tracing::warn!(%error, "a removed qube cannot be deleted wholly");
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "removed qubes stay until the next start");
    }
}

/// Tells whoever started us that we are ready, or why not, through descriptor `fd`.
///
/// The descriptor is reached by its name in `/proc`, since only its number is known.
pub fn tell_ready(fd: u32, result: &Result<(), String>) -> io::Result<()> {
    let mut pipe = File::options().write(true).open(format!("/proc/self/fd/{fd}"))?;
    match result {
        Ok(()) => pipe.write_all(b"READY\n")?,
        Err(reason) => pipe.write_all(format!("ERROR {reason}\n").as_bytes())?,
    }
    if fd == 1 {
        // Nobody waits for the end of the pipe on our account.
        let null = File::options().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(null)?;
    }
    Ok(())
}
