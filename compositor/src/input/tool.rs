//! The tool of a drawing tablet: a pen.
//!
//! A pen over a qube's content is told to that qube as a pen; everywhere else it is a pointer, so
//! that frames, prompts and the bar are used with it as with a mouse. While a pen is near, the
//! pointer is where it is and in no window. There is one pen at a time: a person has one hand for it.

use std::{collections::BTreeSet, time::Duration};

use smithay::utils::{Logical, Point};
use transom_protocol::{
    message::{self, ToQube},
    types::{ButtonState, ToolKind},
};

use super::{
    event::{BTN_LEFT, BTN_TOUCH, ToolAct, ToolAxes},
    pointer::Under,
};
use crate::{Desktop, clock::millis, qubes::Link, render::scene::SurfaceKey};

/// State of the pen.
#[derive(Debug, Default)]
pub(crate) struct Tool {
    near: Option<Near>,
    /// The window that was told that the pen is over it, and the serial of that.
    pub entered: Option<(SurfaceKey, u32)>,
}

/// A pen that is near its tablet.
#[derive(Debug)]
struct Near {
    kind: ToolKind,
    axes: u8,
    tip: Tip,
    /// Buttons that its window was told are down.
    buttons: BTreeSet<u32>,
    /// The window that keeps the pen until tip and buttons are up.
    grab: Option<SurfaceKey>,
}

/// Whose business the tip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tip {
    Up,
    /// Down in a window.
    Window,
    /// Down on something of dom0's: the left button.
    Button,
    /// Down, and nobody's.
    Nobody,
}

impl Tool {
    /// A pen is near.
    pub(super) fn is_near(&self) -> bool {
        self.near.is_some()
    }

    /// Windows that are gone have no pen.
    pub(super) fn forget(&mut self, gone: &impl Fn(SurfaceKey) -> bool) {
        if self.entered.is_some_and(|(key, _)| gone(key)) {
            self.entered = None;
            self.let_go(Tip::Nobody);
        }
    }

    /// The press that began in a window is dom0's from here on.
    pub(crate) fn hand_over(&mut self) {
        self.let_go(Tip::Button);
    }

    /// No window keeps it any more; a tip that is down is somebody else's. Returns the buttons that
    /// were down.
    fn let_go(&mut self, tip: Tip) -> BTreeSet<u32> {
        let Some(near) = &mut self.near else { return BTreeSet::new() };
        near.grab = None;
        let mut up = std::mem::take(&mut near.buttons);
        if near.tip == Tip::Window {
            near.tip = tip;
            up.insert(BTN_TOUCH);
        }
        up
    }
}

impl Desktop {
    pub(super) fn tool(&mut self, act: ToolAct, at: Point<f64, Logical>, axes: &ToolAxes, now: Duration) {
        match act {
            ToolAct::In { kind, axes } => {
                self.tool_gone(now);
                let (tip, buttons) = (Tip::Up, BTreeSet::new());
                self.input.tool.near = Some(Near { kind, axes, tip, buttons, grab: None });
                // What holds the pointer in its window is over.
                self.leave_pointer();
            }
            ToolAct::Out => return self.tool_gone(now),
            _ if !self.input.tool.is_near() => return,
            _ => {}
        }
        self.pointer_to(at, now);
        self.refresh_pointer(now);
        self.tool_motion(axes, now);
        match act {
            ToolAct::Tip(true) => self.tool_down(now),
            ToolAct::Tip(false) => self.tool_up(now),
            ToolAct::Button { code, pressed } => self.tool_button(code, pressed, now),
            ToolAct::In { .. } | ToolAct::Out | ToolAct::Moved => {}
        }
    }

    /// The pen is near no more: what it held is up.
    pub(super) fn tool_gone(&mut self, now: Duration) {
        if !self.input.tool.is_near() {
            return;
        }
        self.leave_tool();
        self.trust.intent.released(BTN_TOUCH);
        if self.input.tool.near.take().is_some_and(|near| near.tip == Tip::Button) {
            self.button(BTN_LEFT, false, now);
        }
        self.refresh_pointer(now);
    }

    /// Tells windows whether the pen is over them.
    pub(super) fn refresh_tool(&mut self, now: Duration) {
        let Some(near) = &self.input.tool.near else { return };
        let at = self.input.pointer.at;
        let target = match near.grab {
            Some(key) => self.content_rect(key).map(|rect| (key, at - rect.loc.to_f64())),
            None if near.tip != Tip::Up || self.shell.is_dragging() => None,
            None => match self.under(at) {
                Under::Content(key, local) => Some((key, local)),
                _ => None,
            },
        };
        let target = target.filter(|(key, _)| self.hears(*key));
        if self.input.tool.entered.map(|(key, _)| key) == target.map(|(key, _)| key) {
            return;
        }
        let (kind, axes) = (near.kind, near.axes);
        self.leave_tool();
        if let Some((key, local)) = target
            && let Some(link) = self.qubes.get_mut(key.qube)
        {
            let serial = link.serial();
            let (time, x, y) = (millis(now).into(), local.x.into(), local.y.into());
            let enter = message::ToolEnter { time, tool: kind, axes, x, y };
            link.send(key.window, serial, &ToQube::ToolEnter(&enter));
            self.input.tool.entered = Some((key, serial));
            self.input.pointer.wish = None;
        }
    }

    pub(super) fn leave_tool(&mut self) {
        let Some((key, _)) = self.input.tool.entered.take() else { return };
        self.input.pointer.wish = None;
        for code in self.input.tool.let_go(Tip::Nobody) {
            self.trust.intent.released(code);
        }
        if let Some(link) = self.qubes.get_mut(key.qube)
            && has_tool(link, key)
        {
            link.send(key.window, 0, &ToQube::ToolLeave(()));
        }
    }

