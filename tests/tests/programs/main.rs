//! Lane 2: real programs in real sandbox qubes, with real processes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod backup;
mod by_hand;
mod capture;
mod complaints;
mod control;
mod crash;
mod demo;
mod devices;
mod dom0;
mod drag;
mod edit;
mod gamma;
mod input_method;
mod launcher;
mod layers;
mod lock;
mod manager;
mod notifications;
mod outputs;
mod passphrase;
mod services;
mod session;
mod settings;
mod shortages;
mod signals;
