//! What a person does at the machine: keys and the pointer, by the virtual keyboard and tablet.

use std::{
    thread,
    time::{Duration, Instant},
};

use image::RgbImage;
use serde_json::{Value, json};
use transom::ipc::{Monitor, Window};
use transom_tests::{fixture::look::paint_fills, process::until};

use super::machine::{FIRST_CARD, Machine};

fn key(code: &str, down: bool) -> Value {
    json!({ "type": "key", "data": { "down": down, "key": { "type": "qcode", "data": code } } })
}

/// A place of the tablet, of a desktop so many pixels long.
fn axis(axis: &str, at: i32, of: i32) -> Value {
    // The tablet counts to 32767.
    let value = (f64::from(at) + 0.5) / f64::from(of) * 32_767.0;
    json!({ "type": "abs", "data": { "axis": axis, "value": value.round() as i32 } })
}

/// Which connector of QEMU's a monitor is at.
pub(crate) fn head(monitor: &Monitor) -> usize {
    // The kernel counts from 1.
    let number: usize = monitor.name.strip_prefix("Virtual-").unwrap().parse().unwrap();
    number - 1
}

impl Machine {
    fn device(&mut self, events: &[Value]) {
        self.qmp.devices(events);
    }

    /// Presses a key, or lets it go.
    pub(crate) fn press(&mut self, code: &str, down: bool) {
        self.device(&[key(code, down)]);
    }

    /// Presses keys together and lets them go; names are QEMU's.
    pub(crate) fn chord(&mut self, keys: &[&str]) {
        for down in [true, false] {
            for code in keys {
                self.press(code, down);
            }
        }
    }

    /// Types letters.
    pub(crate) fn type_letters(&mut self, text: &str) {
        for letter in text.chars() {
            self.chord(&[&letter.to_string()]);
        }
    }

    /// Moves the pointer to a place on the desktop, in logical pixels, and waits until the desktop
    /// knows.
    pub(crate) fn point(&mut self, (x, y): (i32, i32)) {
        let state = self.state();
        let logical = |pixels: i32| (f64::from(pixels) / state.scale).round() as i32;
        let (width, height) = (logical(state.screen.0), logical(state.screen.1));
        self.device(&[axis("x", x, width), axis("y", y, height)]);
        until("the pointer is there", || {
            let at = self.state().pointer;
            ((at.0 - f64::from(x)).abs() < 2.0 && (at.1 - f64::from(y)).abs() < 2.0).then_some(())
        });
    }

    /// Moves the mouse by so many of its steps.
    pub(crate) fn nudge(&mut self, (dx, dy): (i32, i32)) {
        let axis = |axis: &str, by: i32| json!({ "type": "rel", "data": { "axis": axis, "value": by } });
        self.device(&[axis("x", dx), axis("y", dy)]);
    }

    fn button(&mut self, down: bool) {
        self.device(&[json!({ "type": "btn", "data": { "down": down, "button": "left" } })]);
    }

    pub(crate) fn click(&mut self, at: (i32, i32)) {
        self.point(at);
        self.button(true);
        self.button(false);
    }

    /// Takes a window by its title bar, and moves it by so many pixels.
    pub(crate) fn drag(&mut self, title: &str, (dx, dy): (i32, i32)) {
        let [x, y, ..] = self.window(title).outer;
        let bar = (x + 60, y + 10);
        self.point(bar);
        self.button(true);
        // In two steps: the first makes it a drag.
        self.point((bar.0 + dx / 2, bar.1 + dy / 2));
        self.point((bar.0 + dx, bar.1 + dy));
        self.button(false);
        until("the window has moved", || {
            let [nx, ny, ..] = self.window(title).outer;
            ((nx - x - dx).abs() < 4 && (ny - y - dy).abs() < 4).then_some(())
        });
    }

    /// Takes a window by its title bar, and moves it to and fro for a time.
    pub(crate) fn swing(&mut self, title: &str, time: Duration) {
        const REACH: i32 = 200;
        let [x, y, ..] = self.window(title).outer;
        let (width, height) = self.state().screen;
        self.point((x + 60, y + 10));
        self.button(true);
        let begin = Instant::now();
        for step in 0.. {
            if begin.elapsed() > time {
                break;
            }
            let by = (step % (2 * REACH) - REACH).abs();
            self.device(&[axis("x", x + 60 + by, width), axis("y", y + 10 + by / 4, height)]);
            // A mouse tells of itself 125 times a second.
            thread::park_timeout(Duration::from_millis(8));
        }
        self.button(false);
    }

    /// Waits for a window of this title.
    pub(crate) fn window(&mut self, title: &str) -> Window {
        until(title, || self.state().windows.into_iter().find(|window| window.title == title))
    }

    /// Clicks into a window, and waits until it has the keys.
    pub(crate) fn focus(&mut self, title: &str) {
        let [x, y, w, h] = self.window(title).content;
        self.click((x + w / 2, y + h / 2));
        until("it has the keys", || self.window(title).focused.then_some(()));
    }

    /// A painted window once it is on the connectors, and what is on them.
    pub(crate) fn seen(&mut self, title: &str) -> (Window, RgbImage) {
        until("the qube's picture", || {
            let (window, picture) = (self.window(title), self.picture());
            paint_fills(&picture, &window).then_some((window, picture))
        })
    }

    /// What is on one connector of the card that is looked at.
    pub(crate) fn connector(&mut self, head: usize) -> RgbImage {
        let path = self.file("screen.png");
        let card = self.card;
        let picture = json!({ "filename": path, "device": card, "head": head, "format": "png" });
        self.qmp.say("screendump", &picture);
        image::open(path).unwrap().into_rgb8()
    }

    /// What is on all connectors, as the desktop lies over them.
    pub(crate) fn picture(&mut self) -> RgbImage {
        let state = self.state();
        let mut whole = RgbImage::new(state.screen.0 as u32, state.screen.1 as u32);
        for monitor in &state.monitors {
            let [x, y, w, h] = monitor.area;
            // The kernel counts on over all cards.
            let part = self.connector(if self.card == FIRST_CARD { head(monitor) } else { 0 });
            assert_eq!(part.dimensions(), (w as u32, h as u32), "{monitor:?}");
            image::imageops::replace(&mut whole, &part, x.into(), y.into());
        }
        whole
    }

    /// Frames that all monitors have shown.
    pub(crate) fn flips(&mut self) -> u64 {
        self.state().monitors.iter().map(|monitor| monitor.flips).sum()
    }
}
