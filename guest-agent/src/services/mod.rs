//! Services of other qubes: the programs that call them, and those that serve.
//!
//! `call` is a call stream from inside the qube, `serve` runs what the qube was asked to serve, `copy`
//! is how files travel, `open` opens files and links, `updates` asks the system for newer packages. All of it is the
//! program `transom-services`, which is called `transom-copy` and by the names of its other commands as well. It waits
//! for the other end as long as the person lets it; the agent itself has no part in it.

pub mod call;
pub mod copy;
pub mod open;
pub mod serve;
pub mod updates;

/// Copies files and folders to `QubesIncoming/SOURCE` of another qube.
pub const COPY: &str = "transom.copy";
/// Copies one file there and opens it.
pub const OPEN_FILE: &str = "transom.open-file";
/// Opens a link.
pub const OPEN_LINK: &str = "transom.open-link";
/// Starts a program; its argument is the program's id.
pub const START_PROGRAM: &str = "transom.start-program";

/// Why a call of a service came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// dom0 cannot be reached.
    #[error("dom0 cannot be reached at {0}: {1}")]
    NoDom0(String, std::io::Error),
    /// The call is not allowed, or the target cannot serve it.
    #[error("refused")]
    Refused,
    /// The other end is gone.
    #[error("the other end is gone")]
    Lost,
    /// The stream broke.
    #[error("the connection broke: {0}")]
    Stream(std::io::Error),
    /// dom0 said something else than the protocol says.
    #[error("dom0 said what it may not say")]
    Foreign,
    /// What should be sent cannot be.
    #[error("{0}")]
    Local(String),
    /// The other end could not do it.
    #[error("{0}")]
    Remote(&'static str),
}
