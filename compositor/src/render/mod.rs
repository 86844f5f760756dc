//! From the state of the rooms to pixels.
//!
//! [`scene`] says what is to be seen, front to back, in device pixels, without knowing a renderer.
//! [`painter`] draws a scene with any renderer, only where something changed. [`canvas`] has
//! pictures in memory to draw on, with the renderer chosen at run time. [`view`] says which piece of
//! the desktop a screen shows.

pub mod canvas;
pub(crate) mod compose;
pub mod element;
pub mod guest;
pub(crate) mod moving;
pub mod painter;
pub mod scene;
pub mod view;

/// Physical rectangle, in device pixels of one output.
pub type DeviceRect = smithay::utils::Rectangle<i32, smithay::utils::Physical>;
