//! From the state of the rooms to pixels.
//!
//! [`scene`] says what is to be seen, front to back, in device pixels, without knowing a renderer.
//! [`painter`] draws a scene with any renderer, only where something changed. [`canvas`] is a
//! picture in memory to draw on, with the renderer chosen at run time.

pub mod canvas;
mod compose;
pub mod element;
pub mod guest;
pub mod painter;
pub mod scene;

/// Physical rectangle, in device pixels of one output.
pub type DeviceRect = smithay::utils::Rectangle<i32, smithay::utils::Physical>;
