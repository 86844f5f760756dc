//! Making an image: step by step in a folder of its own, put into place at the end.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use transom_protocol::programs::ProgramList;

use super::{
    Image, ImageError, Images, MANIFEST,
    initramfs::Archive,
    manifest::{Manifest, Recipe, Sizes},
    modules, rootfs,
};
use crate::{
    paths,
    store::{PROGRAMS, reason},
};

/// The first program of a qube's kernel, and process 1 after it.
const FIRST: &str = include_str!("guest/initramfs.sh");
const INIT: &str = include_str!("guest/init.sh");
/// The initramfs without the agent.
const BOOT: &str = "boot.cpio";
/// Least free space, in bytes: for packages while they are unpacked, and for the image.
const SPACE: (u64, u64) = (2 << 30, 1 << 30);

/// Process 1 of a guest: a script, with the names of the tools that it is to have.
pub fn init() -> String {
    INIT.replace("@TOOLS@", &super::TOOLS.join(" "))
}

/// Why an image cannot be made: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Something about images on disk.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A program is missing.
    #[error("{program} is missing: install the package {package}")]
    Tool {
        /// The program.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// A program of ours is missing.
    #[error("the agent is missing at {0}: build or install it first")]
    Agent(PathBuf),
    /// The recipe holds something that cannot be.
    #[error("{0}")]
    Recipe(String),
    /// Not enough room.
    #[error("{path} has {free} MiB free, and {needed} MiB are needed: free some space, or set TMPDIR")]
    Space {
        /// Where.
        path: PathBuf,
        /// What is there, in MiB.
        free: u64,
        /// What should be, in MiB.
        needed: u64,
    },
    /// mmdebstrap failed.
    #[error("{0}")]
    Rootfs(String),
    /// The kernel package is not as expected.
    #[error("the kernel cannot be used: {0}")]
    Kernel(String),
    /// Reading or writing failed.
    #[error("cannot {doing} {path}: {}", reason(.source))]
    Io {
        /// At which step.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BuildError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// Programs of ours that go into an image.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The agent.
    pub agent: PathBuf,
    /// The part of the agent that runs as root in the guest, where there is one.
    pub pin: Option<PathBuf>,
    /// The programs by which qubes send each other files and links, where there are some.
    pub services: Option<PathBuf>,
    /// The program that hands a qube's mice and keyboards to dom0, where there is one.
    pub input: Option<PathBuf>,
    /// The program that makes the network what dom0 says, where there is one.
    pub net: Option<PathBuf>,
}

impl Programs {
    /// Those beside the running program or in `PATH`; `agent` instead of the one found there.
    pub fn find(agent: Option<PathBuf>) -> Result<Self, BuildError> {
        let found = agent.or_else(|| paths::find_program("transom-agent"));
        let agent = found.filter(|path| paths::is_program(path));
        let agent = agent.ok_or_else(|| BuildError::Agent("transom-agent".into()))?;
        let other = |name: &str| {
            let beside = Some(agent.with_file_name(name)).filter(|path| paths::is_program(path));
            beside.or_else(|| paths::find_program(name))
        };
        let (pin, services) = (other("transom-pin"), other("transom-services"));
        let (input, net) = (other("transom-input"), other("transom-net"));
        Ok(Self { agent, pin, services, input, net })
    }

    fn version(&self) -> Result<String, BuildError> {
        let failed = BuildError::io("run", &self.agent);
        let output =
            Command::new(&self.agent).arg("--version").stdin(Stdio::null()).output().map_err(failed)?;
        Ok(transom_protocol::text::clean(&output.stdout, 100).trim().to_owned())
    }
}

/// Makes the image `name`; with `replace` in the place of one that is there. `tell` hears each step.
///
/// # Errors
/// See [`BuildError`]. Nothing is left of an image that was not finished.
pub fn build(
    images: &Images,
    name: &str,
    recipe: &Recipe,
    programs: &Programs,
    replace: bool,
    tell: &mut dyn FnMut(&str),
) -> Result<Image, BuildError> {
    recipe.check().map_err(BuildError::Recipe)?;
    if images.path(name)?.exists() && !replace {
        return Err(ImageError::Exists(name.to_owned()).into());
    }
    let agent = programs.version()?;
    let draft = images.draft()?;
    let temp = std::env::temp_dir();
    for (path, needed) in [(temp.as_path(), SPACE.0), (draft.path(), SPACE.1)] {
        check_space(path, needed)?;
    }
    // Beside the draft: what is copied between the two stays on one file system.
    let work = images.draft()?;
    let made = rootfs::make(recipe, &programs.agent, draft.path(), work.path(), tell)?;
    keep_programs(&made.programs, &draft.path().join(PROGRAMS));
    tell("making the initramfs");
    let boot = draft.path().join(BOOT);
    fs::write(&boot, boot_archive(&made.modules, &made.busybox)?).map_err(BuildError::io("write", &boot))?;
    finish(images, draft, name, recipe.clone(), made.release, agent, programs)
}

/// Puts the agent of today into an image, whose root stays as it is.
///
/// # Errors
/// See [`BuildError`].
pub fn replace_agent(images: &Images, name: &str, programs: &Programs) -> Result<Image, BuildError> {
    let old = images.describe(name)?;
    let agent = programs.version()?;
    let draft = images.draft()?;
    for file in ["kernel", "root.erofs", BOOT] {
        // The same file under two names: it is never written to.
        let (from, to) = (old.dir.join(file), draft.path().join(file));
        fs::hard_link(&from, to).map_err(BuildError::io("link", &from))?;
    }
    let (from, to) = (old.dir.join(PROGRAMS), draft.path().join(PROGRAMS));
    if from.exists() {
        fs::hard_link(&from, to).map_err(BuildError::io("link", &from))?;
    }
    finish(images, draft, name, old.manifest.recipe, old.manifest.release, agent, programs)
}

/// Keeps the list of programs that was made in the root. Without one, a qube is known after its first start.
fn keep_programs(made: &Path, to: &Path) {
    let list = fs::read(made).map_err(|error| error.to_string());
    let list = list.and_then(|bytes| ProgramList::decode(&bytes).map_err(|error| error.to_string()));
    if let Err(reason) = list.and_then(|list| fs::write(to, list.encode()).map_err(|error| error.to_string()))
    {
        tracing::warn!(reason, "the image has no list of its programs");
    }
}

/// Joins the initramfs, writes the manifest, and puts the image into place.
fn finish(
    images: &Images,
    draft: tempfile::TempDir,
    name: &str,
    recipe: Recipe,
    release: String,
    agent: String,
    programs: &Programs,
) -> Result<Image, BuildError> {
    let boot = draft.path().join(BOOT);
    let mut initramfs = fs::read(&boot).map_err(BuildError::io("read", &boot))?;
    initramfs.extend(agent_archive(programs)?);
    let write = |file: &str, bytes: &[u8]| {
        let path = draft.path().join(file);
        fs::write(&path, bytes).map_err(BuildError::io("write", &path))
    };
    write("initramfs", &initramfs)?;
    let size = |file: &str| {
        let path = draft.path().join(file);
        let file = fs::File::open(&path).map_err(BuildError::io("open", &path))?;
        // On the disk before the manifest says that it is there.
        file.sync_all()
            .and_then(|()| file.metadata())
            .map(|meta| meta.len())
            .map_err(BuildError::io("write", &path))
    };
    let bytes = Sizes { kernel: size("kernel")?, initramfs: size("initramfs")?, root: size("root.erofs")? };
    write(MANIFEST, &Manifest::new(recipe, release, agent, bytes).write())?;
    images.put(draft, name)?;
    Ok(images.load(name)?)
}

fn check_space(path: &Path, needed: u64) -> Result<(), BuildError> {
    let found = rustix::fs::statvfs(path).map_err(|errno| BuildError::io("look at", path)(errno.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= needed {
        return Ok(());
    }
    Err(BuildError::Space { path: path.to_owned(), free: free >> 20, needed: needed >> 20 })
}

/// busybox, the first program, and the modules that it loads.
fn boot_archive(modules_dir: &Path, busybox: &[u8]) -> Result<Vec<u8>, BuildError> {
    let found = modules::find(modules_dir).map_err(BuildError::io("read", modules_dir))?;
    let read = |name: &str| {
        let path = found.get(name).ok_or_else(|| BuildError::Kernel(format!("it has no module {name}")))?;
        fs::read(path).map_err(BuildError::io("read", path))
    };
    let failed = BuildError::io("make", Path::new("the initramfs"));
    let mut archive = Archive::default();
    let mut lists = Vec::new();
    let mut loaded: Vec<String> = Vec::new();
    let volume = Some(modules::VOLUME).filter(|name| found.contains_key(*name));
    let disk: Vec<&str> = modules::DISK.into_iter().chain(volume).collect();
    for (list, wanted) in [("disk", &disk[..]), ("stream", &modules::STREAM[..])] {
        let depends = |name: &str| {
            let bytes = read(name).map_err(|error| error.to_string())?;
            let asked = modules::asks_for(&bytes, |name| found.contains_key(name));
            Ok(asked.into_iter().chain(modules::depends(&bytes)).collect())
        };
        let mut order = modules::order(wanted, depends).map_err(BuildError::Kernel)?;
        order.retain(|name| !loaded.contains(name));
        lists.push((list, order.iter().flat_map(|name| [name.as_str(), "\n"]).collect::<String>()));
        loaded.extend(order);
    }
    let contents =
        loaded.iter().map(|name| Ok((name, read(name)?))).collect::<Result<Vec<_>, BuildError>>()?;
    let fill = |archive: &mut Archive| {
        for dir in ["bin", "dev", "modules"] {
            archive.dir(dir)?;
        }
        archive.file("bin/busybox", true, busybox)?;
        archive.file("init", true, FIRST.as_bytes())?;
        for (list, text) in &lists {
            archive.file(&format!("modules/{list}"), false, text.as_bytes())?;
        }
        for (name, bytes) in &contents {
            archive.file(&format!("modules/{name}.ko"), false, bytes)?;
        }
        Ok(())
    };
    fill(&mut archive).and_then(|()| archive.finish()).map_err(failed)
}

/// Process 1 and the agent.
fn agent_archive(programs: &Programs) -> Result<Vec<u8>, BuildError> {
    let agent = stripped(&programs.agent)?;
    let pin = programs.pin.as_deref().map(stripped).transpose()?;
    let services = programs.services.as_deref().map(stripped).transpose()?;
    let input = programs.input.as_deref().map(stripped).transpose()?;
    let net = programs.net.as_deref().map(stripped).transpose()?;
    let failed = BuildError::io("make", Path::new("the initramfs"));
    let mut archive = Archive::default();
    let fill = |archive: &mut Archive| {
        archive.dir("transom")?;
        archive.file("transom/init", true, init().as_bytes())?;
        archive.file("transom/transom-agent", true, &agent)?;
        if let Some(pin) = &pin {
            archive.file("transom/transom-pin", true, pin)?;
        }
        if let Some(services) = &services {
            archive.file("transom/transom-services", true, services)?;
        }
        if let Some(input) = &input {
            archive.file("transom/transom-input", true, input)?;
        }
        if let Some(net) = &net {
            archive.file("transom/transom-net", true, net)?;
        }
        Ok(())
    };
    fill(&mut archive).and_then(|()| archive.finish()).map_err(failed)
}

/// A program without what only a debugger reads, where there is a tool for it: it lies in the
/// memory of every qube.
fn stripped(program: &Path) -> Result<Vec<u8>, BuildError> {
    let whole = || fs::read(program).map_err(BuildError::io("read", program));
    let Some(strip) = paths::in_path("strip") else { return whole() };
    let temp = tempfile::NamedTempFile::new().map_err(BuildError::io("write into", &std::env::temp_dir()))?;
    let status = Command::new(strip)
        .arg("-o")
        .arg(temp.path())
        .arg(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => fs::read(temp.path()).map_err(BuildError::io("read", temp.path())),
        _ => whole(),
    }
}
