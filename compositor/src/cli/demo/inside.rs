//! What the scripted person looks up inside a qube. dom0 reads no file of a virtual machine, so a
//! program of the qube looks, and qubed's log says what it ended with.

use std::path::Path;

use transom_hypervisor::{
    client::Client,
    supervisor::{QubeName, RequestBody},
};

use super::{person::Person, soon};

impl Person {
    /// Waits until a file in a qube's home has this text in it; neither may need quotes.
    pub(super) fn file_of(
        &mut self,
        supervisor: &mut Client,
        out: &Path,
        qube: &str,
        file: &str,
        text: &str,
    ) -> Result<(), String> {
        let log = out.join("data/qubes").join(qube).join("log/console.log");
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        let before = read().len();
        let tries = 100 * self.slow;
        let look = format!(
            "for i in $(seq {tries}); do grep -qs '{text}' '/home/user/{file}' && exit 0; sleep 0.1; done; exit 1"
        );
        let name = QubeName::new(qube).map_err(|e| e.to_string())?;
        let run = RequestBody::Run { qube: name, argv: ["sh", "-c", &look].map(str::to_owned).to_vec() };
        supervisor.call(run, soon(20 * u64::from(self.slow))).map_err(|e| e.to_string())?;
        let mut status = None;
        self.until(30, |_| {
            status = ended(read().get(before..).unwrap_or_default());
            status.is_some()
        })
        .map_err(|e| format!("nobody says what {file} of {qube} holds: {e}"))?;
        if status == Some(0) { Ok(()) } else { Err(format!("{file} of {qube} does not hold {text:?}")) }
    }
}

/// What the first program that is asked for in a piece of a qube's log ended with. Only lines of
/// qubed's own count: the qube writes the others.
fn ended(log: &str) -> Option<i32> {
    let mut said = log.lines().filter_map(|line| line.split_once(' ')?.1.strip_prefix("qubed: program "));
    let number = said.find_map(|line| line.strip_suffix(" was asked for"))?;
    said.find_map(|line| line.strip_prefix(number)?.strip_prefix(" ended with status ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::ended;

    #[test]
    fn only_qubed_says_how_a_program_ended() {
        let log = "T agent: qubed: program 1 was asked for\nT qubed: program 12 was asked for\n\
                   T agent: T qubed: program 12 ended with status 3\nT qubed: program 1 ended with status 4\n";
        assert_eq!(ended(log), None);
        assert_eq!(ended(&format!("{log}T qubed: program 12 ended with status 5\n")), Some(5));
    }
}
