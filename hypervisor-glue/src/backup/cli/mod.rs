//! The `transom backup …` command.
//!
//! What it prints of a backup was checked or cleaned: names of files are the qubes' own (rule CLEAN-TEXT).
#![allow(clippy::print_stderr, reason = "this is the command line: notes go beside the output")]

mod secret;
mod watcher;

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use clap::{ArgGroup, Args, Subcommand};
use transom_protocol::supervisor::QubeName;

use self::watcher::Watcher;
use super::{
    Archive, BackupError, House as _, Keys, Lock, Manifest, Output, Restored, Watch as _, create, crypt,
    discard, left_unfinished, restore, verify,
};
use crate::{
    client::{Client, Launch, ensure_running},
    encryption::KEYRING_FILE,
    image::Images,
    paths,
    store::PartKind,
};

/// The name that stands for standard input or output.
const PIPE: &str = "-";

/// Save qubes in one encrypted file, and restore them.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Save halted qubes
    #[command(group(ArgGroup::new("which").required(true).multiple(false).args(["qube", "all"])))]
    #[command(group(ArgGroup::new("lock").required(true).multiple(false).args(["recipient", "passphrase", "passphrase_fd"])))]
    Create {
        /// A qube; once for each
        #[arg(long, value_name = "NAME")]
        qube: Vec<QubeName>,
        /// All qubes
        #[arg(long)]
        all: bool,
        /// Who can read it: a public key of age (age1…); once for each
        #[arg(long, value_name = "KEY", value_parser = crypt::recipient)]
        recipient: Vec<age::x25519::Recipient>,
        /// Whoever knows a passphrase can read it; it is asked for
        #[arg(long)]
        passphrase: bool,
        /// The same, with the passphrase from this open descriptor
        #[arg(long, value_name = "N")]
        passphrase_fd: Option<u32>,
        #[command(flatten)]
        report: Report,
        /// The new file, or - for standard output
        file: PathBuf,
    },
    /// Show what is in a backup
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        unlock: Unlock,
        /// The file, or - for standard input
        file: PathBuf,
    },
    /// Read all of a backup, and say whether it is good
    Verify {
        #[command(flatten)]
        unlock: Unlock,
        #[command(flatten)]
        report: Report,
        /// The file, or - for standard input
        file: PathBuf,
    },
    /// Make qubes of a backup; the same again goes on where it was interrupted
    Restore {
        /// One of its qubes, under its name or a new one; once for each [default: all]
        #[arg(long, value_name = "NAME[=NEW]", value_parser = parse_target)]
        qube: Vec<(QubeName, QubeName)>,
        #[command(flatten)]
        unlock: Unlock,
        #[command(flatten)]
        report: Report,
        /// The file, or - for standard input
        file: PathBuf,
    },
    /// Delete what interrupted restores left
    Discard {
        /// Of which qube [default: of all]
        name: Option<QubeName>,
    },
}

/// What opens a backup.
#[derive(Debug, Args)]
pub struct Unlock {
    /// A file with your secret key of age, where the backup was made for keys; once for each
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    identity: Vec<PathBuf>,
    /// Read the passphrase from this open descriptor instead of asking
    #[arg(long, value_name = "N")]
    passphrase_fd: Option<u32>,
}

/// Who is told how far it is.
#[derive(Debug, Args)]
pub struct Report {
    /// Write how far it is into this open descriptor, a line of JSON each time
    #[arg(long, value_name = "N")]
    progress_fd: Option<u32>,
}

fn parse_target(text: &str) -> Result<(QubeName, QubeName), String> {
    let (from, to) = text.split_once('=').unwrap_or((text, text));
    let name = |text: &str| QubeName::new(text).map_err(|error| error.to_string());
    Ok((name(from)?, name(to)?))
}

