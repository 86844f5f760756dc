//! A password or passphrase as it is typed.

use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

/// Longest password in bytes: the longest answer that Linux-PAM takes (`PAM_MAX_RESP_SIZE`).
pub(crate) const MOST: usize = 512;

/// See the module's text. It stays in one place in memory, and what is taken away is overwritten.
/// It is never written anywhere but to whoever checks it.
pub(crate) struct Secret {
    bytes: Box<Zeroizing<[u8; MOST]>>,
    length: usize,
}

impl Default for Secret {
    fn default() -> Self {
        Self { bytes: Box::new(Zeroizing::new([0; MOST])), length: 0 }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A character more. One for which there is no room is dropped, as are controls.
    pub(crate) fn push(&mut self, character: char) {
        let mut encoded = Zeroizing::new([0; 4]);
        let text = character.encode_utf8(&mut *encoded);
        let end = self.length + text.len();
        if !character.is_control()
            && let Some(place) = self.bytes.get_mut(self.length..end)
        {
            place.copy_from_slice(text.as_bytes());
            self.length = end;
        }
    }

    /// The last character is taken back.
    pub(crate) fn pop(&mut self) {
        let begins = |byte: &u8| byte & 0xc0 != 0x80;
        let start = self.as_bytes().iter().rposition(begins).unwrap_or(0);
        self.bytes[start..self.length].zeroize();
        self.length = start;
    }

    /// All of it is taken back.
    pub(crate) fn clear(&mut self) {
        self.bytes.zeroize();
        self.length = 0;
    }

    /// The bytes of it, UTF-8.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Characters.
    pub(crate) fn characters(&self) -> usize {
        self.as_bytes().iter().filter(|byte| **byte & 0xc0 != 0x80).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_left_behind() {
        let mut secret = Secret::default();
        for character in "gehe\u{1f980}im".chars() {
            secret.push(character);
        }
        assert_eq!(secret.characters(), 7);
        for _ in 0..3 {
            secret.pop();
        }
        assert_eq!(secret.as_bytes(), b"gehe");
        assert!(secret.bytes[4..].iter().all(|byte| *byte == 0));
        secret.clear();
        assert!(secret.as_bytes().is_empty() && secret.bytes.iter().all(|byte| *byte == 0));
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn what_does_not_fit_is_dropped_whole() {
        let mut secret = Secret::default();
        for _ in 0..MOST - 1 {
            secret.push('a');
        }
        secret.push('\u{e9}');
        secret.push('\n');
        assert_eq!(secret.as_bytes().len(), MOST - 1);
        secret.push('b');
        assert_eq!(secret.as_bytes().len(), MOST);
    }

    proptest! {
        #[test]
        fn it_is_what_was_typed(text in "\\PC{0,60}", back in 0_usize..70) {
            let mut secret = Secret::default();
            text.chars().for_each(|character| secret.push(character));
            for _ in 0..back {
                secret.pop();
            }
            let typed: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
            let rest: String = typed[..typed.len().saturating_sub(back)].iter().collect();
            prop_assert_eq!(secret.as_bytes(), rest.as_bytes());
            prop_assert_eq!(secret.characters(), rest.chars().count());
        }
    }
}
