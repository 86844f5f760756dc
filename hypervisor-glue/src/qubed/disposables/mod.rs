//! Disposable qubes: made for one program, gone with its last window, and nothing of them was ever on
//! disk. Some are kept ready, so that a program shows at once.
//!
//! A disposable is a qube without a directory in the store: home is in memory, and so is the log, in the
//! runtime directory. A *spare* is one that waits, paused, for its program. It gets its link to the
//! compositor only then, so that nothing in it can show a window before; unless it is to have a program
//! open already: then the compositor is told that it is a spare, and keeps what it draws behind the scenes.

mod life;

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use transom_protocol::supervisor::{
    Disposable, ErrorBody, ErrorKind, Event, LabelName, Program, QubeName, ReplyBody,
};

use self::life::Life;
use super::{
    requests::{Outcome, error},
    running::{Ending, Phase, Running},
    server::{Qube, Server, Until},
};
use crate::store::{QubeConfig, StoreError, is_template};

/// How long a disposable has to end its programs.
const POLITENESS: Duration = Duration::from_secs(3);
/// After this long spares are made: the program that one was taken for comes first.
const REFILL: Duration = Duration::from_secs(2);
/// Where their logs are, below the runtime directory.
pub(super) const LOGS: &str = "disposables";
/// So long runs the program that warms a spare, in seconds.
const WARM_S: &str = "6";
/// From a spare's first window until it is paused: what it shows first is rarely all.
const SETTLE: Duration = Duration::from_secs(2);
/// What disposables are called, before their number.
const PREFIX: &str = "disp-";

/// What makes a qube a disposable one.
#[derive(Debug)]
pub(super) struct Fleeting {
    /// What it was made like.
    pattern: String,
    /// It waits for its program.
    spare: bool,
    /// Its memory is still to be filled with what programs need.
    cold: bool,
    /// The program that is open in it before it is taken.
    open: Option<Program>,
    /// The program that it is there for, until that is asked for.
    first: Option<Program>,
    /// The question about that program.
    asked: Option<u32>,
    /// That program runs.
    started: bool,
    /// When a spare has drawn its window and is paused.
    drawn: Option<Instant>,
    life: Life,
}

impl Fleeting {
    pub(super) fn shown(&self) -> Disposable {
        if self.spare { Disposable::Spare } else { Disposable::InUse }
    }

    pub(super) fn is_spare(&self) -> bool {
        self.spare
    }

    /// It waits, and has nothing to show.
    pub(super) fn is_empty_spare(&self) -> bool {
        self.spare && self.open.is_none()
    }

    fn ends_at(&self) -> Option<Instant> {
        if self.is_empty_spare() { None } else { self.life.ends_at() }
    }

    /// When to look at it again.
    fn wakes_at(&self) -> Option<Instant> {
        self.ends_at().into_iter().chain(self.drawn).min()
    }
}

/// What is to be done for spares, and when.
#[derive(Debug, Default)]
pub(super) struct Refill(Option<Instant>);

impl Server {
    /// Serves [`RequestBody::RunDisposable`](transom_protocol::supervisor::RequestBody::RunDisposable).
    pub(super) fn run_disposable(
        &mut self,
        pattern: String,
        label: Option<LabelName>,
        program: Program,
        now: Instant,
    ) -> Result<Outcome, ErrorBody> {
        let name = self.take_disposable(pattern, label, Some(program), now)?;
        if self.fleeting(&name).is_some_and(|fleeting| fleeting.started) {
            return self.answer_info(&name);
        }
        Ok(Outcome::Later(name, Until::FirstProgram))
    }

    /// A disposable for a call of this qube: made like it, so that what is opened there can reach no more
    /// than it could where it came from.
    pub(super) fn disposable_for_call(
        &mut self,
        source: &QubeName,
        now: Instant,
    ) -> Result<QubeName, ErrorBody> {
        let pattern = match self.fleeting(source) {
            Some(fleeting) => fleeting.pattern.clone(),
            None => source.as_str().to_owned(),
        };
        let label = self.qubes.get(source.as_str()).map(|qube| qube.label.clone());
        self.take_disposable(pattern, label, None, now)
    }

