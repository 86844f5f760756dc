//! Texts of programs, as dom0 takes them.

/// Text of at most so many bytes, without zero bytes.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].replace('\0', " ")
}
