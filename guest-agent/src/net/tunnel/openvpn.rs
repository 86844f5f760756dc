//! OpenVPN, as a user that owns nothing: the tunnel's device is made for it beforehand, addresses and
//! routes are set from outside, and it runs no script and no plug-in with any right.

use std::{
    fs,
    io::{self, Read as _},
    net::Ipv4Addr,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::{DirBuilderExt as _, chown},
    },
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use transom_protocol::network::{Endpoint, Protocol};

use crate::net::system;

/// The kernel's name of the tunnel.
pub(super) const NAME: &str = "tun0";
/// Owns nothing.
const NOBODY: u32 = 65_534;
/// A copy of the files that it may read.
const OURS: &str = "/run/transom-openvpn";
/// Most files.
const MAX_FILES: usize = 32;
/// Longest line that it says.
const MAX_LINE: usize = 4_096;
/// One that ends is started again no earlier.
const PAUSE: Duration = Duration::from_secs(5);

/// What its other end gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Given {
    address: Option<Ipv4Addr>,
    dns: Option<Ipv4Addr>,
}

#[derive(Debug)]
pub(super) struct Tunnel {
    child: Child,
    output: Option<ChildStdout>,
    partial: Vec<u8>,
    given: Given,
    begun: Instant,
}

impl Tunnel {
    pub(super) fn begin(text: &str, endpoint: Endpoint) -> Result<Self, String> {
        system::load("tun").map_err(|_| "the kernel has no tunnels (tun)".to_owned())?;
        copy_files(text).map_err(|error| format!("{OURS}: {error}"))?;
        let _ = system::ip(&format!("link delete dev {NAME}\n"));
        system::ip(&format!("tuntap add dev {NAME} mode tun user {NOBODY}\n"))?;
        // It may open that, and by it only a device that was made for it.
        chown("/dev/net/tun", Some(NOBODY), Some(NOBODY))
            .map_err(|error| format!("/dev/net/tun: {error}"))?;
        let mut child = Command::new("/usr/bin/setpriv")
            .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
            .args(["--no-new-privs", "--inh-caps=-all", "--", "/usr/sbin/openvpn"])
            .args(arguments(endpoint))
            .current_dir(OURS)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("openvpn: {error}"))?;
        let output = child.stdout.take();
        if let Some(output) = &output {
            rustix::io::ioctl_fionbio(output, true).map_err(|error| format!("openvpn: {error}"))?;
        }
        let given = Given { address: address_in(text), dns: None };
        Ok(Self { child, output, partial: Vec::new(), given, begun: Instant::now() })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.output.is_some() || self.begun.elapsed() < PAUSE
    }

    pub(super) fn dns(&self) -> Option<Ipv4Addr> {
        self.given.dns
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(|output| output.as_fd())
    }

    pub(super) fn hear(&mut self) -> bool {
        let Some(output) = &mut self.output else { return false };
        let mut chunk = [0; 4_096];
        match output.read(&mut chunk) {
            Ok(0) => {
                tracing::warn!("openvpn has ended");
                self.output = None;
                self.given = Given::default();
                return true;
            }
            Ok(length) => self.partial.extend_from_slice(&chunk[..length]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.output = None,
        }
        let before = self.given;
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            tracing::info!(line = line.trim().escape_debug().to_string(), "openvpn");
            if let Some(given) = pushed(&line) {
                self.given = Given { address: given.address.or(self.given.address), dns: given.dns };
            }
        }
        self.partial.truncate(MAX_LINE);
        before != self.given
    }

    pub(super) fn commands(&self) -> String {
        let up = format!("address flush dev {NAME}\nlink set dev {NAME} up\n");
        match self.given.address {
            Some(address) => {
                up + &format!("address add {address}/32 dev {NAME}\nroute replace default dev {NAME}\n")
            }
            None => up,
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = system::ip(&format!("link delete dev {NAME}\n"));
    }
}

fn arguments(endpoint: Endpoint) -> Vec<String> {
    let protocol = if endpoint.protocol == Protocol::Tcp { "tcp-client" } else { "udp4" };
    let (address, port) = (endpoint.address.to_string(), endpoint.port.to_string());
    let list = [
        ["--config", "openvpn.conf"].as_slice(),
        // What stands behind the file counts.
        &["--remote", &address, &port, protocol],
        &["--dev", NAME, "--dev-type", "tun", "--persist-tun", "--disable-dco"],
        &["--ifconfig-noexec", "--route-noexec", "--script-security", "0", "--verb", "3"],
        &["--connect-retry", "2", "10", "--resolv-retry", "infinite", "--nobind"],
    ];
    list.concat().into_iter().map(str::to_owned).collect()
}