    /// A disposable that is ready, or a new one: its name. `first` is the program that it is there for.
    fn take_disposable(
        &mut self,
        pattern: String,
        label: Option<LabelName>,
        first: Option<Program>,
        now: Instant,
    ) -> Result<QubeName, ErrorBody> {
        if self.closing {
            return Err(error(ErrorKind::Cancelled, "transom-qubed is ending"));
        }
        let mut config = self.pattern(&pattern)?;
        let label = label.unwrap_or_else(|| config.label.clone());
        config.label = label.clone();
        self.refill = Refill(Some(now + REFILL));
        let name = match self.spare(&pattern, &config, first.as_ref()) {
            Some(name) => {
                tracing::info!(qube = %name, pattern, "a disposable that was ready is used");
                name
            }
            None => self.make_disposable(pattern, config, None, now)?,
        };
        if let Some(qube) = self.qubes.get_mut(name.as_str()) {
            qube.label = label.clone();
            if let Ok(config) = &mut qube.config {
                config.label = label;
            }
            if let Some(fleeting) = &mut qube.fleeting {
                fleeting.spare = false;
                fleeting.drawn = None;
                if fleeting.open.is_none() {
                    fleeting.first = first;
                }
            }
        }
        // Everybody hears of it now.
        self.announce(&name);
        self.deliver_link(&name);
        let running = self.running(&name).map(|running| (running.phase, running.is_held()));
        if let Some((Phase::Running | Phase::Paused, true)) = running
            && let Err(source) = self.go_on(&name, now)
        {
            self.end_disposable(&name, now);
            let said = format!("{name} does not go on: {source}");
            return Err(error(ErrorKind::Backend, said));
        }
        if let Some((Phase::Running, _)) = running {
            self.run_first(&name, now);
        }
        Ok(name)
    }

    fn fleeting(&mut self, name: &QubeName) -> Option<&mut Fleeting> {
        self.qubes.get_mut(name.as_str())?.fleeting.as_mut()
    }

    /// What disposables of this pattern are made of.
    fn pattern(&mut self, pattern: &str) -> Result<QubeConfig, ErrorBody> {
        if let Ok(name) = QubeName::new(pattern) {
            self.refresh(&name);
            match self.qubes.get(name.as_str()) {
                Some(Qube { fleeting: Some(_), .. }) => {
                    let said = format!("{name} is disposable itself; name what it was made like");
                    return Err(error(ErrorKind::BadRequest, said));
                }
                Some(Qube { config: Ok(config), .. }) => {
                    // What starts with it is work of its own.
                    return Ok(QubeConfig { autostart: Vec::new(), ..config.clone() });
                }
                Some(Qube { config: Err(problem), .. }) => return Err(problem.clone()),
                None => {}
            }
        }
        let config =
            QubeConfig { template: Some(pattern.to_owned()), ..QubeConfig::new(LabelName::unknown()) };
        if is_template(pattern) && self.backends.image(&config).is_ok() {
            return Ok(config);
        }
        let shown = transom_protocol::text::clean(pattern.as_bytes(), 40);
        Err(error(ErrorKind::NoSuchQube, format!("there is neither a qube nor a template {shown}")))
    }

    /// The spare of this kind that is furthest. One with a program open is for that program.
    fn spare(&self, pattern: &str, config: &QubeConfig, first: Option<&Program>) -> Option<QubeName> {
        let fits = |qube: &&Qube| {
            qube.fleeting.as_ref().is_some_and(|fleeting| {
                let open = fleeting.open.as_ref();
                fleeting.spare && fleeting.pattern == pattern && (open.is_none() || open == first)
            })
                // Only dom0 knows of labels: one that waits can still get another.
                && qube.config.as_ref().is_ok_and(|made| {
                    QubeConfig { label: config.label.clone(), ..made.clone() } == *config
                })
        };
        let distance = |qube: &Qube| {
            let phase = qube.running.as_ref()?.phase;
            let started = qube.fleeting.as_ref().is_some_and(|fleeting| fleeting.started);
            match phase {
                Phase::Paused | Phase::Running if started => Some(0),
                Phase::Paused => Some(1),
                Phase::Running => Some(2),
                Phase::Starting => Some(3),
                Phase::Stopping => None,
            }
        };
        let spares = self.qubes.iter().filter(|(_, qube)| fits(qube));
        let spares = spares.filter_map(|(name, qube)| Some((distance(qube)?, name)));
        spares.min().map(|(_, name)| name.clone())
    }

