//! Lane 1: the real compositor, real agents and Wayland clients in one thread.
#![allow(clippy::unwrap_used, reason = "tests")]

mod backstage;
mod bad_input;
mod capture;
mod clipboard;
mod columns;
mod dom0;
mod focus;
mod frame;
mod gamma;
mod gestures;
mod guest_ram;
mod hostile_selection;
mod launcher;
mod layers;
mod layouts;
mod lock;
mod logind;
mod magnifier;
mod manager;
mod motion;
mod notifications;
mod output_tools;
mod overview;
mod passphrase;
mod paused;
mod pen;
mod pictures;
mod restart;
mod screens;
mod surfaces;
mod taskbar;
mod text_input;
mod unseen;
mod virtual_keyboard;
mod workspaces;
