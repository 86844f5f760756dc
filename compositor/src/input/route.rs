//! From a device to the one window it is meant for.
//!
//! Keys go to the window that was drawn as focused in the last frame shown (FOCUS); the pointer
//! goes to what is under it, dom0's own pictures first (OVER); a qube hears of the pointer only
//! while it is over that qube's content (NO-ORACLE).

use std::time::Duration;

use smithay::utils::{Logical, Point};
use transom_protocol::{
    message::{self, CursorChange, Position, TimedPosition, ToQube},
    types::{ButtonState, Constraint, CursorKind, KeyState},
};
use transom_theming::{CursorShape, Hit, TitleButton};

use super::{
    event::{BTN_LEFT, BTN_RIGHT, InputEvent},
    keyboard::{ForwardState, ModifierState, Outcome},
    pointer::{Cursor, Under, Wish, shape},
};
use crate::{
    Desktop,
    clock::millis,
    config::gestures::SwitchEvent,
    layers::Band,
    render::{compose::bar_is_covered, scene::SurfaceKey},
    shell,
    trust::QubeId,
};

/// Two presses on a title bar within this time are a double click.
const DOUBLE_CLICK_MS: u32 = 400;
/// … and this near to each other, in logical pixels.
const DOUBLE_CLICK_REACH: f64 = 5.0;
/// Evdev code of the key that ends a drag.
const KEY_ESC: u32 = 1;

impl Desktop {
    /// Something a person did. It lights monitors that are dark because nobody was there.
    pub fn input(&mut self, event: InputEvent) {
        let now = self.clock.now();
        // What lights the monitors was done in the dark.
        let unseen = self.trust.focus.is_blank();
        // Who closes the lid is on the way out.
        if !matches!(event, InputEvent::Lost | InputEvent::Switch(SwitchEvent::LidClose)) {
            self.person_active();
        }
        if event.is_act() {
            self.ui.starting.person_went_on();
            self.trust.act.pressed();
        }
        if self.lock.covers() {
            self.lock_input(event, now);
            return;
        }
        if unseen {
            self.unseen_input(event, now);
            return;
        }
        match event {
            InputEvent::Key { code, pressed } => {
                if pressed {
                    self.figures.key(self.clock.now());
                }
                let (layout, stuck) = (self.input.keyboard.layout(), self.input.keyboard.stuck());
                let outcomes = self.input.keyboard.key(code, pressed, now);
                self.outcomes(outcomes, now);
                if self.input.keyboard.stuck() != stuck {
                    self.damage_all();
                }
                if self.input.keyboard.layout() != layout {
                    self.layout_chosen();
                }
            }
            InputEvent::PointerTo { x, y } => {
                if let Some(at) = self.screens.nearest((x, y).into()) {
                    self.pointer_to(at, now);
                }
            }
            InputEvent::PointerBy { dx, dy, raw_dx, raw_dy } => {
                self.relative_motion(dx, dy, raw_dx, raw_dy, now);
                let from = self.input.pointer.at;
                let at = self.screens.slide(from, from + Point::from((dx, dy)));
                self.pointer_to(at, now);
            }
            InputEvent::Button { code, pressed } => {
                let outcomes = self.input.keyboard.pointer_event();
                self.outcomes(outcomes, now);
                self.button(code, pressed, now);
            }
            InputEvent::Axis { source, x, y, x120, y120, stop, inverted } => {
                let outcomes = self.input.keyboard.pointer_event();
                self.outcomes(outcomes, now);
                if self.input.keyboard.logo_held() {
                    self.zoom_by_wheel(y120);
                    return;
                }
                if self.ui.kept.launcher.is_some() {
                    self.launcher_wheel(y120);
                    return;
                }
                if self.ui.kept.manager.is_some() {
                    self.manager_wheel(y120);
                    return;
                }
                let axis = message::Axis {
                    time: millis(now).into(),
                    source,
                    stop_x: stop.0.into(),
                    stop_y: stop.1.into(),
                    inverted: inverted.into(),
                    x: x.into(),
                    y: y.into(),
                    x120: x120.into(),
                    y120: y120.into(),
                };
                self.axis(&axis);
            }
            InputEvent::Gesture(gesture) => self.gesture(&gesture, now),
            InputEvent::Tool { act, x, y, axes } => self.tool(act, (x, y).into(), &axes, now),
            InputEvent::Switch(event) => self.switched(event, now),
            InputEvent::TouchDown { id, x, y } => self.touch_down(id, (x, y).into(), now),
            InputEvent::TouchMotion { id, x, y } => self.touch_motion(id, (x, y).into(), now),
            InputEvent::TouchUp { id } => self.touch_up(id, now),
            InputEvent::TouchFrame => self.touch_frame(),
            InputEvent::TouchCancel => self.touch_cancel(),
            InputEvent::Lost => self.input_lost(now),
        }
    }