/// Runs a command; qubes are those of this person's qubed, which is started if it does not run.
pub fn run(command: BackupCommand) -> Result<(), BackupError> {
    let out = &mut io::stdout();
    match command {
        BackupCommand::Create { qube, all, recipient, passphrase, passphrase_fd, report, file } => {
            let mut output = open_output(&file)?;
            let mut watcher = Watcher::new(report.progress_fd)?;
            let mut client = ensure_running(&Launch::default())?;
            let lock = match passphrase_fd {
                Some(fd) => Lock::Passphrase(secret::read(fd)?),
                None if passphrase => Lock::Passphrase(secret::choose()?),
                None => Lock::Recipients(recipient),
            };
            let qubes = if all { client.qubes()? } else { qube };
            output = create(&mut client, &qubes, lock, output, &mut watcher)?;
            output.finish()?;
            watcher.end();
            Ok(())
        }
        BackupCommand::List { json, unlock, file } => {
            let archive = open(&file, unlock)?;
            let manifest = archive.manifest();
            if json {
                serde_json::to_writer_pretty(&mut *out, manifest)
                    .map_err(io::Error::from)
                    .and_then(|()| writeln!(out))
            } else {
                table(manifest, out)
            }
            .map_err(BackupError::io("write", "the list"))
        }
        BackupCommand::Verify { unlock, report, file } => {
            let mut watcher = Watcher::new(report.progress_fd)?;
            let mut archive = open(&file, unlock)?;
            verify(&mut archive, &mut watcher)?;
            watcher.end();
            let count = archive.manifest().qubes.len();
            writeln!(out, "It is good: {}, each of their files.", qubes(count))
                .map_err(BackupError::io("write", "that it is good"))
        }
        BackupCommand::Restore { qube, unlock, report, file } => {
            let mut watcher = Watcher::new(report.progress_fd)?;
            let mut archive = open(&file, unlock)?;
            let mut client = ensure_running(&Launch::default())?;
            let wanted = (!qube.is_empty()).then_some(&qube[..]);
            let restored = restore(&mut client, &mut archive, wanted, None, &mut watcher);
            watcher.end();
            if let Err(error) = &restored
                && error.can_go_on()
            {
                watcher.note("the same command again goes on with it; `transom backup discard` deletes it");
            }
            tell(&mut client, &restored?, out)
        }
        BackupCommand::Discard { name } => {
            let mut client = ensure_running(&Launch::default())?;
            let dir = paths::data_dir()?.join("qubes");
            let names = match name {
                Some(name) => vec![name],
                None => left_unfinished(&dir)?,
            };
            names.iter().try_for_each(|name| discard(&mut client, &dir, name))
        }
    }
}

fn qubes(count: usize) -> String {
    if count == 1 { "1 qube".to_owned() } else { format!("{count} qubes") }
}

fn open_output(path: &Path) -> Result<Output, BackupError> {
    if path.as_os_str() == PIPE { Output::pipe() } else { Output::file(path) }
}

/// Opens a backup that is to be read.
fn open(path: &Path, unlock: Unlock) -> Result<Archive, BackupError> {
    let keys = if !unlock.identity.is_empty() {
        let mut keys = Vec::new();
        for path in &unlock.identity {
            let text = std::fs::read_to_string(path).map_err(BackupError::io("read", path.display()))?;
            let found = crypt::identities(&text);
            keys.extend(found.map_err(|why| BackupError::Key(format!("{}: {why}", path.display())))?);
        }
        Keys::Identities(keys)
    } else if let Some(fd) = unlock.passphrase_fd {
        Keys::Passphrase(Box::new(move || secret::read(fd)))
    } else {
        Keys::Passphrase(Box::new(secret::ask))
    };
    let plain = if path.as_os_str() == PIPE {
        if io::stdin().is_terminal() {
            return Err(BackupError::Terminal);
        }
        super::open_stream(Box::new(io::stdin()), keys)?
    } else {
        let file = File::open(path).map_err(BackupError::io("read", path.display()))?;
        let regular = file.metadata().is_ok_and(|meta| meta.is_file());
        if regular { super::open_file(file, keys)? } else { super::open_stream(Box::new(file), keys)? }
    };
    Archive::open(plain)
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 10.0 { format!("{value:.1} {}", units[unit]) } else { format!("{value:.0} {}", units[unit]) }
}

