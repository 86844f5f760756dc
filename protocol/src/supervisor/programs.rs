//! What is started in a qube.

use serde::{Deserialize, Serialize};

use super::{MAX_ARGUMENTS, MAX_COMMAND};
use crate::programs::is_program_id;

/// A program to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Program {
    /// A command line.
    Command {
        /// Program and arguments: 1 to [`MAX_ARGUMENTS`], [`MAX_COMMAND`] bytes, no zero bytes.
        argv: Vec<String>,
    },
    /// One that the qube lists. How it is started, the qube knows.
    Listed {
        /// Its id, of the form that [`is_program_id`] checks.
        id: String,
    },
}

impl Program {
    /// Checks what the type does not say.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Command { argv } => check_command(argv),
            Self::Listed { id } if is_program_id(id) => Ok(()),
            Self::Listed { .. } => Err("that is not the id of a program".to_owned()),
        }
    }
}

/// The limits of a command line.
pub(super) fn check_command(argv: &[String]) -> Result<(), String> {
    let bytes: usize = argv.iter().map(|arg| arg.len() + 1).sum();
    Err(match argv.first() {
        None => "no program was named".to_owned(),
        Some(program) if program.is_empty() => "the program has an empty name".to_owned(),
        Some(_) if argv.len() > MAX_ARGUMENTS => format!("more than {MAX_ARGUMENTS} arguments"),
        Some(_) if bytes > MAX_COMMAND => format!("a command line of more than {MAX_COMMAND} bytes"),
        Some(_) if argv.iter().any(|arg| arg.contains('\0')) => "a zero byte in an argument".to_owned(),
        Some(_) => return Ok(()),
    })
}