    /// dom0 has every device for itself from here on: whoever has a key, a button or a finger is told
    /// that it is up. Modifiers that no window was told of stay untold.
    pub(crate) fn take_devices(&mut self) {
        let now = self.clock.now();
        self.input.keyboard.grab(true);
        // Neither a drag nor a button of a title bar that is held is meant.
        self.cancel_drag();
        self.input.pointer.pressed = None;
        self.input_lost(now);
        self.leave_pointer();
    }

    /// Every key, button and finger is up: the back end lost its devices.
    fn input_lost(&mut self, now: Duration) {
        let outcomes = self.input.keyboard.release_all(now);
        self.outcomes(outcomes, now);
        for code in self.input.pointer.buttons.clone() {
            self.button(code, false, now);
        }
        self.touch_cancel();
        self.gesture_lost();
        self.tool_gone(now);
    }

    pub(crate) fn outcomes(&mut self, outcomes: Vec<Outcome>, now: Duration) {
        for outcome in outcomes {
            match outcome {
                Outcome::Forward { .. } | Outcome::Modifiers(_) => self.key_for_focus(outcome, now),
                Outcome::Action(action) => self.action(action, now),
                Outcome::ActionReleased(action) => self.action_released(&action),
                Outcome::Dom0Key { sym, pressed, .. } => self.dom0_key(sym, pressed, now),
            }
        }
    }

    /// A key for the focused window: at once if the last frame showed the focus, else after the
    /// next frame.
    fn key_for_focus(&mut self, outcome: Outcome, now: Duration) {
        if let Outcome::Forward { code: KEY_ESC, state: ForwardState::Pressed } = outcome
            && self.trust.drag.held().is_some()
        {
            // Its release goes to nobody either: no window knows of the press.
            self.cancel_drag();
            return;
        }
        self.input.waiting_keys.push_back((self.trust.focus.wanted(), outcome));
        self.deliver_keys(now);
    }

    /// Delivers keys that waited for their window to be drawn as focused.
    pub(crate) fn deliver_keys(&mut self, now: Duration) {
        let shown = self.trust.focus.keys_to();
        while let Some((meant_for, outcome)) = self.input.waiting_keys.pop_front() {
            if meant_for != self.trust.focus.wanted() {
                // The window it was meant for lost the focus before it was ever shown: the key
                // goes to nobody.
                continue;
            }
            if shown != meant_for {
                if !meant_for.is_some_and(|key| self.can_be_seen(key)) {
                    // No frame will show it: the key goes to nobody, and not later either.
                    continue;
                }
                self.input.waiting_keys.push_front((meant_for, outcome));
                // A bounded number waits for one frame.
                self.input.waiting_keys.truncate(64);
                return;
            }
            let Some(key) = meant_for else { continue };
            self.deliver_key(key, &outcome, now);
        }
    }

