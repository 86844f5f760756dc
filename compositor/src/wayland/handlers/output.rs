//! `wl_output`, `zxdg_output_manager_v1`.

use smithay::{
    delegate_output, output::Output, reexports::wayland_server::protocol::wl_output::WlOutput,
    wayland::output::OutputHandler,
};

use crate::Desktop;

impl OutputHandler for Desktop {
    fn output_bound(&mut self, output: Output, bound: WlOutput) {
        if let Some(screen) = self.wayland.outputs.screen(&output) {
            self.taskbar_binds_output(screen, &bound);
            self.workspaces_bind_output(screen, &bound);
        }
    }
}

delegate_output!(Desktop);
