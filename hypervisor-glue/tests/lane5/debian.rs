//! Debian's packages, fetched and unpacked into `target/vm`; nothing is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// Where packages are kept between runs.
pub(crate) fn cache() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../vm");
    fs::create_dir_all(path.join("debs")).unwrap();
    path.canonicalize().unwrap()
}

fn output(command: &mut Command) -> Result<String, String> {
    let name = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The package that a meta-package stands for.
fn behind(name: &str) -> Result<String, String> {
    let text = output(Command::new("apt-cache").args(["depends", "--important", name]))?;
    let wanted = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    wanted
        .map(str::to_owned)
        .find(|name| name.starts_with("linux-image-"))
        .ok_or_else(|| format!("{name} names no kernel"))
}

/// Tests run beside each other and want the same packages: the first fetches, the others find.
static FETCHING: Mutex<()> = Mutex::new(());

/// A package, unpacked.
pub(crate) fn package(name: &str) -> Result<PathBuf, String> {
    let _turn = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let root = cache().join("root").join(name);
    if root.exists() {
        return Ok(root);
    }
    let debs = cache().join("debs");
    output(Command::new("apt-get").args(["download", name]).current_dir(&debs))?;
    let prefix = format!("{name}_");
    let deb = fs::read_dir(&debs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&prefix))
        .ok_or_else(|| format!("{name} was not fetched"))?;
    // Unpacked beside its place first, so that what is there is whole.
    let half = cache().join("half");
    let _ = fs::remove_dir_all(&half);
    output(Command::new("dpkg").arg("-x").arg(&deb).arg(&half))?;
    fs::create_dir_all(root.parent().unwrap()).unwrap();
    fs::rename(&half, &root).unwrap();
    Ok(root)
}

/// A kernel with its modules.
pub(crate) struct Kernel {
    pub(crate) image: PathBuf,
    modules: PathBuf,
}

impl Kernel {
    /// The kernel that a meta-package stands for.
    pub(crate) fn fetch(meta: &str) -> Result<Self, String> {
        let name = behind(meta)?;
        let root = package(&name)?;
        let version = name.trim_start_matches("linux-image-");
        Ok(Self {
            image: root.join("boot").join(format!("vmlinuz-{version}")),
            modules: root.join("lib/modules").join(version),
        })
    }

    /// A module by its name.
    pub(crate) fn module(&self, name: &str) -> Vec<u8> {
        let found = find(&self.modules, &format!("{name}.ko"));
        fs::read(found.unwrap_or_else(|| panic!("no module {name}"))).unwrap()
    }
}

fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()).find_map(|entry| {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            find(&path, name)
        } else {
            path.file_name().is_some_and(|file| file == name).then_some(path)
        }
    })
}
