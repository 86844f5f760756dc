//! The serial console: a 16550 whose output goes to a descriptor.
//!
//! Output is never waited for: what the reader has no room for is lost.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
};

use vm_superio::{Serial, Trigger, serial::NoEvents};
use vmm_sys_util::eventfd::EventFd;

use crate::vmm::layout;

/// The interrupt line.
#[derive(Debug)]
struct Line(EventFd);

impl Trigger for Line {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.write(1)
    }
}

/// Where output goes.
#[derive(Debug)]
struct Output(Option<File>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.0 {
            match file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Nobody reads any more.
                Err(_) => self.0 = None,
                Ok(_) => {}
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The device.
pub struct Console {
    serial: Serial<Line, NoEvents, Output>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

impl Console {
    /// A console that interrupts by `line` and writes into `output`, which should be non-blocking.
    pub fn new(line: EventFd, output: Option<OwnedFd>) -> Self {
        Self { serial: Serial::new(Line(line), Output(output.map(File::from))) }
    }

    /// A guest writes to one of the console's ports. False if the port is another's.
    pub fn write(&mut self, port: u16, untrusted_value: u8) -> bool {
        let Some(offset) = offset(port) else { return false };
        // Fails when the guest, looping back, overfills its own input.
        let _ = self.serial.write(offset, untrusted_value);
        true
    }

    /// A guest reads from one of the console's ports; `None` if the port is another's.
    pub fn read(&mut self, port: u16) -> Option<u8> {
        offset(port).map(|offset| self.serial.read(offset))
    }
}

fn offset(port: u16) -> Option<u8> {
    let offset = port.checked_sub(layout::COM1)?;
    (offset < layout::COM1_PORTS).then_some(offset as u8)
}

#[cfg(test)]
mod tests {
    use rustix::{
        fs::{OFlags, fcntl_setfl},
        pipe::pipe,
    };

    use super::*;

    #[test]
    fn what_nobody_reads_is_lost_and_nothing_waits() {
        let (reader, writer) = pipe().unwrap();
        fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        let mut console = Console::new(EventFd::new(0).unwrap(), Some(writer));
        for byte in *b"hello" {
            assert!(console.write(layout::COM1, byte));
        }
        let mut text = [0; 16];
        assert_eq!(rustix::io::read(&reader, &mut text).unwrap(), 5);
        for _ in 0..100_000 {
            console.write(layout::COM1, b'x');
        }
        drop(reader);
        for port in 0..=u16::MAX {
            let ours = (layout::COM1..layout::COM1 + 8).contains(&port);
            assert_eq!(console.write(port, 0), ours);
            assert_eq!(console.read(port).is_some(), ours);
        }
    }
}
