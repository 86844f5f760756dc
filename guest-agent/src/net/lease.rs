//! An address by DHCP: BusyBox's `udhcpc` asks, and says here what it got.

use std::{
    fs,
    io::{self, Read as _},
    net::Ipv4Addr,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::PermissionsExt as _,
    },
    process::{Child, ChildStdout, Command, Stdio},
};

/// What it runs for each event: says it in one line.
const SCRIPT: &str = "#!/bin/busybox sh
echo \"$1 $ip $mask ${router%% *} ${dns%% *}\"
";
const SCRIPT_PATH: &str = "/run/transom-lease";
/// Longest line, in bytes.
const MAX_LINE: usize = 256;

/// An address that somebody gave us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// Who takes packets on.
    pub router: Option<Ipv4Addr>,
    /// Who answers questions about names.
    pub dns: Option<Ipv4Addr>,
}

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Leased(Lease),
    Ended,
}

/// What a line means, if anything.
fn meaning(untrusted_line: &str) -> Option<Event> {
    let mut words = untrusted_line.split(' ');
    match words.next()? {
        "deconfig" => Some(Event::Ended),
        "bound" | "renew" => {
            let address = words.next()?.parse().ok()?;
            let prefix = words.next()?.parse().ok().filter(|prefix| (1..=32).contains(prefix))?;
            let mut other = || words.next().and_then(|word| word.parse().ok());
            Some(Event::Leased(Lease { address, prefix, router: other(), dns: other() }))
        }
        _ => None,
    }
}

/// A running `udhcpc`. Dropping it ends it.
#[derive(Debug)]
pub struct Asking {
    card: String,
    child: Child,
    output: ChildStdout,
    partial: Vec<u8>,
    lease: Option<Lease>,
}

impl Asking {
    /// Begins to ask on a card.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn begin(card: &str) -> io::Result<Self> {
        fs::write(SCRIPT_PATH, SCRIPT)?;
        fs::set_permissions(SCRIPT_PATH, fs::Permissions::from_mode(0o700))?;
        let mut child = Command::new("/bin/busybox")
            .args(["udhcpc", "-f", "-R", "-t", "4", "-T", "1", "-A", "5", "-i", card, "-s", SCRIPT_PATH])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        rustix::io::ioctl_fionbio(&output, true)?;
        Ok(Self { card: card.to_owned(), child, output, partial: Vec::new(), lease: None })
    }

    /// The card that it asks on.
    pub fn card(&self) -> &str {
        &self.card
    }

    /// Readable when it has something to say.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// What was given.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Hears what it says; true if the lease is another one.
    ///
    /// # Errors
    /// It has ended.
    pub fn hear(&mut self) -> io::Result<bool> {
        let before = self.lease;
        let mut chunk = [0; 512];
        match self.output.read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => self.partial.extend_from_slice(&chunk[..length]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            match str::from_utf8(&line).ok().and_then(|line| meaning(line.trim_end())) {
                Some(Event::Leased(lease)) => self.lease = Some(lease),
                Some(Event::Ended) => self.lease = None,
                None => {}
            }
        }
        self.partial.truncate(MAX_LINE);
        Ok(self.lease != before)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_understood_and_nothing_else() {
        let address = Ipv4Addr::new(10, 0, 2, 15);
        let (router, dns) = (Some(Ipv4Addr::new(10, 0, 2, 2)), Some(Ipv4Addr::new(10, 0, 2, 3)));
        let lease = |router, dns| Some(Event::Leased(Lease { address, prefix: 24, router, dns }));
        assert_eq!(meaning("bound 10.0.2.15 24 10.0.2.2 10.0.2.3"), lease(router, dns));
        assert_eq!(meaning("renew 10.0.2.15 24  10.0.2.3"), lease(None, dns));
        assert_eq!(meaning("bound 10.0.2.15 24  "), lease(None, None));
        assert_eq!(meaning("deconfig    "), Some(Event::Ended));
        for nothing in
            ["leasefail    ", "bound", "bound a 24", "bound 10.0.2.15 33", "bound 10.0.2.15 0", "", "x"]
        {
            assert_eq!(meaning(nothing), None, "{nothing}");
        }
    }
}
