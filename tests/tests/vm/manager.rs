//! What the qube manager says of machines that run.

use transom::ipc::{Reply, Request};
use transom_tests::process::until;

use super::lab::Lab;

const ESCAPE: u32 = 1;

/// What it says of one qube that runs.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Memory in use and the most there can be, in MiB.
    pub(crate) memory: [f64; 2],
    /// The same of its volume.
    pub(crate) disk: [f64; 2],
    /// All that is said below the table.
    pub(crate) says: String,
}

/// `180 MiB` at this place of a row, in MiB.
fn mib(words: &[&str], at: usize) -> Option<f64> {
    let number: f64 = words.get(at)?.parse().ok()?;
    match *words.get(at + 1)? {
        "KiB" => Some(number / 1024.0),
        "MiB" => Some(number),
        "GiB" => Some(number * 1024.0),
        _ => None,
    }
}

/// What the open manager says of a qube, once it has all of it.
fn figures(lab: &Lab, qube: &str) -> Option<Figures> {
    let manager = lab.house.state().manager?;
    let row = manager.rows.iter().find_map(|row| row.strip_prefix(&format!("{qube}: running ")))?;
    let words: Vec<&str> = row.split_whitespace().collect();
    // `180 MiB of 256 MiB 12 MiB of 128 MiB`.
    let mut pairs = (0..words.len())
        .filter(|at| words[*at] == "of")
        .map_while(|at| Some([mib(&words, at.checked_sub(2)?)?, mib(&words, at + 1)?]));
    Some(Figures { memory: pairs.next()?, disk: pairs.next()?, says: manager.says })
}

/// Has the manager open with one qube alone in its table, and gives what is done with what it says.
pub(crate) fn with<T>(lab: &Lab, qube: &str, then: impl FnOnce(&dyn Fn() -> Option<Figures>) -> T) -> T {
    assert_eq!(lab.house.ask(&Request::Manager), Reply::Done);
    lab.house.types(qube);
    let chosen = || lab.house.state().manager?.chosen.filter(|chosen| chosen == qube);
    until("the qube is chosen", chosen);
    let shown = until("its figures", || figures(lab, qube));
    println!("{qube}: {shown:?}");
    let result = then(&|| figures(lab, qube));
    // What was typed goes first.
    until("it is closed", || {
        lab.house.chord(&[ESCAPE]);
        lab.house.state().manager.is_none().then_some(())
    });
    result
}
