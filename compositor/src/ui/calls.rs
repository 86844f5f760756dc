//! Service calls that the person decides about, and what the person is told of others.

use tracing::warn;
use transom_hypervisor::supervisor::{CallAnswer, CallAsk, CallFate, LabelName, RequestBody};
use transom_protocol::{call::Target, input::Kind};
use transom_theming::Label;

use super::{
    notices::{Notice, Part},
    prompt::{Asks, Given, Prompt, Row},
};
use crate::Desktop;

fn text(words: impl Into<String>) -> Part {
    Part::Text(words.into())
}

/// A label; one that the theme does not know counts as the least trusted.
fn label(name: &LabelName) -> Label {
    Label::from_name(name.as_str()).unwrap_or(Label::Red)
}

fn shown(target: &Target) -> &str {
    match target {
        Target::Disposable => "a new disposable qube",
        other => other.as_str(),
    }
}

/// What is asked, in the person's words; between quotation marks the qube's own.
fn sentence(ask: &CallAsk) -> Vec<Part> {
    let said = if ask.said.is_empty() { "something".to_owned() } else { format!("“{}”", ask.said) };
    let qube = Part::Qube((ask.source.as_str().to_owned(), label(&ask.label)));
    let mut parts = vec![qube];
    if let Some(kind) = Kind::of_service(&ask.service) {
        let name = if ask.said.is_empty() { String::new() } else { format!(" {said}") };
        parts.push(text(match kind {
            Kind::Mouse => format!(" wants to use its mouse{name}. It can then click everywhere."),
            Kind::Keyboard => {
                format!(" wants to use its keyboard{name}. It can then type as you, everywhere.")
            }
        }));
        return parts;
    }
    match ask.service.as_str() {
        "transom.copy" => parts.push(text(format!(" wants to copy {said} to"))),
        "transom.open-file" => parts.push(text(format!(" wants to open the file {said} in"))),
        "transom.open-link" => parts.push(text(format!(" wants to open the link {said} in"))),
        // Its name there is not known here; the id was checked.
        "transom.start-program" => {
            parts.push(text(format!(" wants to start the program “{}” in", ask.argument)));
        }
        service => {
            let with =
                if ask.argument.is_empty() { String::new() } else { format!(" with {}", ask.argument) };
            let says = if ask.said.is_empty() { String::new() } else { format!(", and says {said},") };
            parts.push(text(format!(" asks for the service {service}{with}{says} of")));
        }
    }
    parts.push(text(":"));
    parts
}

impl Desktop {
    /// A qube asks for a service. It is shown when nothing else is asked.
    pub(crate) fn call_asked(&mut self, ask: CallAsk) {
        if self.lock.covers() {
            // Nobody can be asked.
            self.ask_qubed(RequestBody::AnswerCall { call: ask.call, answer: CallAnswer::Deny });
            return;
        }
        self.ui.kept.calls.push_back(ask);
        self.next_call_prompt();
    }

    /// Nothing is asked now: what waits for that is.
    pub(crate) fn next_question(&mut self) {
        self.next_passphrase();
        self.next_call_prompt();
    }

    /// Asks about the call that has waited longest, unless something is asked already.
    pub(super) fn next_call_prompt(&mut self) {
        // A question does not take the keys from under who types into something of dom0.
        let kept = &self.ui.kept;
        let own = kept.launcher.is_some() || kept.capture.is_some();
        let asked = kept.prompt.is_some() || own || self.ui.passphrase.is_open();
        if asked || self.lock.covers() {
            return;
        }
        let Some(ask) = self.ui.kept.calls.front() else { return };
        let choices = ask.choices.iter().filter(|choice| choice.target != Target::Dom0);
        let rows = choices.map(|choice| Row {
            label: Some(label(&choice.label)),
            name: shown(&choice.target).to_owned(),
            note: match choice.target {
                Target::Disposable => "goes with its last window".to_owned(),
                _ if choice.running => String::new(),
                _ => "is started for it".to_owned(),
            },
        });
        let chosen = ask.chosen.map(|chosen| chosen as usize);
        let prompt = Prompt::new(Asks::Call(ask.call), sentence(ask), self.clock.now());
        let prompt = prompt.with_choices(rows.collect(), chosen);
        self.ui.kept.prompt = Some(prompt);
        self.grab_keyboard();
        self.damage_all();
    }

