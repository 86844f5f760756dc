//! `transom-services`: services of other qubes and of dom0, called and served. Called by another name it is
//! `transom-copy`, `transom-move`, `transom-open`, `transom-start`, `transom-clock`, `transom-updates` or
//! `transom-call`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant, SystemTime},
};

use clap::Parser;
use transom_agent::{
    services::{
        COPY, OPEN_FILE, OPEN_LINK, START_PROGRAM, ServiceError,
        call::{Heard, Stream},
        copy::{Answer, Plan, receive},
        open, serve, updates,
    },
    start_apart,
};
use transom_protocol::{
    call::{Target, is_argument},
    dom0_services::{CLOCK, UPDATES, read_time, time_line},
    programs::is_program_id,
};

/// Services of other qubes.
#[derive(Debug, Parser)]
#[command(name = "transom-services", version, about)]
enum Tool {
    /// Copy files and folders to another qube; they arrive in QubesIncoming/THIS-QUBE
    Copy(Files),
    /// Copy files and folders to another qube, and remove them here once they are there
    Move(Files),
    /// Open a file or a link in another qube
    Open {
        /// The qube, or @disposable for a new one; dom0 asks the person if none is named
        #[arg(long)]
        to: Option<Target>,
        /// A file, or a link that begins with http:, https: or mailto:
        what: OsString,
    },
    /// Start a program of another qube
    Start {
        /// The qube, or @disposable for a new one; dom0 asks the person if none is named
        #[arg(long)]
        to: Option<Target>,
        /// Its id there: the name of its desktop entry without .desktop, such as firefox-esr
        program: String,
    },
    /// Say what time it is in dom0 or another qube, as `date --date` reads it
    Clock {
        /// The qube
        #[arg(long, default_value = "dom0")]
        to: Target,
    },
    /// Tell dom0 which packages of this qube could be newer
    Updates {
        /// Do so five minutes from now, and then every day
        #[arg(long)]
        daily: bool,
        /// Say it here, not to dom0
        #[arg(long, conflicts_with = "daily")]
        show: bool,
    },
    /// Call any service; standard input goes there, what it answers comes to standard output
    Call {
        /// The qube, or @disposable for a new one; dom0 asks the person if none is named
        #[arg(long)]
        to: Option<Target>,
        /// Said to the person who decides, as the words of this qube
        #[arg(long, default_value = "")]
        about: String,
        /// The service
        service: String,
        /// Its argument
        #[arg(default_value = "")]
        argument: String,
    },
    /// Serve a call (started by the agent)
    #[command(hide = true)]
    Serve,
    /// Receive files on standard input (started by Serve)
    #[command(hide = true)]
    Receive,
    /// Receive one file on standard input and open it (started by Serve)
    #[command(hide = true)]
    ReceiveAndOpen,
    /// Open the link on standard input (started by Serve)
    #[command(hide = true)]
    OpenLink,
    /// Start the program that the argument names (started by Serve)
    #[command(hide = true)]
    StartProgram,
    /// Say what time it is here (started by Serve)
    #[command(hide = true)]
    TellTime,
}

