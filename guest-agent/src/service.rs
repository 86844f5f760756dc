//! The service stream to `transom-qubed`: programs are started and ended by its request only.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    os::{fd::AsFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use calloop::{
    Interest, LoopHandle, Mode, PostAction,
    generic::Generic,
    timer::{TimeoutAction, Timer},
};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tracing::{error, info, warn};
use transom_protocol::{
    MAGIC, SERVICE_VERSION,
    service::{Exited, Failed, Hello, MAX_REASON, Serve, Time, ToAgent, ToQubed, next_to_agent},
    wire::With,
};

use crate::{
    Address, Agent,
    pin::client::Client,
    programs,
    services::serve::{ARGUMENT_VAR, SERVICE_VAR, SOURCE_VAR, TOKEN_VAR, token_text},
};

/// From this version of the protocol on dom0 wants to know which programs there are.
const LISTS_FROM: u16 = 4;
/// How long programs may take to end when the qube shuts down.
const PATIENCE: Duration = Duration::from_secs(3);

/// Programs, and the stream that asks for them.
#[derive(Debug, Default)]
pub(crate) struct Service {
    stream: Option<File>,
    incoming: Vec<u8>,
    /// Running programs by the serial of their request.
    programs: BTreeMap<u32, Child>,
    /// Processes that serve calls, by their number.
    serving: BTreeMap<u32, Child>,
    environment: Vec<(&'static str, OsString)>,
    /// Socket of `transom-pin`, which may set the clock.
    clock: Option<PathBuf>,
    ending: bool,
}

impl Service {
    /// Programs started from now on find X11 at this display.
    pub(crate) fn set_display(&mut self, number: u32) {
        self.environment.retain(|(name, _)| *name != "DISPLAY");
        self.environment.push(("DISPLAY", format!(":{number}").into()));
    }
}

impl Agent {
    /// Variables that programs get beside the agent's own.
    pub fn set_program_environment(&mut self, environment: Vec<(&'static str, OsString)>) {
        self.service.environment = environment;
    }

    /// Lets dom0 set the machine's clock after a pause, by the `transom-pin` behind this socket.
    /// Without it, dom0's word on the time is of no interest: the clock is dom0's own.
    pub fn set_clock_by(&mut self, socket: PathBuf) {
        self.service.clock = Some(socket);
    }

    /// Opens the service stream and says that programs may be started.
    ///
    /// # Errors
    /// The supervisor is not there.
    pub fn serve_qubed(&mut self, address: &Address) -> io::Result<()> {
        let stream = File::from(address.connect()?);
        let source = Generic::new(stream.as_fd().try_clone_to_owned()?, Interest::READ, Mode::Level);
        self.service.stream = Some(stream);
        let handle: LoopHandle<'static, Self> = self.handle.clone();
        handle
            .insert_source(source, |_, _, agent: &mut Self| Ok(agent.service_readable()))
            .map_err(|error| io::Error::other(error.to_string()))?;
        self.tell_qubed(0, ToQubed::Hello(&Hello { magic: MAGIC, version: SERVICE_VERSION.into() }));
        self.tell_qubed(0, ToQubed::Ready(()));
        Ok(())
    }

    /// The supervisor reads at once; its stream is written to without more ado.
    fn tell_qubed(&mut self, serial: u32, message: ToQubed<'_>) {
        let mut bytes = Vec::new();
        message.encode(0, serial, &mut bytes);
        self.write_to_qubed(&bytes);
    }

    /// Whole messages, as they are.
    pub(crate) fn write_to_qubed(&mut self, bytes: &[u8]) {
        let Some(stream) = &mut self.service.stream else { return };
        if let Err(error) = stream.write_all(bytes) {
            warn!(%error, "transom-qubed is gone");
            self.service.stream = None;
        }
    }

    fn service_readable(&mut self) -> PostAction {
        let mut chunk = [0; 4_096];
        let read = match &mut self.service.stream {
            Some(stream) => stream.read(&mut chunk),
            None => return PostAction::Remove,
        };
        match read {
            Ok(0) => {
                info!("transom-qubed ended the service stream");
                self.service.stream = None;
                return PostAction::Remove;
            }
            Ok(bytes) => self.service.incoming.extend_from_slice(&chunk[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return PostAction::Continue,
            Err(error) => {
                warn!(%error, "the service stream broke");
                self.service.stream = None;
                return PostAction::Remove;
            }
        }
        let bytes = std::mem::take(&mut self.service.incoming);
        let mut consumed = 0;
        loop {
            match next_to_agent(&bytes[consumed..])
                .and_then(|raw| raw.map(|raw| Ok((raw, ToAgent::parse(&raw)?))).transpose())
            {
                Ok(Some((raw, message))) => {
                    consumed += raw.wire_len();
                    self.qubed_says(raw.header.serial.get(), &message);
                }
                Ok(None) => break,
                Err(error) => {
                    warn!(%error, "transom-qubed said what it may not say");
                    self.service.stream = None;
                    return PostAction::Remove;
                }
            }
        }
        self.service.incoming = bytes[consumed..].to_vec();
        PostAction::Continue
    }

    fn qubed_says(&mut self, serial: u32, message: &ToAgent<'_>) {
        match message {
            ToAgent::Welcome(welcome) if welcome.version.get() >= LISTS_FROM => self.list_programs(),
            ToAgent::Welcome(_) => {}
            ToAgent::Run(run) => self.run_program(serial, &run.arguments(), None),
            ToAgent::Launch(launch) => self.launch_program(serial, launch.id()),
            ToAgent::Shutdown(()) => self.shut_down(),
            ToAgent::Time(time) => self.set_clock(time),
            ToAgent::Serve(serve) => self.serve_call(serve),
        }
    }

    fn set_clock(&self, time: &Time) {
        let Some(socket) = &self.service.clock else { return };
        let set = Client::connect(socket)
            .map_err(Into::into)
            .and_then(|mut client| client.set_clock(time.seconds.get(), time.nanos.get()));
        match set {
            Ok(()) => info!("the clock is right"),
            Err(error) => warn!(%error, "the clock cannot be set"),
        }
    }

    /// Starts a program that was listed.
    fn launch_program(&mut self, serial: u32, id: &str) {
        match programs::start(id) {
            Ok(start) => {
                let argv: Vec<&str> = start.argv.iter().map(String::as_str).collect();
                self.run_program(serial, &argv, start.dir.as_deref());
            }
            Err(reason) => {
                warn!(id, reason, "program not started");
                self.tell_failed(serial, 0, &reason);
            }
        }
    }

    fn tell_failed(&mut self, serial: u32, errno: i32, reason: &str) {
        let cut = &reason.as_bytes()[..reason.floor_char_boundary(MAX_REASON)];
        self.tell_qubed(serial, ToQubed::Failed(With { fixed: &Failed { errno: errno.into() }, tail: cut }));
    }

    fn run_program(&mut self, serial: u32, argv: &[&str], dir: Option<&Path>) {
        let Some((program, arguments)) = argv.split_first() else { return };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        if let Some(dir) = dir {
            command.current_dir(dir);
        }
        command.envs(self.service.environment.iter().map(|(name, value)| (name, value)));
        match command.spawn() {
            Ok(child) => {
                info!(program, pid = child.id(), "program started");
                self.tell_qubed(serial, ToQubed::Started(()));
                if let Err(error) = self.watch_program(serial, &child) {
                    warn!(%error, "a program's end will not be seen");
                }
                self.service.programs.insert(serial, child);
            }
            Err(error) => {
                warn!(program, %error, "program not started");
                self.tell_failed(serial, error.raw_os_error().unwrap_or(0), &format!("{program}: {error}"));
            }
        }
    }

    fn watch_program(&mut self, serial: u32, child: &Child) -> io::Result<()> {
        self.watch_child(child, move |agent| agent.program_ended(serial))
    }

    fn watch_child(&mut self, child: &Child, ended: impl Fn(&mut Self) + 'static) -> io::Result<()> {
        let pid = Pid::from_child(child);
        let source = Generic::new(pidfd_open(pid, PidfdFlags::empty())?, Interest::READ, Mode::Level);
        self.handle
            .insert_source(source, move |_, _, agent: &mut Self| {
                ended(agent);
                Ok(PostAction::Remove)
            })
            .map(drop)
            .map_err(|error| io::Error::other(error.to_string()))
    }

    /// Starts the process that takes up a call of another qube. If that fails nobody comes for the call,
    /// which ends then.
    fn serve_call(&mut self, serve: &With<'_, Serve>) {
        let [service, argument, source] = serve.parts();
        let program = std::env::current_exe().map(|agent| agent.with_file_name("transom-services"));
        let spawned = program.and_then(|program| {
            Command::new(program)
                .arg("serve")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .envs(self.service.environment.iter().map(|(name, value)| (name, value)))
                .env(TOKEN_VAR, token_text(&serve.fixed.token))
                .env(SERVICE_VAR, service)
                .env(ARGUMENT_VAR, argument)
                .env(SOURCE_VAR, source)
                .spawn()
        });
        match spawned {
            Ok(child) => {
                let pid = child.id();
                info!(service, source, pid, "serving a call");
                let ended = move |agent: &mut Self| {
                    if let Some(mut child) = agent.service.serving.remove(&pid) {
                        let _ = child.wait();
                    }
                };
                if let Err(error) = self.watch_child(&child, ended) {
                    warn!(service, %error, "a call's end will not be seen");
                }
                self.service.serving.insert(pid, child);
            }
            Err(error) => warn!(service, %error, "a call cannot be served"),
        }
    }

    fn program_ended(&mut self, serial: u32) {
        let Some(mut child) = self.service.programs.remove(&serial) else { return };
        let (code, signal) = match child.wait() {
            Ok(status) => (status.code().unwrap_or(-1), status.signal().unwrap_or(0)),
            Err(_) => (-1, 0),
        };
        info!(pid = child.id(), code, signal, "program ended");
        self.tell_qubed(serial, ToQubed::Exited(&Exited { code: code.into(), signal: signal.into() }));
        if self.service.ending && self.service.programs.is_empty() {
            self.quit();
        }
    }

    /// Asks every program to end; then, or after some patience, the agent ends.
    fn shut_down(&mut self) {
        self.service.ending = true;
        if self.service.programs.is_empty() {
            self.quit();
            return;
        }
        for child in self.service.programs.values() {
            if let Err(error) = kill_process(Pid::from_child(child), Signal::TERM) {
                warn!(%error, "a program cannot be asked to end");
            }
        }
        let timer = self.handle.insert_source(Timer::from_duration(PATIENCE), |_, (), agent: &mut Self| {
            agent.quit();
            TimeoutAction::Drop
        });
        if let Err(error) = timer {
            error!(%error, "no timer: ending at once");
            self.quit();
        }
    }
}