    fn deliver_key(&mut self, key: SurfaceKey, outcome: &Outcome, now: Duration) {
        let target = self.grabbing_popup(key).unwrap_or(key);
        let Some(link) = self.qubes.get(target.qube) else { return };
        if link.session().keyboard_focus() != Some(target.window) {
            return;
        }
        match outcome {
            Outcome::Forward { code, state } if self.input_method_takes(target, *code, *state, now) => {}
            Outcome::Forward { code, state } => {
                let Some(link) = self.qubes.get_mut(target.qube) else { return };
                let (state, pressed) = match state {
                    ForwardState::Pressed => (KeyState::Pressed, true),
                    ForwardState::Released => (KeyState::Released, false),
                    ForwardState::Repeated => (KeyState::Repeated, false),
                };
                let known = match state {
                    KeyState::Pressed => {
                        self.input.told_keys.insert(*code);
                        true
                    }
                    KeyState::Released => self.input.told_keys.remove(code),
                    KeyState::Repeated => self.input.told_keys.contains(code),
                };
                if !known {
                    return;
                }
                let serial = link.serial();
                let event = message::Key { time: millis(now).into(), code: (*code).into(), state };
                link.send(target.window, serial, &ToQube::Key(&event));
                if pressed {
                    self.trust.intent.pressed(key, serial, *code);
                }
            }
            Outcome::Modifiers(state) => {
                let Some(link) = self.qubes.get_mut(target.qube) else { return };
                send_modifiers(link, target.window, *state);
                self.modifiers_told(*state);
            }
            _ => {}
        }
    }

    /// Brings the qubes' idea of the keyboard focus in line with what was shown.
    pub(crate) fn sync_keyboard_focus(&mut self) {
        let wanted = self
            .trust
            .focus
            .keys_to()
            .filter(|key| self.qubes.surface(*key).is_some_and(|(link, _)| !link.held))
            .map(|key| self.grabbing_popup(key).unwrap_or(key));
        let mut entered = false;
        for link in self.qubes.iter_mut() {
            let has = link.session().keyboard_focus();
            let should = wanted.filter(|key| key.qube == link.id).map(|key| key.window);
            if has == should {
                continue;
            }
            if let Some(window) = has
                && link.session().window(window).is_some()
            {
                link.send(window, 0, &ToQube::KeyboardLeave(()));
            }
            if let Some(window) = should {
                let serial = link.serial();
                link.send(window, serial, &ToQube::KeyboardEnter(()));
                entered = true;
            }
        }
        if entered {
            self.input.told_keys.clear();
            let outcomes = self.input.keyboard.focus_changed();
            let state = outcomes.into_iter().find_map(|o| match o {
                Outcome::Modifiers(state) => Some(state),
                _ => None,
            });
            if let (Some(key), Some(state)) = (wanted, state)
                && let Some(link) = self.qubes.get_mut(key.qube)
            {
                send_modifiers(link, key.window, state);
                self.modifiers_told(state);
            }
        }
        self.sync_text_input();
    }

    /// The window with the keys was told of modifiers; so is the input method.
    fn modifiers_told(&mut self, state: ModifierState) {
        self.input.text.told_modifiers = state;
        self.wayland.modifiers_for_input_method(state);
    }

    /// A key repeats.
    pub(crate) fn repeat_due(&mut self, now: Duration) {
        if let Some(outcome) = self.input.keyboard.repeat(now) {
            self.key_for_focus(outcome, now);
        }
    }

    // The pointer.

    /// What is under a point.
    pub(crate) fn under(&self, at: Point<f64, Logical>) -> Under {
        if self.overlay_covers(at) || self.card_covers(at) {
            return Under::Ui;
        }
        let placed = self.placed_windows();
        let Some(screen) = self.screens.at(at) else { return Under::Nothing };
        let filled = bar_is_covered(&placed, screen.id);
        if at.y - f64::from(screen.area.loc.y) < f64::from(self.bar_height()) && !filled {
            return Under::Ui;
        }
        let layer = |band| self.layer_under(screen.id, at, band, filled);
        if let Some(under) = self.candidates_under(at).or_else(|| layer(Band::Above)) {
            return under;
        }
        for window in placed.iter().rev() {
            if let Some(under) = self.popup_under(window.key, at) {
                return under;
            }
            let there = window.may_be_on(screen.id);
            if !there || !window.outer.to_f64().contains(at) {
                continue;
            }
            if window.content.to_f64().contains(at) {
                return Under::Content(window.key, at - window.content.loc.to_f64());
            }
            let local = at - window.outer.loc.to_f64();
            return Under::Frame(window.key, self.frame_hit(window, local));
        }
        layer(Band::Between).or_else(|| layer(Band::Below)).unwrap_or(Under::Nothing)
    }