    /// Starts one, as a spare, perhaps with a program open.
    fn make_disposable(
        &mut self,
        pattern: String,
        config: QubeConfig,
        open: Option<Program>,
        now: Instant,
    ) -> Result<QubeName, ErrorBody> {
        let name = self.new_name()?;
        let fleeting = Fleeting {
            pattern,
            spare: true,
            cold: true,
            first: open.clone(),
            open,
            asked: None,
            started: false,
            drawn: None,
            life: Life::default(),
        };
        let label = config.label.clone();
        let qube = Qube { config: Ok(config), label, running: None, failure: None, fleeting: Some(fleeting) };
        self.qubes.insert(name.clone(), qube);
        match self.launch(&name, None, now) {
            Ok(running) => {
                self.has_started(&name, running, now);
                tracing::info!(qube = %name, "a disposable is starting");
                Ok(name)
            }
            Err(refusal) => {
                self.forget_disposable(&name);
                Err(refusal)
            }
        }
    }

    /// A name that no qube has, and no recent disposable is likely to have had.
    fn new_name(&self) -> Result<QubeName, ErrorBody> {
        let io = |e: io::Error| error(ErrorKind::Io, format!("no name can be made: {e}"));
        for _ in 0..64 {
            let mut bytes = [0; 4];
            rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
                .map_err(|e| io(e.into()))?;
            let number = u32::from_ne_bytes(bytes) % 10_000;
            let name = QubeName::new(&format!("{PREFIX}{number}")).map_err(|e| io(io::Error::other(e)))?;
            if !self.qubes.contains_key(name.as_str()) && !self.store.contains(&name) {
                return Ok(name);
            }
        }
        Err(error(ErrorKind::BadRequest, "too many disposables"))
    }

    /// Refuses what only qubes that last can have done to them.
    pub(super) fn lasting(&self, name: &QubeName) -> Result<(), ErrorBody> {
        if self.qubes.get(name.as_str()).is_some_and(|qube| qube.fleeting.is_some()) {
            return Err(error(ErrorKind::BadRequest, format!("{name} is disposable; nothing of it lasts")));
        }
        Ok(())
    }

    /// Where a qube's log is: of a disposable beside the sockets, in memory on most systems, and not in
    /// its run directory, which may be another user's.
    pub(super) fn log_dir(&self, name: &QubeName) -> Result<PathBuf, StoreError> {
        match self.lasting(name) {
            Ok(()) => self.store.log_dir(name),
            Err(_) => Ok(self.options.runtime_dir.join(LOGS).join(name.as_str())),
        }
    }

