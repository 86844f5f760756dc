//! What `qube.kdl` says about a qube's network: where it goes, what may go there, and by which way.
//!
//! ```kdl
//! network "sys-firewall"
//! firewall {
//!     allow "tcp" host="example.org" port=443
//!     deny to="10.0.0.0/8"
//!     default "deny"
//! }
//! ```

use std::{path::PathBuf, str::FromStr};

use transom_protocol::network::{
    Destination, Endpoint, Firewall, Host, MAX_RULES, Net, Ports, Protocol, Rule, Verdict, Vpn, VpnKind,
};

use super::{PciAddress, QubeConfig, settings::Lines};

/// A way to the outside that is no other qube.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// User-mode networking: a process of dom0 that speaks for the qube with sockets of its own.
    User {
        /// The network namespace (`ip netns`) that it runs in; `None`: dom0's own.
        namespace: Option<Namespace>,
    },
    /// A network card of the computer, by VFIO.
    Pci(PciAddress),
}

/// The name of a network namespace: a file name without surprises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// As `ip netns` knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.0)
    }
}

impl FromStr for Namespace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if super::is_template(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err("not the name of a network namespace")
        }
    }
}

#[derive(Debug, knus::DecodeScalar)]
enum UplinkKind {
    User,
    Pci,
}

/// `uplink "user" namespace="outside"`, `uplink "pci" "0000:00:1f.6"`.
#[derive(Debug, knus::Decode)]
pub(super) struct UplinkNode {
    #[knus(argument)]
    kind: UplinkKind,
    #[knus(argument, str)]
    device: Option<PciAddress>,
    #[knus(property, str)]
    namespace: Option<Namespace>,
}

#[derive(Debug, knus::DecodeScalar)]
enum VpnName {
    Wireguard,
    Openvpn,
}

/// `vpn "wireguard" endpoint="192.0.2.1:51820"`.
#[derive(Debug, knus::Decode)]
pub(super) struct VpnNode {
    #[knus(argument)]
    kind: VpnName,
    #[knus(property, str)]
    endpoint: Endpoint,
}

#[derive(Debug, knus::Decode)]
pub(super) struct FirewallNode {
    #[knus(children)]
    parts: Vec<Part>,
}

#[derive(Debug, knus::Decode)]
enum Part {
    Allow(RuleNode),
    Deny(RuleNode),
    Default(VerdictNode),
    Dns(VerdictNode),
}

#[derive(Clone, Copy, Debug, knus::DecodeScalar)]
enum VerdictName {
    Allow,
    Deny,
}

#[derive(Debug, knus::Decode)]
struct VerdictNode {
    #[knus(argument)]
    verdict: VerdictName,
}

#[derive(Clone, Copy, Debug, knus::DecodeScalar)]
enum ProtocolName {
    Tcp,
    Udp,
    Icmp,
}

#[derive(Debug, knus::Decode)]
struct RuleNode {
    #[knus(argument)]
    protocol: Option<ProtocolName>,
    #[knus(property, str)]
    to: Option<Net>,
    #[knus(property, str)]
    host: Option<Host>,
    #[knus(property)]
    port: Option<u16>,
    #[knus(property, str)]
    ports: Option<Ports>,
}

impl From<VerdictName> for Verdict {
    fn from(name: VerdictName) -> Self {
        match name {
            VerdictName::Allow => Self::Allow,
            VerdictName::Deny => Self::Deny,
        }
    }
}