#[derive(Debug, clap::Args)]
struct Files {
    /// The qube, or @disposable for a new one; dom0 asks the person if none is named
    #[arg(long)]
    to: Option<Target>,
    /// Files and folders
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::new("info");
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(io::stderr).init();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.first().map(|name| Path::new(name).file_name().unwrap_or_default().to_owned());
    let word = name.as_deref().and_then(|name| name.to_str()?.strip_prefix("transom-"));
    if let Some(word @ ("copy" | "move" | "open" | "start" | "clock" | "updates" | "call")) = word {
        let word = word.into();
        arguments.insert(1, word);
    }
    let result = match Tool::parse_from(arguments) {
        Tool::Copy(files) => copy(&files, false),
        Tool::Move(files) => copy(&files, true),
        Tool::Open { to, what } => open_elsewhere(to.as_ref(), &what),
        Tool::Call { to, about, service, argument } => call(&service, to.as_ref(), &argument, &about),
        Tool::Start { to, program } => start(to.as_ref(), &program),
        Tool::Clock { to } => clock(&to),
        Tool::Updates { show: true, .. } => show_updates(),
        Tool::Updates { daily: true, .. } => daily_updates(),
        Tool::Updates { .. } => tell_updates().map(|()| ExitCode::SUCCESS),
        Tool::Serve => serve_call(),
        Tool::Receive => Ok(receive_files(false)),
        Tool::ReceiveAndOpen => Ok(receive_files(true)),
        Tool::OpenLink => Ok(open_link()),
        Tool::StartProgram => start_program(),
        Tool::TellTime => tell_time(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("transom: {error}");
            ExitCode::FAILURE
        }
    }
}