    fn frame_hit(&self, window: &crate::qubes::PlacedWindow, local: Point<f64, Logical>) -> Hit {
        let outer = transom_theming::Size { w: window.outer.size.w, h: window.outer.size.h };
        let kind = if window.fullscreen {
            transom_theming::FrameKind::Fullscreen
        } else {
            transom_theming::FrameKind::Toplevel
        };
        transom_theming::hit_test(self.ui.theme(), kind, outer, (local.x, local.y))
    }

    /// The screens are others now: the pointer stays where it can be seen.
    pub(crate) fn pointer_stays_on_screen(&mut self) {
        self.pointer_to(self.input.pointer.at, self.clock.now());
    }

    pub(super) fn pointer_to(&mut self, at: Point<f64, Logical>, now: Duration) {
        let Some(at) = self.screens.nearest(self.constrain_pointer(at)) else { return };
        if at == self.input.pointer.at && self.input.pointer.entered.is_some() {
            return;
        }
        let before = std::mem::replace(&mut self.input.pointer.at, at);
        self.lead_follows_pointer();
        if let Some(screen) = self.screens.at(at) {
            self.shell.be_at(screen.id);
        }
        if self.shell.is_dragging() {
            self.shell_drag(at);
            self.damage_all();
            return;
        }
        self.overview_pointer(at);
        self.capture_pointer(at);
        self.refresh_pointer(now);
        for at in [before, at] {
            self.damage_pointer(at);
        }
    }

    /// Tells qubes where the pointer is, after it or the windows moved.
    pub(crate) fn refresh_pointer(&mut self, now: Duration) {
        let at = self.input.pointer.at;
        let under = self.under(at);
        let hovered = match under {
            Under::Frame(key, Hit::Button(button)) => Some((key, button)),
            _ => None,
        };
        if hovered != self.input.pointer.hovered {
            self.input.pointer.hovered = hovered;
            self.damage_all();
        }
        let drags = self.trust.drag.held();
        let target = match self.input.pointer.grab {
            // A pen is where the pointer is, and has the windows' attention.
            _ if self.input.tool.is_near() => None,
            _ if self.trust.focus.is_blank() => None,
            // A drag goes over all windows of its qube, and no other hears of it (NO-ORACLE).
            Some(_) if drags.is_some() => match under {
                Under::Content(key, local) if drags == Some(key.qube) => Some((key, local)),
                _ => None,
            },
            Some(key) => self.content_rect(key).map(|rect| (key, at - rect.loc.to_f64())),
            None => match under {
                _ if !self.input.pointer.swallowed.is_empty() || self.shell.is_dragging() => None,
                Under::Content(key, local) => Some((key, local)),
                _ => None,
            },
        };
        let target = target.filter(|(key, _)| self.hears(*key));
        let entered = self.input.pointer.entered;
        if entered.map(|(key, _)| key) != target.map(|(key, _)| key) {
            self.leave_pointer();
            if let Some((key, local)) = target
                && let Some(link) = self.qubes.get_mut(key.qube)
            {
                let serial = link.serial();
                let position = Position { x: local.x.into(), y: local.y.into() };
                link.send(key.window, serial, &ToQube::PointerEnter(&position));
                link.send(key.window, 0, &ToQube::PointerFrame(()));
                self.input.pointer.entered = Some((key, serial));
                self.input.pointer.wish = None;
                if drags.is_some() {
                    // The release goes to where the drag is.
                    self.input.pointer.grab = Some(key);
                }
            }
        } else if let Some((key, local)) = target
            && let Some(link) = self.qubes.get_mut(key.qube)
        {
            let motion = TimedPosition { time: millis(now).into(), x: local.x.into(), y: local.y.into() };
            link.motion(key.window, &motion);
        }
        self.refresh_tool(now);
    }

