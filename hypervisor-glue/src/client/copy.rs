//! Files of dom0 for a qube: the tool that copies them from qube to qube, at qubed's door for dom0's own calls.

use std::{path::PathBuf, process::Command};

use transom_protocol::supervisor::QubeName;

use crate::paths::{self, PathError};

/// Why nothing can be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The tool is not there.
    #[error("there is no transom-services, which copies files: is Transom installed wholly?")]
    NoTool,
    /// Where qubed is cannot be told.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What copies these files and folders to a qube, where they arrive in `QubesIncoming/dom0`; it starts the qube. It
/// says on standard error how far it is and what went wrong, and exits with 0 once all is there.
pub fn copy_command(qube: &QubeName, files: impl IntoIterator<Item = PathBuf>) -> Result<Command, CopyError> {
    let tool = paths::find_program("transom-services").ok_or(CopyError::NoTool)?;
    let mut command = Command::new(tool);
    command.env(CALLS_VAR, paths::runtime_dir()?.join(paths::CALLS_NAME));
    command.args(["copy", "--to", qube.as_str(), "--"]).args(files);
    Ok(command)
}

/// Tells the tool where calls are taken; as `transom_agent::services::call::ADDRESS_VAR`.
const CALLS_VAR: &str = "TRANSOM_CALLS";