fn copy(files: &Files, remove: bool) -> Result<ExitCode, ServiceError> {
    let plan = Plan::new(&files.paths)?;
    for path in &plan.skipped {
        eprintln!("transom: {} is neither a file nor a folder and stays here", path.display());
    }
    if remove && !plan.skipped.is_empty() {
        return Err(ServiceError::Local("nothing was moved: not all of it can be".to_owned()));
    }
    transfer(COPY, files.to.as_ref(), &plan)?;
    if remove {
        plan.remove()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends a plan, shows how far it is, and waits until the other end says that all of it is there.
fn transfer(service: &str, to: Option<&Target>, plan: &Plan) -> Result<(), ServiceError> {
    let stream = Stream::call(service, to, "", &plan.description())?;
    let mut writer = stream.writer().map_err(ServiceError::Stream)?;
    // The other end may say no at any moment: it is heard while this one speaks.
    let hears = thread::spawn(move || answer(stream));
    let mut meter = Meter::new();
    let sent = plan.send(&mut writer, &mut |sent, all| meter.show(sent, all));
    let sent = sent.and_then(|()| writer.end());
    meter.clear();
    if let Err(ServiceError::Local(_) | ServiceError::Stream(_)) = &sent {
        // Nothing is received from somebody who does not finish.
        return sent;
    }
    hears.join().unwrap_or(Err(ServiceError::Lost))?;
    sent
}

/// Waits for the one byte that the other end answers, and for its end.
fn answer(mut stream: Stream) -> Result<(), ServiceError> {
    let mut said = None;
    loop {
        match stream.hear() {
            Ok(Heard::Data(bytes)) if said.is_none() => said = bytes.first().copied(),
            Ok(Heard::Data(_) | Heard::End) => {}
            // An answer that came is one, however the other end goes on.
            Err(error) if said.is_none() => return Err(error),
            Ok(Heard::Exited(_)) | Err(_) => break,
        }
    }
    match said.and_then(Answer::from_byte).ok_or(ServiceError::Lost)? {
        Answer::Done => Ok(()),
        other => Err(ServiceError::Remote(other.text())),
    }
}

/// How far it is, on the terminal.
struct Meter {
    on: bool,
    begun: Instant,
    shown: Option<Instant>,
}

impl Meter {
    fn new() -> Self {
        Self { on: io::stderr().is_terminal(), begun: Instant::now(), shown: None }
    }

    fn show(&mut self, sent: u64, all: u64) {
        let now = Instant::now();
        let early = self.shown.is_some_and(|shown| now - shown < Duration::from_millis(200));
        if !self.on || early {
            return;
        }
        self.shown = Some(now);
        let percent = sent.saturating_mul(100).checked_div(all).unwrap_or(100);
        let rate = sent as f64 / 1e6 / (now - self.begun).as_secs_f64().max(0.001);
        eprint!("\r{percent:3} % of {:.1} MB, {rate:.1} MB/s   ", all as f64 / 1e6);
    }

    fn clear(&self) {
        if self.shown.is_some() {
            eprint!("\r{:50}\r", "");
        }
    }
}

fn open_elsewhere(to: Option<&Target>, what: &std::ffi::OsStr) -> Result<ExitCode, ServiceError> {
    let link = what.to_str().filter(|text| open::is_link(text));
    let Some(link) = link else {
        let plan = Plan::new(&[PathBuf::from(what)])?;
        if !plan.is_one_file() {
            return Err(ServiceError::Local("only a file or a link can be opened".to_owned()));
        }
        transfer(OPEN_FILE, to, &plan)?;
        return Ok(ExitCode::SUCCESS);
    };
    let stream = Stream::call(OPEN_LINK, to, "", link)?;
    let mut writer = stream.writer().map_err(ServiceError::Stream)?;
    writer.write_all(link.as_bytes()).map_err(ServiceError::Stream)?;
    writer.end()?;
    answer(stream).map(|()| ExitCode::SUCCESS)
}

fn start(to: Option<&Target>, program: &str) -> Result<ExitCode, ServiceError> {
    if !is_program_id(program) || !is_argument(program) {
        return Err(ServiceError::Local(format!("{program:?} is no program's id that can be asked for")));
    }
    let stream = Stream::call(START_PROGRAM, to, program, "")?;
    ended(stream, "the other qube could not start it").map(|()| ExitCode::SUCCESS)
}

/// Waits for the end of a service that has nothing to say, and sees that it went well; else `why`.
fn ended(mut stream: Stream, why: &'static str) -> Result<(), ServiceError> {
    loop {
        match stream.hear()? {
            Heard::Exited(0) => return Ok(()),
            Heard::Exited(_) => return Err(ServiceError::Remote(why)),
            Heard::Data(_) | Heard::End => {}
        }
    }
}

fn start_program() -> Result<ExitCode, ServiceError> {
    let untrusted_id = variable(serve::ARGUMENT_VAR)?;
    if !is_program_id(&untrusted_id) {
        return Err(ServiceError::Local("what was asked for is no program's id".to_owned()));
    }
    start_apart(&untrusted_id, &[serve::SERVICE_VAR, serve::ARGUMENT_VAR, serve::SOURCE_VAR])
        .map(|()| ExitCode::SUCCESS)
        .map_err(ServiceError::Local)
}

fn clock(to: &Target) -> Result<ExitCode, ServiceError> {
    let mut stream = Stream::call(CLOCK, Some(to), "", "")?;
    let mut untrusted = Vec::new();
    loop {
        match stream.hear()? {
            // Much more than a time has.
            Heard::Data(bytes) if untrusted.len() + bytes.len() <= 64 => untrusted.extend_from_slice(&bytes),
            Heard::Data(_) => return Err(ServiceError::Remote("what it says is no time")),
            Heard::End => {}
            Heard::Exited(_) => break,
        }
    }
    let time = read_time(&untrusted).ok_or(ServiceError::Remote("what it says is no time"))?;
    print!("@{}", time_line(time));
    Ok(ExitCode::SUCCESS)
}

fn tell_time() -> Result<ExitCode, ServiceError> {
    let mut out = io::stdout();
    let line = time_line(SystemTime::now());
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(ServiceError::Stream)?;
    Ok(ExitCode::SUCCESS)
}

fn show_updates() -> Result<ExitCode, ServiceError> {
    let list = updates::list()?.encode();
    io::stdout().write_all(&list).map_err(ServiceError::Stream)?;
    Ok(ExitCode::SUCCESS)
}

fn tell_updates() -> Result<(), ServiceError> {
    let list = updates::list()?;
    let stream = Stream::call(UPDATES, Some(&Target::Dom0), "", "")?;
    let mut writer = stream.writer().map_err(ServiceError::Stream)?;
    writer.write_all(&list.encode()).map_err(ServiceError::Stream)?;
    writer.end()?;
    ended(stream, "dom0 does not take the list")
}

/// Until the qube ends. What fails one day may go well the next.
fn daily_updates() -> Result<ExitCode, ServiceError> {
    let mut wait = Duration::from_mins(5);
    loop {
        thread::sleep(wait);
        if let Err(error) = tell_updates() {
            eprintln!("transom: {error}");
        }
        wait = Duration::from_hours(24);
    }
}

fn call(service: &str, to: Option<&Target>, argument: &str, about: &str) -> Result<ExitCode, ServiceError> {
    let mut stream = Stream::call(service, to, argument, about)?;
    let mut writer = stream.writer().map_err(ServiceError::Stream)?;
    thread::spawn(move || {
        let copied = io::copy(&mut io::stdin(), &mut writer);
        if copied.is_ok() {
            let _ = writer.end();
        }
    });
    let mut out = io::stdout();
    loop {
        match stream.hear()? {
            Heard::Data(bytes) => {
                out.write_all(&bytes).and_then(|()| out.flush()).map_err(ServiceError::Stream)?;
            }
            Heard::End => {}
            Heard::Exited(code) => return Ok(ExitCode::from(u8::try_from(code).unwrap_or(255))),
        }
    }
}

/// A variable that the agent has set.
fn variable(name: &'static str) -> Result<String, ServiceError> {
    std::env::var(name).map_err(|_| ServiceError::Local(format!("{name} is not set")))
}

fn serve_call() -> Result<ExitCode, ServiceError> {
    let token = serve::token(&variable(serve::TOKEN_VAR)?);
    let token = token.ok_or_else(|| ServiceError::Local("no token".to_owned()))?;
    let code = serve::serve(token, &variable(serve::SERVICE_VAR)?, &variable(serve::ARGUMENT_VAR)?)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(255)))
}

