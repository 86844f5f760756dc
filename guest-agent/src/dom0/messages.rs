//! What dom0 says, carried over to the rooms of the agent.

use transom_protocol::message::{ToQube, features};

use super::LinkError;
use crate::Agent;

impl Agent {
    /// A message that has passed the state machine.
    pub(super) fn dom0_says(
        &mut self,
        window: u32,
        serial: u32,
        message: &ToQube<'_>,
    ) -> Result<(), LinkError> {
        match message {
            ToQube::Welcome(welcome) => {
                self.notifications_wanted(welcome.features.get() & features::NOTIFICATIONS != 0);
                self.dom0_open();
            }
            ToQube::Goodbye(goodbye) => {
                return Err(LinkError::Goodbye(String::from_utf8_lossy(goodbye.tail).into_owned()));
            }
            ToQube::Ping(()) => self.pong(serial),
            ToQube::Output(output) => self.output_changed(output),
            ToQube::OutputGone(name) => self.output_gone(name.output.get()),
            ToQube::Keymap(keymap) => self.keymap(keymap),
            ToQube::Configure(configure) => self.configure(window, serial, configure),
            ToQube::Close(()) => self.close(window),
            ToQube::PopupDone(()) => self.popup_done(window),
            ToQube::FrameDone(time) => self.frame_done(window, **time),
            ToQube::Presented(presented) => self.presented(window, serial, presented),
            ToQube::Discarded(()) => self.discarded(window, serial),
            ToQube::Release(()) => {
                self.windows.released(window, serial);
                if self.windows.get(window).is_some_and(|w| w.deferred && w.initial) {
                    self.send_again(window);
                }
            }
            ToQube::OnOutput(on) => self.on_output(window, on.output.get(), on.on.get()),
            ToQube::PreferredScale(scale) => self.preferred_scale(window, scale.scale.get()),
            // The state machine has freed the id; the agent has forgotten the window before.
            ToQube::WindowGone(()) => {}
            ToQube::Revoked(name) => self.dom0.grants.revoked(name.grant.get()),
            ToQube::KeyboardEnter(()) => self.keyboard_enter(window, serial),
            ToQube::KeyboardLeave(()) => self.keyboard_leave(),
            ToQube::Key(key) => self.key(serial, key),
            ToQube::Modifiers(modifiers) => self.modifiers(modifiers),
            ToQube::PointerEnter(at) => self.pointer_enter(window, serial, at.x.to_f64(), at.y.to_f64()),
            ToQube::PointerLeave(()) => self.pointer_leave(),
            ToQube::Motion(motion) => self.motion(window, motion),
            ToQube::Button(button) => self.button(window, serial, button),
            ToQube::Axis(axis) => self.axis(axis),
            ToQube::PointerFrame(()) => self.pointer_frame(),
            ToQube::RelativeMotion(motion) => self.relative_motion(motion),
            ToQube::ConstraintActive(switch) => self.constraint_active(switch.on.get()),
            ToQube::Gesture(gesture) => self.gesture(serial, gesture),
            ToQube::TouchDown(point) => self.touch_down(window, serial, point),
            ToQube::TouchMotion(point) => self.touch_motion(window, point),
            ToQube::TouchUp(up) => self.touch_up(serial, **up),
            ToQube::TouchFrame(()) => self.touch_frame(),
            ToQube::TouchCancel(()) => self.touch_cancel(),
            ToQube::ToolEnter(enter) => self.tool_enter(window, serial, enter),
            ToQube::ToolLeave(()) => self.tool_leave(),
            ToQube::ToolMotion(motion) => self.tool_motion(window, motion),
            ToQube::ToolTip(tip) => self.tool_tip(window, serial, **tip),
            ToQube::ToolButton(button) => self.tool_button(window, serial, button),
            ToQube::TextInputFocus(switch) => self.text_input_focus(window, serial, switch.on.get()),
            ToQube::Preedit(preedit) => {
                let (begin, end) = (preedit.fixed.begin.get(), preedit.fixed.end.get());
                self.text_edit().compose(preedit.text(), begin, end);
            }
            ToQube::CommitText(text) => self.text_edit().insert(&String::from_utf8_lossy(text)),
            ToQube::DeleteSurrounding(delete) => {
                self.text_edit().delete(delete.before.get(), delete.after.get());
            }
            ToQube::TextInputDone(()) => self.text_edit_done(serial),
            ToQube::NotifyDismissed(name) => self.notification_dismissed(name.notification.get()),
            ToQube::NotifyAction(chosen) => {
                self.notification_chosen(chosen.notification.get(), chosen.action);
            }
            ToQube::StatusIconActivate(click) => self.icon_clicked(click.icon.get(), click.activation),
            ToQube::SelectionRequest(name) => {
                self.selection_request(serial, name.fixed.selection, name.mime_type());
            }
            ToQube::SelectionCancel(()) => self.selection_cancel(serial),
            ToQube::Paste(offer) => self.paste(serial, &offer.mime_types()),
            ToQube::PasteData(data) => self.paste_data(serial, data),
            ToQube::Drag(switch) => self.dom0_drags(serial, switch.on.get()),
            ToQube::Drop(at) => self.dom0_drops(window, serial, (at.x.to_f64(), at.y.to_f64()).into()),
        }
        Ok(())
    }

    fn pong(&mut self, serial: u32) {
        if let Some(link) = self.dom0.open() {
            link.send(0, serial, &transom_protocol::message::ToDom0::Pong(()));
        }
    }
}
