//! Says whether a password is that of the person whose process this is. It asks PAM, for the service
//! `transom`.
//!
//! The password is all of standard input; what came of it goes to standard output, in the lines that
//! `compositor/src/lock/auth.rs` lists. It is a process of its own because PAM's modules are foreign
//! code that waits, and may crash or leave something in memory.
#![allow(clippy::print_stdout, reason = "its answer")]

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read as _, Write as _},
    os::unix::ffi::OsStrExt as _,
    process::ExitCode,
};

use nix::unistd::{Uid, User};
use nonstick::{
    AuthnFlags, ConversationAdapter, ErrorCode, Result as PamResult, Transaction as _, TransactionBuilder,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use zeroize::Zeroizing;

/// Name of the file in `/etc/pam.d`; without one, PAM takes `other`.
const SERVICE: &str = "transom";
/// Longest answer that Linux-PAM takes, in bytes (`PAM_MAX_RESP_SIZE`).
const MOST_PASSWORD: usize = 512;

/// Answers PAM's question for the password, once. Another question cannot be answered here.
struct Person {
    password: std::cell::RefCell<Option<Zeroizing<Vec<u8>>>>,
}

impl ConversationAdapter for Person {
    fn prompt(&self, _: impl AsRef<OsStr>) -> PamResult<OsString> {
        Err(ErrorCode::ConversationError)
    }

    fn masked_prompt(&self, _: impl AsRef<OsStr>) -> PamResult<OsString> {
        // The copies that PAM and this make of it end with the process.
        let password = self.password.borrow_mut().take().ok_or(ErrorCode::ConversationError)?;
        Ok(OsStr::from_bytes(&password).to_owned())
    }

    fn error_msg(&self, message: impl AsRef<OsStr>) {
        self.info_msg(message);
    }

    fn info_msg(&self, message: impl AsRef<OsStr>) {
        let text = message.as_ref().to_string_lossy();
        for line in text.lines() {
            say(&format!("info {line}"));
        }
    }
}

fn say(line: &str) {
    let mut out = io::stdout();
    // Without a listener there is nobody to tell.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// `Ok`: the password is right or wrong.
fn check() -> Result<bool, String> {
    // Nothing of the password may reach a file.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(|e| e.to_string())?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|e| e.to_string())?;
    let user = User::from_uid(Uid::current())
        .map_err(|error| format!("the account cannot be looked up: {error}"))?
        .ok_or("this user has no account")?;
    let mut password = Zeroizing::new(Vec::with_capacity(MOST_PASSWORD + 1));
    io::stdin()
        .take(MOST_PASSWORD as u64 + 1)
        .read_to_end(&mut password)
        .map_err(|error| format!("no password came: {error}"))?;
    if password.len() > MOST_PASSWORD || password.contains(&0) {
        return Ok(false);
    }
    let person = Person { password: std::cell::RefCell::new(Some(password)) };
    let mut transaction = TransactionBuilder::new_with_service(SERVICE)
        .username(&user.name)
        .build(person.into_conversation())
        .map_err(|error| format!("PAM does not start: {error}"))?;
    match transaction.authenticate(AuthnFlags::empty()) {
        Ok(()) => Ok(true),
        Err(
            ErrorCode::AuthenticationError
            | ErrorCode::UserUnknown
            | ErrorCode::MaxTries
            | ErrorCode::PermissionDenied,
        ) => Ok(false),
        Err(error) => Err(format!("PAM: {error}")),
    }
}

fn main() -> ExitCode {
    let verdict = check();
    match &verdict {
        Ok(true) => say("right"),
        Ok(false) => say("wrong"),
        Err(problem) => say(&format!("error {}", problem.replace('\n', " "))),
    }
    if verdict == Ok(true) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
