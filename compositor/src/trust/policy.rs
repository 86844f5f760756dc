//! What may cross from one qube to another.

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

/// A qube by name, or any.
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
            Self::Any => true,
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

impl Policy {
    /// What holds for a pair of qubes.
    pub fn decide(&self, from: &str, to: &str) -> Decision {
        self.rules.iter().find(|r| r.from.is(from) && r.to.is(to)).map_or(self.fallback, |r| r.decision)
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
}
