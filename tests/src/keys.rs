//! What a person types, as evdev codes with the layout `us`.

/// The key of a small letter, a digit or a hyphen; the space bar for all else.
pub fn code(character: char) -> u32 {
    let rows = [(16, "qwertyuiop"), (30, "asdfghjkl"), (44, "zxcvbnm"), (2, "1234567890-")];
    let found = rows.iter().find_map(|(first, row)| Some(first + row.find(character)? as u32));
    found.unwrap_or(57)
}
