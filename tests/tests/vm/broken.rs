//! What is missing or broken is said in one line, and the desktop goes on.

use std::{fs, io::Write as _, path::PathBuf};

use super::{images, lab::Lab};

/// Replaces the folder of images by one of our own with the same image, to break it.
fn own_image(lab: &Lab) -> PathBuf {
    let images = lab.data().join("images");
    fs::remove_file(&images).unwrap();
    let own = images.join("debian-12");
    fs::create_dir_all(&own).unwrap();
    for file in ["kernel", "initramfs", "root.erofs", "image.json"] {
        fs::hard_link(images::kept().unwrap().join("debian-12").join(file), own.join(file)).unwrap();
    }
    own
}

/// Another content for a file; the kept image has the old one.
fn replace(path: &PathBuf, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

fn refusal(lab: &Lab) -> String {
    let output = lab.house.run(&["qube", "start", "work"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert_eq!(said.lines().count(), 1, "one line: {said}");
    said
}

#[test]
fn a_damaged_image_is_named_before_anything_starts() {
    let Some(mut lab) = Lab::new() else { return };
    lab.house.start_desktop();
    lab.create("work", "blue", "memory \"512MiB\"");
    let own = own_image(&lab);
    let root = fs::read(own.join("root.erofs")).unwrap();
    replace(&own.join("root.erofs"), &root[..root.len() / 2]);
    let said = refusal(&lab);
    assert!(said.contains("root.erofs has") && said.contains("transom image update"), "{said}");
    fs::remove_file(own.join("kernel")).unwrap();
    assert!(refusal(&lab).contains("kernel"));
    fs::remove_dir_all(&own).unwrap();
    let said = refusal(&lab);
    assert!(said.contains("transom image build debian-12"), "{said}");
    let info = lab.house.run(&["qube", "info", "work"]);
    let info = String::from_utf8_lossy(&info.stdout);
    assert!(info.contains("qemu") && info.contains("transom image build"), "{info}");
    lab.house.state();
}

#[test]
fn memory_that_is_not_there_is_refused() {
    let Some(lab) = Lab::new() else { return };
    lab.create("work", "blue", "memory \"64GiB\"");
    let free = fs::read_to_string("/proc/meminfo").unwrap();
    let free: u64 = free
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:")?.trim().split(' ').next()?.parse().ok())
        .unwrap();
    if free > 64 << 20 {
        println!("SKIP this computer has 64 GiB free");
        return;
    }
    let said = refusal(&lab);
    assert!(said.contains("65536 MiB") && said.contains("are free"), "{said}");
}

#[test]
fn a_root_without_a_file_system_ends_the_machine_with_a_reason() {
    let Some(lab) = Lab::new() else { return };
    lab.create("work", "blue", "memory \"512MiB\"");
    let root = own_image(&lab).join("root.erofs");
    let bytes = fs::metadata(&root).unwrap().len();
    fs::remove_file(&root).unwrap();
    fs::File::create(&root).unwrap().set_len(bytes).unwrap();
    let said = refusal(&lab);
    assert!(said.contains("gave up") && said.contains("qube log work"), "{said}");
    assert!(lab.log("work").contains("the image is damaged"), "{}", lab.log("work"));
}

#[test]
fn a_panic_of_the_kernel_is_seen() {
    let Some(lab) = Lab::new() else { return };
    lab.create("work", "blue", "memory \"512MiB\"");
    let own = own_image(&lab);
    // The last archive of an initramfs wins.
    let script = b"#!/bin/busybox sh\n\
        b=/bin/busybox\n\
        $b mkdir -p /proc\n\
        $b mount -t proc proc /proc\n\
        while read -r m; do $b insmod /modules/$m.ko; done < /modules/disk\n\
        echo c > /proc/sysrq-trigger\n";
    let entry = cpio::newc::Builder::new("init").mode(0o100_755).nlink(1);
    let mut writer = entry.write(fs::read(own.join("initramfs")).unwrap(), script.len() as u32);
    writer.write_all(script).unwrap();
    let mut bytes = cpio::newc::trailer(writer.finish().unwrap()).unwrap();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    replace(&own.join("initramfs"), &bytes);
    let manifest = own.join("image.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    value["bytes"]["initramfs"] = bytes.len().into();
    replace(&manifest, value.to_string().as_bytes());
    let said = refusal(&lab);
    assert!(said.contains("the kernel in it panicked"), "{said}\n{}", lab.log("work"));
}