    /// Forgets a disposable whose machine is gone.
    pub(super) fn forget_disposable(&mut self, name: &QubeName) {
        if self.lasting(name).is_ok() {
            return;
        }
        if let Ok(log) = self.log_dir(name)
            && let Err(source) = std::fs::remove_dir_all(&log)
            && source.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(qube = %name, %source, "its log stays");
        }
        self.qubes.remove(name.as_str());
        for provider in self.cables.providers_of(name) {
            self.leave_network(name, &provider);
        }
        self.tell_watchers(&Event::QubeRemoved { qube: name.clone() });
    }

    /// A disposable can take its program, or is a spare that now waits.
    pub(super) fn disposable_ready(&mut self, name: &QubeName, now: Instant) {
        let Some(fleeting) = self.fleeting(name) else { return };
        if !fleeting.is_empty_spare() {
            self.run_first(name, now);
            return;
        }
        if std::mem::take(&mut fleeting.cold) && self.warm_up(name) {
            return;
        }
        self.pause_spare(name);
    }

    /// Has one that was paused, or is about to be, go on.
    fn go_on(&mut self, name: &QubeName, now: Instant) -> io::Result<()> {
        if let Some(running) = self.running(name)
            && running.set_paused(false)?.is_some()
        {
            self.paused(name, false, now);
        }
        Ok(())
    }

    /// Lets a spare wait. Where it cannot be paused it waits all the same.
    fn pause_spare(&mut self, name: &QubeName) {
        match self.running(name).map(|running| running.set_paused(true)).transpose() {
            Ok(_) => {}
            Err(source) => tracing::debug!(qube = %name, %source, "a spare is not paused"),
        }
    }

    /// Starts the program for which a spare is to be warm. It cannot show anything, for it has no
    /// desktop, and waits for one until it is ended.
    fn warm_up(&mut self, name: &QubeName) -> bool {
        let Some(Qube { config: Ok(config), running: Some(running), .. }) = self.qubes.get_mut(name.as_str())
        else {
            return false;
        };
        let warm = &config.disposables.warm;
        if warm.is_empty() {
            return false;
        }
        let argv: Vec<String> = ["timeout", "--kill-after=2", WARM_S, "--"]
            .map(str::to_owned)
            .into_iter()
            .chain(warm.clone())
            .collect();
        match running.run(&argv) {
            Ok(_) => true,
            Err(reason) => {
                running.note(&format!("not warm: {reason}"));
                false
            }
        }
    }

    /// Asks for the program that a disposable is there for, once.
    pub(super) fn run_first(&mut self, name: &QubeName, now: Instant) {
        let Some(program) = self.fleeting(name).and_then(|fleeting| fleeting.first.take()) else { return };
        let Some(running) = self.running(name) else { return };
        match running.start_program(&program) {
            Ok(serial) => {
                if let Some(fleeting) = self.fleeting(name) {
                    fleeting.asked = Some(serial);
                }
            }
            Err(reason) => self.first_failed(name, error(ErrorKind::Agent, reason), now),
        }
    }

    /// A program has started in a qube, or has not.
    pub(super) fn first_program(
        &mut self,
        name: &QubeName,
        serial: u32,
        answer: &Result<(), ErrorBody>,
        now: Instant,
    ) {
        if self.fleeting(name).is_none_or(|fleeting| fleeting.asked != Some(serial)) {
            return;
        }
        match answer {
            Ok(()) => {
                if let Some(fleeting) = self.fleeting(name) {
                    fleeting.started = true;
                }
                self.look_at_programs(name, now);
                if let Some(qube) = self.info(name) {
                    self.answer(name, |until| until == Until::FirstProgram, &Ok(ReplyBody::Qube { qube }));
                }
            }
            Err(refusal) => self.first_failed(name, refusal.clone(), now),
        }
    }

    fn first_failed(&mut self, name: &QubeName, refusal: ErrorBody, now: Instant) {
        self.answer(name, |until| until == Until::FirstProgram, &Err(refusal));
        self.end_disposable(name, now);
    }

    /// Calls have begun or ended: disposables that serve may have more or less to do.
    pub(super) fn look_at_served(&mut self, now: Instant) {
        let used = |qube: &Qube| qube.fleeting.as_ref().is_some_and(|fleeting| !fleeting.spare);
        let used: Vec<QubeName> =
            self.qubes.iter().filter(|(_, qube)| used(qube)).map(|(name, _)| name.clone()).collect();
        for name in used {
            self.look_at_programs(&name, now);
        }
    }

    /// Counts the programs of a disposable.
    pub(super) fn look_at_programs(&mut self, name: &QubeName, now: Instant) {
        let Some(qube) = self.qubes.get_mut(name.as_str()) else { return };
        let (Some(fleeting), Some(running)) = (&mut qube.fleeting, &qube.running) else { return };
        if !fleeting.is_empty_spare() {
            // What it serves is work as well.
            fleeting.life.programs(running.programs() + self.calls.going_to(name), now);
        } else if running.programs() == 0 {
            // It is warm.
            self.disposable_ready(name, now);
        }
    }

    /// The compositor counts its windows.
    pub(super) fn windows(&mut self, name: &QubeName, windows: u32, now: Instant) {
        if let Some(fleeting) = self.fleeting(name) {
            fleeting.life.windows(Some(windows), now);
            if fleeting.spare {
                fleeting.drawn = (windows > 0).then(|| fleeting.drawn.unwrap_or(now + SETTLE));
            }
        }
    }

    /// Nobody counts windows any more.
    pub(super) fn windows_unknown(&mut self, now: Instant) {
        for qube in self.qubes.values_mut() {
            if let Some(fleeting) = &mut qube.fleeting {
                fleeting.life.windows(None, now);
            }
        }
    }

    fn end_disposable(&mut self, name: &QubeName, now: Instant) {
        if let Some(running) = self.running(name).filter(|running| running.phase != Phase::Stopping) {
            running.note("it has done its work and is thrown away");
            running.stop(now, now + POLITENESS);
            self.announce(name);
        }
    }

    /// When to look at disposables again.
    pub(super) fn disposables_wake(&self) -> Option<Instant> {
        let alive =
            |qube: &&Qube| qube.running.as_ref().is_some_and(|running| running.phase != Phase::Stopping);
        let wakes = self.qubes.values().filter(alive).filter_map(|qube| qube.fleeting.as_ref()?.wakes_at());
        wakes.chain(self.refill.0).min()
    }

    /// What the clock brings for disposables.
    pub(super) fn disposables_tick(&mut self, now: Instant) {
        let over =
            |qube: &Qube| qube.fleeting.as_ref().and_then(Fleeting::ends_at).is_some_and(|at| at <= now);
        let over: Vec<QubeName> =
            self.qubes.iter().filter(|(_, qube)| over(qube)).map(|(name, _)| name.clone()).collect();
        for name in over {
            self.end_disposable(&name, now);
        }
        for name in self.drawn(now) {
            self.pause_spare(&name);
        }
        if self.refill.0.is_some_and(|at| at <= now) {
            self.refill = Refill::default();
            self.refill(now);
        }
    }

    /// Spares that have drawn their windows; each is named once.
    fn drawn(&mut self, now: Instant) -> Vec<QubeName> {
        let mut drawn = Vec::new();
        for (name, qube) in &mut self.qubes {
            let Some(fleeting) = &mut qube.fleeting else { continue };
            if fleeting.drawn.is_some_and(|at| at <= now) {
                fleeting.drawn = None;
                drawn.push(name.clone());
            }
        }
        drawn
    }

    /// A desktop is there: spares will be of use. Those that have a window open get to show it to this one.
    pub(super) fn spares_soon(&mut self, now: Instant) {
        self.refill = Refill(Some(now + REFILL));
        let waits = |qube: &Qube| {
            let has_window = qube.fleeting.as_ref().is_some_and(|f| f.spare && f.open.is_some());
            has_window && qube.running.as_ref().is_some_and(Running::is_held)
        };
        let waiting: Vec<QubeName> =
            self.qubes.iter().filter(|(_, qube)| waits(qube)).map(|(name, _)| name.clone()).collect();
        for name in waiting {
            if let Err(source) = self.go_on(&name, now) {
                tracing::warn!(qube = %name, %source, "a spare does not go on");
            }
        }
    }

    /// Makes spares where a qube's file asks for more than there are, and ends those that fit none any more.
    fn refill(&mut self, now: Instant) {
        if self.closing || self.compositor.is_none() {
            return;
        }
        self.refresh_all();
        let patterns: Vec<(QubeName, QubeConfig)> = self
            .qubes
            .iter()
            .filter(|(_, qube)| qube.fleeting.is_none())
            .filter_map(|(name, qube)| {
                let config = qube.config.as_ref().ok()?;
                Some((name.clone(), QubeConfig { autostart: Vec::new(), ..config.clone() }))
            })
            .collect();
        let spares = self.qubes.iter().filter_map(|(name, qube)| {
            let fleeting = qube.fleeting.as_ref().filter(|fleeting| fleeting.spare)?;
            let shape = (fleeting.pattern.clone(), qube.config.clone().ok()?, fleeting.open.clone());
            Some((name.clone(), shape))
        });
        let mut left: Vec<_> = spares.collect();
        for (pattern, config) in patterns {
            let any = std::iter::repeat_n(None, config.disposables.ready.into());
            let open = config.disposables.open.iter().cloned().map(Some);
            for open in any.chain(open) {
                let shape = (pattern.as_str().to_owned(), config.clone(), open);
                if let Some(at) = left.iter().position(|(_, made)| *made == shape) {
                    left.swap_remove(at);
                    continue;
                }
                let (pattern, config, open) = shape;
                if let Err(refusal) = self.make_disposable(pattern.clone(), config, open, now) {
                    // Not tried again before the next one is asked for.
                    tracing::warn!(pattern, reason = refusal.message, "no disposable can be kept ready");
                    break;
                }
            }
        }
        for (name, ..) in left {
            if let Some(running) = self.running(&name) {
                running.kill(Ending::Asked);
            }
        }
    }
}
