//! The loop: hears dom0, puts in force what it says, and looks after names, leases and tunnels.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Write as _},
    net::Ipv4Addr,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{error, info, warn};
use transom_protocol::{
    MAGIC,
    network::{
        FromNet, Hello, Host, MAX_REASON, NETWORK_VERSION, Refused, Setup, ToNet, Uplink, next_to_net,
    },
    wire::With,
};

use super::{
    cards::{self, Card},
    lease::Asking,
    names::{self, Names},
    ruleset::{Around, CLOSED, hosts, ruleset},
    system,
    tunnel::Tunnel,
};

/// How long to wait before something is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Addresses of names.
type Found = BTreeMap<Host, Vec<Ipv4Addr>>;

/// What is to be, and what is.
#[derive(Debug)]
pub struct Server {
    setup: Setup,
    /// Cards as they were set last.
    cards: BTreeMap<String, Card>,
    /// Rules that are in force.
    rules: String,
    dns: Option<Ipv4Addr>,
    names: Names,
    ask_at: Option<Instant>,
    asking: bool,
    found: (mpsc::Sender<Found>, mpsc::Receiver<Found>),
    /// Says that names were found.
    bell: (UnixStream, UnixStream),
    lease: Option<Asking>,
    tunnel: Option<Tunnel>,
    /// How it was set last.
    tunnel_set: String,
    tunnel_at: Option<Instant>,
    /// The last reason why there is none, said once.
    tunnel_problem: Option<String>,
    /// A setup is not in force.
    again_at: Option<Instant>,
}

