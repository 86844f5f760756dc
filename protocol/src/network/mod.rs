//! What the network of a virtual machine is to be: `transom-qubed` says it, `transom-net` in the guest
//! makes it so, as root.
//!
//! The same framing as the window protocol, a table of its own, on a vsock port of its own: neither the
//! agent nor any program of the qube's user stands between. [`ToNet::Setup`] carries one [`Setup`] as
//! JSON. What a qube's rules are never comes from a qube: they are in its `qube.kdl` in dom0, and go to
//! the qube that its network goes through.

mod message;

use std::{fmt, net::Ipv4Addr, str::FromStr};

pub use message::*;
use serde::{Deserialize, Serialize};

/// Longest name of a host, in bytes.
const MAX_HOST: usize = 253;

/// The address of a network card (EUI-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|byte| format!("{byte:02x}")).join(":"))
    }
}

/// The network of one qube.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setup {
    /// Where its own packets go.
    pub uplink: Option<Uplink>,
    /// Its own address toward its clients.
    pub inside: Option<Ipv4Addr>,
    /// The qubes whose network goes through it: at most [`MAX_CLIENTS`].
    pub clients: Vec<Client>,
    /// It sends nothing but through a tunnel.
    pub vpn: Option<Vpn>,
}

/// Where a qube's own packets go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Uplink {
    /// Through another qube.
    Qube {
        /// Its card for that.
        card: Mac,
        /// Its address.
        address: Ipv4Addr,
        /// The other's, which also answers questions about names.
        gateway: Ipv4Addr,
    },
    /// To a network that says by DHCP what the address is.
    Dhcp {
        /// Its card for that; `None`: the one that is no cable to a qube.
        card: Option<Mac>,
    },
}

/// A qube whose network goes through this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Client {
    /// The card here that its cable is plugged into.
    pub card: Mac,
    /// Its own card.
    pub its_card: Mac,
    /// Its address: it speaks for no other.
    pub address: Ipv4Addr,
    /// What it may reach.
    pub firewall: Firewall,
}

/// What a qube may reach: the first rule that fits decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Firewall {
    /// In order, at most [`MAX_RULES`].
    pub rules: Vec<Rule>,
    /// What happens where none fits.
    pub default: Verdict,
    /// May it ask for the addresses of names?
    pub dns: Verdict,
}

impl Firewall {
    /// Everything is allowed: what a qube has that says nothing.
    pub const OPEN: Self = Self { rules: Vec::new(), default: Verdict::Allow, dns: Verdict::Allow };
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It goes on.
    Allow,
    /// It does not.
    Deny,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// What it says.
    pub verdict: Verdict,
    /// Of which protocol; `None`: of any.
    pub protocol: Option<Protocol>,
    /// Where to.
    pub to: Destination,
    /// To which ports; only of TCP and UDP.
    pub ports: Option<Ports>,
}

impl Rule {
    /// True unless it names ports of something that has none.
    pub fn is_sound(&self) -> bool {
        self.ports.is_none() || matches!(self.protocol, Some(Protocol::Tcp | Protocol::Udp))
    }
}

/// A protocol over IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
}

/// Where a packet goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// Anywhere.
    Any,
    /// To one of these addresses.
    Net(Net),
    /// To an address of this name, as the qube that filters finds it.
    Host(Host),
}

/// An address, or a network of them: `192.0.2.1`, `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Net {
    address: Ipv4Addr,
    prefix: u8,
}

impl From<Ipv4Addr> for Net {
    fn from(address: Ipv4Addr) -> Self {
        Self { address, prefix: 32 }
    }
}

