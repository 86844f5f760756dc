//! What is missing or broken is said in one line, and the desktop goes on.

use std::fs;

use super::{
    images::{add_to_initramfs, own, replace},
    lab::Lab,
};

fn refusal(lab: &Lab) -> String {
    lab.unlocked();
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
    let own = own(&lab, "debian-12");
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
    let root = own(&lab, "debian-12").join("root.erofs");
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
    let own = own(&lab, "debian-12");
    let script = b"#!/bin/busybox sh\n\
        b=/bin/busybox\n\
        $b mkdir -p /proc\n\
        $b mount -t proc proc /proc\n\
        while read -r m; do $b insmod /modules/$m.ko; done < /modules/disk\n\
        echo c > /proc/sysrq-trigger\n";
    add_to_initramfs(&own, &[("init", script)]);
    let said = refusal(&lab);
    assert!(said.contains("the kernel in it panicked"), "{said}\n{}", lab.log("work"));
}
