//! The passphrase of the encrypted volumes: asked for without an echo, or read from a descriptor.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use transom_protocol::supervisor::{KeyringState, QubeName, ReplyBody, RequestBody};

use super::{CliError, SOON};
use crate::{
    client::{Client, unexpected},
    encryption::check_passphrase,
    memory::Secret,
};

/// How long opening the keyring may take: seconds, and more on a slow computer that is busy.
const DEAR: Duration = Duration::from_mins(2);
/// How often a person may mistype.
const TRIES: usize = 3;
/// Longest passphrase that is read, in bytes.
const MAX: usize = 1024;

/// Opens the keyring; sets its passphrase where there is none yet.
pub(super) fn unlock(client: &mut Client, fd: Option<u32>, out: &mut dyn io::Write) -> Result<(), CliError> {
    match state(client)? {
        KeyringState::Unlocked => Ok(()),
        KeyringState::Missing => {
            let new = match fd {
                Some(fd) => read(fd)?,
                None => ask_new(out)?,
            };
            tell(client, RequestBody::SetPassphrase, &[&new])
        }
        KeyringState::Locked => match fd {
            Some(fd) => tell(client, RequestBody::Unlock, &[&read(fd)?]),
            None => ask_until_right(client),
        },
    }
}

/// Changes the passphrase.
pub(super) fn change(
    client: &mut Client,
    fds: Option<(u32, u32)>,
    out: &mut dyn io::Write,
) -> Result<(), CliError> {
    if state(client)? == KeyringState::Missing {
        return Err(CliError::NoPassphrase);
    }
    let (old, new) = match fds {
        Some((old, new)) => (read(old)?, read(new)?),
        None => (ask("Passphrase: ")?, ask_new(out)?),
    };
    tell(client, RequestBody::ChangePassphrase, &[&old, &new])
}

/// Takes volumes of another computer over, all with the same passphrase of that one.
pub(super) fn take_over(
    client: &mut Client,
    names: &[QubeName],
    fd: Option<u32>,
    out: &mut dyn io::Write,
) -> Result<(), CliError> {
    if fd.is_none() && state(client)? != KeyringState::Unlocked {
        writeln!(out, "First the passphrase of this computer.")?;
        unlock(client, None, out)?;
    }
    let theirs = match fd {
        Some(fd) => read(fd)?,
        None => ask("Passphrase of the computer that they came from: ")?,
    };
    for name in names {
        tell(client, RequestBody::TakeOver { qube: name.clone() }, &[&theirs])?;
        writeln!(out, "{name}: this computer's passphrase opens its volume now")?;
    }
    Ok(())
}

fn state(client: &mut Client) -> Result<KeyringState, CliError> {
    match client.call(RequestBody::Keyring, Instant::now() + SOON)? {
        ReplyBody::Keyring { state } => Ok(state),
        other => Err(unexpected(&other).into()),
    }
}

fn tell(client: &mut Client, body: RequestBody, passphrases: &[&[u8]]) -> Result<(), CliError> {
    for passphrase in passphrases {
        check_passphrase(passphrase)?;
    }
    client.call_with(body, passphrases, Instant::now() + DEAR)?;
    Ok(())
}

fn ask_until_right(client: &mut Client) -> Result<(), CliError> {
    let mut tried = 0;
    loop {
        let result = tell(client, RequestBody::Unlock, &[&ask("Passphrase: ")?]);
        tried += 1;
        match result {
            Err(error) if error.is_mistyped() && tried < TRIES => {
                writeln!(io::stderr(), "{error}")?;
            }
            other => return other,
        }
    }
}

/// A new one, typed twice.
fn ask_new(out: &mut dyn io::Write) -> Result<Secret, CliError> {
    if io::stdin().is_terminal() {
        writeln!(out, "A passphrase for the volumes of your qubes. Whoever forgets it loses them.")?;
        out.flush()?;
    }
    let new = ask("New passphrase: ")?;
    check_passphrase(&new)?;
    if *new == *ask("Once more: ")? { Ok(new) } else { Err(CliError::Differ) }
}

/// Asks at the terminal.
fn ask(prompt: &str) -> Result<Secret, CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::NoTerminal);
    }
    let typed = zeroize::Zeroizing::new(rpassword::prompt_password(prompt)?);
    Ok(Secret::copy(typed.as_bytes())?)
}

/// Reads one from an open descriptor, without the line's end. It is reached by its name in `/proc`, since
/// only its number is known.
fn read(fd: u32) -> Result<Secret, CliError> {
    let bad = |source| CliError::Descriptor { fd, source };
    let file = File::open(format!("/proc/self/fd/{fd}")).map_err(bad)?;
    let mut secret =
        Secret::read(file, MAX).map_err(bad)?.ok_or_else(|| bad(io::ErrorKind::FileTooLarge.into()))?;
    if secret.ends_with(b"\n") {
        secret.truncate(secret.len() - 1);
    }
    Ok(secret)
}
