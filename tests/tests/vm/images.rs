//! The image: kept below `target/vm`, with the agent of today; made anew when what makes it changes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Instant,
};

use transom_hypervisor::{image::DEFAULT_NAME, paths};
use transom_tests::process::binary;

/// What makes an image, besides the agent.
const MAKER: [&str; 5] = [
    include_str!("../../../hypervisor-glue/src/image/guest/initramfs.sh"),
    include_str!("../../../hypervisor-glue/src/image/guest/pack.sh"),
    include_str!("../../../hypervisor-glue/src/image/manifest.rs"),
    include_str!("../../../hypervisor-glue/src/image/modules.rs"),
    include_str!("../../../hypervisor-glue/src/image/rootfs.rs"),
];

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
    let made_by = target.join("image-made-by");
    let same = fs::read_to_string(&made_by).is_ok_and(|text| text == MAKER.concat());
    let arguments: &[&str] = match (images.join(DEFAULT_NAME).is_dir(), same) {
        (false, _) => &["image", "build"],
        (true, true) => &["image", "update", "--agent-only"],
        (true, false) => {
            // By the recipe of today, not by its own.
            fs::remove_dir_all(images.join(DEFAULT_NAME)).map_err(|e| e.to_string())?;
            &["image", "build"]
        }
    };
    let mut command = Command::new(binary("transom"));
    command.args(arguments).env(paths::DATA_DIR_VAR, &target).stdin(Stdio::null());
    fs::create_dir_all(&target).map_err(|e| e.to_string())?;
    let output = command.output().map_err(|e| e.to_string())?;
    // What is needed is there: that no image comes of it is a fault of ours, and no reason to skip.
    assert!(output.status.success(), "no image could be made: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(made_by, MAKER.concat()).map_err(|e| e.to_string())?;
    println!("transom {}: {:.1} s", arguments.join(" "), begin.elapsed().as_secs_f64());
    Ok(images)
}
