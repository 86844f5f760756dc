//! `transom qube console`: the log as it grows.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, ErrorKind, Seek as _, SeekFrom, Write},
    mem::MaybeUninit,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use rustix::fs::inotify;
use transom_protocol::text::clean;

/// So much of what was said before is shown, in bytes.
const BEFORE: u64 = 4 * 1024;
/// Longest line shown, in characters.
const MAX_LINE: usize = 4_096;

/// Writes what is in the log and what comes, until `out` takes no more. The log may be set aside for a
/// new one at any time, and need not be there yet.
pub(super) fn follow(path: &Path, out: &mut dyn Write) -> io::Result<()> {
    let dir = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    let changes = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, dir, changes)?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watch, &mut buffer);
    let mut log = open(path)?;
    if let Some(log) = &mut log {
        let length = log.get_ref().metadata()?.len();
        if length > BEFORE {
            log.seek(SeekFrom::Start(length - BEFORE))?;
            log.skip_until(b'\n')?;
        }
    }
    // The part of a line whose end has not come.
    let mut line = Vec::new();
    loop {
        loop {
            // Watched before it is read: nothing is missed between the two.
            if let Some(log) = &mut log {
                while log.read_until(b'\n', &mut line)? > 0 {
                    if line.ends_with(b"\n") {
                        writeln!(out, "{}", clean(&line, MAX_LINE))?;
                        line.clear();
                    }
                }
            }
            if is_at(log.as_ref(), path)? {
                break;
            }
            // Lines end with their file.
            line.clear();
            log = open(path)?;
            if log.is_none() {
                break;
            }
        }
        out.flush()?;
        events.next()?;
    }
}

fn open(path: &Path) -> io::Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// True if this is the file with that name.
fn is_at(log: Option<&BufReader<File>>, path: &Path) -> io::Result<bool> {
    let Some(log) = log else { return Ok(false) };
    let (open, named) = (log.get_ref().metadata()?, fs::metadata(path));
    Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino())))
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    /// Hands lines on; takes no more when nobody hears them.
    struct Lines(mpsc::Sender<String>, Vec<u8>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.extend(bytes);
            if self.1.ends_with(b"\n") {
                let line = String::from_utf8(std::mem::take(&mut self.1)).unwrap();
                self.0.send(line.trim_end().to_owned()).map_err(|_| ErrorKind::BrokenPipe)?;
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_come_as_they_are_written_also_into_the_next_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("console.log");
        let (lines, heard) = mpsc::channel();
        let follower = {
            let path = path.clone();
            thread::spawn(move || follow(&path, &mut Lines(lines, Vec::new())))
        };
        let append = |text: &str| {
            let mut file = File::options().create(true).append(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        append("one\ntw");
        assert_eq!(heard.recv().unwrap(), "one");
        append("o \u{1b}[31mred\n");
        let line = heard.recv().unwrap();
        assert!(line.starts_with("two") && !line.contains('\u{1b}'), "{line}");
        fs::rename(&path, temp.path().join("console.log.1")).unwrap();
        append("three\n");
        assert_eq!(heard.recv().unwrap(), "three");
        drop(heard);
        append("four\n");
        assert_eq!(follower.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn only_the_end_of_what_was_said_before() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("console.log");
        let old: Vec<String> = (0..4_000).map(|n| format!("line {n}")).collect();
        fs::write(&path, old.join("\n") + "\n").unwrap();
        let (lines, heard) = mpsc::channel();
        let follower = thread::spawn({
            let path = path.clone();
            move || follow(&path, &mut Lines(lines, Vec::new()))
        });
        let first = heard.recv().unwrap();
        let at = old.iter().position(|line| *line == first).unwrap();
        assert!((3_000..3_999).contains(&at), "{first}");
        for line in &old[at + 1..] {
            assert_eq!(heard.recv().unwrap(), *line);
        }
        drop(heard);
        fs::write(&path, "more\n".repeat(9_000)).unwrap();
        assert!(follower.join().unwrap().is_err());
    }
}
