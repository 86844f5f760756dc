//! Programs of qubes: what they list, and what is started by that.

use std::{fs::File, os::fd::OwnedFd, time::Instant};

use transom_protocol::{
    programs::ProgramList,
    supervisor::{ErrorBody, ErrorKind, Event, Program, QubeName, ReplyBody},
};

use super::{
    requests::{Outcome, error},
    running::Phase,
    server::{ClientId, Qube, Server, Until},
};

impl Server {
    /// A qube has listed its programs. One that does not last is not asked for them.
    pub(super) fn programs_listed(&mut self, name: &QubeName, list: &ProgramList) {
        if self.lasting(name).is_err() {
            return;
        }
        match self.store.keep_programs(name, list) {
            Ok(true) => {
                tracing::info!(qube = %name, programs = list.programs().len(), "lists its programs");
                self.tell_watchers(&Event::Programs { qube: name.clone() });
            }
            Ok(false) => {}
            Err(source) => tracing::warn!(qube = %name, %source, "its list of programs is not kept"),
        }
    }

    /// Hands out what a qube has listed, or what its template has.
    pub(super) fn programs_of(
        &mut self,
        client: ClientId,
        request: u64,
        name: QubeName,
    ) -> Result<Outcome, ErrorBody> {
        let read = |source| error(ErrorKind::Io, format!("the programs of {name} cannot be read: {source}"));
        let own = self.store.open_programs(&name).map_err(read)?;
        let file: Option<File> = own.or_else(|| match self.qubes.get(name.as_str()) {
            Some(Qube { config: Ok(config), .. }) if !config.is_sandbox() => self.backends.programs(config),
            _ => None,
        });
        let files: Vec<OwnedFd> = file.into_iter().map(OwnedFd::from).collect();
        let answer = ReplyBody::Programs { qube: name, known: !files.is_empty() };
        if let Some(client) = self.clients.get_mut(&client) {
            client.reply_with(request, Ok(answer), files);
        }
        Ok(Outcome::Answered)
    }

    /// Starts a program, and before it the qube if that is halted.
    pub(super) fn open(
        &mut self,
        name: QubeName,
        program: Program,
        now: Instant,
    ) -> Result<Outcome, ErrorBody> {
        if let Some(running) = self.running(&name).filter(|running| running.phase == Phase::Running) {
            let serial = running.start_program(&program).map_err(|reason| error(ErrorKind::Agent, reason))?;
            return Ok(Outcome::Later(name, Until::Started(serial)));
        }
        // Whatever keeps it from starting is said by this; that it starts already is well.
        self.start(name.clone(), now)?;
        Ok(Outcome::Open(name, program))
    }

    /// A qube is ready: programs that waited for it are started.
    pub(super) fn open_waiting(&mut self, name: &QubeName) {
        let waits = |waiter: &super::server::Waiter| waiter.qube == *name && waiter.until == Until::Opened;
        let (ready, others) = std::mem::take(&mut self.waiters).into_iter().partition(waits);
        self.waiters = others;
        let ready: Vec<super::server::Waiter> = ready;
        for mut waiter in ready {
            let Some(program) = waiter.program.take() else { continue };
            let gone = || Err(format!("{name} is not running any more"));
            match self.running(name).map_or_else(gone, |running| running.start_program(&program)) {
                Ok(serial) => {
                    waiter.until = Until::Started(serial);
                    self.waiters.push(waiter);
                }
                Err(reason) => {
                    self.reply(waiter.client, waiter.request, Err(error(ErrorKind::Agent, reason)));
                }
            }
        }
    }
}
