use std::process::ExitStatus;

use super::*;

#[test]
fn every_end_has_its_name() {
    let died = |raw| exit(Outcome::Died(ExitStatus::from_raw(raw)));
    assert_eq!(exit(Outcome::Exit(vmm::Exit::PowerOff)), Exit::Code(0));
    assert_eq!(died(libc::SIGKILL), Exit::Signal(libc::SIGKILL));
    assert_eq!(died((128 + libc::SIGSEGV) << 8), Exit::Signal(libc::SIGSEGV));
    assert_eq!(died(3 << 8), Exit::Code(3));
    let failed = exit(Outcome::Failed("no kernel".into()));
    assert!(matches!(failed, Exit::Setup(Some(text)) if text.contains("no kernel")));
    for (outcome, word) in [
        (Outcome::Exit(vmm::Exit::Panic), "panicked"),
        (Outcome::Exit(vmm::Exit::Reset), "restart"),
        (Outcome::Died(ExitStatus::from_raw((128 + libc::SIGSYS) << 8)), "forbidden"),
    ] {
        assert!(matches!(exit(outcome), Exit::Machine(text) if text.contains(word)));
    }
}

#[test]
fn only_a_processor_that_can_is_trusted() {
    let cpu = |flags: &str| format!("processor : 0\nflags\t\t: fpu {flags} sse2\nbugs : svm\n");
    assert!(able(&cpu("vmx")).is_ok() && able(&cpu("svm")).is_ok());
    for flags in ["", "svm_lock", "avmx"] {
        assert!(able(&cpu(flags)).unwrap_err().contains("VT-x"));
    }
    assert!(able("").is_err());
}