    fn tool_motion(&mut self, axes: &ToolAxes, now: Duration) {
        let Some((key, _)) = self.input.tool.entered else { return };
        let Some(rect) = self.content_rect(key) else { return };
        let at = self.input.pointer.at - rect.loc.to_f64();
        let Some(link) = self.qubes.get_mut(key.qube).filter(|link| has_tool(link, key)) else { return };
        // `as` saturates.
        let unit = |value: f64| (value * 65_535.0).round() as u16;
        let motion = message::ToolMotion {
            time: millis(now).into(),
            x: at.x.into(),
            y: at.y.into(),
            pressure: unit(axes.pressure).into(),
            distance: unit(axes.distance).into(),
            tilt_x: axes.tilt.0.into(),
            tilt_y: axes.tilt.1.into(),
            rotation: axes.rotation.into(),
            slider: ((axes.slider.clamp(-1.0, 1.0) * 65_535.0).round() as i32).into(),
            wheel: axes.wheel.0.into(),
            wheel_clicks: axes.wheel.1.into(),
        };
        link.send(key.window, 0, &ToQube::ToolMotion(&motion));
    }

    fn tool_down(&mut self, now: Duration) {
        let outcomes = self.input.keyboard.pointer_event();
        self.outcomes(outcomes, now);
        let under = self.under(self.input.pointer.at);
        let tip = if self.dismiss_on_press(under) {
            Tip::Nobody
        } else if let Some(key) = self.focus_under_tool(under, now) {
            let down = message::ToolTip { time: millis(now).into(), down: true.into() };
            self.tell_press(key, BTN_TOUCH, &ToQube::ToolTip(&down));
            Tip::Window
        } else if matches!(under, Under::Content(..)) && !self.input.keyboard.logo_held() {
            Tip::Nobody
        } else {
            Tip::Button
        };
        if let Some(near) = &mut self.input.tool.near {
            near.tip = tip;
        }
        if tip == Tip::Button {
            self.button(BTN_LEFT, true, now);
        }
        self.refresh_pointer(now);
    }

    /// A press of the pen over content, if it is meant for that: its window has the focus then.
    fn focus_under_tool(&mut self, under: Under, now: Duration) -> Option<SurfaceKey> {
        let Under::Content(key, _) = under else { return None };
        if self.input.keyboard.logo_held() {
            return None;
        }
        self.focus_window(self.toplevel_of(key));
        self.refresh_pointer(now);
        self.input.tool.entered.map(|(entered, _)| entered).filter(|entered| *entered == key)
    }

    /// Tells a window of a press of the pen, and keeps the pen there.
    fn tell_press(&mut self, key: SurfaceKey, code: u32, message: &ToQube<'_>) {
        let toplevel = self.toplevel_of(key);
        if let Some(link) = self.qubes.get_mut(key.qube).filter(|link| has_tool(link, key)) {
            let serial = link.serial();
            link.send(key.window, serial, message);
            self.trust.intent.pressed(toplevel, serial, code);
        }
        if let Some(near) = &mut self.input.tool.near {
            near.grab = Some(key);
        }
    }

    /// Tells a window that a press of the pen is over.
    fn tell_release(&mut self, message: &ToQube<'_>) {
        let Some((key, _)) = self.input.tool.entered else { return };
        if let Some(link) = self.qubes.get_mut(key.qube).filter(|link| has_tool(link, key)) {
            let serial = link.serial();
            link.send(key.window, serial, message);
        }
    }

    fn tool_up(&mut self, now: Duration) {
        self.trust.intent.released(BTN_TOUCH);
        let Some(near) = &mut self.input.tool.near else { return };
        match std::mem::replace(&mut near.tip, Tip::Up) {
            Tip::Window => {
                let up = message::ToolTip { time: millis(now).into(), down: false.into() };
                self.tell_release(&ToQube::ToolTip(&up));
            }
            Tip::Button => self.button(BTN_LEFT, false, now),
            Tip::Up | Tip::Nobody => {}
        }
        self.tool_let_go(now);
    }

    fn tool_button(&mut self, code: u32, pressed: bool, now: Duration) {
        let time = millis(now).into();
        if pressed {
            let outcomes = self.input.keyboard.pointer_event();
            self.outcomes(outcomes, now);
            // Beside windows it goes to nobody.
            let Some((key, _)) = self.input.tool.entered else { return };
            self.focus_window(self.toplevel_of(key));
            let press = message::Button { time, code: code.into(), state: ButtonState::Pressed };
            self.tell_press(key, code, &ToQube::ToolButton(&press));
            if let Some(near) = &mut self.input.tool.near {
                near.buttons.insert(code);
            }
            return;
        }
        self.trust.intent.released(code);
        if self.input.tool.near.as_mut().is_some_and(|near| near.buttons.remove(&code)) {
            let release = message::Button { time, code: code.into(), state: ButtonState::Released };
            self.tell_release(&ToQube::ToolButton(&release));
            self.tool_let_go(now);
        }
    }

    /// Tip or a button are up: with all of them no window keeps the pen.
    fn tool_let_go(&mut self, now: Duration) {
        if let Some(near) = &mut self.input.tool.near
            && near.tip == Tip::Up
            && near.buttons.is_empty()
        {
            near.grab = None;
        }
        self.refresh_pointer(now);
    }
}

/// True if the window can still be told of the pen.
fn has_tool(link: &Link, key: SurfaceKey) -> bool {
    link.session().tool_focus() == Some(key.window) && link.session().window(key.window).is_some()
}
