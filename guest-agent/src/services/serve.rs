//! Serving a call: the service's program between a call stream and its standard streams.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use transom_protocol::{
    call::{MAX_DATA, Token},
    dom0_services::CLOCK,
};

use super::{
    COPY, OPEN_FILE, OPEN_LINK, START_PROGRAM, ServiceError,
    call::{Heard, Stream},
};

/// The token of the call, in hexadecimal.
pub const TOKEN_VAR: &str = "TRANSOM_TOKEN";
/// The name of the service.
pub const SERVICE_VAR: &str = "TRANSOM_SERVICE";
/// The argument of the call. Services find it in their environment, and as their first argument.
pub const ARGUMENT_VAR: &str = "TRANSOM_ARGUMENT";
/// The qube that calls, as dom0 knows it.
pub const SOURCE_VAR: &str = "TRANSOM_SOURCE";
/// What a service that is not there ends with, as in shells.
const NOT_FOUND: i32 = 127;
/// How long a program has to end after its call has, and its output after itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where services are looked for, first to last.
fn folders() -> Vec<PathBuf> {
    let own = std::env::var_os("HOME").map(|home| Path::new(&home).join(".config/transom/services"));
    let system = ["/etc/transom/services", "/usr/lib/transom/services"].map(PathBuf::from);
    system.into_iter().chain(own).collect()
}

/// The program of a service: one that is installed, or a built-in one.
fn program(service: &str, argument: &str) -> Option<Command> {
    let installed = folders().into_iter().map(|dir| dir.join(service)).find(|path| path.is_file());
    if let Some(path) = installed {
        let mut command = Command::new(path);
        if !argument.is_empty() {
            command.arg(argument);
        }
        return Some(command);
    }
    let word = match service {
        COPY => "receive",
        OPEN_FILE => "receive-and-open",
        OPEN_LINK => "open-link",
        START_PROGRAM => "start-program",
        CLOCK => "tell-time",
        _ => return None,
    };
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.arg(word);
    Some(command)
}

/// Reads a token from its text.
pub fn token(text: &str) -> Option<Token> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let mut token = [0; 16];
    for (byte, pair) in token.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(token)
}

/// The text of a token.
pub fn token_text(token: &Token) -> String {
    format!("{:032x}", u128::from_be_bytes(*token))
}

/// Takes up the call with this token and serves it to its end. Gives the status of the service.
pub fn serve(token: Token, service: &str, argument: &str) -> Result<i32, ServiceError> {
    let mut stream = Stream::accept(token)?;
    let mut writer = stream.writer().map_err(ServiceError::Stream)?;
    let Some(mut command) = program(service, argument) else {
        tracing::warn!(service, "there is no such service");
        writer.exited(NOT_FOUND)?;
        return Ok(NOT_FOUND);
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).env_remove(TOKEN_VAR);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(service, %error, "the service does not start");
            writer.exited(NOT_FOUND - 1)?;
            return Ok(NOT_FOUND - 1);
        }
    };
    let group = Pid::from_child(&child);
    let mut input = child.stdin.take();
    // What the caller says, and the end of the stream.
    let (gone, lost) = mpsc::channel();
    let ended = gone.clone();
    thread::spawn(move || {
        loop {
            match stream.hear() {
                Ok(Heard::Data(bytes)) => {
                    // A program that does not want it may leave it.
                    if let Some(pipe) = &mut input
                        && pipe.write_all(&bytes).is_err()
                    {
                        input = None;
                    }
                }
                Ok(Heard::End) => input = None,
                Ok(Heard::Exited(_)) | Err(_) => {
                    drop(input);
                    let _ = gone.send(None);
                    return;
                }
            }
        }
    });
    let output = child.stdout.take();
    let (read, all_read) = mpsc::channel();
    thread::spawn(move || {
        if let Some(mut output) = output {
            let mut chunk = vec![0; MAX_DATA];
            loop {
                match output.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(bytes) if writer.write_all(&chunk[..bytes]).is_ok() => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    _ => break,
                }
            }
            let _ = writer.end();
        }
        let _ = read.send(writer);
    });
    thread::spawn(move || {
        let _ = ended.send(Some(wait(&mut child)));
    });
    if let Ok(Some(code)) = lost.recv() {
        // What the program has left to others is not waited for.
        if let Ok(mut writer) = all_read.recv_timeout(PATIENCE) {
            writer.exited(code)?;
        }
        return Ok(code);
    }
    // The caller is gone. The program has seen the end of its input.
    if !matches!(lost.recv_timeout(PATIENCE), Ok(Some(_))) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    Err(ServiceError::Lost)
}

fn wait(child: &mut Child) -> i32 {
    match child.wait() {
        // As in shells.
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)).clamp(0, 255),
        Err(_) => 255,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        let some: Token = std::array::from_fn(|i| (i * 17) as u8);
        assert_eq!(token(&token_text(&some)), Some(some));
        for bad in ["", "00", &"0".repeat(31), &"g".repeat(32), &"+1".repeat(16), &"é".repeat(16)] {
            assert!(token(bad).is_none() || *bad == "+1".repeat(16), "{bad}");
        }
    }
}
