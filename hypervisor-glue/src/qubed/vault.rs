//! The key that opens the volumes, while it is here, and the work that is done with it.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use transom_protocol::supervisor::{ErrorBody, ErrorKind, KeyringState, QubeName};

use super::{job::Job, server::ClientId};
use crate::{
    encryption::{self, EncryptionError, Keyring, MasterKey, Slot, VolumeKey},
    memory::Secret,
    store::VolumeFiles,
};

/// Longest passphrase that is read, in bytes: longer ones are refused by name.
const MAX_PASSPHRASE: usize = 1024;

/// What was wanted of the keyring, by whom.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) client: ClientId,
    pub(super) request: u64,
}

/// What came of work with the keyring: a key to keep, if there is one.
type Opened = Result<Option<MasterKey>, EncryptionError>;

/// A volume that is being opened for a start.
#[derive(Debug)]
struct Opening {
    job: Job<Result<VolumeKey, EncryptionError>>,
    /// Somebody does not want that start any more.
    cancelled: bool,
}

/// The keyring, its key, and what is done with them.
#[derive(Debug)]
pub(super) struct Vault {
    keyring: Keyring,
    master: Option<Arc<MasterKey>>,
    asked: Option<(Asked, Job<Opened>)>,
    opening: BTreeMap<QubeName, Opening>,
    encrypting: BTreeMap<QubeName, Job<Result<(), EncryptionError>>>,
}

/// The parts of it that have descriptors.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Keyring,
    /// The volume of this qube is open.
    Opening(QubeName),
    /// That of this one is encrypted.
    Encrypting(QubeName),
}

pub(super) fn refusal(error: &EncryptionError) -> ErrorBody {
    let kind = match error {
        EncryptionError::NoPassphrase => ErrorKind::Locked,
        EncryptionError::WrongPassphrase => ErrorKind::WrongPassphrase,
        EncryptionError::Exists(_) => ErrorKind::Exists,
        EncryptionError::Passphrase(_) | EncryptionError::NotMoved => ErrorKind::BadRequest,
        EncryptionError::NoProgram => ErrorKind::Backend,
        _ => ErrorKind::Io,
    };
    ErrorBody::new(kind, error.to_string())
}

fn io_error(error: &io::Error) -> ErrorBody {
    ErrorBody::new(ErrorKind::Io, format!("cannot work with the keyring: {error}"))
}

