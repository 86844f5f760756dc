//! The line to `transom-qubed`: which qubes there are, and their control streams.

use std::{
    collections::BTreeMap,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    rc::Rc,
};

use smithay::reexports::calloop::{Interest, Mode, PostAction, generic::Generic};
use tracing::{error, info, warn};
use transom_hypervisor::{
    client::{Client, read_programs},
    memory::RamLayout,
    supervisor::{
        Disposable, ErrorBody, Event, FromQubed, LabelName, MemoryKind, QubeInfo, QubeName, QubeState,
        ReplyBody, RequestBody,
    },
};
use transom_protocol::{input::Kind, programs::Program};
use transom_theming::{Label, QubeMark};

use super::{LinkMemory, QubeIdentity};
use crate::{
    Desktop, DesktopError,
    trust::QubeId,
    ui::{
        launcher::{Entry, What},
        notices::{Notice, Part},
    },
};

/// What dom0 knows of its qubes.
#[derive(Debug)]
pub(crate) struct Supervisor {
    client: Client,
    qubes: BTreeMap<String, QubeInfo>,
    /// What qubes list, by qube.
    programs: BTreeMap<String, Vec<Listed>>,
}

/// A program that a qube lists.
#[derive(Debug)]
struct Listed {
    program: Program,
    icon: Option<Rc<[u8]>>,
}

impl Supervisor {
    /// Qubes that are not halted.
    pub(crate) fn running(&self) -> Vec<QubeName> {
        let running = |info: &&QubeInfo| {
            use QubeState as S;
            matches!(info.state, S::Running | S::Starting | S::Paused | S::Stopping)
        };
        self.qubes.values().filter(running).map(|info| info.name.clone()).collect()
    }

    /// All that can be started, for the launcher: the programs of each qube, or the qube itself where they are
    /// not known. Disposables are there for what they were made for.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let lasting = self.qubes.values().filter(|info| info.disposable.is_none() && info.problem.is_none());
        lasting.flat_map(|info| self.entries_of(info)).collect()
    }

    fn entries_of(&self, info: &QubeInfo) -> Vec<Entry> {
        let entry = |what: What, name: &str, comment: &str, words: String, icon: Option<Rc<[u8]>>| Entry {
            qube: info.name.as_str().to_owned(),
            label: label_of(info),
            not_isolated: !info.isolated,
            running: info.state == QubeState::Running,
            what,
            name: name.to_owned(),
            comment: comment.to_owned(),
            words,
            icon,
        };
        let listed = self.programs.get(info.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        if listed.is_empty() {
            let (name, comment) = match info.state {
                QubeState::Running => return Vec::new(),
                _ => ("Start this qube", "its programs are known once it runs"),
            };
            return vec![entry(What::Qube, name, comment, String::new(), None)];
        }
        let of = |Listed { program, icon }: &Listed| {
            let words = [&program.keywords, &program.categories, &program.comment, &program.id];
            let words = words.map(|text| text.to_lowercase()).join(" ");
            entry(What::Program(program.id.clone()), &program.name, &program.comment, words, icon.clone())
        };
        listed.iter().map(of).collect()
    }

    /// All that is known of every qube, with its label.
    pub(crate) fn infos(&self) -> Vec<(QubeInfo, Label)> {
        self.qubes.values().map(|info| (info.clone(), label_of(info))).collect()
    }

    /// Name, label and state of every qube, for the bar.
    pub(crate) fn marks(&self) -> Vec<(String, Label, QubeMark, bool)> {
        self.qubes
            .values()
            // What waits is nothing to look at.
            .filter(|info| info.disposable != Some(Disposable::Spare))
            .map(|info| {
                let mark = match info.state {
                    QubeState::Running => QubeMark::Running,
                    QubeState::Starting | QubeState::Paused | QubeState::Stopping => QubeMark::Starting,
                    _ => QubeMark::Halted,
                };
                (info.name.as_str().to_owned(), label_of(info), mark, !info.isolated)
            })
            .collect()
    }
}

/// A qube's label; one that the theme does not know counts as the least trusted.
fn label_of(info: &QubeInfo) -> Label {
    named_label(info.name.as_str(), &info.label)
}

fn named_label(qube: &str, name: &LabelName) -> Label {
    Label::from_name(name.as_str()).unwrap_or_else(|| {
        warn!(qube, "unknown label; shown as red");
        Label::Red
    })
}

/// Who a qube is, as qubed says.
pub(super) fn identity(info: &QubeInfo) -> QubeIdentity {
    QubeIdentity { name: info.name.as_str().to_owned(), label: label_of(info), isolated: info.isolated }
}

/// A link's stream and memory out of what came with its event.
fn link_parts(memory: &MemoryKind, fds: Vec<OwnedFd>) -> io::Result<(UnixStream, LinkMemory)> {
    let mut fds = fds.into_iter();
    let mut next = |what: &str| {
        fds.next().ok_or_else(|| io::Error::other(format!("it came without the descriptor of its {what}")))
    };
    let socket = UnixStream::from(next("stream")?);
    let memory = match memory {
        MemoryKind::ClientFds => LinkMemory::ClientFds,
        MemoryKind::GuestRam { bytes, hole_start, hole_end } => {
            let layout = RamLayout::new(*bytes, *hole_start, *hole_end).map_err(io::Error::other)?;
            LinkMemory::GuestRam(next("memory")?, layout)
        }
        other => return Err(io::Error::other(format!("memory of an unknown kind: {other:?}"))),
    };
    Ok((socket, memory))
}

