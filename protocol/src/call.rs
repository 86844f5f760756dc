//! A service call: one stream between a qube and `transom-qubed`, for as long as the call lasts.
//!
//! The same framing as the window protocol, a table of its own. Whoever calls sends [`CallUp::Call`]
//! first; whoever serves, told by [`crate::service::ToAgent::Serve`], sends [`CallUp::Accept`] first.
//! Once a call is allowed both ends say the same: data, its end, and from the serving end how the
//! service ended. `transom-qubed` hands all of it from one stream to the other and reads none of it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use zerocopy::little_endian::{I32, U16};

use crate::{
    supervisor::{DOM0, NameError, QubeName},
    types::{strings, wire_type},
    wire::{self, Direction, Raw, Tail, WireError, messages},
};

/// Newest version of the call protocol.
pub const CALL_VERSION: u16 = 1;
/// Longest name of a service, in bytes.
pub const MAX_SERVICE: usize = 63;
/// Longest argument of a call, in bytes.
pub const MAX_ARGUMENT: usize = 64;
/// Longest description of a call in the words of the caller, in bytes.
pub const MAX_DESCRIPTION: usize = 512;
/// Most bytes of data in one message.
pub const MAX_DATA: usize = 64 * 1_024;
/// Longest name of a target, in bytes.
const MAX_TARGET: usize = 64;
/// Service, target, argument and description, each with a zero byte.
const MAX_CALL: usize = MAX_SERVICE + MAX_TARGET + MAX_ARGUMENT + MAX_DESCRIPTION + 4;

/// Names a call to the one who may serve it; nobody can guess it.
pub type Token = [u8; 16];

wire_type! {
    /// See [`CallUp::Call`]; service, target, argument and description follow, each ended by a zero byte.
    pub struct Call {
        /// [`crate::MAGIC`].
        pub magic: [u8; 8],
        /// Newest version of this protocol the caller speaks; 1.
        pub version: U16,
    }

    /// See [`CallUp::Accept`].
    pub struct Accept {
        /// [`crate::MAGIC`].
        pub magic: [u8; 8],
        /// The token of the request to serve.
        pub token: [u8; 16],
    }

    /// See [`CallUp::Exited`] and [`CallDown::Exited`].
    pub struct Ended {
        /// Exit status of the service, 0 to 255.
        pub code: I32,
    }
}

impl Tail for Call {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        let Some([service, target, argument, description]) = parts(tail) else { return false };
        is_service(service)
            && (target.is_empty() || Target::new(target).is_ok())
            && is_argument(argument)
            && description.len() <= MAX_DESCRIPTION
    }
}

fn parts(tail: &[u8]) -> Option<[&str; 4]> {
    strings(tail, 4)?.try_into().ok()
}

impl<'a> wire::With<'a, Call> {
    /// Name of the service, checked by [`is_service`].
    pub fn service(&self) -> &'a str {
        self.part(0)
    }

    /// What the caller wishes to reach; `None`: the person chooses.
    pub fn target(&self) -> Option<Target> {
        Target::new(self.part(1)).ok()
    }

    /// The argument, checked by [`is_argument`].
    pub fn argument(&self) -> &'a str {
        self.part(2)
    }

    /// What the caller says that it is about. It says what it likes: clean it before it is shown.
    pub fn untrusted_description(&self) -> &'a str {
        self.part(3)
    }

    fn part(&self, index: usize) -> &'a str {
        parts(self.tail).map_or("", |parts| parts[index])
    }
}

/// True for the name of a service: `[a-z][a-z0-9.-]{0,62}`, without two dots in a row or one at the end.
///
/// It is safe as a file name and on the screen.
pub fn is_service(text: &str) -> bool {
    text.len() <= MAX_SERVICE
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
        && !text.ends_with('.')
        && !text.contains("..")
}

/// True for an argument: up to 64 of `a-z A-Z 0-9 . _ - +`, not beginning with `-`; or nothing.
///
/// It is safe as one argument of a program, in a file name and on the screen.
pub fn is_argument(text: &str) -> bool {
    text.len() <= MAX_ARGUMENT
        && !text.starts_with(['-', '.'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
}

/// Whom a call may reach.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// A qube.
    Qube(QubeName),
    /// A new qube that goes when the service has ended.
    Disposable,
    /// The trusted side.
    Dom0,
}

/// Who calls a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Caller {
    /// A program in a qube.
    Qube(QubeName),
    /// The person, by a program of the trusted side.
    Dom0,
}

