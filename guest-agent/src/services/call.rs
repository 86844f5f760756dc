//! A call stream, from inside the qube. It waits: programs that use it do nothing else.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use rustix::fd::OwnedFd;
use transom_protocol::{
    MAGIC,
    call::{
        Accept, CALL_VERSION, Call, CallDown, CallUp, Ended, MAX_DATA, MAX_DESCRIPTION, Target, Token,
        is_argument, is_service, next_call_down,
    },
    types::join_strings,
    vsock::CALL_PORT,
    wire::With,
};

use super::ServiceError;
use crate::Address;

/// Names dom0's socket for calls instead of the usual one.
pub const ADDRESS_VAR: &str = "TRANSOM_CALLS";
/// Where a sandbox finds dom0.
const SANDBOX: &str = "/run/transom/call.sock";

/// Where dom0 takes calls.
pub fn address() -> Address {
    let named = std::env::var_os(ADDRESS_VAR).map(PathBuf::from);
    match named.or_else(|| Path::new(SANDBOX).exists().then(|| SANDBOX.into())) {
        Some(path) => Address::Unix(path),
        None => Address::Vsock(CALL_PORT),
    }
}

/// What came from the other end.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Bytes, never none.
    Data(Vec<u8>),
    /// No more bytes will come.
    End,
    /// The service has ended with this status.
    Exited(i32),
}

/// An end of a call.
#[derive(Debug)]
pub struct Stream {
    socket: std::fs::File,
    incoming: Vec<u8>,
    start: usize,
}

impl Stream {
    fn connect() -> Result<Self, ServiceError> {
        let address = address();
        let socket: OwnedFd =
            address.connect().map_err(|error| ServiceError::NoDom0(address.to_string(), error))?;
        Ok(Self { socket: socket.into(), incoming: Vec::new(), start: 0 })
    }

    /// Calls a service and waits until it is allowed: for the person, if need be.
    pub fn call(
        service: &str,
        target: Option<&Target>,
        argument: &str,
        description: &str,
    ) -> Result<Self, ServiceError> {
        if !is_service(service) {
            return Err(ServiceError::Local(format!("{service:?} is not the name of a service")));
        }
        if !is_argument(argument) {
            return Err(ServiceError::Local(format!(
                "{argument:?} is no argument: use up to 64 of a-z, A-Z, 0-9 and . _ - +"
            )));
        }
        let mut stream = Self::connect()?;
        let head = Call { magic: MAGIC, version: CALL_VERSION.into() };
        let description: String = description.chars().filter(|c| !c.is_control()).collect();
        let description = &description[..description.floor_char_boundary(MAX_DESCRIPTION)];
        let target = target.map_or("", Target::as_str);
        let tail = join_strings([service, target, argument, description]);
        stream.say(CallUp::Call(With { fixed: &head, tail: &tail }))?;
        stream.wait_until_open()
    }

    /// Takes up a call that this qube was asked to serve.
    pub fn accept(token: Token) -> Result<Self, ServiceError> {
        let mut stream = Self::connect()?;
        stream.say(CallUp::Accept(&Accept { magic: MAGIC, token }))?;
        stream.wait_until_open()
    }

    fn wait_until_open(mut self) -> Result<Self, ServiceError> {
        let allowed = self.next(|message| match message {
            CallDown::Allowed(()) => Ok(true),
            CallDown::Refused(()) => Ok(false),
            _ => Err(ServiceError::Foreign),
        })?;
        if allowed { Ok(self) } else { Err(ServiceError::Refused) }
    }

    /// A second handle, for another thread: one may write while the other one reads.
    pub fn writer(&self) -> io::Result<Writer> {
        Ok(Writer(self.socket.try_clone()?))
    }

    fn say(&mut self, message: CallUp<'_>) -> Result<(), ServiceError> {
        say(&mut self.socket, message)
    }

    /// Waits for what comes next from the other end.
    pub fn hear(&mut self) -> Result<Heard, ServiceError> {
        self.next(|message| match message {
            CallDown::Data(bytes) => Ok(Heard::Data(bytes.to_vec())),
            CallDown::End(()) => Ok(Heard::End),
            CallDown::Exited(ended) => Ok(Heard::Exited(ended.code.get())),
            CallDown::Allowed(()) | CallDown::Refused(()) => Err(ServiceError::Foreign),
        })
    }

    fn next<T>(
        &mut self,
        take: impl FnOnce(CallDown<'_>) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        loop {
            let raw = next_call_down(&self.incoming[self.start..]).map_err(|_| ServiceError::Foreign)?;
            if let Some(raw) = raw {
                let length = raw.wire_len();
                let result = take(CallDown::parse(&raw).map_err(|_| ServiceError::Foreign)?);
                self.start += length;
                return result;
            }
            self.incoming.drain(..self.start);
            self.start = 0;
            let before = self.incoming.len();
            self.incoming.resize(before + 2 * MAX_DATA, 0);
            let read = match self.socket.read(&mut self.incoming[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                Ok(0) => Err(ServiceError::Lost),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(ServiceError::Lost),
                other => other.map_err(ServiceError::Stream),
            };
            self.incoming.truncate(before + read.as_ref().map_or(0, |read| *read));
            read?;
        }
    }
}

fn say(socket: &mut std::fs::File, message: CallUp<'_>) -> Result<(), ServiceError> {
    let mut bytes = Vec::new();
    message.encode(0, 0, &mut bytes);
    socket.write_all(&bytes).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ServiceError::Lost,
        _ => ServiceError::Stream(error),
    })
}

/// Sends data to the other end. [`Write::flush`] does nothing: nothing is kept back.
#[derive(Debug)]
pub struct Writer(std::fs::File);

impl Writer {
    /// Says that no more data comes.
    pub fn end(&mut self) -> Result<(), ServiceError> {
        say(&mut self.0, CallUp::End(()))
    }

    /// Says how the service ended; only the serving end may.
    pub fn exited(&mut self, code: i32) -> Result<(), ServiceError> {
        say(&mut self.0, CallUp::Exited(&Ended { code: code.into() }))
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(MAX_DATA)];
        if piece.is_empty() {
            return Ok(0);
        }
        match say(&mut self.0, CallUp::Data(piece)) {
            Ok(()) => Ok(piece.len()),
            Err(ServiceError::Stream(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
