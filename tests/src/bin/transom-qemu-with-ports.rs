//! QEMU with a USB controller for `sys-usb`, and a control socket for the person at its ports: `door`,
//! beside this program. Other machines are as always.

use std::{ffi::OsString, os::unix::process::CommandExt as _, process::Command};

/// The real one.
const QEMU: &str = "/usr/bin/qemu-system-x86_64";

fn main() -> std::io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let has_ports = arguments.windows(2).any(|pair| pair[0] == "-name" && pair[1] == "sys-usb");
    let mut command = Command::new(QEMU);
    command.args(&arguments);
    if has_ports {
        let door = std::env::current_exe()?.with_file_name("door");
        let door = format!("socket,id=door,path={},server=on,wait=off", door.display());
        command.args(["-device", "qemu-xhci,id=usb", "-chardev", &door, "-mon", "chardev=door,mode=control"]);
    }
    Err(command.exec())
}