    /// False while the window's qube is paused.
    pub(crate) fn hears(&self, key: SurfaceKey) -> bool {
        self.qubes.get(key.qube).is_some_and(|link| !link.held)
    }

    /// A qube is paused, or goes on. While it is, its windows stay as they are; keys, pointer and
    /// fingers have left them, so that nothing piles up for somebody who does not read.
    pub fn hold_qube(&mut self, name: &str, held: bool) {
        let link = self.qubes.iter_mut().find(|link| link.qube.name == name && link.held != held);
        let Some(link) = link else { return };
        let (id, now) = (link.id, self.clock.now());
        link.held = held;
        if held {
            if self.input.pointer.entered.is_some_and(|(key, _)| key.qube == id) {
                self.leave_pointer();
            }
            if self.input.tool.entered.is_some_and(|(key, _)| key.qube == id) {
                self.leave_tool();
            }
            self.touch_leaves(id);
            if self.trust.drag.held() == Some(id) {
                self.cancel_drag();
            }
            self.drag_qube_gone(id);
            self.forget_input(|key| key.qube == id);
        }
        self.sync_keyboard_focus();
        self.refresh_pointer(now);
        self.damage_all();
    }

    pub(super) fn leave_pointer(&mut self) {
        self.gesture_leaves();
        let Some((key, _)) = self.input.pointer.entered.take() else { return };
        self.input.pointer.wish = None;
        self.release_constraint();
        if let Some(link) = self.qubes.get_mut(key.qube)
            && link.session().pointer_focus() == Some(key.window)
            && link.session().window(key.window).is_some()
        {
            link.send(key.window, 0, &ToQube::PointerLeave(()));
        }
    }

    pub(super) fn button(&mut self, code: u32, pressed: bool, now: Duration) {
        if pressed {
            self.input.pointer.buttons.insert(code);
            self.press(code, now);
        } else {
            self.input.pointer.buttons.remove(&code);
            self.release(code, now);
        }
    }

    fn press(&mut self, code: u32, now: Duration) {
        let at = self.input.pointer.at;
        if self.input.pointer.grab.is_some() {
            self.send_button(code, ButtonState::Pressed, now);
            return;
        }
        let under = self.under(at);
        if self.dismiss_on_press(under) {
            self.swallow(code, now);
            return;
        }
        match under {
            Under::Content(key, local) => {
                let toplevel = self.toplevel_of(key);
                let moving = self.input.keyboard.logo_held();
                self.focus_window(toplevel);
                let moving = moving && !self.layers.contains(toplevel) && !self.is_candidates(key);
                if moving && (code == BTN_LEFT || code == BTN_RIGHT) {
                    self.swallow(code, now);
                    self.super_drag(toplevel, code, local, now);
                    return;
                }
                if !self.hears(key) {
                    self.swallow(code, now);
                    return;
                }
                self.refresh_pointer(now);
                self.input.pointer.grab = Some(key);
                self.send_button(code, ButtonState::Pressed, now);
            }
            Under::Frame(key, hit) => {
                self.swallow(code, now);
                self.press_on_frame(key, hit, code, now);
            }
            Under::Ui => {
                self.swallow(code, now);
                if code == BTN_LEFT {
                    self.press_on_ui(at, now);
                } else {
                    self.other_press_on_ui(at, code, now);
                }
            }
            Under::PopupFrame(_) => self.swallow(code, now),
            Under::Nothing => {
                self.swallow(code, now);
                self.turn_to_screen_at(at);
            }
        }
    }

    /// A press on the bare desktop of another screen than the one where the person was.
    fn turn_to_screen_at(&mut self, at: Point<f64, Logical>) {
        if let Some(screen) = self.screens.at(at)
            && self.shell.active_output() != screen.id
        {
            self.shell.turn_to(screen.id);
            self.follow_shell_focus();
        }
    }

