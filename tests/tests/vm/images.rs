//! The image: made once, kept below `target/vm`, with the agent of today.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Instant,
};

use transom_hypervisor::{image::DEFAULT_NAME, paths};
use transom_tests::process::binary;

/// The folder with the image, or why there is none.
pub(crate) fn kept() -> Result<&'static Path, String> {
    static KEPT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    KEPT.get_or_init(make).as_deref().map_err(Clone::clone)
}

fn make() -> Result<PathBuf, String> {
    for program in ["qemu-system-x86_64", "mmdebstrap", "mkfs.erofs"] {
        paths::in_path(program).ok_or_else(|| format!("{program} is not installed"))?;
    }
    paths::find_program("vhost-device-vsock").ok_or("vhost-device-vsock is not there: run `make vsock`")?;
    let target =
        binary("transom").parent().and_then(Path::parent).map(|dir| dir.join("vm")).ok_or("no target")?;
    let images = target.join("images");
    let begin = Instant::now();
    let there = images.join(DEFAULT_NAME).is_dir();
    let arguments: &[&str] = if there { &["image", "update", "--agent-only"] } else { &["image", "build"] };
    let mut command = Command::new(binary("transom"));
    command.args(arguments).env(paths::DATA_DIR_VAR, &target).stdin(Stdio::null());
    fs::create_dir_all(&target).map_err(|e| e.to_string())?;
    let output = command.output().map_err(|e| e.to_string())?;
    // What is needed is there: that no image comes of it is a fault of ours, and no reason to skip.
    assert!(output.status.success(), "no image could be made: {}", String::from_utf8_lossy(&output.stderr));
    println!("transom {}: {:.1} s", arguments.join(" "), begin.elapsed().as_secs_f64());
    Ok(images)
}
