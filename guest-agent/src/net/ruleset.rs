//! The packet filter of a qube that others' networks go through, as text for `nft -f`. Pure.
//!
//! One table, replaced as a whole in one transaction. What no rule lets through is dropped: packets of a
//! client that are not from its own card and address, packets from one client to another, whatever comes
//! from outside without having been asked for, and all IPv6.
//!
//! A client's rules are asked about every packet that it sends, not only the first of a connection: a rule
//! that goes ends connections that it allowed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::Ipv4Addr,
};

use transom_protocol::network::{Client, Destination, Host, Mac, Protocol, Rule, Setup, Verdict, Vpn};

/// Lets nothing through, in any direction but within the machine.
pub const CLOSED: &str = "table inet transom {}
delete table inet transom
table inet transom {
    chain input { type filter hook input priority filter; policy drop; iifname \"lo\" accept; }
    chain forward { type filter hook forward priority filter; policy drop; }
    chain output { type filter hook output priority filter; policy drop; oifname \"lo\" accept; }
}
";

/// What the rules are about, besides the setup.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The kernel's names of cards, by their addresses. A client whose card is not there has no rules.
    pub cards: &'a BTreeMap<Mac, String>,
    /// The kernel's name of the card to the outside.
    pub uplink: Option<&'a str>,
    /// The kernel's name of the tunnel, if all goes through one.
    pub tunnel: Option<&'a str>,
    /// Who answers questions about names.
    pub dns: Option<Ipv4Addr>,
    /// What addresses names have.
    pub names: &'a BTreeMap<Host, BTreeSet<Ipv4Addr>>,
}

/// The table.
pub fn ruleset(setup: &Setup, around: &Around<'_>) -> String {
    let clients: Vec<(&Client, &str)> = setup
        .clients
        .iter()
        .filter_map(|client| Some((client, around.cards.get(&client.card)?.as_str())))
        .collect();
    let hosts = hosts(setup);
    let mut out = String::from("table inet transom {}\ndelete table inet transom\ntable inet transom {\n");
    for (number, host) in hosts.iter().enumerate() {
        let found = around.names.get(*host).into_iter().flatten();
        let list = found.map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let elements = if list.is_empty() { String::new() } else { format!(" elements = {{ {list} }}") };
        let _ = writeln!(out, "    set name{number} {{ type ipv4_addr;{elements} }} # {host}");
    }
    let mut chain = |name: &str, head: &str, lines: Vec<String>| {
        let _ = writeln!(out, "    chain {name} {{\n        {head}");
        for line in lines {
            let _ = writeln!(out, "        {line}");
        }
        out.push_str("    }\n");
    };

    // Who says that it is somebody else is not heard.
    let outside = around.uplink.into_iter().chain(around.tunnel);
    let mut own = vec!["iifname \"lo\" accept".to_owned()];
    own.extend(outside.map(|card| format!("iifname \"{card}\" accept")));
    own.extend(clients.iter().map(|(client, card)| {
        format!("iifname \"{card}\" ether saddr {} ip saddr {} accept", client.its_card, client.address)
    }));
    chain("spoof", "type filter hook prerouting priority raw; policy drop;", own);

    // Nobody but this machine itself, and who asks if it is there.
    let mut input =
        vec!["iifname \"lo\" accept".to_owned(), "ct state established,related accept".to_owned()];
    input.extend(around.uplink.map(|card| format!("iifname \"{card}\" udp sport 67 udp dport 68 accept")));
    input.extend(
        clients.iter().map(|(_, card)| {
            format!("iifname \"{card}\" icmp type echo-request limit rate 20/second accept")
        }),
    );
    chain("input", "type filter hook input priority filter; policy drop;", input);

    // From a client to the outside only, and back what answers.
    let out_card = if setup.vpn.is_some() { around.tunnel } else { around.uplink };
    let mut forward = vec![
        "ct state invalid drop".to_owned(),
        "ct direction reply ct state established,related accept".to_owned(),
    ];
    if let Some(out_card) = out_card {
        let jump = |(number, (_, card)): (usize, &(&Client, &str))| {
            format!("iifname \"{card}\" oifname \"{out_card}\" jump client{number}")
        };
        forward.extend(clients.iter().enumerate().map(jump));
    }
    for (number, (client, _)) in clients.iter().enumerate() {
        chain(&format!("client{number}"), "", client_rules(client, &hosts));
    }
    chain("forward", "type filter hook forward priority filter; policy drop;", forward);

    if let Some(vpn) = &setup.vpn {
        let cards: Vec<&str> = clients.iter().map(|(_, card)| *card).collect();
        let head = "type filter hook output priority filter; policy drop;";
        chain("output", head, tunnel_only(vpn, around, &cards));
    }

    if let (Some(dns), Some(inside)) = (around.dns, setup.inside) {
        let asks = clients.iter().filter(|(client, _)| client.firewall.dns == Verdict::Allow);
        let ask = |(_, card): &(&Client, &str)| {
            format!(
                "iifname \"{card}\" ip daddr {inside} meta l4proto {{ tcp, udp }} th dport 53 dnat ip to {dns}"
            )
        };
        chain("names", "type nat hook prerouting priority dstnat; policy accept;", asks.map(ask).collect());
    }
    if let Some(out_card) = out_card {
        let all_one = vec![format!("oifname \"{out_card}\" masquerade")];
        chain("outside", "type nat hook postrouting priority srcnat; policy accept;", all_one);
    }
    out.push_str("}\n");
    out
}

/// Names that rules are about, each once, in order.
pub fn hosts(setup: &Setup) -> Vec<&Host> {
    let rules = setup.clients.iter().flat_map(|client| &client.firewall.rules);
    let mut hosts: Vec<&Host> = rules
        .filter_map(|rule| match &rule.to {
            Destination::Host(host) => Some(host),
            Destination::Any | Destination::Net(_) => None,
        })
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

fn client_rules(client: &Client, hosts: &[&Host]) -> Vec<String> {
    // The only packets with a new destination are questions about names.
    let mut lines = vec![format!("ct status dnat {}", verdict(client.firewall.dns))];
    lines.extend(client.firewall.rules.iter().filter_map(|rule| line(rule, hosts)));
    lines.push(verdict(client.firewall.default).to_owned());
    lines
}

fn line(rule: &Rule, hosts: &[&Host]) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(match &rule.to {
        Destination::Any => None,
        Destination::Net(net) => Some(format!("ip daddr {net}")),
        Destination::Host(host) => {
            Some(format!("ip daddr @name{}", hosts.iter().position(|known| *known == host)?))
        }
    });
    let protocol = rule.protocol.map(|protocol| match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
    });
    parts.extend(match (protocol, rule.ports) {
        (Some(protocol), Some(ports)) => Some(format!("{protocol} dport {ports}")),
        (Some(protocol), None) => Some(format!("meta l4proto {protocol}")),
        (None, _) => None,
    });
    parts.push(verdict(rule.verdict).to_owned());
    Some(parts.join(" "))
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "accept",
        // Said to the client, so that its programs need not wait for nothing.
        Verdict::Deny => "reject with icmp type admin-prohibited",
    }
}