    /// The press and its release go to nobody.
    fn swallow(&mut self, code: u32, now: Duration) {
        self.input.pointer.swallowed.insert(code);
        self.refresh_pointer(now);
    }

    fn press_on_frame(&mut self, key: SurfaceKey, hit: Hit, code: u32, now: Duration) {
        self.focus_window(key);
        if code != BTN_LEFT {
            return;
        }
        match hit {
            Hit::Button(button) => self.input.pointer.pressed = Some((key, button)),
            Hit::TitleBar => {
                let (time, at) = (millis(now), self.input.pointer.at);
                let double =
                    self.input.pointer.last_title_press.take().is_some_and(|(last, since, place)| {
                        let near = (place - at).x.hypot((place - at).y) <= DOUBLE_CLICK_REACH;
                        last == key && near && time.wrapping_sub(since) <= DOUBLE_CLICK_MS
                    });
                if double {
                    self.toggle_maximised(key);
                } else {
                    self.input.pointer.last_title_press = Some((key, time, at));
                    self.begin_move(key);
                }
            }
            Hit::Edge { top, bottom, left, right } => {
                self.begin_resize(key, shell::Edges { top, bottom, left, right });
            }
            Hit::Content | Hit::Outside => {}
        }
        self.damage_all();
    }

    fn super_drag(&mut self, key: SurfaceKey, code: u32, local: Point<f64, Logical>, now: Duration) {
        if code == BTN_LEFT {
            self.begin_move(key);
        } else if let Some(content) = self.window_content(key) {
            let (right, bottom) =
                (local.x * 2.0 > f64::from(content.size.w), local.y * 2.0 > f64::from(content.size.h));
            self.begin_resize(key, shell::Edges { top: !bottom, bottom, left: !right, right });
        }
        self.refresh_pointer(now);
    }

    fn release(&mut self, code: u32, now: Duration) {
        self.trust.intent.released(code);
        if self.input.pointer.swallowed.remove(&code) {
            if code == BTN_LEFT
                && let Some((key, button)) = self.input.pointer.pressed.take()
            {
                let still = matches!(
                    self.under(self.input.pointer.at),
                    Under::Frame(k, Hit::Button(b)) if k == key && b == button
                );
                if still {
                    self.title_button(key, button);
                }
                self.damage_all();
            }
            self.overview_release(self.input.pointer.at, code);
            if code == BTN_LEFT {
                self.capture_release(self.input.pointer.at);
            }
            if self.input.pointer.swallowed.is_empty() && self.shell.is_dragging() {
                self.end_drag();
            }
            self.refresh_pointer(now);
            return;
        }
        self.send_button(code, ButtonState::Released, now);
        if self.input.pointer.buttons.is_empty() {
            self.drag_button_up(now);
            self.input.pointer.grab = None;
            if self.shell.is_dragging() {
                self.end_drag();
            }
            self.refresh_pointer(now);
        }
    }

    fn send_button(&mut self, code: u32, state: ButtonState, now: Duration) {
        let Some(key) = self.input.pointer.grab else { return };
        let Some(link) = self.qubes.get_mut(key.qube) else { return };
        if link.session().pointer_focus() != Some(key.window) {
            return;
        }
        let serial = link.serial();
        let button = message::Button { time: millis(now).into(), code: code.into(), state };
        link.send(key.window, serial, &ToQube::Button(&button));
        link.send(key.window, 0, &ToQube::PointerFrame(()));
        if state == ButtonState::Pressed {
            self.trust.intent.pressed(self.toplevel_of(key), serial, code);
        }
    }

    fn axis(&mut self, axis: &message::Axis) {
        let Some((key, _)) = self.input.pointer.entered else { return };
        let Some(link) = self.qubes.get_mut(key.qube) else { return };
        link.send(key.window, 0, &ToQube::Axis(axis));
        link.send(key.window, 0, &ToQube::PointerFrame(()));
    }

