//! What policy says about a call, given the qubes that there are.

use std::time::Instant;

use transom_protocol::{
    call::{Caller, Target},
    input::Kind,
    supervisor::{CallChoice, CallFate, ErrorBody, ErrorKind, QubeName},
};

use super::{
    book::{Verdict, Wanted},
    own::Own,
};
use crate::{
    policy::{Decision, Party, Policy},
    qubed::{
        disposables::Fleeting,
        running::Phase,
        server::{Qube, Server},
    },
};

/// Most qubes that the person is offered.
const MAX_CHOICES: usize = 64;

/// Who in dom0 has a service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ServedBy {
    Desktop,
    Qubed,
    Nobody,
}

fn served_in_dom0(service: &str) -> ServedBy {
    match () {
        () if Kind::of_service(service).is_some() => ServedBy::Desktop,
        () if Own::of(service).is_some() => ServedBy::Qubed,
        () => ServedBy::Nobody,
    }
}

/// True for a disposable that waits for its program: for calls it is not there yet.
fn spare(qube: &Qube) -> bool {
    qube.fleeting.as_ref().is_some_and(Fleeting::is_spare)
}

impl Server {
    /// What may become of a call; `Err` what the person is told if it may not be.
    pub(super) fn verdict(&mut self, wanted: &Wanted, wish: Option<&Target>) -> Result<Verdict, CallFate> {
        let Caller::Qube(source) = &wanted.source else {
            return Ok(self.verdict_for_dom0(wish));
        };
        // In one that waits for its program there is nobody who could want anything.
        let waits = self.qubes.get(source.as_str()).is_some_and(spare);
        if self.closing || waits || wish.and_then(Target::qube) == Some(source) {
            return Ok(Verdict::Deny);
        }
        // Qubes may have come or gone by hand.
        self.refresh_all();
        let policy = match self.calls.policy.now() {
            Ok(policy) => policy.clone(),
            Err(error) => return Err(CallFate::Failed { reason: error.to_string() }),
        };
        let default = policy.default_target(&wanted.service, self.source(source, wanted)).cloned();
        let target = wish.cloned().or(default);
        let (dom0, by) = (target.as_ref() == Some(&Target::Dom0), served_in_dom0(&wanted.service));
        let known = target.as_ref().is_some_and(|target| self.is_there(target));
        let decision = target
            .as_ref()
            .map(|target| policy.decide(&wanted.service, self.source(source, wanted), self.party(target)));
        match (decision, target) {
            (Some(Decision::Deny), _) if wish.is_some() => Err(CallFate::Denied),
            (Some(_), _) if dom0 && by == ServedBy::Nobody => {
                Err(CallFate::Failed { reason: "dom0 has no such service".to_owned() })
            }
            (Some(decision), _)
                if dom0
                    && self.compositor.is_none()
                    && (decision == Decision::Ask || by == ServedBy::Desktop) =>
            {
                Ok(Verdict::Wait)
            }
            (Some(Decision::Allow), Some(target)) if known => Ok(Verdict::Go(target)),
            (Some(Decision::Ask), Some(target @ Target::Dom0)) => {
                let (label, running) = (wanted.label.clone(), true);
                Ok(Verdict::Ask { choices: vec![CallChoice { target, label, running }], chosen: Some(0) })
            }
            (Some(Decision::Allow), Some(target)) if wish.is_some() => {
                Err(CallFate::Failed { reason: format!("there is no qube {target}") })
            }
            (_, target) => {
                let choices = self.choices(&policy, source, wanted);
                if choices.is_empty() {
                    return Err(CallFate::Denied);
                }
                if self.compositor.is_none() {
                    return Ok(Verdict::Deny);
                }
                let chosen = choices.iter().position(|choice| Some(&choice.target) == target.as_ref());
                Ok(Verdict::Ask { choices, chosen: chosen.map(|index| index as u32) })
            }
        }
    }

    /// What the person calls needs no rule and no question: it is their own word. It goes to a qube that they
    /// name.
    fn verdict_for_dom0(&mut self, wish: Option<&Target>) -> Verdict {
        self.refresh_all();
        match wish {
            Some(target @ Target::Qube(_)) if !self.closing && self.is_there(target) => {
                Verdict::Go(target.clone())
            }
            _ => Verdict::Deny,
        }
    }

    fn is_disposable(&self, name: &QubeName) -> bool {
        self.lasting(name).is_err()
    }

    fn source<'a>(&self, source: &'a QubeName, wanted: &'a Wanted) -> Party<'a> {
        if self.is_disposable(source) {
            Party::Disposable(Some((source, &wanted.label)))
        } else {
            Party::Qube(source, Some(&wanted.label))
        }
    }

    fn party<'a>(&'a self, target: &'a Target) -> Party<'a> {
        match target {
            Target::Dom0 => Party::Dom0,
            Target::Disposable => Party::Disposable(None),
            Target::Qube(name) => match self.qubes.get(name.as_str()) {
                Some(qube) if self.is_disposable(name) => Party::Disposable(Some((name, &qube.label))),
                Some(qube) => Party::Qube(name, Some(&qube.label)),
                None => Party::Qube(name, None),
            },
        }
    }

    fn is_there(&self, target: &Target) -> bool {
        match target {
            Target::Qube(name) => self.qubes.get(name.as_str()).is_some_and(|qube| !spare(qube)),
            Target::Disposable => true,
            // Where it needs its desktop it has waited for it.
            Target::Dom0 => true,
        }
    }

    /// Whom the person may choose: those that a rule does not exclude and that can be reached.
    fn choices(&self, policy: &Policy, source: &QubeName, wanted: &Wanted) -> Vec<CallChoice> {
        let may =
            |to: Party<'_>| policy.decide(&wanted.service, self.source(source, wanted), to) != Decision::Deny;
        let reachable = |qube: &Qube| match &qube.running {
            Some(running) => matches!(running.phase, Phase::Running | Phase::Starting),
            None => qube.config.is_ok(),
        };
        let other = |name: &QubeName, qube: &Qube| name != source && reachable(qube) && !spare(qube);
        let qubes = self.qubes.iter().filter(|(name, qube)| other(name, qube));
        let mut choices: Vec<CallChoice> = qubes
            .map(|(name, qube)| CallChoice {
                target: Target::Qube(name.clone()),
                label: qube.label.clone(),
                running: qube.running.is_some(),
            })
            .filter(|choice| may(self.party(&choice.target)))
            .take(MAX_CHOICES - 1)
            .collect();
        if may(Party::Disposable(None)) {
            let (target, label) = (Target::Disposable, wanted.label.clone());
            choices.push(CallChoice { target, label, running: false });
        }
        choices
    }

    /// The qube that a call goes to, up or on its way.
    pub(super) fn target_for_call(
        &mut self,
        target: &Target,
        source: &Caller,
        now: Instant,
    ) -> Result<QubeName, ErrorBody> {
        match target {
            Target::Qube(name) => {
                self.start_for_call(name, now)?;
                Ok(name.clone())
            }
            Target::Disposable => match source {
                Caller::Qube(source) => self.disposable_for_call(source, now),
                Caller::Dom0 => {
                    Err(ErrorBody::new(ErrorKind::BadRequest, "dom0's calls go to a qube by name"))
                }
            },
            // Is served at once, see `Server::serve_in_dom0`.
            Target::Dom0 => Err(ErrorBody::new(ErrorKind::BadRequest, "dom0 has no such service")),
        }
    }
}
