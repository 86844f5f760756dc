//! Tests of the shell: single operations, rooms of it, and random operations.

mod columns;
mod desk;
mod geometry;
mod model;
mod outputs;
mod placement;
mod random;
mod resizing;
mod workspaces;

use super::{Insets, Output, Rect, Shell, Size, Spec};

/// The screen of most tests.
const OUTPUT: Output = Output {
    id: 1,
    rect: Rect { x: 0, y: 0, w: 1280, h: 720 },
    usable: Rect { x: 0, y: 28, w: 1280, h: 692 },
};

/// A window that the person has just started.
fn spec(w: i32, h: i32) -> Spec<u32> {
    Spec {
        content: Size { w, h },
        min: Size::default(),
        max: Size::default(),
        insets: Insets { top: 30, right: 4, bottom: 4, left: 4 },
        fullscreen_insets: Insets { top: 3, ..Insets::default() },
        parent: None,
        grant_focus: true,
    }
}

/// A screen with windows 0, 1, ... of 300 by 200.
fn shell(windows: u32) -> Shell<u32> {
    let mut shell = Shell::default();
    shell.set_output(OUTPUT);
    for key in 0..windows {
        shell.insert(key, spec(300, 200));
    }
    shell
}
