//! Services of dom0 that `transom-qubed` has itself: the time, and lists of updates.
//!
//! A call of [`CLOCK`] has no data; the answer is one line, [`time_line`]. The data of a call of [`UPDATES`] is
//! an [`UpdateList`], one line for each package; the answer is the status alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What time it is.
pub const CLOCK: &str = "transom.clock";
/// Which packages of a qube could be newer.
pub const UPDATES: &str = "transom.updates";
/// Most packages of a list.
pub const MAX_UPDATES: usize = 4096;
/// Longest name or version, in bytes.
pub const MAX_WORD: usize = 128;
/// Longest list, in bytes: three words of a line, each with what ends it.
pub const MAX_UPDATES_BYTES: usize = MAX_UPDATES * 3 * (MAX_WORD + 1);

/// Seconds since 1970 in UTC with nine digits behind the point, and the end of the line. `date --date=@…`
/// reads it.
pub fn time_line(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}\n", since.as_secs(), since.subsec_nanos())
}

/// Reads what [`time_line`] writes; `None`: that is something else.
pub fn read_time(untrusted: &[u8]) -> Option<SystemTime> {
    let text = str::from_utf8(untrusted).ok()?.strip_suffix('\n')?;
    let (seconds, nanos) = text.split_once('.')?;
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(seconds, 12) || !digits(nanos, 9) || nanos.len() != 9 {
        return None;
    }
    UNIX_EPOCH.checked_add(Duration::new(seconds.parse().ok()?, nanos.parse().ok()?))
}

/// A package that could be newer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Update {
    /// Its name: printable ASCII without blanks, as all three.
    pub package: String,
    /// The version that is there; `-`: it would be new.
    pub old: String,
    /// The version that there could be.
    pub new: String,
}

/// Packages that could be newer, at most [`MAX_UPDATES`], in the order of their names, none twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateList {
    updates: Vec<Update>,
}

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// More than there may be.
    #[error("a list of more than {MAX_UPDATES} updates, or longer than {MAX_UPDATES_BYTES} bytes")]
    TooMany,
    /// This line, from 1, is no update.
    #[error("line {0} is not a package and two versions")]
    Line(usize),
    /// This line, from 1, is not behind the one before.
    #[error("line {0} is out of order")]
    Order(usize),
}

fn is_word(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl UpdateList {
    /// A list of these, in order; what cannot be in a list, or is more than there may be, is left out.
    pub fn of(updates: impl IntoIterator<Item = Update>) -> Self {
        let fits = |update: &Update| [&update.package, &update.old, &update.new].iter().all(|w| is_word(w));
        let mut updates: Vec<Update> = updates.into_iter().filter(fits).collect();
        updates.sort();
        updates.dedup_by(|a, b| a.package == b.package);
        updates.truncate(MAX_UPDATES);
        Self { updates }
    }

    /// Reads a list that a qube sent, or that dom0 kept.
    ///
    /// # Errors
    /// It is too long or not of the form; nothing of it is kept then.
    pub fn parse(untrusted: &[u8]) -> Result<Self, UpdateError> {
        if untrusted.len() > MAX_UPDATES_BYTES {
            return Err(UpdateError::TooMany);
        }
        let mut updates: Vec<Update> = Vec::new();
        for (number, line) in untrusted.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if number >= MAX_UPDATES {
                return Err(UpdateError::TooMany);
            }
            let wrong = UpdateError::Line(number + 1);
            let line = line.strip_suffix(b"\n").and_then(|line| str::from_utf8(line).ok()).ok_or(wrong)?;
            let words: Vec<&str> = line.split(' ').collect();
            let [package, old, new] = words[..] else { return Err(wrong) };
            if ![package, old, new].into_iter().all(is_word) {
                return Err(wrong);
            }
            if updates.last().is_some_and(|last| last.package.as_str() >= package) {
                return Err(UpdateError::Order(number + 1));
            }
            let [package, old, new] = [package, old, new].map(str::to_owned);
            updates.push(Update { package, old, new });
        }
        Ok(Self { updates })
    }

    /// The list as it is sent and kept.
    pub fn encode(&self) -> Vec<u8> {
        let line = |update: &Update| format!("{} {} {}\n", update.package, update.old, update.new);
        self.updates.iter().map(line).collect::<String>().into_bytes()
    }

    /// All of it.
    pub fn updates(&self) -> &[Update] {
        &self.updates
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times() {
        let some = UNIX_EPOCH + Duration::new(1_700_000_000, 7);
        assert_eq!(time_line(some), "1700000000.000000007\n");
        assert_eq!(read_time(b"1700000000.000000007\n"), Some(some));
        for bad in
            ["", "\n", "1\n", "1.5\n", "-1.000000000\n", "1.00000000x\n", "+1.000000000\n", "1.000000000"]
        {
            assert_eq!(read_time(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(read_time(format!("{}.000000000\n", u64::MAX).as_bytes()), None);
    }

    #[test]
    fn what_is_no_list_is_said() {
        let cases: [(&[u8], UpdateError); 9] = [
            (b"foot 1 2", UpdateError::Line(1)),
            (b"\n", UpdateError::Line(1)),
            (b"foot 1\n", UpdateError::Line(1)),
            (b"foot 1 2 3\n", UpdateError::Line(1)),
            (b"a 1 2\nfoot  2\n", UpdateError::Line(2)),
            (b"a 1 \x1b[2J\n", UpdateError::Line(1)),
            (b"a 1 \xc3\xa9\n", UpdateError::Line(1)),
            (b"b 1 2\na 1 2\n", UpdateError::Order(2)),
            (b"a 1 2\na 1 3\n", UpdateError::Order(2)),
        ];
        for (bytes, error) in cases {
            assert_eq!(UpdateList::parse(bytes), Err(error), "{bytes:?}");
        }
        let many: Vec<String> = (0..=MAX_UPDATES).map(|n| format!("p{n:05} 1 2\n")).collect();
        let many = many.concat();
        assert_eq!(UpdateList::parse(many.as_bytes()), Err(UpdateError::TooMany));
        assert_eq!(UpdateList::parse(&vec![b'a'; MAX_UPDATES_BYTES + 1]), Err(UpdateError::TooMany));
        assert_eq!(UpdateList::parse(b"").unwrap().updates(), []);
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof!["[!-~]{1,12}", "[ -\u{fff}]{0,4}", Just("x".repeat(MAX_WORD + 1))]
    }

    proptest! {
        /// What is made of any words comes back as it was.
        #[test]
        fn lists_come_back(words in proptest::collection::vec((word(), word(), word()), 0..40)) {
            let list = UpdateList::of(words.into_iter().map(|(package, old, new)| Update { package, old, new }));
            prop_assert_eq!(UpdateList::parse(&list.encode()).unwrap(), list);
        }

        /// Any bytes are a list that says the same again, or none.
        #[test]
        fn any_bytes(untrusted in proptest::collection::vec(prop_oneof![
            5 => Just(b' '), 3 => Just(b'\n'), 10 => b'a'..b'd', 1 => any::<u8>()
        ], 0..80)) {
            if let Ok(list) = UpdateList::parse(&untrusted) {
                prop_assert_eq!(list.encode(), untrusted.clone());
            }
            let _ = read_time(&untrusted);
        }
    }
}
