//! The image: kept below `target/vm`, with the agent of today; made anew when what makes it changes.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Instant,
};

use transom_hypervisor::{image::DEFAULT_NAME, paths};
use transom_tests::process::binary;

use super::lab::Lab;

/// What makes an image, besides the agent.
const MAKER: [&str; 5] = [
    include_str!("../../../hypervisor-glue/src/image/guest/initramfs.sh"),
    include_str!("../../../hypervisor-glue/src/image/guest/pack.sh"),
    include_str!("../../../hypervisor-glue/src/image/manifest.rs"),
    include_str!("../../../hypervisor-glue/src/image/modules.rs"),
    include_str!("../../../hypervisor-glue/src/image/rootfs.rs"),
];

/// The name of an image whose kernel has drivers of real devices.
pub(crate) const DRIVERS: &str = "drivers";

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
    make_one(&target, DEFAULT_NAME, &[])?;
    Ok(target.join("images"))
}

/// The image [`DRIVERS`], made beside the usual one.
pub(crate) fn with_drivers() -> &'static str {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let target = kept().ok().and_then(Path::parent).expect("the usual image");
        let recipe = ["--kernel", "linux-image-amd64", "--packages", "kmod"];
        make_one(target, DRIVERS, &recipe).expect("an image");
    });
    DRIVERS
}

/// Makes an image where it is missing or was made in another way, and puts today's agent into it.
fn make_one(target: &Path, name: &str, recipe: &[&str]) -> Result<(), String> {
    let image = target.join("images").join(name);
    let begin = Instant::now();
    let made_by = target.join(format!("{name}-made-by"));
    let same = fs::read_to_string(&made_by).is_ok_and(|text| text == MAKER.concat());
    if image.is_dir() && !same {
        // By the recipe of today, not by its own.
        fs::remove_dir_all(&image).map_err(|e| e.to_string())?;
    }
    let arguments: Vec<&str> = if image.is_dir() {
        vec!["image", "update", "--agent-only", name]
    } else {
        ["image", "build", name].iter().chain(recipe).copied().collect()
    };
    let mut command = Command::new(binary("transom"));
    command.args(&arguments).env(paths::DATA_DIR_VAR, target).stdin(Stdio::null());
    fs::create_dir_all(target).map_err(|e| e.to_string())?;
    let output = command.output().map_err(|e| e.to_string())?;
    // What is needed is there: that no image comes of it is a fault of ours, and no reason to skip.
    assert!(output.status.success(), "no image could be made: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(made_by, MAKER.concat()).map_err(|e| e.to_string())?;
    println!("transom {}: {:.1} s", arguments.join(" "), begin.elapsed().as_secs_f64());
    Ok(())
}

/// An image of the lab's own with the files of the kept one, to be changed; the kept one stays beside
/// it, unless it has the same name.
pub(crate) fn own(lab: &Lab, name: &str) -> PathBuf {
    own_of(lab, DEFAULT_NAME, name)
}

/// The same of another image.
pub(crate) fn own_of(lab: &Lab, image: &str, name: &str) -> PathBuf {
    let images = lab.data().join("images");
    if let Ok(kept) = fs::read_link(&images) {
        fs::remove_file(&images).unwrap();
        fs::create_dir(&images).unwrap();
        for image in fs::read_dir(kept).unwrap().map(|entry| entry.unwrap()) {
            symlink(image.path(), images.join(image.file_name())).unwrap();
        }
    }
    let kept = images.join(image).canonicalize().unwrap();
    let own = images.join(name);
    if name == image {
        fs::remove_file(&own).unwrap();
    }
    fs::create_dir(&own).unwrap();
    for file in fs::read_dir(kept).unwrap().map(|entry| entry.unwrap()) {
        // Another file system may hold the kept one.
        let copy = own.join(file.file_name());
        fs::hard_link(file.path(), &copy).or_else(|_| symlink(file.path(), &copy)).unwrap();
    }
    own
}

/// Another content for a file; the kept image has the old one.
pub(crate) fn replace(path: &Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

/// Puts programs into the first file system of an own image, over what is there: the last archive of
/// an initramfs wins.
pub(crate) fn add_to_initramfs(own: &Path, programs: &[(&str, &[u8])]) {
    let path = own.join("initramfs");
    let mut bytes = fs::read(&path).unwrap();
    for (name, program) in programs {
        let entry = cpio::newc::Builder::new(name).mode(0o100_755).nlink(1);
        let mut writer = entry.write(bytes, program.len() as u32);
        writer.write_all(program).unwrap();
        bytes = writer.finish().unwrap();
    }
    bytes = cpio::newc::trailer(bytes).unwrap();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    replace(&path, &bytes);
    let manifest = own.join("image.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    value["bytes"]["initramfs"] = bytes.len().into();
    replace(&manifest, value.to_string().as_bytes());
}
