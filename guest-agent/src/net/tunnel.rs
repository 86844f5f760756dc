//! The tunnel of a VPN qube. What its keys are stands in files of the qube's user; where its other end is,
//! dom0 says: nothing in those files can send anything elsewhere.

mod openvpn;
mod wireguard;

use std::{
    fs, io,
    net::Ipv4Addr,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    time::SystemTime,
};

use transom_protocol::network::{Vpn, VpnKind};

/// Where the files are.
pub const DIR: &str = "/home/user/vpn";
/// Largest of them, in bytes.
const MAX_FILE: u64 = 256 * 1024;

/// A tunnel that was begun. Dropping it ends it.
#[derive(Debug)]
pub struct Tunnel {
    vpn: Vpn,
    made_from: SystemTime,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Wireguard(wireguard::Tunnel),
    Openvpn(openvpn::Tunnel),
}

impl Tunnel {
    /// Begins one.
    ///
    /// # Errors
    /// What is missing, in one line.
    pub fn begin(vpn: &Vpn) -> Result<Self, String> {
        let path = file(vpn);
        let made_from = changed(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = read(&path)?;
        let kind = match vpn.kind {
            VpnKind::Wireguard => Kind::Wireguard(wireguard::Tunnel::begin(&text, vpn.endpoint)?),
            VpnKind::Openvpn => Kind::Openvpn(openvpn::Tunnel::begin(&text, vpn.endpoint)?),
        };
        Ok(Self { vpn: *vpn, made_from, kind })
    }

    /// True if it is still what is wanted, and its files are what they were.
    pub fn is_for(&self, vpn: &Vpn) -> bool {
        self.vpn == *vpn && changed(&file(vpn)).is_ok_and(|time| time == self.made_from) && self.is_alive()
    }

    fn is_alive(&self) -> bool {
        match &self.kind {
            Kind::Wireguard(_) => Path::new("/sys/class/net").join(wireguard::NAME).exists(),
            Kind::Openvpn(tunnel) => tunnel.is_alive(),
        }
    }

    /// The kernel's name of it.
    pub fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Wireguard(_) => wireguard::NAME,
            Kind::Openvpn(_) => openvpn::NAME,
        }
    }

    /// Who answers questions about names, at its other end.
    pub fn dns(&self) -> Option<Ipv4Addr> {
        match &self.kind {
            Kind::Wireguard(tunnel) => tunnel.dns,
            Kind::Openvpn(tunnel) => tunnel.dns(),
        }
    }

    /// Readable when it has something to say.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::Wireguard(_) => None,
            Kind::Openvpn(tunnel) => tunnel.fd(),
        }
    }

    /// Hears it; true if something is different now.
    pub fn hear(&mut self) -> bool {
        match &mut self.kind {
            Kind::Wireguard(_) => false,
            Kind::Openvpn(tunnel) => tunnel.hear(),
        }
    }

    /// Commands for `ip` that send all through it; to be run after other cards were set.
    pub fn commands(&self) -> String {
        match &self.kind {
            Kind::Wireguard(tunnel) => tunnel.commands(),
            Kind::Openvpn(tunnel) => tunnel.commands(),
        }
    }
}

fn file(vpn: &Vpn) -> PathBuf {
    Path::new(DIR).join(match vpn.kind {
        VpnKind::Wireguard => "wireguard.conf",
        VpnKind::Openvpn => "openvpn.conf",
    })
}

fn changed(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

fn read(path: &Path) -> Result<String, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let meta = fs::metadata(path).map_err(failed)?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(format!("{} is no file of at most {MAX_FILE} bytes", path.display()));
    }
    fs::read_to_string(path).map_err(failed)
}