impl Caller {
    /// Reads a qube's name, or `dom0`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text == DOM0 { Ok(Self::Dom0) } else { QubeName::new(text).map(Self::Qube) }
    }

    /// As it is written: also safe as a file name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Qube(name) => name.as_str(),
            Self::Dom0 => DOM0,
        }
    }

    /// The qube, if it is one.
    pub fn qube(&self) -> Option<&QubeName> {
        match self {
            Self::Qube(name) => Some(name),
            Self::Dom0 => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a disposable is written.
pub const DISPOSABLE: &str = "@disposable";

impl Target {
    /// Reads a qube's name, `@disposable` or `dom0`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        match text {
            DISPOSABLE => Ok(Self::Disposable),
            DOM0 => Ok(Self::Dom0),
            name => QubeName::new(name).map(Self::Qube),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Qube(name) => name.as_str(),
            Self::Disposable => DISPOSABLE,
            Self::Dom0 => DOM0,
        }
    }

    /// The qube, if it is one that has a name.
    pub fn qube(&self) -> Option<&QubeName> {
        match self {
            Self::Qube(name) => Some(name),
            Self::Disposable | Self::Dom0 => None,
        }
    }
}

impl FromStr for Target {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Target {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.as_str().to_owned()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

messages! {
    /// From a qube to qubed.
    pub enum CallUp: ToDom0, CALL_UP;

    0x0201 Call (tail Call, MAX_CALL) "First message of a caller: service, wished target (empty: the person chooses), argument, and what it is about in the caller's words. Checked: magic, version, and the form of each; then policy decides, and perhaps the person.";
    0x0202 Accept (fixed Accept) "First message of the serving end. Checked: this qube was asked to serve a call with this token, which nobody serves yet.";
    0x0203 Data (bytes MAX_DATA) "Bytes for the other end. Checked: the call is allowed and this direction has not ended; not empty.";
    0x0204 End (unit) "This end sends no more data. Checked: as Data.";
    0x0205 Exited (fixed Ended) "The service has ended. Checked: only the serving end says it, once, with a status of 0 to 255; nothing follows.";
}

messages! {
    /// From qubed to a qube.
    pub enum CallDown: ToQube, CALL_DOWN;

    0x8201 Allowed (unit) "The call is open at both ends: data may flow.";
    0x8202 Refused (unit) "It is not, and why is not said. The stream is closed.";
    0x8203 Data (bytes MAX_DATA) "Bytes from the other end.";
    0x8204 End (unit) "The other end sends no more data.";
    0x8205 Exited (fixed Ended) "The service has ended with this status. The stream is closed. A stream that closes without it has lost its other end.";
}

/// Looks at the front of `buf` for one message from a qube. See [`wire::next`].
pub fn next_call_up(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, CALL_UP, Direction::ToDom0)
}

/// Looks at the front of `buf` for one message from qubed. See [`wire::next`].
pub fn next_call_down(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, CALL_DOWN, Direction::ToQube)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::join_strings;

    fn read(strings: &[&str]) -> bool {
        let head = Call { magic: crate::MAGIC, version: CALL_VERSION.into() };
        head.tail_ok(&join_strings(strings.iter().copied()))
    }

    #[test]
    fn the_form_of_a_call_is_checked() {
        assert!(read(&["transom.copy", "vault", "", "report.pdf"]));
        assert!(read(&["a", "", "x_1+y.z-", ""]));
        assert!(read(&["a", "@disposable", "", ""]));
        for bad in [
            ["", "", "", ""],
            ["Copy", "", "", ""],
            ["a/b", "", "", ""],
            ["a..b", "", "", ""],
            ["a.", "", "", ""],
            [".a", "", "", ""],
            ["-a", "", "", ""],
            ["a", "@anything", "", ""],
            ["a", "../work", "", ""],
            ["a", "", "-rf", ""],
            ["a", "", "..", ""],
            ["a", "", "a b", ""],
            ["a", "", "a\nb", ""],
        ] {
            assert!(!read(&bad), "{bad:?}");
        }
        assert!(!read(&["a", "", ""]) && !read(&["a", "", "", "", ""]));
        assert!(!read(&["a", "", "", &"x".repeat(MAX_DESCRIPTION + 1)]));
        assert!(!read(&[&"a".repeat(MAX_SERVICE + 1), "", "", ""]));
    }

    #[test]
    fn targets() {
        assert_eq!(Target::new("@disposable"), Ok(Target::Disposable));
        assert_eq!(Target::new("dom0"), Ok(Target::Dom0));
        assert_eq!(Target::new("work").unwrap().to_string(), "work");
        assert!(Target::new("@dom0").is_err() && Target::new("").is_err());
    }

    proptest! {
        #[test]
        fn names_and_arguments_are_safe_wherever_they_stand(text in "[a-z.+_/ $'-]{0,8}|.{0,80}") {
            if is_service(&text) || is_argument(&text) {
                prop_assert!(!text.starts_with(['-', '.', '/']), "{text}");
                let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
                prop_assert!(plain, "{text}");
            }
        }
    }
}
