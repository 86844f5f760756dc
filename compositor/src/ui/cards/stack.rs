//! Which notifications of qubes there are, and which of them are to be seen. Pure: no clock, no pictures.
//!
//! A qube that tells much covers nothing of the others': each has a bounded number of cards, of those that come too
//! fast none is kept, and the rest is a number beneath its last card. Nothing here depends on what another qube does
//! but the place on the screen, of which no qube is told.

use std::{collections::BTreeMap, time::Duration};

use transom_protocol::types::Urgency;

use crate::{config::NotificationConfig, qubes::Notification, trust::QubeId};

/// Most notifications of a qube that are kept; older ones become a number.
pub(crate) const KEPT: usize = 16;
/// Most cards of a qube on the screen.
pub(crate) const PER_QUBE: usize = 2;
/// Most cards on the screen.
pub(crate) const MOST: usize = 5;
/// So many may come at once …
const BURST: u32 = 8;
/// … and one more each time this has passed.
const REFILL: Duration = Duration::from_millis(500);

/// A notification that is kept.
#[derive(Debug)]
pub(crate) struct Card<P> {
    pub(crate) qube: QubeId,
    pub(crate) says: Notification,
    /// When it goes; `None`: not by itself, or nobody can see it yet.
    until: Option<Duration>,
    /// What was drawn of it.
    pub(crate) picture: Option<P>,
}

impl<P> Card<P> {
    pub(crate) fn key(&self) -> (QubeId, u32) {
        (self.qube, self.says.name)
    }

    /// When it goes if it is seen from now on.
    fn ages(&self, config: &NotificationConfig, now: Duration) -> Option<Duration> {
        let most = match self.says.urgency {
            Urgency::Low => config.low,
            Urgency::Normal => config.normal,
            Urgency::Critical => return None,
        };
        Some(now + self.says.stays.map_or(most, |wanted| wanted.min(most)))
    }
}

/// A card that is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Its place in [`Stack::cards`].
    pub(crate) at: usize,
    /// So many more there are of its qube; 0 but on the last card of it.
    pub(crate) more: u32,
}

/// How many of a qube's may come.
#[derive(Debug)]
struct Bucket {
    left: u32,
    since: Duration,
    /// Those that were not kept, as long as its others are there.
    dropped: u32,
}

/// See the module's text. `P` is what was drawn of a card.
#[derive(Debug)]
pub(crate) struct Stack<P> {
    /// Oldest first.
    cards: Vec<Card<P>>,
    buckets: BTreeMap<QubeId, Bucket>,
    /// The person can see them.
    seen: bool,
}

impl<P> Default for Stack<P> {
    fn default() -> Self {
        Self { cards: Vec::new(), buckets: BTreeMap::new(), seen: true }
    }
}

impl<P> Stack<P> {
    pub(crate) fn cards(&self) -> &[Card<P>] {
        &self.cards
    }

    pub(crate) fn cards_mut(&mut self) -> &mut [Card<P>] {
        &mut self.cards
    }

    /// One more, or another word of one that is there. True if something may look different.
    pub(crate) fn add(
        &mut self,
        qube: QubeId,
        says: Notification,
        config: &NotificationConfig,
        now: Duration,
    ) -> bool {
        let bucket = self.buckets.entry(qube).or_insert(Bucket { left: BURST, since: now, dropped: 0 });
        let passed = now.saturating_sub(bucket.since).as_millis() / REFILL.as_millis();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        if passed > 0 {
            bucket.left = bucket.left.saturating_add(passed).min(BURST);
            bucket.since = now;
        }
        if bucket.left == 0 {
            bucket.dropped = bucket.dropped.saturating_add(1);
            // The number beneath the last card; one of many says as much.
            for card in self.cards.iter_mut().filter(|card| card.qube == qube) {
                card.picture = None;
            }
            return false;
        }
        bucket.left -= 1;
        // The newest word comes last.
        self.cards.retain(|card| card.key() != (qube, says.name));
        let mut card = Card { qube, says, until: None, picture: None };
        if self.seen {
            card.until = card.ages(config, now);
        }
        self.cards.push(card);
        let own = || self.cards.iter().enumerate().filter(|(_, card)| card.qube == qube);
        if own().count() > KEPT {
            let oldest = own()
                .find(|(_, card)| card.says.urgency != Urgency::Critical)
                .or_else(|| own().next())
                .map(|(at, _)| at);
            if let Some(at) = oldest {
                self.cards.remove(at);
                if let Some(bucket) = self.buckets.get_mut(&qube) {
                    bucket.dropped = bucket.dropped.saturating_add(1);
                }
            }
        }
        self.settle();
        true
    }

    /// Takes one away. True if it was there.
    pub(crate) fn remove(&mut self, key: (QubeId, u32)) -> bool {
        self.take(|card| card.key() == key)
    }

