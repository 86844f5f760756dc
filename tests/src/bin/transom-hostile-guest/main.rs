//! Process 1 of a hostile qube: in the place of init and agent, as root. It does what dom0 asks for
//! by `transom qube run`, and each of these things is bad: see [`attacks`].
//!
//! What an attack found is told on the console. One that went otherwise than it should have is a
//! program that did not start, and so an error of `transom qube run`.
#![allow(clippy::print_stdout, reason = "its console is the qube's log")]

mod attacks;
mod pages;

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use transom_protocol::{
    MAGIC,
    service::{Failed, Hello, ToAgent, ToQubed, next_to_agent},
    vsock::SERVICE_PORT,
    wire::With,
};
use vsock::{VMADDR_CID_HOST, VsockStream};

/// Connects to a port of dom0.
fn connect(port: u32) -> io::Result<UnixStream> {
    let stream: OwnedFd = VsockStream::connect_with_cid_port(VMADDR_CID_HOST, port)?.into();
    // A stream is a stream: the type is used for its methods, none of which cares for the address.
    Ok(stream.into())
}

/// What dom0 wants.
enum Order {
    /// Serial and words of a program.
    Run(u32, Vec<String>),
    /// The end.
    End,
}

/// The service stream, which is spoken as an agent would.
struct Service {
    stream: UnixStream,
    incoming: Vec<u8>,
}

impl Service {
    fn open() -> io::Result<Self> {
        let mut service = Self { stream: connect(SERVICE_PORT)?, incoming: Vec::new() };
        service.say(0, &ToQubed::Hello(&Hello { magic: MAGIC, version: 1.into() }))?;
        service.say(0, &ToQubed::Ready(()))?;
        Ok(service)
    }

    fn say(&mut self, serial: u32, message: &ToQubed<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        message.encode(0, serial, &mut bytes);
        self.stream.write_all(&bytes)
    }

    fn next(&mut self) -> Result<Order, Box<dyn Error>> {
        loop {
            if let Some(raw) = next_to_agent(&self.incoming)? {
                let order = match ToAgent::parse(&raw)? {
                    ToAgent::Welcome(_) | ToAgent::Time(_) | ToAgent::Serve(_) | ToAgent::Launch(_) => None,
                    ToAgent::Run(run) => {
                        let words = run.arguments().into_iter().map(str::to_owned).collect();
                        Some(Order::Run(raw.header.serial.get(), words))
                    }
                    ToAgent::Shutdown(()) => Some(Order::End),
                };
                let length = raw.wire_len();
                self.incoming.drain(..length);
                if let Some(order) = order {
                    return Ok(order);
                }
                continue;
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk)? {
                0 => return Err("dom0 closed the service stream".into()),
                bytes => self.incoming.extend_from_slice(&chunk[..bytes]),
            }
        }
    }
}

fn serve(service: &mut Service, evil: &mut attacks::Evil) -> Result<(), Box<dyn Error>> {
    loop {
        let (serial, words) = match service.next()? {
            Order::Run(serial, words) => (serial, words),
            Order::End => return Ok(()),
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match evil.attack(&words) {
            Ok(found) => {
                println!("hostile: {}: {found}", words.join(" "));
                service.say(serial, &ToQubed::Started(()))?;
            }
            Err(reason) => {
                println!("hostile: {} went wrong: {reason}", words.join(" "));
                let failed = With { fixed: &Failed { errno: 0.into() }, tail: reason.as_bytes() };
                service.say(serial, &ToQubed::Failed(failed))?;
            }
        }
    }
}

fn main() {
    let mut evil = attacks::Evil::default();
    loop {
        let served =
            Service::open().map_err(Into::into).and_then(|mut service| serve(&mut service, &mut evil));
        match served {
            Ok(()) => break,
            Err(error) => println!("hostile: {error}"),
        }
    }
    // Switches off at once.
    let _ = fs::write("/proc/sysrq-trigger", "o");
    loop {
        std::thread::park();
    }
}
