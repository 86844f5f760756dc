//! Where an agent in a virtual machine finds dom0: ports of the host.

/// Takes control streams, for the compositor.
pub const DISPLAY_PORT: u32 = 5_000;
/// Takes service streams, for `transom-qubed`.
pub const SERVICE_PORT: u32 = 5_001;
