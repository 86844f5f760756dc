//! What clients ask for.

use std::{
    os::fd::OwnedFd,
    path::PathBuf,
    time::{Duration, Instant},
};

use transom_protocol::supervisor::{
    Backend, BackendChoice, ErrorBody, ErrorKind, Event, LabelName, Program, QubeName, ReplyBody, Request,
    RequestBody, Storage, VERSION,
};

use super::{
    empty_trash,
    holds::Purpose,
    log::{self, QubeLog},
    network::address,
    running::{Cards, Ending, Phase, Running},
    server::{ClientId, Qube, Server, Until, Waiter},
    session::Role,
    vault::Asked,
};
use crate::{
    encryption::VolumeKey,
    machine::{MachineSpec, VmSpec},
    paths,
    store::{QUBE_FILE, QubeConfig, StoreError},
};

/// Most of a page of qubes, in bytes of JSON.
const PAGE: usize = 48 * 1024;
/// Most that one client waits for at once.
const MAX_WAITING: usize = 256;

type Answer = Result<ReplyBody, ErrorBody>;

/// An answer, or none yet.
pub(super) enum Outcome {
    Now(Answer),
    /// When this happens.
    Later(QubeName, Until),
    /// When the qube is ready and this program runs in it.
    Open(QubeName, Program),
    /// It was answered already.
    Answered,
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Now(answer)
    }
}

pub(super) fn error(kind: ErrorKind, message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(kind, message)
}

fn is_paused(name: &QubeName, kind: ErrorKind) -> ErrorBody {
    error(kind, format!("{name} is paused; let it go on with `transom qube resume {name}`"))
}

pub(super) fn store_error(source: &StoreError) -> ErrorBody {
    let kind = match source {
        StoreError::NoSuchQube(_) => ErrorKind::NoSuchQube,
        StoreError::Exists(_) => ErrorKind::Exists,
        StoreError::File(_) => ErrorKind::BadQubeFile,
        StoreError::Template(_) => ErrorKind::BadRequest,
        StoreError::Panicked => ErrorKind::Other,
        StoreError::Io { .. } => ErrorKind::Io,
    };
    error(kind, source.to_string())
}

impl Server {
    /// Serves one request.
    pub(super) fn request(&mut self, client: ClientId, request: Request, files: Vec<OwnedFd>, now: Instant) {
        let id = request.id;
        let outcome =
            self.serve(client, request, files, now).unwrap_or_else(|refusal| Outcome::Now(Err(refusal)));
        match outcome {
            Outcome::Now(answer) => self.reply(client, id, answer),
            Outcome::Later(qube, until) => {
                self.wait_for(Waiter { client, request: id, qube, until, program: None });
            }
            Outcome::Open(qube, program) => {
                let (until, program) = (Until::Opened, Some(program));
                self.wait_for(Waiter { client, request: id, qube, until, program });
            }
            Outcome::Answered => {}
        }
    }

    fn wait_for(&mut self, waiter: Waiter) {
        let waiting = self.waiters.iter().filter(|other| other.client == waiter.client).count();
        if waiting < MAX_WAITING {
            self.waiters.push(waiter);
        } else {
            let refusal = error(ErrorKind::BadRequest, "too many requests wait for an answer");
            self.reply(waiter.client, waiter.request, Err(refusal));
        }
    }

