//! What chords do.

use std::time::Duration;

use smithay::input::keyboard::xkb::keysyms;
use transom_hypervisor::supervisor::{Program, QubeName, RequestBody};

use super::keyboard::Action;
use crate::{
    Desktop,
    config::gestures::SwitchEvent,
    ui::{Among, Given, Purpose, notices::Notice},
};

impl Desktop {
    /// A chord fired.
    pub(crate) fn action(&mut self, action: Action, now: Duration) {
        if self.capture_action(&action) || self.overview_action(&action) {
            return;
        }
        let focused = self.focused_window();
        match action {
            Action::SwitchNext => self.switcher_step(true, Among::All),
            Action::SwitchPrevious => self.switcher_step(false, Among::All),
            Action::SwitchNextOfQube => self.switcher_step(true, Among::Qube),
            Action::SwitchPreviousOfQube => self.switcher_step(false, Among::Qube),
            Action::SwitchNextOfApp => self.switcher_step(true, Among::App),
            Action::SwitchPreviousOfApp => self.switcher_step(false, Among::App),
            Action::FindWindow => self.find_window(),
            Action::Overview => self.toggle_overview(),
            Action::Output(to) => self.turn_to_output(to),
            Action::Zoom(steps) => self.zoom(Some(f64::from(steps))),
            Action::ZoomOff => self.zoom(None),
            Action::Scratch => {
                self.shell.toggle_scratch();
                self.follow_shell_focus();
            }
            Action::Close
            | Action::Minimise
            | Action::Maximise
            | Action::Fullscreen
            | Action::TileLeft
            | Action::TileRight
            | Action::Arrow(_)
            | Action::Focus(_)
            | Action::Move(_)
            | Action::MoveToOutput(_)
            | Action::Grow(..)
            | Action::ColumnWidth(_)
            | Action::ColumnShow(_)
            | Action::ToScratch
            | Action::Float => {
                if let Some(key) = focused {
                    self.window_action(key, &action);
                } else if let Action::Focus(to) | Action::Arrow(to) = action
                    && self.layers.focus().is_none()
                {
                    self.focus_any(to);
                }
            }
            Action::Arrange(arrangement) => self.arrange(arrangement),
            Action::Workspace(number) => {
                self.shell.switch_workspace(number);
                self.follow_shell_focus();
            }
            Action::WorkspaceNext | Action::WorkspacePrevious => {
                let now = self.shell.current_workspace();
                let number = if action == Action::WorkspaceNext { now + 1 } else { now - 1 };
                if (1..=crate::shell::WORKSPACES).contains(&number) {
                    self.shell.switch_workspace(number);
                    self.follow_shell_focus();
                }
            }
            Action::MoveToWorkspace(number) => {
                if let Some(key) = focused {
                    self.shell.move_to_workspace(key, number);
                    self.follow_shell_focus();
                }
            }
            Action::ClipboardCopyOut => self.copy_out(now),
            Action::ClipboardPasteIn => self.paste_in(now),
            Action::Screenshot => self.save_screenshot(),
            Action::Capture => self.toggle_capture(Purpose::Picture),
            Action::Record => self.toggle_capture(Purpose::Recording),
            Action::Launcher => self.toggle_launcher(),
            Action::Unlock => self.want_passphrase(),
            Action::Manager => self.toggle_manager(),
            Action::Launch { qube, argv } => match QubeName::new(&qube) {
                Ok(name) => {
                    let shown = argv.first().cloned().unwrap_or_default();
                    let program = Program::Command { argv };
                    self.begin_start(RequestBody::Open { qube: name, program }, &qube, &shown, None, false);
                }
                Err(error) => self.notify(Notice::Text(format!("cannot start a program in {qube}: {error}"))),
            },
            Action::Layout(step) => self.step_layout(step, now),
            Action::DismissNotification => self.dismiss_newest_card(),
            Action::DoNotDisturb => self.do_not_disturb(!self.ui.cards.quiet),
            Action::Lock => self.lock(),
            Action::Logout => drop(self.logout()),
            Action::Quit => self.quit(),
            Action::ShowTitle => {
                self.input.title_shown = !self.input.title_shown;
                self.damage_all();
            }
            Action::ReleasePointer => self.release_constraint(),
            Action::Console(number) => {
                if let Some(drm) = self.backend.drm_mut() {
                    drm.change_console(number);
                }
            }
        }
    }

    /// A switch of the machine says something. A lid that closes locks, whatever else it is bound to.
    pub(super) fn switched(&mut self, event: SwitchEvent, now: Duration) {
        tracing::info!(%event, "a switch of the machine");
        if let Some(action) = self.config.switches.action(event).cloned() {
            self.action(action, now);
        }
        if event == SwitchEvent::LidClose {
            self.lock();
        }
    }

    /// The modifiers of a chord are up: the switcher's choice is made.
    pub(crate) fn action_released(&mut self, action: &Action) {
        if matches!(
            action,
            Action::SwitchNext
                | Action::SwitchPrevious
                | Action::SwitchNextOfQube
                | Action::SwitchPreviousOfQube
                | Action::SwitchNextOfApp
                | Action::SwitchPreviousOfApp
        ) {
            self.switcher_let_go();
        }
    }

    /// A key while dom0 has the keyboard for itself.
    pub(super) fn dom0_key(&mut self, sym: u32, pressed: bool, now: Duration) {
        if !pressed {
            return;
        }
        if self.ui.kept.prompt.is_some() {
            match sym {
                keysyms::KEY_Escape => self.prompt_answer(Given::Deny, now),
                keysyms::KEY_Return | keysyms::KEY_KP_Enter => self.prompt_confirm(now),
                keysyms::KEY_Tab | keysyms::KEY_Right => self.prompt_other_answer(true),
                keysyms::KEY_ISO_Left_Tab | keysyms::KEY_Left => self.prompt_other_answer(false),
                keysyms::KEY_Down => self.prompt_other_row(true),
                keysyms::KEY_Up => self.prompt_other_row(false),
                _ => {}
            }
        } else if self.ui.kept.capture.is_some() {
            self.capture_key(sym);
        } else if self.ui.passphrase.is_open() {
            self.passphrase_key(sym);
        } else if self.ui.kept.launcher.is_some() {
            self.launcher_key(sym);
        } else if self.ui.kept.manager.is_some() {
            self.manager_key(sym);
        } else if self.shell.switcher().is_some() {
            self.switcher_key(sym);
        } else if self.ui.kept.overview.is_some() {
            self.overview_key(sym);
        }
    }

    fn save_screenshot(&mut self) {
        match self.screenshot() {
            Ok(picture) => self.keep_picture(picture),
            Err(error) => self.notify(Notice::Text(format!("no picture: {error}"))),
        }
    }
}
