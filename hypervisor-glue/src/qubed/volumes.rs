//! Volumes of qubes: opened for a start, encrypted, told about.

use std::{os::fd::OwnedFd, time::Instant};

use transom_protocol::supervisor::{Backend, ErrorBody, ErrorKind, QubeName, ReplyBody, Storage};

use super::{
    server::{Qube, Server, Until},
    vault::Part,
};
use crate::store::{QubeConfig, StoreError, Volume};

impl Server {
    /// Begins to open the volume of a qube that is to start. False if it has none that is encrypted.
    pub(super) fn open_volume(&mut self, name: &QubeName) -> Result<bool, ErrorBody> {
        // What is wrong with these is said by the start itself.
        let Some(Qube { config: Ok(config), .. }) = self.qubes.get(name.as_str()) else { return Ok(false) };
        let choice = self.backends.choose(config);
        if !choice.ready || self.storage(name, choice.backend, Some(config)) != Storage::Encrypted {
            return Ok(false);
        }
        let master = self
            .vault
            .key()
            .map_err(|why| ErrorBody::new(ErrorKind::Locked, format!("{name} cannot start: {why}")))?;
        let files = self.store.volume_files(name, true);
        let broken = |error: &StoreError| {
            ErrorBody::new(ErrorKind::Io, format!("{name} cannot start: its volume is not whole: {error}"))
        };
        files.check(true).map_err(|error| broken(&error))?;
        // An overlay grows where it is served.
        let bytes = if files.base.is_some() { 0 } else { config.machine.volume };
        self.vault.open(name.clone(), files.header, bytes, master)?;
        Ok(true)
    }

    /// Whether what a qube stores is encrypted, or will be.
    pub(super) fn storage(&self, name: &QubeName, backend: Backend, config: Option<&QubeConfig>) -> Storage {
        if self.lasting(name).is_err() {
            return Storage::Memory;
        }
        match (backend, self.store.volume(name), config) {
            // Of which nothing more is known than that it is one.
            (_, _, None) => Storage::Unknown,
            (Backend::Sandbox, _, _) => Storage::Directory,
            (_, Volume::Encrypted, _) => Storage::Encrypted,
            (_, Volume::Plain, _) => Storage::Plain,
            (_, Volume::Missing, Some(config)) if config.machine.encryption => Storage::Encrypted,
            (_, Volume::Missing, Some(_)) => Storage::Plain,
        }
    }

    /// Begins to encrypt the volume of a halted qube.
    pub(super) fn encrypt(&mut self, name: QubeName) -> Result<super::requests::Outcome, ErrorBody> {
        self.lasting(&name)?;
        self.halted(&name)?;
        self.leave_alone(&name)?;
        let is_sandbox = |qube: &Qube| qube.config.as_ref().is_ok_and(QubeConfig::is_sandbox);
        if self.qubes.get(name.as_str()).is_some_and(is_sandbox) {
            let said = format!(
                "{name} is a sandbox: its home is a directory of dom0, and encrypted if dom0's disk is"
            );
            return Err(ErrorBody::new(ErrorKind::BadRequest, said));
        }
        match self.store.volume(&name) {
            Volume::Plain => {}
            Volume::Encrypted => return self.answer_info(&name),
            Volume::Missing => {
                let said =
                    format!("{name} has no volume yet: it will be encrypted if its file says nothing else");
                return Err(ErrorBody::new(ErrorKind::BadRequest, said));
            }
        }
        let master = self
            .vault
            .key()
            .map_err(|why| ErrorBody::new(ErrorKind::Locked, format!("{name} cannot be encrypted: {why}")))?;
        let (plain, new) = (self.store.volume_files(&name, false), self.store.encrypted_volume(&name));
        plain.check(false).map_err(|error| ErrorBody::new(ErrorKind::Io, error.to_string()))?;
        self.vault.encrypt(name.clone(), plain, new, master)?;
        tracing::info!(qube = %name, "being encrypted");
        Ok(super::requests::Outcome::Later(name, Until::Encrypted))
    }

    /// Begins to take over the volume of a halted qube that came from another computer.
    pub(super) fn take_over(
        &mut self,
        name: QubeName,
        files: Vec<OwnedFd>,
    ) -> Result<super::requests::Outcome, ErrorBody> {
        self.lasting(&name)?;
        self.halted(&name)?;
        self.leave_alone(&name)?;
        if self.store.volume(&name) != Volume::Encrypted {
            let said = format!("{name} has no encrypted volume");
            return Err(ErrorBody::new(ErrorKind::BadRequest, said));
        }
        let locked = |why| ErrorBody::new(ErrorKind::Locked, format!("{name} cannot be taken over: {why}"));
        let master = self.vault.key_of_this_computer().map_err(locked)?;
        let volume = self.store.volume_files(&name, true);
        let broken = |error: StoreError| ErrorBody::new(ErrorKind::Io, error.to_string());
        volume.check(true).map_err(broken)?;
        self.vault.take_over(name.clone(), volume.header, files, master)?;
        tracing::info!(qube = %name, "being taken over");
        Ok(super::requests::Outcome::Later(name, Until::Encrypted))
    }

    /// Something that was begun in the vault has come to its end.
    pub(super) fn vault_ready(&mut self, part: &Part, now: Instant) {
        match part {
            Part::Keyring => {
                let Some((asked, result)) = self.vault.keyring_done() else { return };
                match &result {
                    Ok(()) => tracing::info!("the keyring was opened or changed"),
                    Err(refusal) => tracing::warn!(reason = refusal.message, "the keyring stays as it is"),
                }
                let opened = result.is_ok();
                self.reply(asked.client, asked.request, result.map(|()| ReplyBody::Done));
                if opened {
                    self.start_unlocked(now);
                }
            }
            Part::Opening(name) => self.volume_opened(name, now),
            Part::Encrypting(name) => {
                let Some(result) = self.vault.encrypted(name) else { return };
                if let Err(refusal) = &result {
                    tracing::warn!(qube = %name, reason = refusal.message, "not encrypted or taken over");
                }
                self.announce(name);
                let gone = || ErrorBody::new(ErrorKind::NoSuchQube, format!("there is no qube {name}"));
                let answer = result.and_then(|()| self.info(name).ok_or_else(gone));
                let answer = answer.map(|qube| ReplyBody::Qube { qube });
                self.answer(name, |until| until == Until::Encrypted, &answer);
            }
        }
    }

    /// A start goes on, or not.
    fn volume_opened(&mut self, name: &QubeName, now: Instant) {
        let Some(opened) = self.vault.opened(name) else { return };
        let cancelled = || Err(ErrorBody::new(ErrorKind::Cancelled, format!("{name} was stopped")));
        let launched = match opened {
            Ok(Some(key)) if !self.closing => self.launched(name, Some(&key), now),
            Ok(_) => cancelled(),
            Err(refusal) => {
                let said = format!("{name} cannot start: {}", refusal.message);
                if let Some(qube) = self.qubes.get_mut(name.as_str()) {
                    qube.failure = Some(said.clone());
                }
                Err(ErrorBody::new(refusal.kind, said))
            }
        };
        let Err(refusal) = launched else { return };
        self.announce(name);
        self.calls_not_started(name, &refusal.message, now);
        self.answer(name, Until::is_start, &Err(refusal));
        if let Some(qube) = self.info(name) {
            self.answer(name, |until| until == Until::Halted, &Ok(ReplyBody::Qube { qube }));
        }
    }
}
