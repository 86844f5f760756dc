//! What the scripted person looks up inside a qube. dom0 reads no file of a virtual machine, so a
//! program of the qube looks, and qubed's log says what it ended with.

use std::path::Path;

use transom_hypervisor::{
    client::{Client, program_ended},
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
            status = program_ended(read().get(before..).unwrap_or_default());
            status.is_some()
        })
        .map_err(|e| format!("nobody says what {file} of {qube} holds: {e}"))?;
        if status == Some(0) { Ok(()) } else { Err(format!("{file} of {qube} does not hold {text:?}")) }
    }
}
