//! Passphrases: from the terminal, unseen, or from a descriptor. Never from the command line, where everybody
//! could read them.

use std::{
    fs::File,
    io::{self, Read as _},
};

use age::secrecy::{ExposeSecret as _, SecretString};

use super::super::BackupError;

/// Longest passphrase, in bytes.
const MAX_BYTES: u64 = 4_096;

fn none(why: impl Into<String>) -> BackupError {
    BackupError::NoPassphrase(why.into())
}

fn prompt(text: &str) -> Result<SecretString, BackupError> {
    let typed = rpassword::prompt_password(text)
        .map_err(|error| none(format!("there is no terminal to ask at ({error}); use --passphrase-fd")))?;
    checked(SecretString::from(typed))
}

fn checked(secret: SecretString) -> Result<SecretString, BackupError> {
    if secret.expose_secret().is_empty() { Err(none("it is empty")) } else { Ok(secret) }
}

/// Asks for the one of a backup.
pub(super) fn ask() -> Result<SecretString, BackupError> {
    prompt("Passphrase of the backup: ")
}

/// Asks for a new one, twice.
pub(super) fn choose() -> Result<SecretString, BackupError> {
    let first = prompt("Passphrase for the backup: ")?;
    let again = prompt("The same once more: ")?;
    if first.expose_secret() == again.expose_secret() {
        Ok(first)
    } else {
        Err(none("the two are not the same"))
    }
}

/// Reads one from an open descriptor: its first line.
pub(super) fn read(fd: u32) -> Result<SecretString, BackupError> {
    // Reached by its name, since only its number is known.
    let file = File::open(format!("/proc/self/fd/{fd}"))
        .map_err(|error| none(format!("descriptor {fd} cannot be read: {error}")))?;
    first_line(file).map_err(|error| none(format!("descriptor {fd}: {error}"))).and_then(checked)
}

fn first_line(file: impl io::Read) -> io::Result<SecretString> {
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("too long for a passphrase"));
    }
    let end = text.find(['\n', '\r']).unwrap_or(text.len());
    text.truncate(end);
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_counts() {
        for (text, secret) in
            [("one", "one"), ("one\n", "one"), ("one two \r\nthree\n", "one two "), ("", "")]
        {
            assert_eq!(first_line(text.as_bytes()).unwrap().expose_secret(), secret);
        }
        assert!(first_line(&[b'x'; 5_000][..]).is_err() && first_line(&b"\xff"[..]).is_err());
        assert!(checked(SecretString::from(String::new())).is_err());
    }
}