impl Desktop {
    /// Becomes the compositor of the supervisor behind `client`.
    pub fn attach_supervisor(&mut self, mut client: Client) -> Result<(), DesktopError> {
        let failed = |source: std::io::Error| DesktopError::Io { what: "transom-qubed".into(), source };
        for request in [RequestBody::Attach, RequestBody::List { after: None }] {
            client.send(request).map_err(|e| failed(std::io::Error::other(e)))?;
        }
        let fd = rustix::io::dup(&client).map_err(|e| failed(e.into()))?;
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        self.handle
            .insert_source(source, |_, _, desktop: &mut Self| Ok(desktop.supervisor_readable()))
            .map_err(|e| DesktopError::Loop(e.to_string()))?;
        self.supervisor = Some(Supervisor { client, qubes: BTreeMap::new(), programs: BTreeMap::new() });
        Ok(())
    }

    fn supervisor_readable(&mut self) -> PostAction {
        loop {
            let Some(supervisor) = &mut self.supervisor else { return PostAction::Remove };
            match supervisor.client.recv() {
                Ok(Some((message, fds))) => self.qubed_says(message, fds),
                Ok(None) => return PostAction::Continue,
                Err(error) => {
                    error!(%error, "transom-qubed is gone");
                    self.supervisor = None;
                    self.calls_gone();
                    self.starts_lost();
                    self.passphrase_lost();
                    self.refresh_launcher();
                    self.manager_lost();
                    self.notify(Notice::Text(format!(
                        "transom-qubed is gone: qubes cannot be started or stopped ({error})"
                    )));
                    self.damage_all();
                    return PostAction::Remove;
                }
            }
        }
    }

    fn qubed_says(&mut self, message: FromQubed, fds: Vec<OwnedFd>) {
        self.damage_all();
        match message {
            FromQubed::Reply(reply) if self.passphrase_reply(reply.id, &reply.result) => {}
            FromQubed::Reply(reply) if self.ui.asked.knows(reply.id) => {
                self.manager_answered(reply.id, reply.result);
            }
            FromQubed::Reply(reply) => match reply.result {
                Ok(ReplyBody::Qubes { qubes, more }) => {
                    let after = qubes.last().map(|info| info.name.clone());
                    for info in qubes {
                        self.know_qube(info);
                    }
                    if more && after.is_some() {
                        self.ask_qubed(RequestBody::List { after });
                    }
                }
                Ok(ReplyBody::Programs { qube, .. }) => self.programs_known(qube.as_str(), fds),
                Ok(ReplyBody::Qube { qube }) => {
                    self.start_runs(reply.id, Some(&qube));
                }
                Ok(_) => {
                    self.start_runs(reply.id, None);
                }
                Err(error) => self.qubed_refused(reply.id, error),
            },
            FromQubed::Event(Event::QubeState { qube }) => self.know_qube(qube),
            FromQubed::Event(Event::Link { qube, memory, .. }) => {
                let (identity, spare) = (identity(&qube), qube.disposable == Some(Disposable::Spare));
                let added = link_parts(&memory, fds)
                    .and_then(|(socket, memory)| self.add_link_with_memory(identity, socket, memory));
                if spare && let Ok(id) = added {
                    self.send_backstage(id);
                }
                self.know_qube(qube);
                match added {
                    // A desktop before this one may have told of some that are gone.
                    Ok(id) => self.count_windows(id),
                    Err(error) => error!(%error, "a qube's link cannot be used"),
                }
            }
            FromQubed::Event(Event::QubeRemoved { qube }) => {
                if let Some(supervisor) = &mut self.supervisor {
                    supervisor.qubes.remove(qube.as_str());
                    supervisor.programs.remove(qube.as_str());
                }
                self.refresh_launcher();
                self.refresh_manager();
            }
            FromQubed::Event(Event::Locked { qube }) => self.locked_at_login(qube.as_str()),
            FromQubed::Event(Event::Programs { qube }) => self.ask_qubed(RequestBody::Programs { qube }),
            FromQubed::Event(Event::Ask { ask }) => self.call_asked(ask),
            FromQubed::Event(Event::AskGone { call }) => self.call_gone(call),
            FromQubed::Event(Event::Call { source, service, target, fate }) => {
                self.call_told(source.as_str(), &service, target.as_ref(), &fate);
            }
            FromQubed::Event(Event::Serve { call, source, label, service, said, .. }) => {
                let label = named_label(source.as_str(), &label);
                let stream = fds.into_iter().next();
                let kind = Kind::of_service(&service);
                let served = match (kind, stream) {
                    (Some(kind), Some(stream)) => {
                        self.forward_device(call, (source, label), kind, said, stream)
                    }
                    _ => Err(io::Error::other(format!("{service} is no service of this desktop"))),
                };
                if let Err(error) = served {
                    error!(%error, "a call cannot be served");
                }
            }
            FromQubed::Event(other) => info!(?other, "from transom-qubed"),
        }
    }

