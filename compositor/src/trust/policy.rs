//! What may cross from one qube to another, and between a qube and dom0.

use transom_protocol::supervisor::DOM0;

/// Where pictures of the screen come from that the person has taken, in rules.
pub const SCREEN: &str = "@screen";

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The chord is enough.
    Allow,
    /// dom0 asks first.
    Ask,
    /// Never.
    Deny,
}

/// A qube by name, or any. dom0 is no qube: only its name names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every qube.
    Any,
    /// The qube of this name.
    Named(String),
}

impl Who {
    /// `*` is any.
    pub fn new(name: &str) -> Self {
        if name == "*" { Self::Any } else { Self::Named(name.to_owned()) }
    }

    fn is(&self, name: &str) -> bool {
        match self {
            Self::Any => name != DOM0,
            Self::Named(named) => named == name,
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it comes from.
    pub from: Who,
    /// Where it goes.
    pub to: Who,
    /// What then.
    pub decision: Decision,
}

/// Rules in order; the first that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Where none fits.
    pub fallback: Decision,
}

impl Default for Policy {
    /// The person is asked about everything.
    fn default() -> Self {
        Self { rules: Vec::new(), fallback: Decision::Ask }
    }
}

impl Policy {
    /// What holds for a pair of qubes. Between a qube and dom0 nothing crosses unless a rule names
    /// dom0: neither `*` nor the fallback speaks of it. What the person took of the screen is [`SCREEN`]'s, and
    /// goes into qubes as if it came from one.
    pub fn decide(&self, from: &str, to: &str) -> Decision {
        let fallback = if from == DOM0 || to == DOM0 { Decision::Deny } else { self.fallback };
        self.rules.iter().find(|r| r.from.is(from) && r.to.is(to)).map_or(fallback, |r| r.decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rule = |from, to, decision| Rule { from: Who::new(from), to: Who::new(to), decision };
        let policy = Policy {
            rules: vec![
                rule("vault", "work", Decision::Ask),
                rule("vault", "*", Decision::Deny),
                rule("*", "vault", Decision::Deny),
            ],
            fallback: Decision::Allow,
        };
        assert_eq!(policy.decide("vault", "work"), Decision::Ask);
        assert_eq!(policy.decide("vault", "web"), Decision::Deny);
        assert_eq!(policy.decide("web", "vault"), Decision::Deny);
        assert_eq!(policy.decide("web", "work"), Decision::Allow);
    }

    #[test]
    fn only_a_rule_that_names_dom0_lets_something_in_or_out() {
        let rule = |from, to| Rule { from: Who::new(from), to: Who::new(to), decision: Decision::Allow };
        let mut policy = Policy { rules: vec![rule("*", "*")], fallback: Decision::Allow };
        for (from, to) in [("work", "dom0"), ("dom0", "work")] {
            assert_eq!(policy.decide(from, to), Decision::Deny, "{from} to {to}");
        }
        policy.rules.push(rule("dom0", "work"));
        policy.rules.push(rule("dom0", "*"));
        assert_eq!(policy.decide("dom0", "work"), Decision::Allow);
        assert_eq!(policy.decide("dom0", "web"), Decision::Allow);
        assert_eq!(policy.decide("work", "dom0"), Decision::Deny);
    }

    #[test]
    fn a_picture_of_the_screen_is_pasted_like_what_a_qube_has_but_not_into_dom0s_programs() {
        let mut policy = Policy { rules: Vec::new(), fallback: Decision::Allow };
        assert_eq!(policy.decide(SCREEN, "work"), Decision::Allow);
        assert_eq!(policy.decide(SCREEN, "dom0"), Decision::Deny);
        policy.rules.push(Rule { from: Who::new(SCREEN), to: Who::Any, decision: Decision::Ask });
        assert_eq!(policy.decide(SCREEN, "work"), Decision::Ask);
    }
}
