//! What each file of a qube should be, as the qube's last entry says: lines that `sha256sum --check` takes,
//! and of a file with holes a remark with the digest of its data.

use std::fmt::Write as _;

/// The name of that entry, below the qube's.
pub(super) const NAME: &str = "SHA256SUMS";
/// What a digest of data without holes begins with; `sha256sum` takes it for a remark.
const DATA: &[u8] = b"#data ";

/// A file and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// Its path, below the qube's directory.
    pub(super) path: Vec<u8>,
    /// Only its pieces count, one after another.
    pub(super) sparse: bool,
    /// SHA-256.
    pub(super) digest: [u8; 32],
}

impl Sum {
    /// Its line, with the line's end.
    pub(super) fn line(&self) -> Vec<u8> {
        let odd = self.path.iter().any(|byte| matches!(byte, b'\n' | b'\\' | b'\r'));
        let mut line = if self.sparse { DATA.to_vec() } else { Vec::new() };
        if odd {
            line.push(b'\\');
        }
        line.extend_from_slice(hex(&self.digest).as_bytes());
        line.extend_from_slice(b"  ");
        for byte in &self.path {
            match byte {
                b'\n' => line.extend_from_slice(b"\\n"),
                b'\r' => line.extend_from_slice(b"\\r"),
                b'\\' => line.extend_from_slice(b"\\\\"),
                byte => line.push(*byte),
            }
        }
        line.push(b'\n');
        line
    }

    /// Reads a line without its end.
    pub(super) fn parse(untrusted: &[u8]) -> Option<Self> {
        let (sparse, rest) = match untrusted.strip_prefix(DATA) {
            Some(rest) => (true, rest),
            None => (false, untrusted),
        };
        let (odd, rest) = match rest.strip_prefix(b"\\") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (digits, rest) = rest.split_at_checked(64)?;
        let text =
            std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        let mut path = Vec::new();
        let mut bytes = rest.strip_prefix(b"  ")?.iter();
        while let Some(byte) = bytes.next() {
            path.push(match byte {
                b'\\' if odd => match bytes.next()? {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b'\\' => b'\\',
                    _ => return None,
                },
                byte => *byte,
            });
        }
        Some(Self { path, sparse, digest })
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            path in proptest::collection::vec(1u8..=255, 1..60), sparse: bool, digest: [u8; 32],
        ) {
            let sum = Sum { path, sparse, digest };
            let line = sum.line();
            prop_assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
            prop_assert_eq!(Sum::parse(&line[..line.len() - 1]), Some(sum));
        }

        #[test]
        fn any_bytes_are_a_line_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Sum::parse(&bytes);
        }
    }
}
