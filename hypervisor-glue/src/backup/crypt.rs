//! The age file around the container: what opens it, and what tells damage from a wrong key.
//!
//! <https://age-encryption.org/v1>: a header that wraps a key, then chunks of 64 KiB that are encrypted and
//! authenticated each by ChaCha20-Poly1305, numbered, the last one marked.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use age::{
    DecryptError, Decryptor, Encryptor, Identity, Recipient, scrypt,
    secrecy::SecretString,
    stream::{StreamReader, StreamWriter},
    x25519,
};

use super::{container::Input, error::BackupError};

/// Plain bytes of a chunk.
const CHUNK: u64 = 64 * 1024;
/// Bytes of a chunk in the file.
const SEALED_CHUNK: u64 = CHUNK + 16;
/// Longest header, in bytes: some hundred keys.
const MAX_HEADER: u64 = 64 * 1024;
/// Most work that a passphrase may take, as a power of two: about 16 s of today's computers.
const MAX_WORK: u8 = 22;
/// What is skipped by reading it, in bytes.
const SMALL_SKIP: u64 = 4 * CHUNK;

/// What a backup is locked with.
pub enum Lock {
    /// Whoever knows this.
    Passphrase(SecretString),
    /// The same, with another amount of work, as a power of two.
    #[doc(hidden)]
    PassphraseWork(SecretString, u8),
    /// Whoever has the secret key of one of these.
    Recipients(Vec<x25519::Recipient>),
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) | Self::PassphraseWork(..) => "Passphrase",
            Self::Recipients(_) => "Recipients",
        })
    }
}

/// What opens a backup.
pub enum Keys {
    /// What its maker typed; asked for when it is known to be needed.
    Passphrase(Box<dyn FnOnce() -> Result<SecretString, BackupError>>),
    /// Secret keys.
    Identities(Vec<x25519::Identity>),
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase",
            Self::Identities(_) => "Identities",
        })
    }
}

/// A public key as `age-keygen` prints it.
pub fn recipient(text: &str) -> Result<x25519::Recipient, String> {
    text.parse().map_err(|_| format!("{text:?} is no public key of age: they begin with age1"))
}

/// The secret keys in a file that `age-keygen` wrote: one on a line, others begin with `#`.
pub fn identities(text: &str) -> Result<Vec<x25519::Identity>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<_>, _> = lines.map(str::parse).collect();
    match keys {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        // Nothing of it is shown: it may be a secret.
        _ => Err("no file with secret keys of age, as age-keygen writes them".to_owned()),
    }
}

/// Begins an age file.
pub(super) fn seal<W: Write>(lock: Lock, output: W) -> Result<StreamWriter<W>, BackupError> {
    let with = |recipients: &[&dyn Recipient]| {
        Encryptor::with_recipients(recipients.iter().copied())
            .map_err(|error| BackupError::Key(error.to_string()))
    };
    let encryptor = match lock {
        Lock::Passphrase(secret) => Encryptor::with_user_passphrase(secret),
        Lock::PassphraseWork(secret, work) => {
            let mut recipient = scrypt::Recipient::new(secret);
            recipient.set_work_factor(work);
            with(&[&recipient])?
        }
        Lock::Recipients(keys) => with(&keys.iter().map(|key| key as &dyn Recipient).collect::<Vec<_>>())?,
    };
    encryptor.wrap_output(output).map_err(BackupError::io("write", "the backup"))
}

/// What is known of the file below a stream.
#[derive(Debug, Default)]
struct Seen {
    /// Bytes that were read from it.
    read: AtomicU64,
    /// It came to its end.
    ended: AtomicBool,
}

/// A file that tells how far it was read.
struct Counted<R> {
    inner: R,
    seen: Arc<Seen>,
    /// No more than this is read.
    most: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let so_far = self.seen.read.load(Ordering::Relaxed);
        let left = self.most.load(Ordering::Relaxed).saturating_sub(so_far);
        if left == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.seen.read.fetch_add(read as u64, Ordering::Relaxed);
        if read == 0 && !buffer.is_empty() {
            self.seen.ended.store(true, Ordering::Relaxed);
        }
        Ok(read)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.seen.ended.store(false, Ordering::Relaxed);
        self.inner.seek(to)
    }
}

enum Source {
    File(StreamReader<Counted<BufReader<File>>>),
    Stream(StreamReader<Counted<BufReader<Box<dyn Read>>>>),
}

