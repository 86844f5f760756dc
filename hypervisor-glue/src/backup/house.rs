//! Who owns the qubes.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use transom_protocol::supervisor::{ErrorBody, ErrorKind, QubeName, ReplyBody, RequestBody};

use super::error::BackupError;
use crate::{
    client::{Client, ClientError, unexpected},
    store::Store,
};

/// How long an answer may take.
const SOON: Duration = Duration::from_secs(30);

/// Who owns the qubes: keeps others off what is read and made.
pub trait House {
    /// All qubes that last.
    fn qubes(&mut self) -> Result<Vec<QubeName>, BackupError>;
    /// The directory of a qube, if there is one.
    fn find(&mut self, name: &QubeName) -> Result<Option<PathBuf>, BackupError>;
    /// Keeps a halted qube as it is, for as long as this lives, and gives its directory.
    fn hold(&mut self, name: &QubeName) -> Result<PathBuf, BackupError>;
    /// Keeps a name for a qube that is being made, and gives the directory for that: see [`Store::staging`].
    fn reserve(&mut self, name: &QubeName) -> Result<PathBuf, BackupError>;
    /// Makes a qube of what is there.
    fn adopt(&mut self, name: &QubeName) -> Result<(), BackupError>;
}

impl Client {
    fn ask(&mut self, body: RequestBody) -> Result<ReplyBody, BackupError> {
        Ok(self.call(body, Instant::now() + SOON)?)
    }

    fn held(&mut self, body: RequestBody) -> Result<PathBuf, BackupError> {
        match self.ask(body)? {
            ReplyBody::Held { path } => Ok(path.into()),
            other => Err(unexpected(&other).into()),
        }
    }
}

impl House for Client {
    fn qubes(&mut self) -> Result<Vec<QubeName>, BackupError> {
        let all = self.list(Instant::now() + SOON)?;
        Ok(all.into_iter().filter(|qube| qube.disposable.is_none()).map(|qube| qube.name).collect())
    }

    fn find(&mut self, name: &QubeName) -> Result<Option<PathBuf>, BackupError> {
        match self.ask(RequestBody::File { qube: name.clone() }) {
            Ok(ReplyBody::File { path }) => Ok(PathBuf::from(path).parent().map(Into::into)),
            Ok(other) => Err(unexpected(&other).into()),
            Err(BackupError::Client(ClientError::Refused(ErrorBody {
                kind: ErrorKind::NoSuchQube, ..
            }))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn hold(&mut self, name: &QubeName) -> Result<PathBuf, BackupError> {
        self.held(RequestBody::Hold { qube: name.clone() })
    }

    fn reserve(&mut self, name: &QubeName) -> Result<PathBuf, BackupError> {
        self.held(RequestBody::Reserve { name: name.clone() })
    }

    fn adopt(&mut self, name: &QubeName) -> Result<(), BackupError> {
        match self.ask(RequestBody::Adopt { name: name.clone() })? {
            ReplyBody::Qube { .. } => Ok(()),
            other => Err(unexpected(&other).into()),
        }
    }
}

/// A store that nobody else uses.
impl House for Store {
    fn qubes(&mut self) -> Result<Vec<QubeName>, BackupError> {
        Ok(self.names()?)
    }

    fn find(&mut self, name: &QubeName) -> Result<Option<PathBuf>, BackupError> {
        Ok(self.contains(name).then(|| self.dir(name)))
    }

    fn hold(&mut self, name: &QubeName) -> Result<PathBuf, BackupError> {
        self.load(name)?;
        Ok(self.dir(name))
    }

    fn reserve(&mut self, name: &QubeName) -> Result<PathBuf, BackupError> {
        Ok(self.staging(name)?)
    }

    fn adopt(&mut self, name: &QubeName) -> Result<(), BackupError> {
        Ok(Self::adopt(self, name)?)
    }
}
