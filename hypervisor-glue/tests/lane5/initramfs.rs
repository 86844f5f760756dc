//! Writes initramfs archives (cpio, "newc"), and finds what a program needs to run in one.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::debian::Kernel;

/// An archive.
pub(crate) struct Initramfs {
    bytes: Vec<u8>,
    directories: BTreeSet<PathBuf>,
    count: u32,
}

impl Initramfs {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), directories: BTreeSet::new(), count: 0 }
    }

    /// Adds a file, and the directories that it lies in.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        let parent = Path::new(path).parent().unwrap();
        let parents: Vec<_> = parent.ancestors().filter(|path| path.as_os_str() != "/").collect();
        for directory in parents.into_iter().rev() {
            self.directory(directory.to_str().unwrap());
        }
        self.entry(path, 0o100_000 | mode, content);
    }

    pub(crate) fn directory(&mut self, path: &str) {
        if self.directories.insert(PathBuf::from(path)) {
            self.entry(path, 0o040_755, b"");
        }
    }

    /// Adds a program without its debug information, and its libraries.
    pub(crate) fn program(&mut self, path: &str, from: &Path) {
        let stripped = tempfile::NamedTempFile::new().unwrap();
        let done = Command::new("strip").arg("-o").arg(stripped.path()).arg(from).status().unwrap();
        assert!(done.success(), "strip {}", from.display());
        self.file(path, 0o755, &fs::read(stripped.path()).unwrap());
        let text = Command::new("ldd").arg(from).output().unwrap().stdout;
        for line in String::from_utf8_lossy(&text).lines() {
            let library = line.split_whitespace().find(|word| word.starts_with('/'));
            if let Some(library) = library.filter(|library| self.directories.insert(PathBuf::from(library))) {
                self.file(library, 0o755, &fs::read(library).unwrap());
            }
        }
    }

    /// Adds BusyBox and modules of a kernel, and gives the beginning of the machine's first program,
    /// which loads them in this order, each with its parameters. `$b` is BusyBox in it.
    pub(crate) fn begin<'a>(
        &mut self,
        busybox: &[u8],
        kernel: &Kernel,
        modules: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> String {
        self.file("/bin/busybox", 0o755, busybox);
        for directory in ["/proc", "/sys", "/dev"] {
            self.directory(directory);
        }
        let mut script = String::from(
            "#!/bin/busybox sh\n\
             b=/bin/busybox\n\
             $b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev\n",
        );
        for (name, parameters) in modules {
            self.file(&format!("/modules/{name}.ko"), 0o644, &kernel.module(name));
            let line = format!("$b insmod /modules/{name}.ko {parameters} || echo no module {name}\n");
            script.push_str(&line);
        }
        script
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        let name = path.trim_start_matches('/');
        self.count += 1;
        let numbers =
            [self.count, mode, 0, 0, 1, 0, content.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        write!(self.bytes, "070701").unwrap();
        for number in numbers {
            write!(self.bytes, "{number:08x}").unwrap();
        }
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The whole archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, b"");
        self.bytes
    }
}