/// The user's folder, for somebody who cannot read it: its files, and the settings without what dom0 says.
fn copy_files(text: &str) -> io::Result<()> {
    let ours = Path::new(OURS);
    let _ = fs::remove_dir_all(ours);
    fs::DirBuilder::new().mode(0o700).create(ours)?;
    for entry in fs::read_dir(super::DIR)?.take(MAX_FILES) {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.metadata()?.len() <= super::MAX_FILE {
            fs::write(ours.join(entry.file_name()), fs::read(entry.path())?)?;
        }
    }
    fs::write(ours.join("openvpn.conf"), without_ours(text))?;
    for entry in fs::read_dir(ours)? {
        chown(entry?.path(), Some(NOBODY), Some(NOBODY))?;
    }
    chown(ours, Some(NOBODY), Some(NOBODY))
}

/// What dom0 says itself; what would have it be somebody else, or write elsewhere; and commands, which it
/// must not run and without which it would end.
const NOT_TAKEN: [&str; 32] = [
    "remote",
    "proto",
    "dev",
    "dev-type",
    "dev-node",
    "port",
    "rport",
    "lport",
    "remote-random",
    "nobind",
    "user",
    "group",
    "chroot",
    "cd",
    "daemon",
    "syslog",
    "log",
    "log-append",
    "status",
    "writepid",
    "management",
    "up",
    "down",
    "up-restart",
    "route-up",
    "route-pre-down",
    "ipchange",
    "tls-verify",
    "plugin",
    "iproute",
    "script-security",
    "auth-user-pass-verify",
];

/// Settings without [`NOT_TAKEN`].
fn without_ours(text: &str) -> String {
    let first =
        |line: &str| line.split_whitespace().next().unwrap_or_default().trim_start_matches("--").to_owned();
    let taken = text.lines().filter(|line| !NOT_TAKEN.contains(&first(line).as_str()));
    taken.flat_map(|line| [line, "\n"]).collect()
}

/// The address that the settings themselves give.
fn address_in(text: &str) -> Option<Ipv4Addr> {
    text.lines()
        .find_map(|line| line.trim().strip_prefix("ifconfig ")?.split_whitespace().next()?.parse().ok())
}

/// What the other end gives, as `openvpn` says it.
fn pushed(untrusted_line: &str) -> Option<Given> {
    let (_, list) = untrusted_line.split_once("'PUSH_REPLY,")?;
    let (list, _) = list.rsplit_once('\'')?;
    let mut given = Given::default();
    for option in list.split(',') {
        let words: Vec<&str> = option.split_whitespace().collect();
        match words[..] {
            ["ifconfig", address, ..] => given.address = address.parse().ok(),
            ["dhcp-option", "DNS", dns, ..] if given.dns.is_none() => given.dns = dns.parse().ok(),
            _ => {}
        }
    }
    Some(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dom0_says_is_not_taken_from_the_file() {
        let text = "client\nremote evil.example 1\n--remote evil2.example 2\n  proto tcp\nremote-cert-tls server\ndev tap9\nup /bin/sh\nuser root\n";
        assert_eq!(without_ours(text), "client\nremote-cert-tls server\n");
        let list = arguments("tcp 192.0.2.1:443".parse().unwrap()).join(" ");
        assert!(list.contains("--remote 192.0.2.1 443 tcp-client"), "{list}");
        assert!(list.find("--config") < list.find("--script-security 0"));
    }

    #[test]
    fn what_the_other_end_gives() {
        let line = "2026-01-01 PUSH: Received control message: 'PUSH_REPLY,route-gateway 10.8.0.1,topology subnet,\
                    ifconfig 10.8.0.2 255.255.255.0,dhcp-option DNS 10.8.0.1,dhcp-option DNS 9.9.9.9,peer-id 0'\n";
        let given = pushed(line).unwrap();
        assert_eq!(given.address, Some(Ipv4Addr::new(10, 8, 0, 2)));
        assert_eq!(given.dns, Some(Ipv4Addr::new(10, 8, 0, 1)));
        assert_eq!(pushed("'PUSH_REPLY,ifconfig x; rm y'"), Some(Given::default()));
        assert_eq!(pushed("Initialization Sequence Completed"), None);
        assert_eq!(address_in("dev tun\nifconfig 10.4.0.1 10.4.0.2\n"), Some(Ipv4Addr::new(10, 4, 0, 1)));
    }
}