/// The plain bytes of a backup.
pub struct Plain {
    source: Source,
    seen: Arc<Seen>,
    position: u64,
    /// Where the chunks begin in the file.
    start: u64,
    /// All plain bytes; known of a file once it was asked for.
    length: Option<u64>,
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("position", &self.position).finish_non_exhaustive()
    }
}

/// Opens what lies in a file: parts of it can be skipped.
pub fn open_file(file: File, keys: Keys) -> Result<Plain, BackupError> {
    open(file, keys, Source::File)
}

/// Opens what comes by a pipe.
pub fn open_stream(stream: Box<dyn Read>, keys: Keys) -> Result<Plain, BackupError> {
    open(stream, keys, Source::Stream)
}

fn open<R: Read>(
    inner: R,
    keys: Keys,
    source: fn(StreamReader<Counted<BufReader<R>>>) -> Source,
) -> Result<Plain, BackupError> {
    let seen = Arc::new(Seen::default());
    let most = Arc::new(AtomicU64::new(MAX_HEADER));
    let read = || seen.read.load(Ordering::Relaxed);
    // The header is read byte by byte.
    let counted = Counted { inner: BufReader::new(inner), seen: seen.clone(), most: most.clone() };
    let decryptor = Decryptor::new(counted).map_err(|error| match error {
        DecryptError::Io(source) if source.raw_os_error().is_some() => {
            BackupError::io("read", "the backup")(source)
        }
        _ => BackupError::NoHeader(read()),
    })?;
    let header = read();
    let failed = |error| match error {
        DecryptError::NoMatchingKeys => BackupError::WrongKey,
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => BackupError::WrongPassphrase,
        DecryptError::ExcessiveWork { required, .. } => BackupError::TooMuchWork(required),
        DecryptError::Io(source) => BackupError::io("read", "the backup")(source),
        _ => BackupError::Header(header),
    };
    let stream = match keys {
        Keys::Passphrase(_) if !decryptor.is_scrypt() => return Err(BackupError::NeedsKey),
        Keys::Identities(_) if decryptor.is_scrypt() => return Err(BackupError::NeedsPassphrase),
        Keys::Passphrase(ask) => {
            let mut identity = scrypt::Identity::new(ask()?);
            identity.set_max_work_factor(MAX_WORK);
            decryptor.decrypt(std::iter::once(&identity as &dyn Identity)).map_err(failed)?
        }
        Keys::Identities(keys) => {
            decryptor.decrypt(keys.iter().map(|key| key as &dyn Identity)).map_err(failed)?
        }
    };
    most.store(u64::MAX, Ordering::Relaxed);
    Ok(Plain { source: source(stream), seen, position: 0, start: header, length: None })
}

impl Plain {
    /// The bytes of the file that hold what is read next.
    pub(super) fn chunk(&self) -> Range<u64> {
        let start = self.start.saturating_add((self.position / CHUNK).saturating_mul(SEALED_CHUNK));
        start..start.saturating_add(SEALED_CHUNK)
    }

    /// What an error of reading means.
    pub(super) fn why(&self, error: io::Error, place: super::Place) -> BackupError {
        if error.raw_os_error().is_some() {
            return BackupError::io("read", "the backup")(error);
        }
        let bytes = self.chunk();
        if error.kind() == io::ErrorKind::UnexpectedEof || self.seen.ended.load(Ordering::Relaxed) {
            BackupError::End { at: bytes.start, place }
        } else {
            BackupError::Damaged { bytes, place }
        }
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.source {
            Source::File(stream) => stream.read(buffer)?,
            Source::Stream(stream) => stream.read(buffer)?,
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl Input for Plain {
    fn position(&self) -> u64 {
        self.position
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let end = self.position.checked_add(bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        match &mut self.source {
            Source::File(stream) if bytes > SMALL_SKIP => {
                // Seeking past the end is no error there, and what follows would be.
                let length = match self.length {
                    Some(length) => length,
                    None => *self.length.insert(stream.seek(SeekFrom::End(0))?),
                };
                if end > length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                // What is found there is told of that place.
                self.position = end;
                stream.seek(SeekFrom::Start(end))?;
                Ok(())
            }
            _ => {
                let skipped = io::copy(&mut self.by_ref().take(bytes), &mut io::sink())?;
                if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            }
        }
    }
}
