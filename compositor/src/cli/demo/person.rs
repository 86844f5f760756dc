//! The scripted person: hands, eyes and patience.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::Serialize;
use smithay::reexports::calloop::EventLoop;
use tracing::{error, info};

use crate::{Desktop, input::event::InputEvent, ipc::State};

/// evdev codes of the keys that have no character.
pub(super) mod key {
    pub(crate) const ESC: u32 = 1;
    pub(crate) const TAB: u32 = 15;
    pub(crate) const ENTER: u32 = 28;
    pub(crate) const CTRL: u32 = 29;
    pub(crate) const SHIFT: u32 = 42;
    pub(crate) const ALT: u32 = 56;
    pub(crate) const SUPER: u32 = 125;
    pub(crate) const A: u32 = 30;
    pub(crate) const C: u32 = 46;
    pub(crate) const S: u32 = 31;
    pub(crate) const V: u32 = 47;
}

/// One step of the report.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    name: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    picture: String,
    seconds: f64,
}

/// See the module's text.
pub(super) struct Person {
    event_loop: EventLoop<'static, Desktop>,
    pub(super) desktop: Desktop,
    out: PathBuf,
    pub(super) steps: Vec<Step>,
    /// How much longer programs may take than on this computer's own processor.
    pub(super) slow: u32,
}

impl Person {
    pub(super) fn new(
        event_loop: EventLoop<'static, Desktop>,
        desktop: Desktop,
        out: PathBuf,
        slow: u32,
    ) -> Self {
        Self { event_loop, desktop, out, steps: Vec::new(), slow }
    }

    /// The event loop goes on for this long.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn();
        }
    }

    /// Gives a program the time to do what nobody can see.
    pub(super) fn pause(&mut self) {
        self.wait(Duration::from_millis(800) * self.slow);
    }

    fn turn(&mut self) {
        let turned = self.event_loop.dispatch(Some(Duration::from_millis(10)), &mut self.desktop);
        if let Err(error) = turned {
            error!(%error, "the event loop failed");
        }
        self.desktop.settle();
    }

    /// Waits until it is so, or the patience is at an end: so many seconds of a sandbox.
    pub(super) fn until(
        &mut self,
        seconds: u64,
        mut so: impl FnMut(&State) -> bool,
    ) -> Result<State, String> {
        let seconds = seconds * u64::from(self.slow);
        let end = Instant::now() + Duration::from_secs(seconds);
        loop {
            let state = self.desktop.state();
            if so(&state) {
                return Ok(state);
            }
            if Instant::now() > end {
                return Err(format!("not within {seconds} s"));
            }
            self.turn();
        }
    }

    /// Does something, looks at the screen, writes it down.
    pub(super) fn step(&mut self, name: &str, act: impl FnOnce(&mut Self) -> Result<(), String>) {
        let started = Instant::now();
        let result = act(self);
        self.wait(Duration::from_millis(150));
        let number = self.steps.len() + 1;
        let picture = format!("{number:02}-{}.png", name.replace(' ', "-"));
        let path = self.out.join(&picture);
        let saved = self
            .desktop
            .screenshot()
            .map_err(|e| e.to_string())
            .and_then(|image| image.save(&path).map_err(|e| e.to_string()));
        let result = result.and(saved.map_err(|e| format!("no picture: {e}")));
        match &result {
            Ok(()) => info!(step = name, "done"),
            Err(error) => error!(step = name, %error, "failed"),
        }
        self.steps.push(Step {
            name: name.into(),
            ok: result.is_ok(),
            reason: result.err(),
            picture,
            seconds: started.elapsed().as_secs_f64(),
        });
    }

    fn input(&mut self, event: InputEvent) {
        self.desktop.input(event);
        self.desktop.settle();
        self.turn();
    }

    pub(super) fn press(&mut self, code: u32) {
        self.input(InputEvent::Key { code, pressed: true });
    }

    pub(super) fn release(&mut self, code: u32) {
        self.input(InputEvent::Key { code, pressed: false });
    }

    pub(super) fn tap(&mut self, code: u32) {
        self.press(code);
        self.release(code);
    }

    /// A chord: all down in order, all up in the other.
    pub(super) fn chord(&mut self, codes: &[u32]) {
        for code in codes {
            self.press(*code);
        }
        for code in codes.iter().rev() {
            self.release(*code);
        }
    }

    /// Types on a US keyboard.
    pub(super) fn write(&mut self, text: &str) {
        for c in text.chars() {
            let Some((code, shift)) = code_of(c) else { continue };
            if shift {
                self.press(key::SHIFT);
            }
            self.tap(code);
            if shift {
                self.release(key::SHIFT);
            }
        }
    }

    /// Moves the pointer there, in a few steps as a hand would.
    pub(super) fn point(&mut self, x: f64, y: f64) {
        let from = self.desktop.state().pointer;
        for i in 1..=8 {
            let part = f64::from(i) / 8.0;
            let (x, y) = (from.0 + (x - from.0) * part, from.1 + (y - from.1) * part);
            self.input(InputEvent::PointerTo { x, y });
        }
    }

    pub(super) fn button(&mut self, pressed: bool) {
        self.input(InputEvent::Button { code: crate::input::event::BTN_LEFT, pressed });
    }

    pub(super) fn click(&mut self, x: f64, y: f64) {
        self.point(x, y);
        self.button(true);
        self.button(false);
    }

    pub(super) fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.point(from.0, from.1);
        self.button(true);
        self.point(to.0, to.1);
        self.button(false);
    }
}

/// evdev code of a character on a US keyboard, and whether it needs shift.
fn code_of(c: char) -> Option<(u32, bool)> {
    const ROWS: [(&str, &str, u32); 4] = [
        ("1234567890-=", "!@#$%^&*()_+", 2),
        ("qwertyuiop[]", "QWERTYUIOP{}", 16),
        ("asdfghjkl;'`", "ASDFGHJKL:\"~", 30),
        ("\\zxcvbnm,./", "|ZXCVBNM<>?", 43),
    ];
    match c {
        ' ' => return Some((57, false)),
        '\n' => return Some((28, false)),
        _ => {}
    }
    ROWS.iter().find_map(|(plain, shifted, first)| {
        let at = |row: &str| row.chars().position(|r| r == c).map(|i| first + i as u32);
        at(plain).map(|code| (code, false)).or_else(|| at(shifted).map(|code| (code, true)))
    })
}

impl Person {
    /// Names of the steps that went wrong.
    pub(super) fn failed(&self) -> Vec<String> {
        self.steps.iter().filter(|s| !s.ok).map(|s| s.name.clone()).collect()
    }
}
