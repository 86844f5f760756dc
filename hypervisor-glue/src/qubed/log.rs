//! What a qube's console says, in a file of bounded size.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use transom_protocol::text::clean;

/// A file longer than this is set aside, in bytes; there are two at most.
const MAX_FILE: u64 = 512 * 1024;
/// Longest line, in bytes; longer ones are broken.
const MAX_LINE: usize = 2_048;
/// Most of a log that goes into an answer, in bytes. JSON may need twice as much.
const MAX_TAIL: u64 = 24 * 1024;
/// The file's name.
const NAME: &str = "console.log";

/// The log of one run of a qube.
#[derive(Debug)]
pub(super) struct QubeLog {
    path: PathBuf,
    /// `None` after writing has failed: a full disk costs the log, not the qube.
    file: Option<File>,
    size: u64,
    partial: Vec<u8>,
}

/// Where the log in this directory is.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

impl QubeLog {
    /// Goes on with the log in `dir`.
    pub(super) fn open(dir: &Path) -> Self {
        let mut log = Self { path: path(dir), file: None, size: 0, partial: Vec::new() };
        let opened = log.reopen();
        log.check(opened);
        log
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = File::options().create(true).append(true).open(&self.path)?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    fn check(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::warn!(path = %self.path.display(), %error, "a qube's log cannot be written");
            self.file = None;
        }
    }

    /// Takes what came from the console and gives the lines that are complete, cleaned.
    pub(super) fn feed(&mut self, untrusted: &[u8], now: SystemTime) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in untrusted {
            if *byte != b'\n' {
                self.partial.push(*byte);
            }
            if *byte == b'\n' || self.partial.len() >= MAX_LINE {
                lines.extend(self.take_line(now));
            }
        }
        lines
    }

    /// The last line, if it did not end.
    pub(super) fn finish(&mut self, now: SystemTime) -> Option<String> {
        self.take_line(now)
    }

    fn take_line(&mut self, now: SystemTime) -> Option<String> {
        let line = clean(&self.partial, MAX_LINE);
        self.partial.clear();
        if line.is_empty() {
            return None;
        }
        self.write("agent", &line, now);
        Some(line)
    }

    /// Writes a line of qubed itself. No qube can make a line that looks like it.
    pub(super) fn note(&mut self, line: &str, now: SystemTime) {
        self.write("qubed", line, now);
    }

    fn write(&mut self, who: &str, line: &str, now: SystemTime) {
        let line = format!("{} {who}: {line}\n", timestamp(now));
        let result = self.append(line.as_bytes());
        self.check(result);
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.size + line.len() as u64 > MAX_FILE {
            self.file = None;
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            self.reopen()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(line)?;
        self.size += line.len() as u64;
        Ok(())
    }
}

/// The last lines of the log in `dir`.
pub(super) fn tail(dir: &Path) -> io::Result<Vec<String>> {
    let mut file = match File::open(path(dir)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let size = file.metadata()?.len();
    let skipped = size.saturating_sub(MAX_TAIL);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(MAX_TAIL).read_to_end(&mut bytes)?;
    // The first line may have lost its beginning.
    let whole = usize::from(skipped != 0);
    let lines = bytes.split(|byte| *byte == b'\n').skip(whole);
    // Cleaned again: a person may have edited the file.
    Ok(lines.map(|line| clean(line, MAX_LINE + 64)).filter(|line| !line.is_empty()).collect())
}

/// `2026-01-31T12:34:56Z`.
fn timestamp(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, so that a leap day is the last day of its year.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn timestamps() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(at(seconds)), text);
        }
    }

    #[test]
    fn lines_are_cleaned_and_marked() {
        let temp = tempfile::tempdir().unwrap();
        let mut log = QubeLog::open(temp.path());
        assert_eq!(log.feed(b"one\n\x1b[31mt", at(0)), ["one"]);
        assert_eq!(log.feed(b"wo\xff\r\n\n2026 qubed: fake\nrest", at(1)).len(), 2);
        log.note("started", at(2));
        assert_eq!(log.finish(at(3)).as_deref(), Some("rest"));
        let lines = tail(temp.path()).unwrap();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0], "1970-01-01T00:00:00Z agent: one");
        assert!(!lines[1].contains('\x1b') && lines[1].contains("two"));
        assert_eq!(lines[2], "1970-01-01T00:00:01Z agent: 2026 qubed: fake");
        assert_eq!(lines[3], "1970-01-01T00:00:02Z qubed: started");
    }

    #[test]
    fn its_size_is_bounded() {
        let temp = tempfile::tempdir().unwrap();
        let mut log = QubeLog::open(temp.path());
        for _ in 0..400 {
            log.feed(&[b'x'; 8 * 1024], at(0));
        }
        assert!(log.partial.len() < MAX_LINE);
        let sizes: Vec<u64> =
            fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size <= MAX_FILE), "{sizes:?}");
        let tail: usize = tail(temp.path()).unwrap().iter().map(String::len).sum();
        assert!(tail > 1_000 && tail as u64 <= MAX_TAIL);
    }

    #[test]
    fn without_a_log_the_qube_goes_on() {
        let temp = tempfile::tempdir().unwrap();
        let mut log = QubeLog::open(&temp.path().join("missing"));
        assert_eq!(log.feed(b"line\n", at(0)), ["line"]);
        assert_eq!(tail(&temp.path().join("missing")).unwrap(), Vec::<String>::new());
    }
}
