//! Rule CLEAN-TEXT: making text from a qube safe to show and to log.

/// Most characters of a title that are kept.
pub const TITLE_CHARS: usize = 256;

/// Makes a safe, single-line text of at most `max_chars` characters.
///
/// Invalid UTF-8 becomes U+FFFD. Control characters (C0, C1, line and paragraph separators) become
/// a space; characters that reorder, hide or tag text (bidirectional controls, zero-width
/// characters, variation tags, private use, noncharacters) are dropped. Runs of spaces become one,
/// and at most [`MAX_MARKS`] combining marks stay on one base character, so that a title cannot
/// grow out of its line. A text that was cut ends in `…`.
pub fn clean(untrusted: &[u8], max_chars: usize) -> String {
    let mut out = String::new();
    let mut chars = 0;
    let mut marks = 0;
    let mut space = true; // at the start: leading spaces are dropped
    for chunk in untrusted.utf8_chunks() {
        let invalid = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        for c in chunk.valid().chars().chain(invalid) {
            let c = match class(c) {
                Class::Drop => continue,
                Class::Space if space => continue,
                Class::Space => ' ',
                Class::Mark if marks >= MAX_MARKS || space => continue,
                Class::Mark => {
                    marks += 1;
                    c
                }
                Class::Plain => {
                    marks = 0;
                    c
                }
            };
            if chars == max_chars {
                out.pop();
                out.push('…');
                return out;
            }
            space = c == ' ';
            out.push(c);
            chars += 1;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// [`clean`] with the length of a title.
pub fn clean_title(untrusted: &[u8]) -> String {
    clean(untrusted, TITLE_CHARS)
}

/// True if [`clean`] would leave `text` as it is.
pub fn is_clean(text: &str, max_chars: usize) -> bool {
    clean(text.as_bytes(), max_chars) == text
}

/// Most combining marks kept on one base character.
pub const MAX_MARKS: usize = 4;

enum Class {
    Plain,
    Space,
    Mark,
    Drop,
}

fn class(c: char) -> Class {
    match c as u32 {
        0x20 | 0xa0 | 0x1680 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => Class::Space,
        0x00..=0x1f | 0x7f..=0x9f | 0x2028 | 0x2029 => Class::Space,
        // Soft hyphen, Arabic letter mark, Mongolian vowel separator and free variation selectors.
        0xad | 0x61c | 0x180b..=0x180f => Class::Drop,
        // Zero-width characters and bidirectional marks, embeddings, overrides and isolates.
        0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f => Class::Drop,
        // Fillers that draw nothing, and the byte order mark.
        0x115f | 0x1160 | 0x3164 | 0xffa0 | 0xfeff => Class::Drop,
        // Variation selectors, interlinear annotation, specials other than U+FFFD.
        0xfe00..=0xfe0f | 0xfff0..=0xfffc | 0xfffe | 0xffff => Class::Drop,
        // Private use, tags, and the last two code points of each plane.
        0xe000..=0xf8ff | 0xe_0000..=0x10_ffff => Class::Drop,
        n if n & 0xfffe == 0xfffe => Class::Drop,
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f => Class::Mark,
        0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f => Class::Mark,
        _ => Class::Plain,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bidirectional_overrides_and_controls_go() {
        assert_eq!(clean("a\u{202e}gpj.exe\u{1b}[2J\n\tb".as_bytes(), 64), "agpj.exe [2J b");
        assert_eq!(clean(b"\xff\xfebank", 64), "\u{fffd}\u{fffd}bank");
        assert_eq!(clean("  x \u{200b} ".as_bytes(), 64), "x");
    }

    #[test]
    fn long_text_is_cut_with_a_mark() {
        assert_eq!(clean("abcdef".as_bytes(), 4), "abc…");
        assert_eq!(clean("abcd".as_bytes(), 4), "abcd");
        assert_eq!(clean("é".repeat(9).as_bytes(), 3).chars().count(), 3);
    }

    #[test]
    fn stacked_marks_are_bounded() {
        let zalgo = format!("z{}", "\u{301}".repeat(500));
        assert_eq!(clean(zalgo.as_bytes(), 64).chars().count(), 1 + MAX_MARKS);
    }

    #[test]
    fn emoji_and_right_to_left_letters_stay() {
        assert_eq!(clean("שלום 🦀 ok".as_bytes(), 64), "שלום 🦀 ok");
    }

    proptest! {
        #[test]
        fn any_bytes_become_clean(bytes in prop::collection::vec(any::<u8>(), 0..400), max in 1usize..80) {
            let text = clean(&bytes, max);
            prop_assert!(text.chars().count() <= max);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert!(is_clean(&text, max), "cleaning twice changes nothing: {text:?}");
        }
    }
}