/// Says how it went on standard output, where the other end reads it.
fn reply(answer: Answer) -> ExitCode {
    let mut out = io::stdout();
    let said = out.write_all(&[answer as u8]).and_then(|()| out.flush());
    if answer == Answer::Done && said.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn receive_files(and_open: bool) -> ExitCode {
    let (Ok(source), Some(home)) = (std::env::var(serve::SOURCE_VAR), std::env::var_os("HOME")) else {
        tracing::error!("it is not known who sends, or where home is");
        return reply(Answer::Failed);
    };
    // As dom0 has checked it; it is a folder's name here.
    if transom_protocol::call::Caller::new(&source).is_err() {
        return reply(Answer::Failed);
    }
    let incoming = Path::new(&home).join("QubesIncoming");
    let mut input = io::BufReader::with_capacity(256 << 10, io::stdin());
    match receive(&mut input, &incoming, &source, and_open) {
        Ok(received) => {
            tracing::info!(source, bytes = received.bytes, names = ?received.names, "received");
            let first = received.names.first().filter(|_| and_open);
            match first.map(|name| open::open(incoming.join(&source).join(name).as_os_str())) {
                Some(Err(error)) => {
                    tracing::warn!(%error, "it cannot be opened");
                    reply(Answer::NotOpened)
                }
                Some(Ok(())) | None => reply(Answer::Done),
            }
        }
        Err((answer, reason)) => {
            tracing::warn!(source, reason, "nothing was received");
            reply(answer)
        }
    }
}

fn open_link() -> ExitCode {
    let mut bytes = Vec::new();
    let read = io::stdin().take(open::MAX_LINK as u64 + 1).read_to_end(&mut bytes);
    let text = str::from_utf8(&bytes).ok().filter(|text| read.is_ok() && open::is_link(text));
    let Some(link) = text else {
        tracing::warn!("what came is no link");
        return reply(Answer::Malformed);
    };
    match open::open(link.as_ref()) {
        Ok(()) => reply(Answer::Done),
        Err(error) => {
            tracing::warn!(%error, "the link cannot be opened");
            reply(Answer::NotOpened)
        }
    }
}