fn table(manifest: &Manifest, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "made {} by {}", manifest.made, manifest.by)?;
    let width = manifest.qubes.iter().map(|saved| saved.name.as_str().len()).max().unwrap_or(0).max(4);
    writeln!(out, "{:width$}  {:8}  {:>8}  {:>8}  TEMPLATE", "NAME", "LABEL", "STORED", "SIZE")?;
    for saved in &manifest.qubes {
        let template = saved.template.as_deref().unwrap_or("-");
        let (stored, whole) = (size(saved.bytes()), size(saved.size()));
        writeln!(out, "{:width$}  {:8}  {stored:>8}  {whole:>8}  {template}", saved.name, saved.label)?;
        let parts = saved.parts.iter().map(|part| match part.kind {
            PartKind::Tree => format!("{} ({} files and directories)", part.name, part.entries),
            _ => part.name.clone(),
        });
        writeln!(out, "{:width$}  {}", "", parts.collect::<Vec<_>>().join(", "))?;
    }
    if manifest.qubes.iter().any(|saved| saved.template.is_some()) {
        writeln!(out, "Templates are not in it: `transom image build` makes them.")?;
    }
    Ok(())
}

/// What was restored, and what is still to be done.
fn tell(client: &mut Client, restored: &[Restored], out: &mut dyn Write) -> Result<(), BackupError> {
    let there = client.qubes()?;
    let write = |result: io::Result<()>| result.map_err(BackupError::io("write", "what was restored"));
    for qube in restored {
        let was = if qube.name == qube.from { String::new() } else { format!(" (it was {})", qube.from) };
        let Some(config) = &qube.config else {
            write(writeln!(out, "{}{was}: there already", qube.name))?;
            continue;
        };
        write(writeln!(out, "{}{was}: restored, label {}", qube.name, config.label))?;
        let dir = client.find(&qube.name)?;
        let data = dir.as_deref().and_then(Path::parent).and_then(Path::parent);
        if let (Some(template), Some(data)) = (&config.template, data)
            && Images::new(data).load(template).is_err()
        {
            write(writeln!(
                out,
                "  its template {template} is not here: run `transom image build {template}`"
            ))?;
        }
        if let Some(network) = config.network.as_ref().filter(|network| !there.contains(network)) {
            write(writeln!(out, "  its network: there is no qube {network}"))?;
        }
        if dir.as_deref().is_some_and(moved) {
            write(writeln!(
                out,
                "  its volume is opened by the passphrase of the computer that it came from: take it over with \
                 `transom qube take-over {}`",
                qube.name
            ))?;
        }
        if !config.autostart.is_empty() {
            let programs = config.autostart.len();
            write(writeln!(
                out,
                "  programs that start with it: {programs}; see `transom qube edit {}`",
                qube.name
            ))?;
        }
    }
    Ok(())
}

/// True if the keyring beside a volume is of another computer than this.
fn moved(dir: &Path) -> bool {
    let id = |path: Option<&Path>| luks_id(&path?.join(KEYRING_FILE));
    let here = id(dir.parent().and_then(Path::parent));
    id(Some(dir)).is_some_and(|there| here != Some(there))
}

/// The UUID in the header of a LUKS2 file (LUKS2 On-Disk Format Specification, 2.1), which stays when its
/// passphrase is changed. Only for what a person is told: whoever makes a backup can write what they like.
fn luks_id(path: &Path) -> Option<[u8; 40]> {
    let mut id = [0; 40];
    File::open(path).ok()?.read_exact_at(&mut id, 168).ok()?;
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in [(0, "0.0 KiB"), (1_536, "1.5 KiB"), (20 << 20, "20 MiB"), (3 << 40, "3.0 TiB")]
        {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(5 << 50), "5120 TiB");
    }

    #[test]
    fn targets_are_names() {
        assert_eq!(parse_target("work").unwrap().1.as_str(), "work");
        let (from, to) = parse_target("work=office").unwrap();
        assert_eq!((from.as_str(), to.as_str()), ("work", "office"));
        for bad in ["", "a=", "=a", "a=b=c", "../x"] {
            assert!(parse_target(bad).is_err(), "{bad}");
        }
    }
}
