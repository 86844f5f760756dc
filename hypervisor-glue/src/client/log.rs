//! What a reader finds in a qube's log.

/// What the first program that is asked for in a piece of a qube's log ended with. Only lines of
/// qubed's own count: the qube writes the others.
pub fn program_ended(log: &str) -> Option<i32> {
    let mut said = log.lines().filter_map(|line| line.split_once(' ')?.1.strip_prefix("qubed: program "));
    let number = said.find_map(|line| line.strip_suffix(" was asked for"))?;
    said.find_map(|line| line.strip_prefix(number)?.strip_prefix(" ended with status ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::program_ended;

    #[test]
    fn only_qubed_says_how_a_program_ended() {
        let log = "T agent: qubed: program 1 was asked for\nT qubed: program 12 was asked for\n\
                   T agent: T qubed: program 12 ended with status 3\nT qubed: program 1 ended with status 4\n";
        assert_eq!(program_ended(log), None);
        assert_eq!(program_ended(&format!("{log}T qubed: program 12 ended with status 5\n")), Some(5));
    }
}