impl Vault {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            keyring: Keyring::of(data_dir),
            master: None,
            asked: None,
            opening: BTreeMap::new(),
            encrypting: BTreeMap::new(),
        }
    }

    pub(super) fn state(&self) -> KeyringState {
        match (&self.master, self.keyring.exists()) {
            (Some(_), _) => KeyringState::Unlocked,
            (None, true) => KeyringState::Locked,
            (None, false) => KeyringState::Missing,
        }
    }

    /// Forgets the key. What is open stays so until it is stopped.
    pub(super) fn lock(&mut self) -> Result<(), ErrorBody> {
        self.idle()?;
        self.master = None;
        Ok(())
    }

    fn idle(&self) -> Result<(), ErrorBody> {
        match self.asked {
            Some(_) => {
                Err(ErrorBody::new(ErrorKind::BadRequest, "a passphrase is being tried; wait for that"))
            }
            None => Ok(()),
        }
    }

    /// Begins to open the keyring by the passphrase in a pipe.
    pub(super) fn unlock(&mut self, asked: Asked, files: Vec<OwnedFd>) -> Result<(), ErrorBody> {
        let [passphrase] = passphrases(files)?;
        self.begin(asked, move |keyring| keyring.open(&passphrase).map(Some))
    }

    /// Begins to make a keyring.
    pub(super) fn set(&mut self, asked: Asked, files: Vec<OwnedFd>) -> Result<(), ErrorBody> {
        let [passphrase] = passphrases(files)?;
        self.begin(asked, move |keyring| keyring.create(&passphrase, Slot::Passphrase).map(Some))
    }

    /// Begins to change the passphrase.
    pub(super) fn change(&mut self, asked: Asked, files: Vec<OwnedFd>) -> Result<(), ErrorBody> {
        let [old, new] = passphrases(files)?;
        self.begin(asked, move |keyring| keyring.change(&old, &new, Slot::Passphrase).map(|()| None))
    }

    fn begin(
        &mut self,
        asked: Asked,
        work: impl FnOnce(&Keyring) -> Opened + Send + 'static,
    ) -> Result<(), ErrorBody> {
        self.idle()?;
        let keyring = self.keyring.clone();
        let job = Job::begin("keyring", move || work(&keyring)).map_err(|error| io_error(&error))?;
        self.asked = Some((asked, job));
        Ok(())
    }

    /// What came of the work with the keyring.
    pub(super) fn keyring_done(&mut self) -> Option<(Asked, Result<(), ErrorBody>)> {
        let (asked, job) = self.asked.take()?;
        let result = match job.end() {
            Some(Ok(key)) => {
                // A changed passphrase opens the same key.
                if let Some(key) = key {
                    self.master = Some(Arc::new(key));
                }
                Ok(())
            }
            Some(Err(error)) => Err(refusal(&error)),
            None => Err(panicked()),
        };
        Some((asked, result))
    }

    /// The key, or what to do to have it.
    pub(super) fn key(&self) -> Result<Arc<MasterKey>, String> {
        encryption::check().map_err(|error| error.to_string())?;
        match (&self.master, self.state()) {
            (Some(master), _) => Ok(Arc::clone(master)),
            (None, KeyringState::Missing) => Err(
                "its volume is to be encrypted and no passphrase is set yet; set one with `transom unlock`, or say \
                 `encryption \"off\"` in its file"
                    .to_owned(),
            ),
            (None, _) => Err("its volume is encrypted; unlock it with `transom unlock`".to_owned()),
        }
    }

    /// The key, where volumes are there already.
    pub(super) fn key_of_this_computer(&self) -> Result<Arc<MasterKey>, String> {
        encryption::check().map_err(|error| error.to_string())?;
        let none = || "give this computer's passphrase first, with `transom unlock`".to_owned();
        self.master.clone().ok_or_else(none)
    }

    /// Refuses if a qube's volume is being worked on.
    pub(super) fn leave_alone(&self, name: &QubeName) -> Result<(), ErrorBody> {
        let said = if self.opening.contains_key(name) {
            format!("{name} is starting; stop it first with `transom qube stop {name}`")
        } else if self.encrypting.contains_key(name) {
            format!("the volume of {name} is being encrypted or taken over; wait until that is done")
        } else {
            return Ok(());
        };
        Err(ErrorBody::new(ErrorKind::NotHalted, said))
    }

    /// True if this one's volume is being opened, for a start that is still wanted.
    pub(super) fn is_opening(&self, name: &QubeName) -> bool {
        self.opening.get(name).is_some_and(|opening| !opening.cancelled)
    }

    /// Calls off a start whose volume is being opened. False if there is none.
    pub(super) fn cancel(&mut self, name: &QubeName) -> bool {
        let Some(opening) = self.opening.get_mut(name) else { return false };
        opening.cancelled = true;
        true
    }

    /// Begins to open a volume, made where it is missing.
    pub(super) fn open(
        &mut self,
        name: QubeName,
        path: PathBuf,
        bytes: u64,
        master: Arc<MasterKey>,
    ) -> Result<(), ErrorBody> {
        let job = Job::begin("volume", move || encryption::open_moved(&path, bytes, &master));
        self.opening.insert(name, Opening { job: job.map_err(|error| io_error(&error))?, cancelled: false });
        Ok(())
    }

    /// What came of opening; `Ok(None)` if it is not wanted any more.
    pub(super) fn opened(&mut self, name: &QubeName) -> Option<Result<Option<VolumeKey>, ErrorBody>> {
        let Opening { job, cancelled } = self.opening.remove(name)?;
        Some(match job.end() {
            _ if cancelled => Ok(None),
            Some(Ok(key)) => Ok(Some(key)),
            Some(Err(error)) => Err(refusal(&error)),
            None => Err(panicked()),
        })
    }

    /// Begins to make a plain volume an encrypted one.
    pub(super) fn encrypt(
        &mut self,
        name: QubeName,
        plain: VolumeFiles,
        new: PathBuf,
        master: Arc<MasterKey>,
    ) -> Result<(), ErrorBody> {
        let job = Job::begin("encrypt", move || encryption::encrypt(&plain, &new, &master));
        self.encrypting.insert(name, job.map_err(|error| io_error(&error))?);
        Ok(())
    }

    /// Begins to take over a volume from another computer, whose passphrase is in a pipe.
    pub(super) fn take_over(
        &mut self,
        name: QubeName,
        volume: PathBuf,
        files: Vec<OwnedFd>,
        master: Arc<MasterKey>,
    ) -> Result<(), ErrorBody> {
        let [passphrase] = passphrases(files)?;
        let job = Job::begin("take over", move || encryption::take_over(&volume, &passphrase, &master));
        self.encrypting.insert(name, job.map_err(|error| io_error(&error))?);
        Ok(())
    }

    /// What came of either.
    pub(super) fn encrypted(&mut self, name: &QubeName) -> Option<Result<(), ErrorBody>> {
        Some(match self.encrypting.remove(name)?.end() {
            Some(result) => result.map_err(|error| refusal(&error)),
            None => Err(panicked()),
        })
    }

    /// What to poll.
    pub(super) fn sources(&self) -> impl Iterator<Item = (Part, BorrowedFd<'_>)> {
        let keyring = self.asked.iter().map(|(_, job)| (Part::Keyring, job.fd()));
        let opening =
            self.opening.iter().map(|(name, opening)| (Part::Opening(name.clone()), opening.job.fd()));
        let encrypting = self.encrypting.iter().map(|(name, job)| (Part::Encrypting(name.clone()), job.fd()));
        keyring.chain(opening).chain(encrypting)
    }
}

fn panicked() -> ErrorBody {
    ErrorBody::new(ErrorKind::Other, "it broke off by a mistake of transom-qubed")
}

/// Reads passphrases, one from each pipe. They are there already: nothing is waited for.
fn passphrases<const N: usize>(files: Vec<OwnedFd>) -> Result<[Secret; N], ErrorBody> {
    let bad = |text: &str| ErrorBody::new(ErrorKind::BadRequest, text);
    let read = files.into_iter().map(|file| {
        rustix::io::ioctl_fionbio(&file, true).map_err(|errno| io_error(&errno.into()))?;
        let read = Secret::read(File::from(file), MAX_PASSPHRASE);
        read.map_err(|_| bad("a passphrase must be in its pipe, and its end"))?
            .ok_or_else(|| bad("a passphrase has 8 to 512 bytes"))
    });
    let all = read.collect::<Result<Vec<_>, _>>()?;
    all.try_into().map_err(|_| bad("passphrases come by pipes beside the request, one each"))
}
