//! The archives that a qube's kernel unpacks: newc cpio, reproducible.

use std::io;

use cpio::newc::{Builder, trailer};

/// One archive.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    inodes: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.inodes += 1;
        let entry = Builder::new(name).ino(self.inodes).nlink(1).mode(mode).uid(0).gid(0).mtime(0);
        let length = u32::try_from(content.len())
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} is too large")))?;
        let mut writer = entry.write(std::mem::take(&mut self.bytes), length);
        io::Write::write_all(&mut writer, content)?;
        self.bytes = writer.finish()?;
        Ok(())
    }

    /// Adds a folder.
    pub(super) fn dir(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, 0o040_755, &[])
    }

    /// Adds a file, executable or not.
    pub(super) fn file(&mut self, name: &str, executable: bool, content: &[u8]) -> io::Result<()> {
        self.entry(name, if executable { 0o100_755 } else { 0o100_644 }, content)
    }

    /// The archive, of a length that is a multiple of four: another one may follow.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        let mut bytes = trailer(self.bytes)?;
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        Ok(bytes)
    }
}

/// The archive with what is one qube's own: its host name, and the environment of its programs.
/// It goes behind the image's initramfs.
///
/// # Errors
/// If it were larger than an archive can be.
pub fn settings(name: &str, environment: &[(String, String)]) -> io::Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.dir("transom")?;
    archive.file("transom/hostname", false, format!("{name}\n").as_bytes())?;
    archive.file("transom/environment", false, exports(environment).as_bytes())?;
    archive.finish()
}

/// Variables as a shell reads them, whatever is in their values. Names were checked by the store.
fn exports(environment: &[(String, String)]) -> String {
    let line =
        |(name, value): &(String, String)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
    environment.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_the_same_each_time_and_can_be_read() {
        let make = || settings("work", &[("A".into(), "b".into())]).unwrap();
        let bytes = make();
        assert_eq!(bytes, make());
        assert_eq!(bytes.len() % 4, 0);
        let mut input = io::Cursor::new(bytes);
        let mut names = Vec::new();
        loop {
            let reader = cpio::NewcReader::new(input).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            names.push((reader.entry().name().to_owned(), reader.entry().mode()));
            input = reader.finish().unwrap();
        }
        let expected =
            [("transom", 0o040_755), ("transom/hostname", 0o100_644), ("transom/environment", 0o100_644)];
        assert_eq!(names, expected.map(|(name, mode)| (name.to_owned(), mode)));
    }

    #[test]
    fn a_shell_reads_every_value_as_it_is() {
        let value = "a 'b' \"c\" $(d) `e` \\ \n f";
        let script = format!("{}printf %s \"$X\"", exports(&[("X".into(), value.into())]));
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
    }
}