impl Server {
    /// Nothing is known yet, and nothing is let through.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn new() -> io::Result<Self> {
        let bell = UnixStream::pair()?;
        bell.0.set_nonblocking(true)?;
        bell.1.set_nonblocking(true)?;
        Ok(Self {
            setup: Setup::default(),
            cards: BTreeMap::new(),
            rules: String::new(),
            dns: None,
            names: Names::default(),
            ask_at: None,
            asking: false,
            found: mpsc::channel(),
            bell,
            lease: None,
            tunnel: None,
            tunnel_set: String::new(),
            tunnel_at: None,
            tunnel_problem: None,
            again_at: None,
        })
    }

    /// Does what dom0 says on this stream, until it ends.
    ///
    /// # Errors
    /// The stream is gone, or what comes on it is none of ours.
    pub fn serve(&mut self, mut stream: File) -> io::Result<()> {
        let mut out = Vec::new();
        let hello = Hello { magic: MAGIC, version: NETWORK_VERSION.into() };
        FromNet::Hello(&hello).encode(0, 0, &mut out);
        stream.write_all(&out)?;
        let mut incoming = Vec::new();
        loop {
            let (heard, other) = self.wait(stream.as_fd())?;
            if other {
                self.look_after();
            }
            if heard {
                let mut chunk = [0; 16 * 1024];
                match stream.read(&mut chunk)? {
                    0 => return Ok(()),
                    length => incoming.extend_from_slice(&chunk[..length]),
                }
                for (serial, setup) in setups(&mut incoming)? {
                    self.take(&mut stream, serial, setup)?;
                }
            }
        }
    }

    fn take(&mut self, stream: &mut File, serial: u32, setup: Setup) -> io::Result<()> {
        self.setup = setup;
        let result = self.put_in_force();
        let mut out = Vec::new();
        match &result {
            Ok(()) => FromNet::Applied(()).encode(0, serial, &mut out),
            Err(reason) => {
                let tail = &reason.as_bytes()[..reason.floor_char_boundary(MAX_REASON)];
                let refused = With { fixed: &Refused { flags: 0.into() }, tail };
                FromNet::Refused(refused).encode(0, serial, &mut out);
            }
        }
        stream.write_all(&out)
    }

    /// Waits for something: true if the stream can be read, true if something else is to be looked after.
    fn wait(&self, stream: BorrowedFd<'_>) -> io::Result<(bool, bool)> {
        let mut fds =
            vec![PollFd::from_borrowed_fd(stream, PollFlags::IN), PollFd::new(&self.bell.0, PollFlags::IN)];
        let lease = self.lease.as_ref().map(Asking::fd);
        let tunnel = self.tunnel.as_ref().and_then(Tunnel::fd);
        fds.extend(lease.into_iter().chain(tunnel).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let next = [self.ask_at, self.tunnel_at, self.again_at].into_iter().flatten().min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok((false, false)),
            Err(errno) => return Err(errno.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let due = next.is_some_and(|at| at <= Instant::now());
        Ok((ready[0], due || ready[1..].contains(&true)))
    }

    /// Hears leases, tunnels and names, and does what is due.
    fn look_after(&mut self) {
        let now = Instant::now();
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        let mut changed = due(&mut self.again_at);
        match self.lease.as_mut().map(Asking::hear) {
            Some(Ok(new)) => changed |= new,
            Some(Err(error)) => {
                warn!(%error, "nobody asks for an address any more");
                self.lease = None;
                self.again_at = Some(now + AGAIN);
            }
            None => {}
        }
        changed |= self.tunnel.as_mut().is_some_and(Tunnel::hear);
        changed |= due(&mut self.tunnel_at);
        let mut bell = [0; 64];
        let _ = (&self.bell.0).read(&mut bell);
        while let Ok(found) = self.found.1.try_recv() {
            self.asking = false;
            changed |= self.names.take(&found, now);
        }
        if due(&mut self.ask_at) {
            self.ask();
        }
        if changed {
            // Who asked for it is gone; the log has why not.
            let _ = self.put_in_force();
        }
    }

    /// Asks for names, on a thread: answers may take long.
    fn ask(&mut self) {
        let hosts = self.names.hosts();
        if hosts.is_empty() {
            return;
        }
        self.ask_at = Some(Instant::now() + names::EVERY);
        if self.asking {
            return;
        }
        let (found, bell) = (self.found.0.clone(), self.bell.1.try_clone());
        let spawned = thread::Builder::new().name("names".to_owned()).spawn(move || {
            let _ = found.send(names::ask(&hosts));
            if let Ok(mut bell) = bell {
                let _ = bell.write_all(&[0]);
            }
        });
        self.asking = spawned.is_ok();
    }

    /// Makes the network what it is to be. If anything fails, nothing is forwarded.
    fn put_in_force(&mut self) -> Result<(), String> {
        let before = (self.rules.clone(), self.cards.clone(), self.dns);
        let result = self.try_to();
        match &result {
            Ok(()) if before == (self.rules.clone(), self.cards.clone(), self.dns) => {}
            Ok(()) => {
                info!(clients = self.setup.clients.len(), dns = ?self.dns, "the network is as dom0 says");
            }
            Err(reason) => {
                error!(reason, "the network is not as dom0 says: nothing is forwarded");
                self.rules.clear();
                self.again_at = Some(Instant::now() + AGAIN);
                let _ = system::set_forwarding(false);
                if self.filters()
                    && let Err(reason) = system::filter(CLOSED)
                {
                    error!(reason, "not even the closed rules");
                }
            }
        }
        result
    }

    /// True if it has to do with packets of others, or is to send nothing but through a tunnel.
    fn filters(&self) -> bool {
        self.setup.inside.is_some() || self.setup.vpn.is_some()
    }

    fn try_to(&mut self) -> Result<(), String> {
        let there = system::cards().map_err(|error| format!("cards: {error}"))?;
        let uplink = cards::uplink(&self.setup, &there).map(str::to_owned);
        self.look_for_lease(uplink.as_deref());
        if self.filters() && self.rules.is_empty() {
            system::load_filters();
            system::filter(CLOSED)?;
        }
        self.look_for_tunnel();
        self.dns = match (&self.setup.vpn, &self.setup.uplink) {
            (Some(_), _) => self.tunnel.as_ref().and_then(Tunnel::dns),
            (None, Some(Uplink::Qube { gateway, .. })) => Some(*gateway),
            (None, Some(Uplink::Dhcp { .. })) => {
                self.lease.as_ref().and_then(|asking| asking.lease()).and_then(|lease| lease.dns)
            }
            (None, None) => None,
        };
        let wanted_hosts = hosts(&self.setup);
        let unknown = wanted_hosts.iter().any(|host| !self.names.hosts().contains(host));
        self.names.keep(&wanted_hosts);
        if wanted_hosts.is_empty() {
            self.ask_at = None;
        } else if unknown || self.ask_at.is_none() {
            self.ask_at = Some(Instant::now());
        }
        if self.filters() {
            let around = Around {
                cards: &there,
                uplink: uplink.as_deref(),
                tunnel: self.tunnel.as_ref().map(Tunnel::name),
                dns: self.dns,
                names: &self.names.addresses(),
            };
            let rules = ruleset(&self.setup, &around);
            if rules != self.rules {
                system::filter(&rules)?;
                self.rules = rules;
            }
        }
        self.set_cards(&there)?;
        system::resolve_by(self.dns).map_err(|error| format!("/etc/resolv.conf: {error}"))?;
        let forwards = self.setup.inside.is_some() && !self.setup.clients.is_empty();
        system::set_forwarding(forwards).map_err(|error| format!("forwarding: {error}"))
    }

    fn set_cards(&mut self, there: &BTreeMap<transom_protocol::network::Mac, String>) -> Result<(), String> {
        let lease = self.lease.as_ref().and_then(|asking| asking.lease());
        let wanted = cards::wanted(&self.setup, there, lease);
        for (name, card) in &wanted {
            if self.cards.get(name) != Some(card) {
                self.cards.remove(name);
                system::ip(&cards::commands(name, card))?;
                self.cards.insert(name.clone(), *card);
            }
        }
        self.cards.retain(|name, _| wanted.contains_key(name));
        if let Some(tunnel) = &self.tunnel {
            let commands = tunnel.commands();
            if commands != self.tunnel_set {
                system::ip(&commands)?;
                self.tunnel_set = commands;
            }
        }
        Ok(())
    }

    fn look_for_lease(&mut self, uplink: Option<&str>) {
        let wanted = uplink.filter(|_| matches!(self.setup.uplink, Some(Uplink::Dhcp { .. })));
        if self.lease.as_ref().map(Asking::card) == wanted {
            return;
        }
        self.lease = None;
        if let Some(card) = wanted {
            // A card that is off hears nothing.
            let up = system::ip(&format!("link set dev {card} up\n"));
            match up.map_err(io::Error::other).and_then(|()| Asking::begin(card)) {
                Ok(asking) => self.lease = Some(asking),
                Err(error) => warn!(card, %error, "nobody asks for an address"),
            }
        }
    }

    fn look_for_tunnel(&mut self) {
        let Some(vpn) = self.setup.vpn else {
            self.tunnel = None;
            self.tunnel_at = None;
            return;
        };
        // Its files may come, change and go at any time.
        self.tunnel_at = Some(Instant::now() + AGAIN);
        if self.tunnel.as_ref().is_some_and(|tunnel| tunnel.is_for(&vpn)) {
            return;
        }
        self.tunnel = None;
        self.tunnel_set.clear();
        match Tunnel::begin(&vpn) {
            Ok(tunnel) => {
                info!(tunnel = tunnel.name(), "the tunnel was begun");
                self.tunnel_problem = None;
                self.tunnel = Some(tunnel);
            }
            Err(problem) => {
                if self.tunnel_problem.as_ref() != Some(&problem) {
                    warn!(problem, "there is no tunnel");
                }
                self.tunnel_problem = Some(problem);
            }
        }
    }
}

/// Whole setups at the front of what came.
fn setups(incoming: &mut Vec<u8>) -> io::Result<Vec<(u32, Setup)>> {
    let bad = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    let (mut used, mut setups) = (0, Vec::new());
    while let Some(raw) = next_to_net(&incoming[used..]).map_err(|error| bad(error.to_string()))? {
        used += raw.wire_len();
        let ToNet::Setup(setup) = ToNet::parse(&raw).map_err(|error| bad(error.to_string()))?;
        let parsed = Setup::parse(setup.tail).ok_or_else(|| bad("a setup that cannot be".to_owned()))?;
        setups.push((raw.header.serial.get(), parsed));
    }
    incoming.drain(..used);
    Ok(setups)
}