/// What this machine itself may send: into the tunnel, to its other end, and answers to clients.
fn tunnel_only(vpn: &Vpn, around: &Around<'_>, clients: &[&str]) -> Vec<String> {
    let mut lines = vec!["oifname \"lo\" accept".to_owned()];
    lines
        .extend(clients.iter().map(|card| format!("oifname \"{card}\" ct state established,related accept")));
    lines.extend(around.tunnel.map(|card| format!("oifname \"{card}\" accept")));
    let protocol = if vpn.endpoint.protocol == Protocol::Tcp { "tcp" } else { "udp" };
    lines.extend(around.uplink.map(|card| {
        let (address, port) = (vpn.endpoint.address, vpn.endpoint.port);
        format!("oifname \"{card}\" ip daddr {address} {protocol} dport {port} accept")
    }));
    lines
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    use transom_protocol::network::{Firewall, Uplink, VpnKind};

    use super::*;

    fn rule(verdict: Verdict, protocol: Option<Protocol>, to: Destination, ports: Option<&str>) -> Rule {
        Rule { verdict, protocol, to, ports: ports.map(|ports| ports.parse().unwrap()) }
    }

    fn client(number: u8, firewall: Firewall) -> Client {
        Client {
            card: Mac([2, 1, 0, 0, 0, number]),
            its_card: Mac([2, 0, 0, 0, 0, number]),
            address: Ipv4Addr::new(10, 128, 0, number),
            firewall,
        }
    }

    fn setup(vpn: Option<Vpn>) -> Setup {
        let host = || Destination::Host("example.org".parse().unwrap());
        let strict = Firewall {
            rules: vec![
                rule(Verdict::Deny, None, Destination::Net("198.51.100.0/24".parse().unwrap()), None),
                rule(Verdict::Allow, Some(Protocol::Tcp), host(), Some("443")),
                rule(Verdict::Allow, Some(Protocol::Udp), Destination::Any, Some("5000-5100")),
                rule(Verdict::Allow, Some(Protocol::Icmp), Destination::Any, None),
            ],
            default: Verdict::Deny,
            dns: Verdict::Deny,
        };
        Setup {
            uplink: Some(Uplink::Dhcp { card: None }),
            inside: Some(Ipv4Addr::new(10, 64, 0, 1)),
            clients: vec![client(1, strict), client(2, Firewall::OPEN)],
            vpn,
        }
    }

    fn text(setup: &Setup, tunnel: Option<&str>) -> String {
        let cards =
            [(Mac([2, 1, 0, 0, 0, 1]), "eth1".to_owned()), (Mac([2, 1, 0, 0, 0, 2]), "eth2".to_owned())];
        let names = [("example.org".parse().unwrap(), [Ipv4Addr::new(203, 0, 113, 7)].into())];
        let around = Around {
            cards: &cards.into(),
            uplink: Some("eth0"),
            tunnel,
            dns: Some(Ipv4Addr::new(192, 0, 2, 53)),
            names: &names.into(),
        };
        ruleset(setup, &around)
    }

    fn chain<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let (_, rest) = text.split_once(&format!("chain {name} {{\n")).expect(name);
        rest.split_once("    }\n").unwrap().0.lines().map(str::trim).collect()
    }

    #[test]
    fn each_client_has_its_own_rules_in_their_order() {
        let text = text(&setup(None), None);
        let reject = "reject with icmp type admin-prohibited";
        assert_eq!(
            chain(&text, "client0")[1..],
            [
                &format!("ct status dnat {reject}"),
                &format!("ip daddr 198.51.100.0/24 {reject}"),
                "ip daddr @name0 tcp dport 443 accept",
                "udp dport 5000-5100 accept",
                "meta l4proto icmp accept",
                reject,
            ]
        );
        assert_eq!(chain(&text, "client1")[1..], ["ct status dnat accept", "accept"]);
        assert!(text.contains("set name0 { type ipv4_addr; elements = { 203.0.113.7 } }"));
    }

    #[test]
    fn a_client_is_heard_from_its_card_and_address_only_and_reaches_the_outside_only() {
        let text = text(&setup(None), None);
        let spoof = chain(&text, "spoof");
        assert!(spoof[0].ends_with("policy drop;"));
        assert!(spoof.contains(&"iifname \"eth1\" ether saddr 02:00:00:00:00:01 ip saddr 10.128.0.1 accept"));
        let forward = chain(&text, "forward");
        assert!(forward[0].ends_with("policy drop;"));
        assert_eq!(
            forward[3..],
            [
                "iifname \"eth1\" oifname \"eth0\" jump client0",
                "iifname \"eth2\" oifname \"eth0\" jump client1"
            ]
        );
        // Who may not ask for names does not get through to who answers.
        assert_eq!(chain(&text, "names").len(), 2);
        assert!(chain(&text, "names")[1].starts_with("iifname \"eth2\""));
    }

    #[test]
    fn with_a_tunnel_nothing_goes_past_it() {
        let vpn = Vpn { kind: VpnKind::Wireguard, endpoint: "192.0.2.9:51820".parse().unwrap() };
        let up = text(&setup(Some(vpn)), Some("wg0"));
        assert!(chain(&up, "forward")[3..].iter().all(|line| line.contains("oifname \"wg0\"")));
        let output = chain(&up, "output");
        assert!(output[0].ends_with("policy drop;"));
        let past: Vec<_> = output.iter().filter(|line| line.contains("eth0")).collect();
        assert_eq!(past, [&"oifname \"eth0\" ip daddr 192.0.2.9 udp dport 51820 accept"]);
        // It is not there: nothing is forwarded at all.
        let down = text(&setup(Some(vpn)), None);
        assert_eq!(chain(&down, "forward").len(), 3);
        assert!(!down.contains("masquerade"));
    }

    #[test]
    fn a_card_that_is_not_there_has_no_rules() {
        let mut setup = setup(None);
        setup.clients[0].card = Mac([9; 6]);
        let text = text(&setup, None);
        assert!(!text.contains("10.128.0.1") && text.contains("10.128.0.2"));
    }

    /// `nft` itself reads it, in a network of its own, where there is one.
    #[test]
    fn nft_understands_it() {
        let vpn = Vpn { kind: VpnKind::Openvpn, endpoint: "tcp 192.0.2.9:443".parse().unwrap() };
        for text in [CLOSED.to_owned(), text(&setup(None), None), text(&setup(Some(vpn)), Some("tun0"))] {
            let mut command = Command::new("unshare");
            command
                .args(["--user", "--map-root-user", "--net", "nft", "-c", "-f", "-"])
                .stdin(Stdio::piped());
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else { return };
            let written = child.stdin.take().unwrap().write_all(text.as_bytes());
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            if written.is_err() || said.contains("Operation not") || said.contains("failed to execute") {
                return;
            }
            assert!(output.status.success(), "{said}\n{text}");
        }
    }
}