    fn relative_motion(&mut self, dx: f64, dy: f64, raw_dx: f64, raw_dy: f64, now: Duration) {
        let Some((key, _)) = self.input.pointer.entered else { return };
        let Some(link) = self.qubes.get_mut(key.qube) else { return };
        let motion = message::RelativeMotion {
            time_us: (now.as_micros() as u64).into(),
            x: dx.into(),
            y: dy.into(),
            raw_x: raw_dx.into(),
            raw_y: raw_dy.into(),
        };
        link.send(key.window, 0, &ToQube::RelativeMotion(&motion));
        link.send(key.window, 0, &ToQube::PointerFrame(()));
    }

    // Pointer constraints.

    /// A program asks to lock or confine the pointer: granted while its window has the focus and
    /// the pointer, ended by the person at any time.
    pub(crate) fn constraint_change(
        &mut self,
        key: SurfaceKey,
        constraint: Constraint,
        hint: Option<(f64, f64)>,
    ) {
        let Some(link) = self.qubes.get(key.qube) else { return };
        let root = SurfaceKey { window: link.root(key.window), ..key };
        if constraint == Constraint::None {
            if self.input.pointer.constraint.is_some_and(|(held, _)| held == root) {
                self.release_constraint();
                if let (Some((x, y)), Some(rect)) = (hint, self.content_rect(root))
                    && rect.to_f64().contains(rect.loc.to_f64() + Point::from((x, y)))
                {
                    let now = self.clock.now();
                    self.pointer_to(rect.loc.to_f64() + Point::from((x, y)), now);
                }
            }
            return;
        }
        let has_pointer = self.input.pointer.entered.is_some_and(|(entered, _)| entered == root);
        let focused = self.trust.focus.keys_to() == Some(self.toplevel_of(root));
        if has_pointer && focused {
            self.input.pointer.constraint = Some((root, constraint));
            self.send_constraint(root, true);
        }
    }

    fn send_constraint(&mut self, key: SurfaceKey, on: bool) {
        if let Some(link) = self.qubes.get_mut(key.qube)
            && link.session().window(key.window).is_some()
        {
            let switch = message::Switch { on: on.into() };
            link.send(key.window, 0, &ToQube::ConstraintActive(&switch));
        }
    }

    /// Gives the pointer back to the person.
    pub(crate) fn release_constraint(&mut self) {
        if let Some((key, _)) = self.input.pointer.constraint.take() {
            self.send_constraint(key, false);
        }
    }

    fn constrain_pointer(&self, at: Point<f64, Logical>) -> Point<f64, Logical> {
        match self.input.pointer.constraint {
            Some((_, Constraint::Lock)) => self.input.pointer.at,
            Some((key, Constraint::Confine)) => match self.content_rect(key) {
                Some(rect) => {
                    let rect = rect.to_f64();
                    let (right, bottom) = (rect.loc.x + rect.size.w, rect.loc.y + rect.size.h);
                    let edge = 1.0 / 256.0;
                    Point::from((
                        at.x.clamp(rect.loc.x, (right - edge).max(rect.loc.x)),
                        at.y.clamp(rect.loc.y, (bottom - edge).max(rect.loc.y)),
                    ))
                }
                None => at,
            },
            _ => at,
        }
    }

    // The pointer's picture.

    /// What the pointer looks like now.
    pub(crate) fn cursor(&self) -> Cursor {
        if let Some((key, Constraint::Lock)) = self.input.pointer.constraint
            && self.input.pointer.entered.is_some_and(|(entered, _)| entered == key)
        {
            return Cursor::Hidden;
        }
        match self.under(self.input.pointer.at) {
            Under::Content(over, _) if self.pointed_at().is_some_and(|(k, _)| k == over) => {
                match self.input.pointer.wish {
                    None => Cursor::Shape(CursorShape::Default),
                    Some(Wish::Hidden) => Cursor::Hidden,
                    Some(Wish::Shape(number)) => Cursor::Shape(shape(number)),
                    Some(Wish::Surface(window, hotspot)) => {
                        Cursor::Surface { key: SurfaceKey { window, ..over }, hotspot, over }
                    }
                }
            }
            Under::Frame(_, Hit::Edge { top, bottom, left, right }) => {
                Cursor::Shape(match (top || bottom, left || right) {
                    (true, true) if top == left => CursorShape::ResizeNwse,
                    (true, true) => CursorShape::ResizeNesw,
                    (true, false) => CursorShape::ResizeNs,
                    _ => CursorShape::ResizeEw,
                })
            }
            _ => Cursor::Shape(CursorShape::Default),
        }
    }

