//! What addresses names have, as this machine finds them. Pure but for the asking.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use transom_protocol::network::Host;

/// How often names are asked for anew.
pub const EVERY: Duration = Duration::from_secs(30);
/// How long an address counts after it was last seen: a client may still hold it, and connections go on.
const LASTS: Duration = Duration::from_hours(1);
/// Most addresses of one name; a zone that changes them all the time does not fill the kernel.
const MOST: usize = 256;

/// Names and their addresses.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<Host, BTreeMap<Ipv4Addr, Instant>>);

impl Names {
    /// Only these are of interest from now on.
    pub fn keep(&mut self, hosts: &[&Host]) {
        self.0.retain(|host, _| hosts.contains(&host));
        for host in hosts {
            self.0.entry((*host).clone()).or_default();
        }
    }

    /// All names.
    pub fn hosts(&self) -> Vec<Host> {
        self.0.keys().cloned().collect()
    }

    /// Takes what was found; true if that changes something.
    pub fn take(&mut self, found: &BTreeMap<Host, Vec<Ipv4Addr>>, now: Instant) -> bool {
        let before = self.addresses();
        for (host, known) in &mut self.0 {
            for address in found.get(host).into_iter().flatten() {
                if known.contains_key(address) || known.len() < MOST {
                    known.insert(*address, now);
                }
            }
            known.retain(|_, seen| now.saturating_duration_since(*seen) < LASTS);
        }
        before != self.addresses()
    }

    /// What addresses each has.
    pub fn addresses(&self) -> BTreeMap<Host, BTreeSet<Ipv4Addr>> {
        self.0.iter().map(|(host, known)| (host.clone(), known.keys().copied().collect())).collect()
    }
}

/// Asks for names. Waits for answers.
pub fn ask(hosts: &[Host]) -> BTreeMap<Host, Vec<Ipv4Addr>> {
    let find = |host: &Host| {
        let found = (host.as_str(), 0).to_socket_addrs().into_iter().flatten();
        found.filter_map(|address| match address.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    };
    hosts.iter().map(|host| (host.clone(), find(host).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_last_an_hour_after_they_were_seen() {
        let host: Host = "example.org".parse().unwrap();
        let other: Host = "other.org".parse().unwrap();
        let address = |last| Ipv4Addr::new(192, 0, 2, last);
        let found =
            |last| BTreeMap::from([(host.clone(), vec![address(last)]), (other.clone(), vec![address(9)])]);
        let begin = Instant::now();
        let after = |minutes| begin + Duration::from_mins(minutes);
        let mut names = Names::default();
        names.keep(&[&host]);
        assert!(names.take(&found(1), begin));
        assert!(!names.take(&found(1), after(30)), "nothing new");
        assert!(names.take(&found(2), after(60)));
        assert_eq!(names.addresses()[&host], [address(1), address(2)].into());
        assert!(!names.addresses().contains_key(&other), "nobody asked for it");
        assert!(names.take(&BTreeMap::new(), after(91)));
        assert_eq!(names.addresses()[&host], [address(2)].into());
        // A name that is of no interest any more is forgotten, one that is asked for anew has none yet.
        names.keep(&[&other]);
        names.keep(&[&host]);
        assert_eq!(names.addresses()[&host], BTreeSet::new());
    }

    #[test]
    fn a_name_has_a_limit() {
        let host: Host = "example.org".parse().unwrap();
        let mut names = Names::default();
        names.keep(&[&host]);
        let many = (0..10_000u32).map(Ipv4Addr::from_bits).collect();
        names.take(&BTreeMap::from([(host.clone(), many)]), Instant::now());
        assert_eq!(names.addresses()[&host].len(), MOST);
    }
}
