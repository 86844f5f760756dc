//! What of a machine's files is one qube's own.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::{Image, settings};
use crate::{
    machine::{MachineSpec, StartError, VmSpec},
    overlay,
};

/// The initramfs with a qube's settings, in its run directory.
pub const OWN_INITRAMFS: &str = "initramfs";

/// Makes the private volume where it is missing: a file that takes room as it is filled. The guest
/// makes its file system; dom0 never looks into it. One that is there grows to its size, and the guest
/// grows its file system; it never shrinks.
pub fn make_volume(path: &Path, bytes: u64) -> io::Result<()> {
    match File::options().write(true).open(path) {
        Ok(file) if file.metadata()?.len() < bytes => return file.set_len(bytes),
        Ok(_) => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let part = path.with_extension("part");
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.set_len(bytes)?;
    fs::rename(part, path)
}

/// An open volume.
#[derive(Debug)]
pub struct OpenVolume {
    /// All of it, or with a base the overlay.
    pub file: File,
    /// What it shares with clones, only to be read, and how many bytes the overlay is to have at least.
    pub base: Option<(File, u64)>,
}

/// Makes a machine's private volume where it is missing, and opens its files; `None` if it is to have none. An
/// encrypted one was made by whoever has its key. An overlay grows where it is served.
pub fn open_volume(vm: &VmSpec<'_>) -> Result<Option<OpenVolume>, StartError> {
    let Some(volume) = vm.volume else { return Ok(None) };
    let open = |what, path: &Path, write| match File::options().read(true).write(write).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StartError::Missing { what, path: path.to_owned() })
        }
        file => file.map_err(StartError::at("open the private volume")),
    };
    let Some(base) = &volume.base else {
        if vm.key.is_none() {
            make_volume(&volume.file, vm.config.volume).map_err(StartError::at("make the private volume"))?;
        }
        let file = open("its volume", &volume.file, true)?;
        return Ok(Some(OpenVolume { file, base: None }));
    };
    let shared = open("what its volume shares with clones", base, false)?;
    let file = open("its own part of a volume that is shared with clones", &volume.file, true)?;
    let damaged =
        |path: &Path, why: String| StartError::Unable(format!("{} is damaged: {why}", path.display()));
    let expected = overlay::base_of(&file).map_err(|error| damaged(&volume.file, error.to_string()))?;
    let found = shared.metadata().map_err(StartError::at("open the private volume"))?.len();
    if found != expected {
        return Err(damaged(base, format!("it has {found} bytes instead of {expected}")));
    }
    let begins = vm.key.map_or(0, |key| key.layout.offset);
    Ok(Some(OpenVolume { file, base: Some((shared, begins.saturating_add(vm.config.volume))) }))
}

/// Writes the image's initramfs, and behind it what is this qube's own, to [`OWN_INITRAMFS`].
pub fn write_initramfs(spec: &MachineSpec<'_>, image: &Image) -> io::Result<()> {
    let mut file = File::create(spec.run_dir.join(OWN_INITRAMFS))?;
    io::copy(&mut File::open(image.initramfs())?, &mut file)?;
    file.write_all(&settings(spec.name.as_str(), spec.environment)?)
}
