//! Opening what came from another qube, with the program that this qube has for it.

use std::{
    ffi::OsStr,
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The program that knows how to open anything, where [`OPENER_VAR`] names no other.
const OPENER: &str = "xdg-open";
/// Names the program that opens files and links; it gets one argument.
pub const OPENER_VAR: &str = "TRANSOM_OPENER";
/// Longest link, in bytes.
pub const MAX_LINK: usize = 8_192;
/// What an opener is watched for a failure.
const WATCHED: Duration = Duration::from_millis(1_500);

/// True for a link that may be opened: `http`, `https` or `mailto`, printable ASCII.
///
/// Other kinds can name files and programs of the qube where it is opened.
pub fn is_link(text: &str) -> bool {
    text.len() <= MAX_LINK
        && text.bytes().all(|b| b.is_ascii_graphic())
        && ["http://", "https://", "mailto:"].iter().any(|kind| {
            let start = text.get(..kind.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(kind)) && text.len() > kind.len()
        })
}

/// Opens a file or a link in a process of its own, which goes on after this one has ended.
///
/// # Errors
/// There is no program for it, or it failed at once.
pub fn open(what: &OsStr) -> io::Result<()> {
    let opener = std::env::var_os(OPENER_VAR).unwrap_or_else(|| OPENER.into());
    let mut command = Command::new(&opener);
    command.arg(what).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    let mut child = command.spawn()?;
    let end = Instant::now() + WATCHED;
    // Some openers are the program itself, and run for as long as it is open.
    while Instant::now() < end {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(io::Error::other(format!("{}: {status}", opener.display()))),
            None => thread::park_timeout(Duration::from_millis(20)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_are_links() {
        for good in ["https://example.org/a?b=c#d", "HTTP://x", "mailto:a@example.org"] {
            assert!(is_link(good), "{good}");
        }
        for bad in [
            "",
            "https://",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "--help",
            "https://a b",
            "https://a\nb",
            "https://ä",
            "/etc/passwd",
            "smb://x/y",
        ] {
            assert!(!is_link(bad), "{bad:?}");
        }
        assert!(!is_link(&format!("https://{}", "a".repeat(MAX_LINK))));
    }
}
