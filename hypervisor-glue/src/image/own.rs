//! What of a machine's files is one qube's own.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::{Image, settings};
use crate::machine::{MachineSpec, StartError, VmSpec};

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

/// Makes a machine's private volume where it is missing, and opens its file; `None` if it is to have none. An
/// encrypted one was made by whoever has its key.
pub fn open_volume(vm: &VmSpec<'_>) -> Result<Option<File>, StartError> {
    let Some(path) = vm.volume else { return Ok(None) };
    if vm.key.is_none() {
        make_volume(path, vm.config.volume).map_err(StartError::at("make the private volume"))?;
    }
    let file = File::options().read(true).write(true).open(path);
    file.map(Some).map_err(StartError::at("open the private volume"))
}

/// Writes the image's initramfs, and behind it what is this qube's own, to [`OWN_INITRAMFS`].
pub fn write_initramfs(spec: &MachineSpec<'_>, image: &Image) -> io::Result<()> {
    let mut file = File::create(spec.run_dir.join(OWN_INITRAMFS))?;
    io::copy(&mut File::open(image.initramfs())?, &mut file)?;
    file.write_all(&settings(spec.name.as_str(), spec.environment)?)
}