    /// A request was refused.
    pub(crate) fn qubed_refused(&mut self, request: u64, error: ErrorBody) {
        warn!(error = %error.message, "transom-qubed refused");
        if self.ui.asked.knows(request) {
            self.manager_answered(request, Err(error));
        } else if !self.start_failed(request, &error) {
            self.notify(Notice::Text(error.message));
        }
    }

    fn know_qube(&mut self, info: QubeInfo) {
        self.hold_qube(info.name.as_str(), info.state == QubeState::Paused);
        if info.disposable != Some(Disposable::Spare) {
            self.bring_on_stage(&info);
        }
        let Some(supervisor) = &mut self.supervisor else { return };
        let (qube, lasts) = (info.name.clone(), info.disposable.is_none());
        // Another template has other programs, and a file that could not be used hid them.
        let from = |info: &QubeInfo| (info.template.clone(), info.problem.is_some());
        let now = from(&info);
        let known = supervisor.qubes.insert(qube.as_str().to_owned(), info);
        if lasts && known.is_none_or(|old| from(&old) != now) {
            self.ask_qubed(RequestBody::Programs { qube });
        }
        self.refresh_launcher();
        self.refresh_manager();
        self.leave_when_done();
    }

    /// The list of a qube's programs came, or that there is none.
    fn programs_known(&mut self, qube: &str, fds: Vec<OwnedFd>) {
        let Some(supervisor) = &mut self.supervisor else { return };
        let listed = fds.into_iter().next().map(read_programs).transpose();
        let list = match listed {
            Ok(list) => list.unwrap_or_default(),
            Err(error) => {
                warn!(qube, %error, "its list of programs cannot be read");
                return;
            }
        };
        let of = |mut program: Program| Listed { icon: program.icon.take().map(Rc::from), program };
        supervisor.programs.insert(qube.to_owned(), list.into_programs().into_iter().map(of).collect());
        self.refresh_launcher();
    }

    /// True if this qube runs.
    pub(crate) fn is_running(&self, name: &str) -> bool {
        let known = self.supervisor.as_ref().and_then(|supervisor| supervisor.qubes.get(name));
        known.is_some_and(|info| info.state == QubeState::Running)
    }

    /// Tells how many windows a disposable qube has: it ends with the last one. Those backstage count.
    pub(super) fn count_windows(&mut self, qube: QubeId) {
        let Some(name) = self.qubes.get(qube).and_then(|link| QubeName::new(&link.qube.name).ok()) else {
            return;
        };
        let known = self.supervisor.as_ref().and_then(|supervisor| supervisor.qubes.get(name.as_str()));
        if known.is_some_and(|info| info.disposable.is_some()) {
            let mapped = self
                .windows
                .iter()
                .filter(|(key, record)| key.qube == qube && (record.mapped || record.backstage));
            let windows = mapped.count().try_into().unwrap_or(u32::MAX);
            self.ask_qubed(RequestBody::Windows { qube: name, windows });
        }
    }

    /// A qube by name, in the colour of its label.
    pub(crate) fn known_qube(&self, name: &str) -> Part {
        let known = self.supervisor.as_ref().and_then(|supervisor| supervisor.qubes.get(name));
        Part::Qube((name.to_owned(), known.map_or(Label::Red, label_of)))
    }

    /// Asks the supervisor for something; the answer comes as an event.
    pub(crate) fn ask_qubed(&mut self, body: RequestBody) {
        if let Err(reason) = self.send_to_qubed(body) {
            warn!(reason, "transom-qubed cannot be asked");
        }
    }

    /// The same; gives the number of the request, or why it cannot be made.
    pub(crate) fn send_to_qubed(&mut self, body: RequestBody) -> Result<u64, String> {
        let supervisor = self.supervisor.as_mut().ok_or("transom-qubed is not there")?;
        let request = supervisor.client.send(body.clone()).map_err(|error| error.to_string())?;
        self.ui.passphrase.sent(request, &body);
        Ok(request)
    }

    /// Asks once more for what was refused, under the number that it had.
    pub(crate) fn send_again_to_qubed(&mut self, request: u64, body: &RequestBody) -> Result<(), String> {
        let supervisor = self.supervisor.as_mut().ok_or("transom-qubed is not there")?;
        supervisor.client.send_again(request, body.clone()).map_err(|error| error.to_string())
    }

    /// Sends a passphrase, which goes by a pipe.
    pub(crate) fn send_passphrase_to_qubed(
        &mut self,
        body: RequestBody,
        passphrase: &[u8],
    ) -> Result<u64, String> {
        let supervisor = self.supervisor.as_mut().ok_or("transom-qubed is not there")?;
        supervisor.client.send_passphrases(body, &[passphrase]).map_err(|error| error.to_string())
    }
}
