//! Where an agent in a virtual machine finds dom0: ports of the host.

/// Takes control streams, for the compositor.
pub const DISPLAY_PORT: u32 = 5_000;
/// Takes service streams, for `transom-qubed`.
pub const SERVICE_PORT: u32 = 5_001;
/// Takes service calls of the qube's programs, one stream each, for `transom-qubed`.
pub const CALL_PORT: u32 = 5_002;
/// Takes the stream that says what the qube's network is to be, for `transom-qubed`.
pub const NETWORK_PORT: u32 = 5_003;
