//! Pinning: memory of programs stays where it is while dom0 reads it.
//!
//! In a virtual machine a grant is a list of page frames. Somebody in the guest must see to it that
//! the kernel neither moves these frames nor gives them to somebody else, and must learn their
//! numbers. Both need privileges that the agent, which talks to programs, should not have. So a
//! small program of its own, `transom-pin`, does it on request.
//!
//! - [`wire`]: what agent and `transom-pin` say to each other,
//! - [`frames`]: from the kernel's page map to runs of page frames,
//! - `kernel`: the system calls; the unsafe code of this crate is there,
//! - [`clock`]: the other thing that needs a privilege: the machine's clock, after a pause,
//! - [`server`]: connections and quotas,
//! - [`client`]: the agent's end.

pub mod client;
pub mod clock;
pub mod frames;
mod kernel;
pub mod server;
pub mod wire;
