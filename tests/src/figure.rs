//! Figures that tests find on their way, for `make bench`, which takes them from what the tests print.

/// What begins the line of a figure.
const WORD: &str = "figure ";

/// A figure as a test tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its name, in the report.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// How many samples it is made of.
    pub samples: u64,
}

/// Prints a figure.
#[allow(clippy::print_stdout, reason = "what tests print is kept, and read by the measurements")]
pub fn figure(name: &str, value: f64, unit: &str, samples: u64) {
    println!("{WORD}{name} {value:.3} {unit} {samples}");
}

/// The figure in a line, if there is one. Anything may stand before it, as machines in machines put
/// their time before each line.
pub fn read(line: &str) -> Option<Told> {
    let (_, told) = line.split_once(WORD)?;
    let mut words = told.split_whitespace();
    let name = words.next()?.to_owned();
    let value = words.next()?.parse().ok()?;
    let unit = words.next()?.to_owned();
    let samples = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Told { name, value, unit, samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_in_a_line() {
        let told = Told { name: "vm.x".into(), value: 1.5, unit: "ms".into(), samples: 3 };
        assert_eq!(read("[  1.0] LANE5 figure vm.x 1.500 ms 3\r"), Some(told));
        for line in ["a figure of speech", "figure vm.x", "figure vm.x many ms 3", "figure vm.x 1 ms 3 4"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