    pub(super) fn reply(&mut self, client: ClientId, id: u64, answer: Answer) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.reply(id, answer);
        }
    }

    fn serve(
        &mut self,
        client: ClientId,
        request: Request,
        files: Vec<OwnedFd>,
        now: Instant,
    ) -> Result<Outcome, ErrorBody> {
        if let Some(name) = request.body.qube() {
            self.refresh(name);
            if !self.qubes.contains_key(name.as_str()) {
                return Err(store_error(&StoreError::NoSuchQube(name.clone())));
            }
        }
        match request.body {
            RequestBody::Ping => Ok(Ok(ReplyBody::Pong { version: VERSION, pid: std::process::id() }).into()),
            RequestBody::List { after } => Ok(Ok(self.list(after.as_ref())).into()),
            RequestBody::Info { qube } => self.answer_info(&qube),
            RequestBody::Create { name, label, template, backend, plain } => {
                self.create(name, label, template, backend, plain)
            }
            RequestBody::Clone { qube, name } => self.copy(&qube, name),
            RequestBody::Rename { qube, name } => self.rename(&qube, &name),
            RequestBody::File { qube } => {
                self.lasting(&qube)?;
                let path = self.store.dir(&qube).join(QUBE_FILE).display().to_string();
                Ok(Ok(ReplyBody::File { path }).into())
            }
            RequestBody::Hold { qube } => self.hold(client, qube),
            RequestBody::Reserve { name } => self.reserve(client, name),
            RequestBody::Adopt { name } => self.adopt(client, &name),
            RequestBody::Start { qube } => self.start(qube, now),
            RequestBody::Stop { qube, timeout_ms } => {
                // No more than an hour, so that no sum with a time overflows.
                let deadline = now + Duration::from_millis(timeout_ms.min(3_600_000));
                self.end(qube, |running| running.stop(now, deadline))
            }
            RequestBody::Kill { qube } => self.end(qube, |running| running.kill(Ending::Asked)),
            RequestBody::Pause { qube } => self.set_paused(qube, true, now),
            RequestBody::Resume { qube } => self.set_paused(qube, false, now),
            RequestBody::Remove { qube } => self.remove(&qube),
            RequestBody::Run { qube, argv } => self.run(qube, &argv),
            RequestBody::RunDisposable { pattern, label, program } => {
                self.run_disposable(pattern, label, program, now)
            }
            RequestBody::Open { qube, program } => self.open(qube, program, now),
            RequestBody::Programs { qube } => self.programs_of(client, request.id, qube),
            RequestBody::Updates { qube } => self.updates_of(client, request.id, qube),
            RequestBody::Windows { qube, windows } => {
                if self.compositor == Some(client) {
                    self.windows(&qube, windows, now);
                }
                Ok(Ok(ReplyBody::Done).into())
            }
            RequestBody::Network { qube, to } => self.set_network(&qube, to, now),
            RequestBody::Set { qube, changes } => self.set(&qube, &changes),
            RequestBody::Usage { qubes } => {
                self.usage(client, request.id, qubes)?;
                Ok(Outcome::Answered)
            }
            RequestBody::Templates => Ok(self.templates().into()),
            RequestBody::Log { qube } => self.log(&qube),
            RequestBody::AnswerCall { call, answer } => {
                if self.compositor != Some(client) {
                    return Err(error(ErrorKind::BadRequest, "only the desktop answers for the person"));
                }
                self.answer_call(call, &answer, now);
                Ok(Ok(ReplyBody::Done).into())
            }
            RequestBody::Encrypt { qube } => self.encrypt(qube),
            RequestBody::TakeOver { qube } => self.take_over(qube, files),
            RequestBody::Keyring => Ok(Ok(ReplyBody::Keyring { state: self.vault.state() }).into()),
            RequestBody::Unlock | RequestBody::SetPassphrase | RequestBody::ChangePassphrase => {
                let asked = Asked { client, request: request.id };
                match request.body {
                    RequestBody::Unlock => self.vault.unlock(asked, files),
                    RequestBody::SetPassphrase => self.vault.set(asked, files),
                    _ => self.vault.change(asked, files),
                }?;
                Ok(Outcome::Answered)
            }
            RequestBody::LockStore => {
                self.vault.lock()?;
                tracing::info!("locked");
                Ok(Ok(ReplyBody::Done).into())
            }
            RequestBody::Attach => self.attach(client, request.id, now),
            RequestBody::Events => {
                self.refresh_all();
                self.reply(client, request.id, Ok(ReplyBody::Done));
                self.subscribe(client, Role::Watcher);
                Ok(Outcome::Answered)
            }
        }
    }

    fn list(&mut self, after: Option<&QubeName>) -> ReplyBody {
        self.refresh_all();
        let (mut qubes, mut bytes, mut more) = (Vec::new(), 0, false);
        for name in self.qubes.keys().filter(|name| after.is_none_or(|after| *name > after)) {
            let Some(info) = self.info(name) else { continue };
            bytes += serde_json::to_vec(&info).map_or(0, |json| json.len() + 1);
            if bytes > PAGE {
                more = true;
                break;
            }
            qubes.push(info);
        }
        ReplyBody::Qubes { qubes, more }
    }

    pub(super) fn answer_info(&self, name: &QubeName) -> Result<Outcome, ErrorBody> {
        let info = self.info(name).ok_or_else(|| store_error(&StoreError::NoSuchQube(name.clone())))?;
        Ok(Ok(ReplyBody::Qube { qube: info }).into())
    }

    fn create(
        &mut self,
        name: QubeName,
        label: LabelName,
        template: Option<String>,
        backend: BackendChoice,
        plain: bool,
    ) -> Result<Outcome, ErrorBody> {
        self.leave_alone(&name)?;
        let mut config = QubeConfig { template, backend, ..QubeConfig::new(label) };
        config.machine.encryption = !plain;
        self.store.create(&name, &config).map_err(|e| store_error(&e))?;
        tracing::info!(qube = %name, "created");
        self.refresh(&name);
        self.answer_info(&name)
    }

    /// Refuses if a qube is up, or its volume is worked on.
    pub(super) fn halted(&mut self, name: &QubeName) -> Result<(), ErrorBody> {
        self.vault.leave_alone(name)?;
        let refusal = || format!("{name} is running; stop it first with `transom qube stop {name}`");
        match self.running(name) {
            Some(_) => Err(error(ErrorKind::NotHalted, refusal())),
            None => Ok(()),
        }
    }

    /// Refuses if a qube or name is in use by something that takes its time.
    pub(super) fn leave_alone(&self, name: &QubeName) -> Result<(), ErrorBody> {
        self.copies.leave_alone(name)?;
        self.vault.leave_alone(name)?;
        self.holds.leave_alone(name)
    }

    fn hold(&mut self, client: ClientId, name: QubeName) -> Result<Outcome, ErrorBody> {
        self.lasting(&name)?;
        self.halted(&name)?;
        self.copies.leave_alone(&name)?;
        if let Some(Qube { config: Err(problem), .. }) = self.qubes.get(name.as_str()) {
            return Err(problem.clone());
        }
        let path = self.store.dir(&name).display().to_string();
        self.holds.begin(name, client, Purpose::Read)?;
        Ok(Ok(ReplyBody::Held { path }).into())
    }

    fn reserve(&mut self, client: ClientId, name: QubeName) -> Result<Outcome, ErrorBody> {
        self.copies.leave_alone(&name)?;
        self.refresh(&name);
        // A disposable has no place in the store, but a name.
        if self.qubes.contains_key(name.as_str()) {
            return Err(store_error(&StoreError::Exists(name)));
        }
        let path = self.store.staging(&name).map_err(|e| store_error(&e))?.display().to_string();
        self.holds.begin(name, client, Purpose::Make)?;
        Ok(Ok(ReplyBody::Held { path }).into())
    }

    fn adopt(&mut self, client: ClientId, name: &QubeName) -> Result<Outcome, ErrorBody> {
        self.holds.is_made_by(name, client)?;
        self.store.adopt(name).map_err(|e| store_error(&e))?;
        self.holds.end(name);
        tracing::info!(qube = %name, "restored");
        self.refresh(name);
        self.answer_info(name)
    }

    fn copy(&mut self, from: &QubeName, to: QubeName) -> Result<Outcome, ErrorBody> {
        self.lasting(from)?;
        self.halted(from)?;
        // Copies of one qube may be made at once, and while it is read, but none of one that is not there yet.
        self.leave_alone(&to)?;
        let copying = self.store.copy(from, &to).map_err(|e| store_error(&e))?;
        self.copies.begin(from.clone(), to.clone(), copying)?;
        tracing::info!(qube = %from, copy = %to, "being cloned");
        Ok(Outcome::Later(to, Until::Copied))
    }

    /// A copy has come to its end.
    pub(super) fn copied(&mut self, name: &QubeName) {
        let Some(result) = self.copies.end(name) else { return };
        let result = result.map_err(|source| {
            tracing::warn!(qube = %name, %source, "not cloned");
            store_error(&source)
        });
        self.refresh(name);
        let info = || self.info(name).ok_or_else(|| store_error(&StoreError::NoSuchQube(name.clone())));
        let answer = result.and_then(|()| info()).map(|qube| ReplyBody::Qube { qube });
        self.answer(name, |until| until == Until::Copied, &answer);
    }

    fn rename(&mut self, from: &QubeName, to: &QubeName) -> Result<Outcome, ErrorBody> {
        self.lasting(from)?;
        self.halted(from)?;
        self.leave_alone(from)?;
        self.leave_alone(to)?;
        self.refresh_all();
        let through =
            |qube: &Qube| qube.config.as_ref().is_ok_and(|config| config.network.as_ref() == Some(from));
        if let Some((client, _)) = self.qubes.iter().find(|(_, qube)| through(qube)) {
            return Err(error(
                ErrorKind::BadRequest,
                format!(
                    "the network of {client} goes through {from}; change that first with `transom qube edit {client}`"
                ),
            ));
        }
        self.store.rename(from, to).map_err(|e| store_error(&e))?;
        tracing::info!(qube = %from, new = %to, "renamed");
        self.refresh(from);
        self.refresh(to);
        self.answer_info(to)
    }

    fn remove(&mut self, name: &QubeName) -> Result<Outcome, ErrorBody> {
        self.lasting(name)?;
        self.halted(name)?;
        self.leave_alone(name)?;
        let trash = self.store.remove(name).map_err(|e| store_error(&e))?;
        empty_trash(trash);
        tracing::info!(qube = %name, "removed");
        self.refresh(name);
        Ok(Ok(ReplyBody::Done).into())
    }

    pub(super) fn start(&mut self, name: QubeName, now: Instant) -> Result<Outcome, ErrorBody> {
        if self.closing {
            return Err(error(ErrorKind::Cancelled, "transom-qubed is ending"));
        }
        match self.running(&name).map(|running| running.phase) {
            Some(Phase::Running) => return self.answer_info(&name),
            Some(Phase::Starting) => return Ok(Outcome::Later(name, Until::Ready)),
            Some(Phase::Paused) => return Err(is_paused(&name, ErrorKind::NotHalted)),
            Some(Phase::Stopping) => {
                return Err(error(
                    ErrorKind::NotHalted,
                    format!("{name} is stopping; try again when it is halted"),
                ));
            }
            None if self.vault.is_opening(&name) => return Ok(Outcome::Later(name, Until::Ready)),
            None => {}
        }
        self.leave_alone(&name)?;
        if self.open_volume(&name)? {
            self.announce(&name);
        } else {
            self.launched(&name, None, now)?;
        }
        Ok(Outcome::Later(name, Until::Ready))
    }

    /// A qube has a machine now, whose cable is plugged in at its other end, too.
    pub(super) fn has_started(&mut self, name: &QubeName, running: Running, now: Instant) {
        let Some(qube) = self.qubes.get_mut(name.as_str()) else { return };
        qube.running = Some(running);
        qube.failure = None;
        let note = self.join_network(name, now);
        if let (Some(note), Some(running)) = (note, self.running(name)) {
            running.note(&note);
        }
    }

    /// Starts a qube's machine, with what opens its volume if that is encrypted.
    pub(super) fn launched(
        &mut self,
        name: &QubeName,
        key: Option<&VolumeKey>,
        now: Instant,
    ) -> Result<(), ErrorBody> {
        let result = self.launch(name, key, now);
        if let Some(qube) = self.qubes.get_mut(name.as_str()) {
            match result {
                Ok(running) => self.has_started(name, running, now),
                Err(refusal) => {
                    // A bad file is shown as such, and no failure of the machine.
                    if refusal.kind != ErrorKind::BadQubeFile {
                        qube.failure = Some(refusal.message.clone());
                    }
                    self.announce(name);
                    return Err(refusal);
                }
            }
        }
        tracing::info!(qube = %name, "starting");
        self.announce(name);
        Ok(())
    }

    /// Starts a qube that a call goes to, unless it is up.
    pub(super) fn start_for_call(&mut self, name: &QubeName, now: Instant) -> Result<(), ErrorBody> {
        self.refresh(name);
        if !self.qubes.contains_key(name.as_str()) {
            return Err(store_error(&StoreError::NoSuchQube(name.clone())));
        }
        self.start(name.clone(), now).map(drop)
    }

    pub(super) fn launch(
        &mut self,
        name: &QubeName,
        key: Option<&VolumeKey>,
        now: Instant,
    ) -> Result<Running, ErrorBody> {
        let config = match self.qubes.get(name.as_str()) {
            Some(Qube { config: Ok(config), .. }) => config.clone(),
            Some(Qube { config: Err(problem), .. }) => return Err(problem.clone()),
            None => return Err(store_error(&StoreError::NoSuchQube(name.clone()))),
        };
        let choice = self.backends.choose(&config);
        if !choice.ready {
            return Err(error(ErrorKind::Backend, format!("{name} cannot start: {}", choice.reason)));
        }
        let refused = |reason: String| error(ErrorKind::Backend, format!("{name} cannot start: {reason}"));
        let image = match choice.backend {
            Backend::Sandbox if !config.machine.devices.is_empty() => {
                return Err(refused("a sandbox has no devices; give it a template".to_owned()));
            }
            Backend::Sandbox => None,
            _ => Some(self.backends.image(&config).map_err(|e| refused(e.to_string()))?),
        };
        if key.is_none() && self.storage(name, choice.backend, Some(&config)) == Storage::Encrypted {
            // It runs on something else since a moment: no plain volume is made beside the other.
            return Err(refused("its back end has changed meanwhile; start it again".to_owned()));
        }
        let plan = self.plan_network(name, &config, choice.backend).map_err(refused)?;
        let lasts = self.lasting(name).is_ok();
        let home = lasts.then(|| self.store.home(name)).transpose().map_err(|e| store_error(&e))?;
        let log_dir = self.log_dir(name).map_err(|e| store_error(&e))?;
        let volume = lasts.then(|| self.store.volume_files(name, key.is_some()));
        let run_dir = self.run_dir(name);
        let _ = std::fs::remove_dir_all(&run_dir);
        // The store makes its own.
        let ours = (!lasts).then_some(&log_dir);
        for dir in [&run_dir].into_iter().chain(ours) {
            paths::private_dir(dir).map_err(|e| error(ErrorKind::Io, e.to_string()))?;
        }
        let cards = self.cables.plug(name, config.network.as_ref(), &plan.clients, plan.slots, now);
        let cards =
            cards.map_err(|e| error(ErrorKind::Io, format!("{name} cannot start: its network: {e}")))?;
        let spec = MachineSpec {
            name,
            home: home.as_deref(),
            run_dir: &run_dir,
            agent: &self.options.agent,
            environment: &config.environment,
            limits: &config.limits,
            vm: image.as_ref().map(|image| VmSpec {
                image,
                volume: volume.as_ref(),
                key,
                config: &config.machine,
                cards: &cards,
                uplink: config.uplink.as_ref().map(|uplink| (uplink, address::uplink(name).0)),
            }),
        };
        let hypervisor = self.backends.get(choice.backend);
        let hypervisor = hypervisor.ok_or_else(|| refused(choice.reason.clone()))?;
        let start_limit = hypervisor.start_limit();
        let machine = hypervisor.start(&spec).map_err(|source| {
            let _ = std::fs::remove_dir_all(&run_dir);
            self.cables.unplug(name);
            error(source.kind(), format!("{name} cannot start: {source}"))
        })?;
        let mut log = QubeLog::open(&log_dir);
        log.note("starting", std::time::SystemTime::now());
        let how = (choice.backend, choice.reason, start_limit);
        let own = config.network.is_some() && choice.backend != Backend::Sandbox;
        let cards = Cards { own, slots: plan.slots };
        let mut running = Running::new(name.clone(), machine, how, run_dir, log, config.autostart, now);
        running.cards = cards;
        Ok(running)
    }

    /// Where the sockets and files of a run are.
    pub(super) fn run_dir(&self, name: &QubeName) -> PathBuf {
        self.options.runtime_dir.join("qubes").join(name.as_str())
    }

    fn end(&mut self, name: QubeName, how: impl FnOnce(&mut Running)) -> Result<Outcome, ErrorBody> {
        if self.vault.cancel(&name) {
            self.announce(&name);
            return Ok(Outcome::Later(name, Until::Halted));
        }
        let Some(running) = self.running(&name) else { return self.answer_info(&name) };
        how(running);
        self.announce(&name);
        Ok(Outcome::Later(name, Until::Halted))
    }

    fn set_paused(&mut self, name: QubeName, paused: bool, now: Instant) -> Result<Outcome, ErrorBody> {
        let up = |running: &&mut Running| matches!(running.phase, Phase::Running | Phase::Paused);
        let Some(running) = self.running(&name).filter(up) else {
            return Err(error(ErrorKind::NotRunning, format!("{name} is not running")));
        };
        let note = running
            .set_paused(paused)
            .map_err(|reason| error(ErrorKind::Backend, format!("{name} cannot be paused: {reason}")))?;
        let done = (running.phase == Phase::Paused) == paused;
        let other = error(ErrorKind::Cancelled, "somebody wanted the opposite meanwhile");
        self.answer(&name, |until| until == Until::Paused(!paused), &Err(other));
        if note.is_some() {
            self.paused(&name, paused, now);
        }
        if done { self.answer_info(&name) } else { Ok(Outcome::Later(name, Until::Paused(paused))) }
    }

    fn run(&mut self, name: QubeName, argv: &[String]) -> Result<Outcome, ErrorBody> {
        if self.running(&name).is_some_and(|running| running.phase == Phase::Paused) {
            return Err(is_paused(&name, ErrorKind::NotRunning));
        }
        let running = self.running(&name).filter(|running| running.phase == Phase::Running);
        let Some(running) = running else {
            return Err(error(
                ErrorKind::NotRunning,
                format!("{name} is not running; start it with `transom qube start {name}`"),
            ));
        };
        let serial = running.run(argv).map_err(|reason| error(ErrorKind::Agent, reason))?;
        Ok(Outcome::Later(name, Until::Started(serial)))
    }

    fn log(&mut self, name: &QubeName) -> Result<Outcome, ErrorBody> {
        let dir = self.log_dir(name).map_err(|e| store_error(&e))?;
        let path = log::path(&dir);
        let lines = log::tail(&dir)
            .map_err(|source| error(ErrorKind::Io, format!("cannot read {}: {source}", path.display())))?;
        Ok(Ok(ReplyBody::Log { lines, path: path.display().to_string() }).into())
    }

    fn attach(&mut self, client: ClientId, id: u64, now: Instant) -> Result<Outcome, ErrorBody> {
        if let Some(first) = self.compositor.filter(|first| *first != client) {
            let pid = self.clients.get(&first).map_or(0, |first| first.pid);
            return Err(error(
                ErrorKind::AlreadyAttached,
                format!("another desktop has the qubes already (process {pid}); end it first"),
            ));
        }
        self.refresh_all();
        self.compositor = Some(client);
        tracing::info!("a compositor is attached");
        self.reply(client, id, Ok(ReplyBody::Attached { version: VERSION }));
        self.subscribe(client, Role::Compositor);
        let names: Vec<QubeName> = self.qubes.keys().cloned().collect();
        for name in names {
            self.deliver_link(&name);
        }
        self.spares_soon(now);
        self.calls_with_person(now);
        self.start_with_desktop(now);
        Ok(Outcome::Answered)
    }

    /// From now on a client hears events; first how everything is now.
    fn subscribe(&mut self, client: ClientId, role: Role) {
        let infos: Vec<_> = self.qubes.keys().filter_map(|name| self.info(name)).collect();
        let Some(session) = self.clients.get_mut(&client) else { return };
        // A compositor that asks for events stays the compositor.
        if session.role != Role::Compositor {
            session.role = role;
        }
        for qube in infos {
            session.event(Event::QubeState { qube }, Vec::new());
        }
    }
}
