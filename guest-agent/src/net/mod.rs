//! `transom-net`: makes the network of a virtual machine what dom0 says, as root.
//!
//! It speaks with `transom-qubed` itself, not through the agent: no program of the qube's user stands
//! between the rules and the kernel. What is to be comes whole each time ([`Setup`]); packet filter rules
//! go in as one transaction, before addresses and before anything is forwarded. Whatever fails, nothing is
//! forwarded any more until a setup can be put in force (fail closed).
//!
//! [`Setup`]: transom_protocol::network::Setup

pub mod cards;
pub mod lease;
pub mod names;
pub mod ruleset;
pub mod server;
pub mod system;
pub mod tunnel;
