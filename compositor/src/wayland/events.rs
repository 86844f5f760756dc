//! What the desktop says to dom0's programs, as events of Wayland.

use transom_protocol::{
    message::{self, ToQube},
    types::{ButtonState, KeyState},
};

use super::windows::Role;
use crate::{Desktop, input::event::BTN_LEFT};

/// Most rounds of a turn. An event may make the server answer and the desktop say more; that ends
/// by itself, but nothing here may go on for ever.
const ROUNDS: usize = 16;

impl Desktop {
    /// Carries over all that the link has queued.
    pub(super) fn hear_desktop(&mut self) {
        for _ in 0..ROUNDS {
            let spare = std::mem::take(&mut self.wayland.spare);
            let Some(link) = self.local_link() else { return };
            let mut bytes = link.take_out(spare);
            let mut rest = bytes.as_slice();
            let nothing = rest.is_empty();
            while let Ok(Some(raw)) = message::next_to_qube(rest) {
                rest = &rest[raw.wire_len()..];
                if let Ok(message) = ToQube::parse(&raw) {
                    self.desktop_says(raw.header.window.get(), raw.header.serial.get(), &message);
                }
            }
            debug_assert!(rest.is_empty(), "dom0 writes whole messages");
            bytes.clear();
            self.wayland.spare = bytes;
            if nothing {
                return;
            }
        }
    }

    fn desktop_says(&mut self, window: u32, serial: u32, message: &ToQube<'_>) {
        match message {
            // Nobody pings or ends its own link, and ids are never used again.
            ToQube::Welcome(_)
            | ToQube::Goodbye(_)
            | ToQube::Ping(())
            | ToQube::WindowGone(())
            | ToQube::Revoked(_) => {}
            ToQube::Output(output) => self.local_output(output),
            ToQube::OutputGone(name) => self.local_output_gone(name.output.get()),
            ToQube::Keymap(keymap) => self.local_keymap(keymap),
            ToQube::Configure(configure) => self.local_configure(window, serial, configure),
            ToQube::Close(()) => {
                if let Some(Role::Toplevel(toplevel)) = self.local_role(window) {
                    toplevel.send_close();
                }
            }
            ToQube::PopupDone(()) => {
                if let Some(Role::Popup(popup, _)) = self.local_role(window) {
                    popup.send_popup_done();
                }
            }
            ToQube::FrameDone(time) => {
                let window = self.wayland.windows.get_mut(window);
                for callback in window.map(|w| std::mem::take(&mut w.callbacks)).unwrap_or_default() {
                    callback.done(time.time.get());
                }
            }
            ToQube::Presented(presented) => self.local_presented(window, serial, presented),
            ToQube::Discarded(()) => {
                let window = self.wayland.windows.get_mut(window);
                let feedback = window.and_then(|w| w.feedback.remove(&serial));
                for feedback in feedback.into_iter().flatten() {
                    feedback.discarded();
                }
            }
            ToQube::Release(()) => self.wayland.windows.released(window, serial),
            ToQube::OnOutput(on) => self.local_on_output(window, on.output.get(), on.on.get()),
            ToQube::PreferredScale(scale) => self.local_scale(window, scale.scale.get()),
            ToQube::KeyboardEnter(()) => self.local_keyboard_enter(window, serial),
            ToQube::KeyboardLeave(()) => {
                self.local_text_leave();
                self.local_keyboard_leave();
            }
            ToQube::Key(key) => {
                let of_person = !self.input.text.synthetic.remove(&serial);
                self.acted_here(of_person && key.state == KeyState::Pressed);
                self.local_key_event(serial, key);
            }
            ToQube::Modifiers(modifiers) => self.local_modifiers(modifiers),
            ToQube::PointerEnter(at) => {
                self.local_pointer_enter(window, serial, (at.x.to_f64(), at.y.to_f64()).into());
            }
            ToQube::PointerLeave(()) => self.local_pointer_leave(),
            ToQube::Motion(motion) => self.local_motion(window, motion),
            ToQube::Button(button) => {
                self.acted_here(button.state == ButtonState::Pressed);
                self.local_button(serial, button);
            }
            ToQube::Axis(axis) => self.local_axis(axis),
            ToQube::PointerFrame(()) => self.local_pointer_frame(),
            ToQube::TouchDown(point) => {
                self.acted_here(true);
                self.local_touch_down(window, serial, point);
            }
            ToQube::TouchMotion(point) => self.local_touch_motion(window, point),
            ToQube::TouchUp(up) => self.local_touch_up(serial, **up),
            ToQube::TouchFrame(()) => self.local_touch_frame(),
            ToQube::TouchCancel(()) => self.local_touch_cancel(),
            // To dom0's programs a pen is a pointer.
            ToQube::ToolEnter(enter) => {
                self.local_pointer_enter(window, serial, (enter.x.to_f64(), enter.y.to_f64()).into());
                self.local_pointer_frame();
            }
            ToQube::ToolLeave(()) => self.local_pointer_leave(),
            ToQube::ToolMotion(motion) => {
                let at = message::TimedPosition { time: motion.time, x: motion.x, y: motion.y };
                self.local_motion(window, &at);
                self.local_pointer_frame();
            }
            ToQube::ToolTip(tip) => {
                self.acted_here(tip.down.get());
                let state = if tip.down.get() { ButtonState::Pressed } else { ButtonState::Released };
                let button = message::Button { time: tip.time, code: BTN_LEFT.into(), state };
                self.local_button(serial, &button);
                self.local_pointer_frame();
            }
            // Protocols that dom0's programs are not offered yet.
            ToQube::RelativeMotion(_)
            | ToQube::ConstraintActive(_)
            | ToQube::Gesture(_)
            | ToQube::ToolButton(_) => {}
            ToQube::TextInputFocus(switch) => self.local_text_focus(window, serial, switch.on.get()),
            ToQube::Preedit(preedit) => {
                let (begin, end) = (preedit.fixed.begin.get(), preedit.fixed.end.get());
                self.wayland.text_inputs.edit.compose(preedit.text(), begin, end);
            }
            ToQube::CommitText(text) => {
                self.wayland.text_inputs.edit.insert(&String::from_utf8_lossy(text));
            }
            ToQube::DeleteSurrounding(delete) => {
                self.wayland.text_inputs.edit.delete(delete.before.get(), delete.after.get());
            }
            ToQube::TextInputDone(()) => self.local_text_done(serial),
            // Cards are of qubes only.
            ToQube::NotifyDismissed(_) | ToQube::NotifyAction(_) | ToQube::StatusIconActivate(_) => {}
            ToQube::SelectionRequest(name) => {
                self.local_selection_request(serial, name.fixed.selection, name.mime_type());
            }
            ToQube::SelectionCancel(()) => self.local_selection_cancel(serial),
            ToQube::Paste(offer) => self.local_paste(serial, &offer.mime_types()),
            ToQube::PasteData(data) => self.local_paste_data(serial, data),
            // dom0's programs drag among themselves only.
            ToQube::Drag(_) | ToQube::Drop(_) => {}
        }
    }

    /// A press of the person goes to a program of dom0.
    fn acted_here(&mut self, press: bool) {
        if press {
            let now = self.clock.now();
            self.trust.act.went_to_dom0(now);
        }
    }

    fn local_role(&self, window: u32) -> Option<Role> {
        self.wayland.windows.get(window).map(|window| window.role.clone())
    }
}
