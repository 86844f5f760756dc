use std::process::ExitStatus;

use super::*;

#[test]
fn every_end_has_its_name() {
    let died = |raw| exit(Outcome::Died(ExitStatus::from_raw(raw)));
    assert_eq!(exit(Outcome::Exit(vmm::Exit::PowerOff)), Exit::Code(0));
    assert_eq!(died(libc::SIGKILL), Exit::Signal(libc::SIGKILL));
    assert_eq!(died((128 + libc::SIGSEGV) << 8), Exit::Signal(libc::SIGSEGV));
    assert_eq!(died(3 << 8), Exit::Code(3));
    for (outcome, word) in [
        (Outcome::Exit(vmm::Exit::Panic), "panicked"),
        (Outcome::Failed("no kernel".into()), "no kernel"),
        (Outcome::Died(ExitStatus::from_raw((128 + libc::SIGSYS) << 8)), "forbidden"),
    ] {
        assert!(matches!(exit(outcome), Exit::Setup(Some(text)) if text.contains(word)));
    }
}
