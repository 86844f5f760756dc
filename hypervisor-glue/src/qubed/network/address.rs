//! Addresses of qubes and their cards. Each follows from a name: it is the same at every start, and nobody
//! has to keep a list. They mean something between two ends of a cable only, for every qube on the way
//! outside puts its own in their place.

use std::net::Ipv4Addr;

use transom_protocol::{network::Mac, supervisor::QubeName};

use crate::user::number_of;

/// Kinds of cards, by the second byte of their addresses.
const OWN: u8 = 0;
const SLOT: u8 = 1;
const UPLINK: u8 = 2;

/// A qube's address, as the qube that its network goes through knows it: in 10.128.0.0/9.
pub(crate) fn client(name: &QubeName) -> Ipv4Addr {
    within(Ipv4Addr::new(10, 128, 0, 0), 23, number_of(name.as_str()))
}

/// A qube's address toward those whose network goes through it: in 10.64.0.0/10.
pub(crate) fn inside(name: &QubeName) -> Ipv4Addr {
    within(Ipv4Addr::new(10, 64, 0, 0), 22, number_of(name.as_str()).rotate_left(9))
}

fn within(base: Ipv4Addr, bits: u32, number: u32) -> Ipv4Addr {
    let host = number & ((1 << bits) - 1);
    // Some systems take the first and the last of 256 for something special.
    let host = match host & 0xff {
        0 => host | 1,
        0xff => host ^ 1,
        _ => host,
    };
    Ipv4Addr::from_bits(base.to_bits() | host)
}

/// A qube's own card, to the qube that its network goes through.
pub(crate) fn card(name: &QubeName) -> Mac {
    let [a, b, c, d] = number_of(name.as_str()).to_be_bytes();
    Mac([2, OWN, a, b, c, d])
}

/// A card for a client, by its number.
pub(crate) fn slot(name: &QubeName, slot: usize) -> Mac {
    let [_, b, c, d] = number_of(name.as_str()).to_be_bytes();
    Mac([2, SLOT, slot as u8, b, c, d])
}

/// The card of a user-mode network.
pub(crate) fn uplink(name: &QubeName) -> Mac {
    let [a, b, c, d] = number_of(name.as_str()).to_be_bytes();
    Mac([2, UPLINK, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn addresses_lie_where_they_should_and_differ() {
        let names: Vec<QubeName> = (0..500).map(|n| QubeName::new(&format!("qube-{n}")).unwrap()).collect();
        let mut seen = BTreeSet::new();
        for name in &names {
            for address in [client(name), inside(name)] {
                assert!(!matches!(address.octets()[3], 0 | 255), "{address}");
                seen.insert(address);
            }
            assert!((128..=255).contains(&client(name).octets()[1]));
            assert!((64..=127).contains(&inside(name).octets()[1]));
            assert_eq!(client(name), client(name));
        }
        assert_eq!(seen.len(), 2 * names.len());
        let one = &names[0];
        let cards: BTreeSet<_> =
            [card(one), uplink(one)].into_iter().chain((0..12).map(|n| slot(one, n))).collect();
        assert_eq!(cards.len(), 14);
        assert!(cards.iter().all(|card| card.0[0] == 2), "given by nobody, to one card");
    }
}
