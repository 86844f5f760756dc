//! How everything looks: contrast, labels, geometry, text in its field, theme files, fonts, and
//! pictures compared pixel for pixel. `cargo run -p transom-theming --example gallery` draws it
//! all for people.

mod contrast;
mod fields;
mod fonts;
mod frames;
mod golden;
mod hits;
mod labels;
mod managers;
mod pixels;
mod scenes;
mod sheet;
mod steady;
mod themes;