type Refusal = (&'static str, String);

pub(super) fn uplink(node: UplinkNode) -> Result<Uplink, Refusal> {
    match (node.kind, node.device, node.namespace) {
        (UplinkKind::User, None, namespace) => Ok(Uplink::User { namespace }),
        (UplinkKind::Pci, Some(device), None) => Ok(Uplink::Pci(device)),
        (UplinkKind::User, ..) => Err(("uplink", "an uplink \"user\" has no device".to_owned())),
        (UplinkKind::Pci, None, _) => {
            Err(("uplink", "an uplink \"pci\" needs a device: uplink \"pci\" \"0000:00:1f.6\"".to_owned()))
        }
        (UplinkKind::Pci, ..) => Err(("uplink", "an uplink \"pci\" has no namespace".to_owned())),
    }
}

pub(super) fn vpn(node: VpnNode) -> Result<Vpn, Refusal> {
    let kind = match node.kind {
        VpnName::Wireguard => VpnKind::Wireguard,
        VpnName::Openvpn => VpnKind::Openvpn,
    };
    if kind == VpnKind::Wireguard && node.endpoint.protocol != Protocol::Udp {
        return Err(("vpn", "WireGuard goes over UDP".to_owned()));
    }
    Ok(Vpn { kind, endpoint: node.endpoint })
}

pub(super) fn firewall(node: FirewallNode) -> Result<Firewall, Refusal> {
    // Who says anything has said what is allowed.
    let mut firewall = Firewall { rules: Vec::new(), default: Verdict::Deny, dns: Verdict::Allow };
    let (mut defaults, mut dns) = (0, 0);
    for part in node.parts {
        match part {
            Part::Allow(node) => firewall.rules.push(rule(Verdict::Allow, node)?),
            Part::Deny(node) => firewall.rules.push(rule(Verdict::Deny, node)?),
            Part::Default(node) => {
                firewall.default = node.verdict.into();
                defaults += 1;
            }
            Part::Dns(node) => {
                firewall.dns = node.verdict.into();
                dns += 1;
            }
        }
    }
    let refuse = |text: String| Err(("firewall", text));
    if defaults > 1 || dns > 1 {
        return refuse("default and dns are said once each".to_owned());
    }
    if firewall.rules.len() > MAX_RULES {
        return refuse(format!("at most {MAX_RULES} rules"));
    }
    Ok(firewall)
}

fn rule(verdict: Verdict, node: RuleNode) -> Result<Rule, Refusal> {
    let refuse = |text: &str| Err(("firewall", text.to_owned()));
    let to = match (node.to, node.host) {
        (None, None) => Destination::Any,
        (Some(net), None) => Destination::Net(net),
        (None, Some(host)) => Destination::Host(host),
        (Some(_), Some(_)) => return refuse("a rule is about addresses (to) or about a name (host)"),
    };
    let ports = match (node.port, node.ports) {
        (Some(0), _) => return refuse("there is no port 0"),
        (Some(_), Some(_)) => return refuse("a rule says port or ports"),
        (port, ports) => port.map(Ports::from).or(ports),
    };
    let protocol = node.protocol.map(|name| match name {
        ProtocolName::Tcp => Protocol::Tcp,
        ProtocolName::Udp => Protocol::Udp,
        ProtocolName::Icmp => Protocol::Icmp,
    });
    let rule = Rule { verdict, protocol, to, ports };
    if rule.is_sound() { Ok(rule) } else { refuse("only \"tcp\" and \"udp\" have ports") }
}

/// What the parts do not say each for itself.
pub(super) fn check(config: &QubeConfig) -> Result<(), Refusal> {
    if config.uplink.is_some() && config.network.is_some() {
        return Err(("uplink", "a qube has an uplink or a network qube, not both".to_owned()));
    }
    if config.vpn.is_some() && config.network.is_none() && config.uplink.is_none() {
        return Err(("vpn", "a tunnel needs a network to go through: network \"NAME\"".to_owned()));
    }
    if config.firewall.is_some() && config.uplink.is_some() {
        let text =
            "nobody filters for a qube with an uplink; rules stand in the files of the qubes behind it";
        return Err(("firewall", text.to_owned()));
    }
    Ok(())
}

/// What a qube may reach. One with a tunnel reaches the tunnel's end, if nothing else is said: the qube
/// before it holds that, whatever becomes of the tunnel's own qube.
pub fn firewall_of(config: &QubeConfig) -> Firewall {
    match (&config.firewall, &config.vpn) {
        (Some(firewall), _) => firewall.clone(),
        (None, Some(vpn)) => {
            let end = vpn.endpoint;
            let only = Rule {
                verdict: Verdict::Allow,
                protocol: Some(end.protocol),
                to: Destination::Net(Net::from(end.address)),
                ports: Some(end.port.into()),
            };
            Firewall { rules: vec![only], default: Verdict::Deny, dns: Verdict::Deny }
        }
        (None, None) => Firewall::OPEN,
    }
}

/// A qube's file with the network that `wanted` has, which is else what `text` says. Lines and remarks of
/// the person's stay where that is possible.
pub(crate) fn with_network(text: &str, wanted: &QubeConfig) -> String {
    let node = wanted.network.as_ref().map(|network| format!("network \"{network}\""));
    let mut lines = Lines::of(text);
    lines.set("network", node);
    lines.meaning(wanted)
}

/// The nodes, each in lines of its own.
pub(super) fn write(config: &QubeConfig) -> Vec<String> {
    let mut nodes = Vec::new();
    nodes.extend(config.network.as_ref().map(|network| format!("network \"{network}\"")));
    nodes.extend(config.uplink.as_ref().map(|uplink| match uplink {
        Uplink::User { namespace: None } => "uplink \"user\"".to_owned(),
        Uplink::User { namespace: Some(name) } => format!("uplink \"user\" namespace=\"{}\"", name.as_str()),
        Uplink::Pci(device) => format!("uplink \"pci\" \"{device}\""),
    }));
    nodes.extend(config.vpn.as_ref().map(|vpn| {
        let kind = match vpn.kind {
            VpnKind::Wireguard => "wireguard",
            VpnKind::Openvpn => "openvpn",
        };
        format!("vpn \"{kind}\" endpoint=\"{}\"", vpn.endpoint)
    }));
    if let Some(firewall) = &config.firewall {
        let word = |verdict| if verdict == Verdict::Allow { "allow" } else { "deny" };
        let rules = firewall.rules.iter().map(|rule| format!("    {}{}\n", word(rule.verdict), line(rule)));
        let (rules, default, dns) = (rules.collect::<String>(), word(firewall.default), word(firewall.dns));
        let text = format!("firewall {{\n{rules}    default \"{default}\"\n    dns \"{dns}\"\n}}");
        nodes.push(text);
    }
    nodes
}

fn line(rule: &Rule) -> String {
    let protocol = match rule.protocol {
        Some(Protocol::Tcp) => " \"tcp\"",
        Some(Protocol::Udp) => " \"udp\"",
        Some(Protocol::Icmp) => " \"icmp\"",
        None => "",
    };
    let to = match &rule.to {
        Destination::Any => String::new(),
        Destination::Net(net) => format!(" to=\"{net}\""),
        Destination::Host(host) => format!(" host=\"{host}\""),
    };
    let ports = rule.ports.map(|ports| format!(" ports=\"{ports}\"")).unwrap_or_default();
    format!("{protocol}{to}{ports}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{parse, write};
    use super::*;

    fn read(text: &str) -> Result<QubeConfig, String> {
        parse(Path::new("qube.kdl"), &format!("label \"red\"\n{text}\n")).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        for text in [
            "network \"sys-firewall\"",
            "network \"sys-firewall\"\nfirewall {\n allow \"tcp\" host=\"Example.org\" port=443\n deny to=\"10.0.0.0/8\"\n\
             allow \"udp\" ports=\"5000-5100\"\n allow \"icmp\"\n allow to=\"192.0.2.1\"\n}",
            "firewall {\n default \"allow\"\n dns \"deny\"\n}",
            "uplink \"user\"",
            "uplink \"user\" namespace=\"outside\"",
            "uplink \"pci\" \"0000:00:1f.6\"",
            "network \"sys-firewall\"\nvpn \"wireguard\" endpoint=\"192.0.2.1:51820\"",
            "network \"a\"\nvpn \"openvpn\" endpoint=\"tcp 192.0.2.1:443\"",
        ] {
            let config = read(text).unwrap();
            assert_eq!(parse(Path::new("x"), &write(&config)).as_ref(), Ok(&config), "{text}");
        }
        let strict = read("firewall {\n allow \"tcp\" port=80\n}").unwrap().firewall.unwrap();
        assert_eq!((strict.default, strict.dns, strict.rules.len()), (Verdict::Deny, Verdict::Allow, 1));
    }

    #[test]
    fn another_network_leaves_the_rest_of_the_file() {
        let text = "// mine\nlabel \"red\" // so\n\nnetwork \"a\"\nfirewall {\n    allow\n}\n";
        let config = parse(Path::new("x"), text).unwrap();
        let to = |name: Option<&str>| {
            let network = name.map(|name| name.parse().unwrap());
            with_network(text, &QubeConfig { network, ..config.clone() })
        };
        assert_eq!(to(Some("b")), text.replace("\"a\"", "\"b\""));
        assert_eq!(to(None), text.replace("network \"a\"\n", ""));
        // Written in an unusual way: what it says counts more.
        for odd in [
            "label \"red\"; network \"a\"\n",
            "label \"red\"\n  network \"a\"\n",
            "label \"red\"\n\"network\" \"a\"\n",
        ] {
            let config = parse(Path::new("x"), odd).unwrap();
            let wanted = QubeConfig { network: None, ..config };
            assert_eq!(parse(Path::new("x"), &with_network(odd, &wanted)), Ok(wanted));
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, reason) in [
            ("firewall {\n allow port=80\n}", "have ports"),
            ("firewall {\n allow \"icmp\" port=80\n}", "have ports"),
            ("firewall {\n allow \"tcp\" port=0\n}", "port 0"),
            ("firewall {\n allow \"tcp\" port=80 ports=\"1-2\"\n}", "port or ports"),
            ("firewall {\n allow to=\"10.0.0.1\" host=\"a.b\"\n}", "about a name"),
            ("firewall {\n allow to=\"10.0.0.1/8\"\n}", "first address"),
            ("firewall {\n allow host=\"a b; accept\"\n}", "name of a host"),
            ("firewall {\n permit\n}", ""),
            ("firewall {\n default \"deny\"\n default \"allow\"\n}", "once"),
            ("uplink \"pci\"", "needs a device"),
            ("uplink \"pci\" \"00:1f.6\"", "PCI device"),
            ("uplink \"pci\" \"0000:00:1f.9\"", "PCI device"),
            ("uplink \"user\" namespace=\"../x\"", "namespace"),
            ("uplink \"user\"\nnetwork \"a\"", "not both"),
            ("uplink \"user\"\nfirewall {\n}", "nobody filters"),
            ("vpn \"wireguard\" endpoint=\"192.0.2.1:1\"", "needs a network"),
            ("network \"a\"\nvpn \"wireguard\" endpoint=\"vpn.example:1\"", "endpoint"),
            ("network \"a\"\nvpn \"wireguard\" endpoint=\"tcp 192.0.2.1:1\"", "UDP"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let many = format!("firewall {{\n{}}}", "allow \"tcp\"\n".repeat(MAX_RULES + 1));
        assert!(read(&many).unwrap_err().contains("rules"));
    }

    #[test]
    fn a_qube_with_a_tunnel_reaches_only_its_end() {
        let config = read("network \"a\"\nvpn \"wireguard\" endpoint=\"192.0.2.1:51820\"").unwrap();
        let firewall = firewall_of(&config);
        assert_eq!((firewall.default, firewall.dns, firewall.rules.len()), (Verdict::Deny, Verdict::Deny, 1));
        assert_eq!(line(&firewall.rules[0]), " \"udp\" to=\"192.0.2.1/32\" ports=\"51820\"");
        assert_eq!(firewall_of(&read("network \"a\"").unwrap()), Firewall::OPEN);
    }
}