    /// Takes all of a qube away.
    pub(crate) fn qube_gone(&mut self, qube: QubeId) -> bool {
        self.buckets.remove(&qube);
        self.take(|card| card.qube == qube)
    }

    /// Takes away what was seen long enough. True if something went.
    pub(crate) fn expire(&mut self, now: Duration) -> bool {
        self.take(|card| card.until.is_some_and(|until| now >= until))
    }

    fn take(&mut self, which: impl Fn(&Card<P>) -> bool) -> bool {
        let before = self.cards.len();
        self.cards.retain(|card| !which(card));
        let went = self.cards.len() != before;
        if went {
            self.settle();
        }
        went
    }

    /// Cards of a qube with none left stand for nothing more; the others' numbers are drawn anew.
    fn settle(&mut self) {
        for (qube, bucket) in &mut self.buckets {
            if !self.cards.iter().any(|card| card.qube == *qube) {
                bucket.dropped = 0;
            }
        }
        for card in &mut self.cards {
            card.picture = None;
        }
    }

    /// When the next one goes.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.cards.iter().filter_map(|card| card.until).min()
    }

    /// The person can see them from now on, or cannot: nothing grows older unseen. True if something
    /// looks different.
    pub(crate) fn set_seen(&mut self, seen: bool, config: &NotificationConfig, now: Duration) -> bool {
        if self.seen == seen {
            return false;
        }
        self.seen = seen;
        for card in &mut self.cards {
            card.until = if seen { card.ages(config, now) } else { None };
        }
        !self.cards.is_empty()
    }

    /// What is to be seen, the newest first. Each qube has one card before any has two, and what matters much comes
    /// before what does not.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        if !self.seen {
            return Vec::new();
        }
        let mut of_qube: BTreeMap<QubeId, Vec<usize>> = BTreeMap::new();
        for (at, card) in self.cards.iter().enumerate().rev() {
            of_qube.entry(card.qube).or_default().push(at);
        }
        for own in of_qube.values_mut() {
            // Stable: the newest of those that matter much, then the newest of the others.
            own.sort_by_key(|at| self.cards[*at].says.urgency != Urgency::Critical);
        }
        let mut chosen: Vec<usize> = Vec::new();
        for round in 0..PER_QUBE {
            let mut next: Vec<usize> = of_qube.values().filter_map(|own| own.get(round).copied()).collect();
            next.sort_by_key(|at| (self.cards[*at].says.urgency != Urgency::Critical, usize::MAX - at));
            chosen.extend(next);
        }
        chosen.truncate(MOST);
        chosen.sort_unstable_by(|a, b| b.cmp(a));
        let mut shown: Vec<Shown> = chosen.iter().map(|at| Shown { at: *at, more: 0 }).collect();
        for (qube, own) in of_qube {
            let here = |shown: &Shown| self.cards[shown.at].qube == qube;
            let hidden = own.len() - shown.iter().filter(|card| here(card)).count();
            let dropped = self.buckets.get(&qube).map_or(0, |bucket| bucket.dropped);
            if let Some(last) = shown.iter_mut().rev().find(|card| here(card)) {
                last.more = dropped.saturating_add(u32::try_from(hidden).unwrap_or(u32::MAX));
            }
        }
        shown
    }

    /// Finds what must not be.
    #[cfg(test)]
    fn check_invariants(&self) -> Result<(), String> {
        let mut keys: Vec<_> = self.cards.iter().map(Card::key).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("a notification is there twice".into());
        }
        let shown = self.shown();
        if shown.len() > MOST || (!self.seen && !shown.is_empty()) {
            return Err(format!("{} cards are shown", shown.len()));
        }
        let mut qubes: Vec<_> = keys.iter().map(|(qube, _)| *qube).collect();
        qubes.dedup();
        for qube in &qubes {
            let of = |qube: &QubeId| {
                shown.iter().filter(|shown| self.cards[shown.at].qube == *qube).collect::<Vec<_>>()
            };
            let own = of(qube);
            if own.len() > PER_QUBE || keys.iter().filter(|(other, _)| other == qube).count() > KEPT {
                return Err(format!("{qube:?} has too much"));
            }
            let crowded = qubes.iter().any(|other| of(other).len() > 1);
            if self.seen && own.is_empty() && (crowded || qubes.len() <= MOST) {
                return Err(format!("{qube:?} is pushed away by others"));
            }
        }
        if self.cards.iter().any(|card| card.until.is_some() && !self.seen) {
            return Err("a card grows older unseen".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn says(name: u32, urgency: Urgency) -> Notification {
        Notification {
            name,
            urgency,
            choosable: false,
            stays: None,
            summary: name.to_string(),
            body: String::new(),
            actions: Vec::new(),
            icon: None,
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn config() -> NotificationConfig {
        NotificationConfig::default()
    }

    fn names(stack: &Stack<()>) -> Vec<(u32, u32, u32)> {
        let card = |shown: &Shown| (&stack.cards()[shown.at], shown.more);
        stack.shown().iter().map(card).map(|(card, more)| (card.qube.0, card.says.name, more)).collect()
    }

    #[test]
    fn a_qube_that_floods_keeps_nobody_elses_away() {
        let mut stack = Stack::<()>::default();
        stack.add(QubeId(1), says(1, Urgency::Normal), &config(), secs(0));
        for name in 1..=200 {
            stack.add(QubeId(2), says(name, Urgency::Critical), &config(), secs(0));
        }
        // The first eight are there; of those, two are shown.
        assert_eq!(names(&stack), [(2, 8, 0), (2, 7, 198), (1, 1, 0)]);
        // The number goes with the last of them.
        assert!(stack.qube_gone(QubeId(2)));
        assert_eq!(names(&stack), [(1, 1, 0)]);
        // Slowly, all come; no more than some are kept.
        for name in 1..=40 {
            stack.add(QubeId(2), says(name, Urgency::Critical), &config(), secs(name.into()));
        }
        assert_eq!(names(&stack), [(2, 40, 0), (2, 39, 38), (1, 1, 0)]);
        assert_eq!(stack.cards().len(), KEPT + 1);
    }

    #[test]
    fn cards_go_after_their_time_but_not_unseen() {
        let mut stack = Stack::<()>::default();
        let config = config();
        let brief = Notification { stays: Some(Duration::from_millis(500)), ..says(4, Urgency::Normal) };
        let forever = Notification { stays: Some(secs(9_999)), ..says(5, Urgency::Normal) };
        let low = says(2, Urgency::Low);
        for says in [says(1, Urgency::Normal), low, says(3, Urgency::Critical), brief, forever] {
            stack.add(QubeId(1), says, &config, secs(0));
        }
        let left = |stack: &Stack<()>| stack.cards().iter().map(|card| card.says.name).collect::<Vec<_>>();
        assert_eq!(stack.next_deadline(), Some(Duration::from_millis(500)));
        assert!(stack.expire(secs(1)));
        assert_eq!(left(&stack), [1, 2, 3, 5]);
        assert!(stack.expire(config.low));
        assert_eq!(left(&stack), [1, 3, 5]);
        assert!(stack.set_seen(false, &config, secs(5)));
        stack.add(QubeId(1), says(6, Urgency::Low), &config, secs(6));
        assert!(!stack.expire(secs(1_000)) && stack.shown().is_empty());
        assert!(stack.set_seen(true, &config, secs(1_000)));
        assert!(stack.expire(secs(1_000) + config.low));
        assert_eq!(left(&stack), [1, 3, 5]);
        assert!(stack.expire(secs(1_000) + config.normal));
        assert_eq!(left(&stack), [3], "what matters much stays");
        assert_eq!(stack.next_deadline(), None);
    }

    #[test]
    fn another_word_of_one_takes_its_place() {
        let mut stack = Stack::<()>::default();
        for name in [1, 2, 1] {
            stack.add(QubeId(1), says(name, Urgency::Normal), &config(), secs(0));
        }
        assert_eq!(names(&stack), [(1, 1, 0), (1, 2, 0)]);
        assert!(stack.remove((QubeId(1), 1)) && !stack.remove((QubeId(1), 1)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u32, u32, usize, u32),
        Remove(u32, u32),
        Gone(u32),
        Seen(bool),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (1u32..9, 1u32..30, 0usize..3, 0u32..20_000).prop_map(|(q, n, u, s)| Step::Add(q, n, u, s)),
            2 => (1u32..9, 1u32..30).prop_map(|(q, n)| Step::Remove(q, n)),
            1 => (1u32..9).prop_map(Step::Gone),
            1 => any::<bool>().prop_map(Step::Seen),
            3 => (0u64..6_000).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_each_qube_has_its_share(steps in prop::collection::vec(step(), 0..200)) {
            let (mut stack, mut now) = (Stack::<()>::default(), Duration::ZERO);
            for step in steps {
                match step {
                    Step::Add(qube, name, urgency, stays) => {
                        let stays = Some(Duration::from_millis(stays.into())).filter(|_| stays > 0);
                        let says = Notification { stays, ..says(name, Urgency::ALL[urgency]) };
                        stack.add(QubeId(qube), says, &config(), now);
                    }
                    Step::Remove(qube, name) => drop(stack.remove((QubeId(qube), name))),
                    Step::Gone(qube) => drop(stack.qube_gone(QubeId(qube))),
                    Step::Seen(seen) => drop(stack.set_seen(seen, &config(), now)),
                    Step::Wait(time) => now += Duration::from_millis(time),
                }
                stack.expire(now);
                let checked = stack.check_invariants();
                prop_assert!(checked.is_ok(), "{:?}", checked);
            }
        }
    }
}
