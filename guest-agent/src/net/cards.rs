//! What each network card is to be, and the commands that make it so. Pure.

use std::{collections::BTreeMap, net::Ipv4Addr};

use transom_protocol::network::{Mac, Setup, Uplink};

use super::lease::Lease;

/// What a card is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// Nothing.
    Idle,
    /// The way out, through another qube or a router.
    Out {
        /// Its address, and the length of its network's prefix.
        address: (Ipv4Addr, u8),
        /// Who takes packets on, if anybody does.
        gateway: Option<Ipv4Addr>,
        /// The only address that is reached by it; `None`: all.
        only: Option<Ipv4Addr>,
    },
    /// The way out, before anybody has said more.
    Waiting,
    /// The cable to a client.
    Client {
        /// Our address.
        inside: Ipv4Addr,
        /// The client's.
        address: Ipv4Addr,
        /// The client's card.
        its_card: Mac,
    },
}

/// The kernel's name of the card to the outside.
pub fn uplink<'a>(setup: &Setup, cards: &'a BTreeMap<Mac, String>) -> Option<&'a str> {
    let name = |card: &Mac| cards.get(card).map(String::as_str);
    match &setup.uplink {
        Some(Uplink::Qube { card, .. } | Uplink::Dhcp { card: Some(card) }) => name(card),
        // Cards of cables have addresses of their own kind.
        Some(Uplink::Dhcp { card: None }) => {
            cards.iter().find(|(card, _)| !matches!(card.0, [2, 0 | 1, ..])).map(|(_, name)| name.as_str())
        }
        None => None,
    }
}

/// What each card is to be, by the kernel's names.
pub fn wanted(setup: &Setup, cards: &BTreeMap<Mac, String>, lease: Option<&Lease>) -> BTreeMap<String, Card> {
    let mut wanted: BTreeMap<String, Card> = cards.values().map(|name| (name.clone(), Card::Idle)).collect();
    let only = setup.vpn.as_ref().map(|vpn| vpn.endpoint.address);
    if let (Some(name), Some(uplink)) = (uplink(setup, cards), &setup.uplink) {
        let card = match (uplink, lease) {
            (Uplink::Qube { address, gateway, .. }, _) => {
                Card::Out { address: (*address, 32), gateway: Some(*gateway), only }
            }
            (Uplink::Dhcp { .. }, Some(lease)) => {
                Card::Out { address: (lease.address, lease.prefix), gateway: lease.router, only }
            }
            (Uplink::Dhcp { .. }, None) => Card::Waiting,
        };
        wanted.insert(name.to_owned(), card);
    }
    if let Some(inside) = setup.inside {
        for client in &setup.clients {
            if let Some(name) = cards.get(&client.card) {
                let card = Card::Client { inside, address: client.address, its_card: client.its_card };
                wanted.insert(name.clone(), card);
            }
        }
    }
    wanted
}

/// Commands for `ip -batch`, which begin with nothing on the card.
pub fn commands(name: &str, card: &Card) -> String {
    let mut lines = vec![
        format!("address flush dev {name}"),
        format!("route flush dev {name}"),
        format!("neighbour flush dev {name}"),
    ];
    match card {
        Card::Idle => lines.push(format!("link set dev {name} down")),
        Card::Waiting => lines.push(format!("link set dev {name} up")),
        Card::Out { address: (address, prefix), gateway, only } => {
            lines.push(format!("link set dev {name} up"));
            lines.push(format!("address add {address}/{prefix} dev {name}"));
            let to = only.map_or("default".to_owned(), |only| format!("{only}/32"));
            lines
                .extend(gateway.map(|gateway| format!("route replace {to} via {gateway} dev {name} onlink")));
        }
        Card::Client { inside, address, its_card } => {
            lines.push(format!("link set dev {name} up"));
            lines.push(format!("address add {inside}/32 dev {name}"));
            lines.push(format!("route replace {address}/32 dev {name}"));
            // Nobody can say that it is another card.
            lines.push(format!("neighbour replace {address} lladdr {its_card} dev {name} nud permanent"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use transom_protocol::network::{Client, Firewall};

    use super::*;

    fn cards() -> BTreeMap<Mac, String> {
        let card = |side, last, name: &str| (Mac([2, side, 0, 0, 0, last]), name.to_owned());
        [card(0, 1, "eth0"), card(1, 1, "eth1"), card(1, 2, "eth2"), (Mac([0x52; 6]), "eth3".to_owned())]
            .into()
    }

    #[test]
    fn each_card_is_what_it_is_for() {
        let inside = Ipv4Addr::new(10, 64, 0, 1);
        let (address, gateway) = (Ipv4Addr::new(10, 128, 0, 1), Ipv4Addr::new(10, 64, 0, 9));
        let (its_card, its_address) = (Mac([2, 0, 0, 0, 0, 7]), Ipv4Addr::new(10, 128, 0, 7));
        let mut setup = Setup {
            uplink: Some(Uplink::Qube { card: Mac([2, 0, 0, 0, 0, 1]), address, gateway }),
            inside: Some(inside),
            clients: vec![Client {
                card: Mac([2, 1, 0, 0, 0, 1]),
                its_card,
                address: its_address,
                firewall: Firewall::OPEN,
            }],
            vpn: None,
        };
        let wanted = |setup: &Setup, lease| wanted(setup, &cards(), lease).into_values().collect::<Vec<_>>();
        let out = |only| Card::Out { address: (address, 32), gateway: Some(gateway), only };
        let client = Card::Client { inside, address: its_address, its_card };
        assert_eq!(wanted(&setup, None), [out(None), client, Card::Idle, Card::Idle]);
        let endpoint = "192.0.2.1:51820".parse().unwrap();
        setup.vpn = Some(transom_protocol::network::Vpn {
            kind: transom_protocol::network::VpnKind::Wireguard,
            endpoint,
        });
        assert_eq!(wanted(&setup, None)[0], out(Some(endpoint.address)));
        // A card of the machine's own is the one that is no cable's.
        setup.vpn = None;
        setup.uplink = Some(Uplink::Dhcp { card: None });
        assert_eq!(wanted(&setup, None)[3], Card::Waiting);
        let lease = Lease { address, prefix: 24, router: Some(gateway), dns: None };
        let leased = Card::Out { address: (address, 24), gateway: Some(gateway), only: None };
        assert_eq!(wanted(&setup, Some(&lease)), [Card::Idle, client, Card::Idle, leased]);
        assert_eq!(wanted(&Setup::default(), None), [Card::Idle; 4]);
    }

    #[test]
    fn with_a_tunnel_only_its_end_is_reached_directly() {
        let address = Ipv4Addr::new(10, 128, 0, 1);
        let gateway = Some(Ipv4Addr::new(10, 64, 0, 9));
        let all = commands("eth0", &Card::Out { address: (address, 32), gateway, only: None });
        assert!(all.contains("route replace default via 10.64.0.9 dev eth0 onlink\n"), "{all}");
        let only = Some(Ipv4Addr::new(192, 0, 2, 1));
        let one = commands("eth0", &Card::Out { address: (address, 32), gateway, only });
        assert!(
            !one.contains("default") && one.contains("route replace 192.0.2.1/32 via 10.64.0.9"),
            "{one}"
        );
    }
}
