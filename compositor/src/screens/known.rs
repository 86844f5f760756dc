//! Which monitor is which: the same one gets the same number each time it comes, so that windows go
//! back to it.

use super::Identity;

/// Most monitors that are remembered; those that have not been seen for longest are forgotten.
const MOST: usize = 256;

/// All monitors seen so far, with their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Last seen last.
    seen: Vec<(Identity, u32)>,
    last: u32,
}

impl Known {
    /// Numbers of the monitors that are plugged in now, in their order.
    pub(super) fn numbers<'a>(&mut self, monitors: impl IntoIterator<Item = &'a Identity>) -> Vec<u32> {
        let monitors: Vec<&Identity> = monitors.into_iter().collect();
        let mut numbers: Vec<Option<u32>> = vec![None; monitors.len()];
        // First those that are where they were: of two alike each keeps its connector.
        let as_before = |known: &Identity, now: &Identity| known == now;
        // One with a serial number of its own may have changed its connector.
        let moved = |known: &Identity, now: &Identity| !now.serial.is_empty() && known.same_make(now);
        self.find(&monitors, &mut numbers, as_before);
        self.find(&monitors, &mut numbers, moved);
        for (identity, number) in monitors.into_iter().zip(&mut numbers) {
            let number = *number.get_or_insert_with(|| {
                self.last += 1;
                self.last
            });
            self.seen.retain(|(_, known)| *known != number);
            self.seen.push((identity.clone(), number));
        }
        let forgotten = self.seen.len().saturating_sub(MOST);
        self.seen.drain(..forgotten);
        numbers.into_iter().flatten().collect()
    }

    fn find(
        &self,
        monitors: &[&Identity],
        numbers: &mut [Option<u32>],
        same: impl Fn(&Identity, &Identity) -> bool,
    ) {
        for (index, monitor) in monitors.iter().enumerate() {
            if numbers[index].is_none() {
                let free = |number: u32| !numbers.contains(&Some(number));
                let known = self.seen.iter().rev().find(|(k, number)| same(k, monitor) && free(*number));
                numbers[index] = known.map(|(_, number)| *number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn monitor(connector: &str, serial: &str) -> Identity {
        let (make, model) = ("ACM".into(), "Wide".into());
        Identity { connector: connector.into(), make, model, serial: serial.into() }
    }

    #[test]
    fn a_monitor_that_comes_back_has_its_number() {
        let mut known = Known::default();
        let (a, b) = (monitor("DP-1", "1"), monitor("DP-2", "2"));
        assert_eq!(known.numbers([&a, &b]), [1, 2]);
        assert_eq!(known.numbers([&b]), [2]);
        assert_eq!(known.numbers([&a, &b]), [1, 2]);
        // On the other's connector it is still itself.
        assert_eq!(known.numbers([&monitor("DP-2", "1"), &monitor("DP-1", "2")]), [1, 2]);
        // Another one where it was is another one.
        assert_eq!(known.numbers([&monitor("DP-2", "3")]), [3]);
    }

    #[test]
    fn of_two_alike_each_keeps_its_connector() {
        let mut known = Known::default();
        let (a, b) = (monitor("DP-1", ""), monitor("DP-2", ""));
        assert_eq!(known.numbers([&a, &b]), [1, 2]);
        assert_eq!(known.numbers([&b, &a]), [2, 1]);
        // Without a serial number nobody knows whether it is the same elsewhere.
        assert_eq!(known.numbers([&monitor("DP-3", "")]), [3]);
        // Two that claim the same serial number are two.
        let (c, d) = (monitor("DP-4", "x"), monitor("DP-5", "x"));
        assert_eq!(known.numbers([&c, &d]), [4, 5]);
        assert_eq!(known.numbers([&d, &c]), [5, 4]);
    }

    proptest! {
        #[test]
        fn numbers_are_never_shared(
            rounds in prop::collection::vec(prop::collection::vec((0u8..4, 0u8..4), 0..6), 1..8),
        ) {
            let mut known = Known::default();
            for round in rounds {
                let serial = |n: u8| if n == 0 { String::new() } else { n.to_string() };
                let mut monitors: Vec<Identity> = Vec::new();
                for (connector, number) in round {
                    let connector = format!("DP-{connector}");
                    if !monitors.iter().any(|m| m.connector == connector) {
                        monitors.push(monitor(&connector, &serial(number)));
                    }
                }
                let numbers = known.numbers(&monitors);
                let mut distinct = numbers.clone();
                distinct.sort_unstable();
                distinct.dedup();
                prop_assert_eq!(distinct.len(), monitors.len());
                prop_assert!(!numbers.contains(&0));
                prop_assert_eq!(known.numbers(&monitors), numbers, "the same, asked again");
            }
        }
    }
}