impl FromStr for Net {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HOW: &str = "an address is written like \"192.0.2.1\", a network like \"192.0.2.0/24\"";
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let address: Ipv4Addr = address.parse().map_err(|_| HOW)?;
        let prefix: u8 = prefix.parse().map_err(|_| HOW)?;
        let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        if prefix > 32 || address.to_bits() & host != 0 {
            return Err("a network is its first address and the length of its prefix: \"192.0.2.0/24\"");
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The name of a host: labels of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

impl Host {
    /// As it is asked for.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        // The last label of a name is no number: what looks like an address is no name.
        let named = text.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()));
        if text.len() <= MAX_HOST && named && text.split('.').all(label) {
            Ok(Self(text))
        } else {
            Err("the name of a host is written like \"www.example.org\"")
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ports, both included: `443`, `5000-5100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ports {
    first: u16,
    last: u16,
}

impl FromStr for Ports {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HOW: &str = "ports are written like 443 or \"5000-5100\"";
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let [first, last] = [first, last].map(|text| text.parse::<u16>().ok().filter(|port| *port > 0));
        match first.zip(last) {
            Some((first, last)) if first <= last => Ok(Self { first, last }),
            _ => Err(HOW),
        }
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl TryFrom<String> for $name {
            type Error = &'static str;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

as_text! { Net Host Ports Endpoint }

/// A tunnel that all goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Vpn {
    /// What makes it.
    pub kind: VpnKind,
    /// Its other end: all that may be spoken with outside of it.
    pub endpoint: Endpoint,
}

/// What makes a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VpnKind {
    /// WireGuard, by the guest's kernel.
    Wireguard,
    /// OpenVPN over UDP or TCP.
    Openvpn,
}

/// The outer end of a tunnel: `udp 192.0.2.1:51820`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// Its address. No name: to ask for one would go past the tunnel.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HOW: &str = "an endpoint is written like \"192.0.2.1:51820\", over TCP \"tcp 192.0.2.1:443\"";
        let (protocol, rest) = match text.split_once(' ') {
            Some(("tcp", rest)) => (Protocol::Tcp, rest),
            Some(("udp", rest)) => (Protocol::Udp, rest),
            Some(_) => return Err(HOW),
            None => (Protocol::Udp, text),
        };
        let address: std::net::SocketAddrV4 = rest.parse().map_err(|_| HOW)?;
        if address.port() == 0 {
            return Err(HOW);
        }
        Ok(Self { protocol, address: *address.ip(), port: address.port() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.protocol == Protocol::Tcp { "tcp" } else { "udp" };
        write!(f, "{protocol} {}:{}", self.address, self.port)
    }
}

impl Setup {
    /// Reads and checks one; `None` if it is none.
    pub fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().filter(Self::is_sound)
    }

    /// As it is sent.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What the types do not say: limits, and that no card and no address is two clients'.
    pub fn is_sound(&self) -> bool {
        let mut cards: Vec<_> = self.clients.iter().map(|client| client.card).collect();
        let mut addresses: Vec<_> =
            self.clients.iter().map(|client| client.address).chain(self.inside).collect();
        if let Some(Uplink::Qube { card, address, gateway }) = &self.uplink {
            cards.push(*card);
            addresses.extend([*address, *gateway]);
        }
        self.clients.len() <= MAX_CLIENTS
            && (self.clients.is_empty() || self.inside.is_some())
            && self.clients.iter().all(|client| client.firewall.is_sound())
            && all_differ(&mut cards)
            && all_differ(&mut addresses)
    }
}

impl Firewall {
    fn is_sound(&self) -> bool {
        self.rules.len() <= MAX_RULES && self.rules.iter().all(Rule::is_sound)
    }
}

fn all_differ<T: Ord>(list: &mut [T]) -> bool {
    list.sort_unstable();
    list.windows(2).all(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(number: u8) -> Client {
        Client {
            card: Mac([2, 1, 0, 0, 0, number]),
            its_card: Mac([2, 0, 0, 0, 0, number]),
            address: Ipv4Addr::new(10, 128, 0, number),
            firewall: Firewall {
                rules: vec![Rule {
                    verdict: Verdict::Allow,
                    protocol: Some(Protocol::Tcp),
                    to: Destination::Host("example.org".parse().unwrap()),
                    ports: Some(443.into()),
                }],
                default: Verdict::Deny,
                dns: Verdict::Allow,
            },
        }
    }

    fn setup() -> Setup {
        Setup {
            uplink: Some(Uplink::Qube {
                card: Mac([2, 0, 9, 9, 9, 9]),
                address: Ipv4Addr::new(10, 128, 1, 1),
                gateway: Ipv4Addr::new(10, 64, 1, 1),
            }),
            inside: Some(Ipv4Addr::new(10, 64, 0, 1)),
            clients: vec![client(1), client(2)],
            vpn: Some(Vpn { kind: VpnKind::Wireguard, endpoint: "192.0.2.1:51820".parse().unwrap() }),
        }
    }

    #[test]
    fn a_setup_comes_back_as_it_was_sent() {
        for setup in
            [setup(), Setup::default(), Setup { uplink: Some(Uplink::Dhcp { card: None }), ..setup() }]
        {
            assert_eq!(Setup::parse(&setup.to_json()), Some(setup));
        }
    }

    #[test]
    fn what_cannot_be_is_no_setup() {
        let refused = |change: &dyn Fn(&mut Setup)| {
            let mut setup = setup();
            change(&mut setup);
            assert_eq!(Setup::parse(&setup.to_json()), None, "{setup:?}");
        };
        refused(&|setup| setup.clients[1].card = setup.clients[0].card);
        refused(&|setup| setup.clients[1].address = setup.clients[0].address);
        refused(&|setup| setup.clients[1].address = Ipv4Addr::new(10, 64, 0, 1));
        refused(&|setup| setup.inside = None);
        refused(&|setup| setup.inside = Some(Ipv4Addr::new(10, 64, 1, 1)));
        refused(&|setup| setup.clients = (0..=MAX_CLIENTS as u8).map(client).collect());
        refused(&|setup| setup.clients[0].firewall.rules[0].protocol = None);
        refused(&|setup| {
            let rule = setup.clients[0].firewall.rules[0].clone();
            setup.clients[0].firewall.rules = vec![rule; MAX_RULES + 1];
        });
        let text = String::from_utf8(setup().to_json()).unwrap();
        for (from, to) in
            [("example.org", "example.org; accept"), ("\"443\"", "\"443 accept\""), ("vpn", "vpm")]
        {
            let bad = text.replace(from, to);
            assert!(bad != text && Setup::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn forms() {
        for good in ["example.org", "a", "xn--bcher-kva.example", "1.example", "EXAMPLE.org"] {
            assert!(good.parse::<Host>().is_ok(), "{good}");
        }
        for bad in
            ["", ".", "a.", ".a", "a..b", "-a.b", "a-.b", "a b", "a\"b", "192.0.2.1", "1", "a/b", "ä.de"]
        {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
        for (text, shown) in
            [("192.0.2.1", "192.0.2.1/32"), ("0.0.0.0/0", "0.0.0.0/0"), ("10.0.0.0/8", "10.0.0.0/8")]
        {
            assert_eq!(text.parse::<Net>().unwrap().to_string(), shown);
        }
        for bad in ["192.0.2.1/24", "192.0.2", "a", "10.0.0.0/33", "10.0.0.0/-1", "::/0"] {
            assert!(bad.parse::<Net>().is_err(), "{bad}");
        }
        assert_eq!("5000-5100".parse::<Ports>().unwrap().to_string(), "5000-5100");
        for bad in ["", "0", "65536", "2-1", "1-", "-1", "a", "1,2"] {
            assert!(bad.parse::<Ports>().is_err(), "{bad}");
        }
        assert_eq!("tcp 192.0.2.1:443".parse::<Endpoint>().unwrap().protocol, Protocol::Tcp);
        for bad in ["192.0.2.1", "192.0.2.1:0", "example.org:1", "sctp 192.0.2.1:1", ""] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "[a-z0-9./: -]{0,24}|[0-9]{1,3}(\\.[0-9]{1,3}){3}(/[0-9]{1,2})?") {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert_eq!(host.to_string(), text.clone());
            }
            if let Ok(net) = text.parse::<Net>() {
                prop_assert_eq!(net.to_string().parse(), Ok(net));
            }
            if let Ok(ports) = text.parse::<Ports>() {
                prop_assert_eq!(ports.to_string().parse(), Ok(ports));
            }
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
            }
        }
    }
}