    /// Makes room for another question: the call is asked about again after it.
    pub(super) fn put_call_back(&mut self) {
        let call = |prompt: &Prompt| matches!(prompt.asks, Asks::Call(_));
        if self.ui.kept.prompt.as_ref().is_some_and(call) {
            self.ui.kept.prompt = None;
        }
    }

    /// The person has answered about a call.
    pub(super) fn answer_call(&mut self, call: u64, given: Given) {
        let at = self.ui.kept.calls.iter().position(|ask| ask.call == call);
        let ask = at.and_then(|at| self.ui.kept.calls.remove(at));
        let target = |row: usize| ask.as_ref()?.choices.get(row).map(|choice| choice.target.clone());
        // Where dom0 is all there is there is nothing to choose.
        let only = ask.as_ref().is_some_and(|ask| ask.choices.iter().all(|c| c.target == Target::Dom0));
        let answer = match given {
            Given::Allow(row) => {
                row.or(only.then_some(0)).and_then(target).map(|target| CallAnswer::Allow { target })
            }
            Given::Silence => Some(CallAnswer::Silence),
            Given::Deny => None,
        };
        let answer = answer.unwrap_or(CallAnswer::Deny);
        self.ask_qubed(RequestBody::AnswerCall { call, answer });
        self.close_prompt(Asks::Call(call));
    }

    /// The open question is about what this qube asked for.
    pub(crate) fn is_asked_about(&self, qube: &str) -> bool {
        let Some(prompt) = &self.ui.kept.prompt else { return false };
        let Asks::Call(call) = prompt.asks else { return false };
        self.ui.kept.calls.iter().any(|ask| ask.call == call && ask.source.as_str() == qube)
    }

    /// Nobody can be asked any more: all calls that wait are denied.
    pub(crate) fn deny_calls(&mut self) {
        while let Some(call) = self.ui.kept.calls.front().map(|ask| ask.call) {
            self.answer_call(call, Given::Deny);
        }
    }

    /// A call is over that the person was asked about.
    pub(crate) fn call_gone(&mut self, call: u64) {
        self.ui.kept.calls.retain(|ask| ask.call != call);
        self.close_prompt(Asks::Call(call));
    }

    /// Without qubed there is nothing to decide.
    pub(crate) fn calls_gone(&mut self) {
        let calls: Vec<u64> = self.ui.kept.calls.iter().map(|ask| ask.call).collect();
        for call in calls {
            self.call_gone(call);
        }
    }

    /// Tells the person what became of a call.
    pub(crate) fn call_told(
        &mut self,
        source: &str,
        service: &str,
        target: Option<&Target>,
        fate: &CallFate,
    ) {
        let mut parts = vec![self.known_qube(source)];
        let to = |desktop: &Self| match target {
            Some(Target::Qube(name)) => desktop.known_qube(name.as_str()),
            Some(other) => text(shown(other)),
            None => text("another qube"),
        };
        match fate {
            CallFate::Allowed => {
                let did = match service {
                    "transom.copy" => " copies files to ".to_owned(),
                    "transom.open-file" => " opens a file in ".to_owned(),
                    "transom.open-link" => " opens a link in ".to_owned(),
                    "transom.start-program" => " starts a program in ".to_owned(),
                    other => format!(" uses the service {other} of "),
                };
                parts.extend([text(did), to(self)]);
            }
            CallFate::Denied if let Some(kind) = Kind::of_service(service) => {
                parts.push(text(format!(" has a {kind}, which a rule does not allow")));
            }
            CallFate::Denied => {
                parts.extend([text(format!(" asked for the service {service} of ")), to(self)]);
                parts.push(text(": a rule does not allow it"));
            }
            CallFate::Failed { reason } => {
                parts.extend([text(format!(" asked for the service {service} of ")), to(self)]);
                parts.push(text(format!(": {reason}")));
            }
            other => {
                warn!(?other, "a call became something unknown");
                return;
            }
        }
        self.notify(Notice::Runs(parts));
    }
}