    /// The window that the pointer or a pen is in, and the serial of its entry.
    fn pointed_at(&self) -> Option<(SurfaceKey, u32)> {
        self.input.pointer.entered.or(self.input.tool.entered)
    }

    /// A qube's wish for the pointer's picture.
    pub(crate) fn cursor_change(&mut self, qube: QubeId, serial: u32, change: CursorChange) {
        let Some((key, entered)) = self.pointed_at() else { return };
        if key.qube != qube || serial != entered {
            return;
        }
        self.input.pointer.wish = Some(match change.kind {
            CursorKind::Hidden => Wish::Hidden,
            CursorKind::Shape => Wish::Shape(change.shape),
            CursorKind::Window => {
                let hotspot = Point::from((change.hot_x.get(), change.hot_y.get()));
                if let Some(surface) =
                    self.qubes.get_mut(qube).and_then(|l| l.surface_mut(change.window.get()))
                {
                    surface.delta = Point::default();
                }
                Wish::Surface(change.window.get(), hotspot)
            }
        });
        self.damage_all();
    }

    /// Title button under the pointer and title button pressed, for a window's frame.
    pub(crate) fn forget_input(&mut self, gone: impl Fn(SurfaceKey) -> bool) {
        let pointer = &mut self.input.pointer;
        if pointer.entered.is_some_and(|(key, _)| gone(key)) {
            pointer.entered = None;
            pointer.wish = None;
        }
        if pointer.grab.is_some_and(&gone) {
            pointer.grab = None;
            // The rest of this press goes to nobody.
            let buttons = pointer.buttons.clone();
            pointer.swallowed.extend(buttons);
        }
        if pointer.hovered.is_some_and(|(key, _)| gone(key)) {
            pointer.hovered = None;
        }
        if pointer.pressed.is_some_and(|(key, _)| gone(key)) {
            pointer.pressed = None;
        }
        if pointer.constraint.is_some_and(|(key, _)| gone(key)) {
            pointer.constraint = None;
        }
        self.input.touch.forget(&gone);
        self.input.layouts.forget(&gone);
        self.input.gestures.forget(&gone);
        self.input.tool.forget(&gone);
        self.input.waiting_keys.retain(|(key, _)| key.is_none_or(|k| !gone(k)));
    }

    pub(crate) fn input_window_gone(&mut self, key: SurfaceKey) {
        self.drag_window_gone(key);
        self.forget_input(|k| k == key);
        self.trust.focus.vanished(key);
        let now = self.clock.now();
        self.refresh_pointer(now);
    }

    pub(crate) fn input_qube_gone(&mut self, qube: QubeId) {
        self.forget_input(|k| k.qube == qube);
        let now = self.clock.now();
        self.refresh_pointer(now);
    }

    fn title_button(&mut self, key: SurfaceKey, button: TitleButton) {
        match button {
            TitleButton::Close => self.close_window(key),
            TitleButton::Maximise => self.toggle_maximised(key),
            TitleButton::Minimise => self.minimise(key),
        }
    }
}

pub(super) fn send_modifiers(link: &mut crate::qubes::Link, window: u32, state: ModifierState) {
    let modifiers = message::Modifiers {
        depressed: state.depressed.into(),
        latched: state.latched.into(),
        locked: state.locked.into(),
        group: state.group.into(),
    };
    link.send(window, 0, &ToQube::Modifiers(&modifiers));
}
