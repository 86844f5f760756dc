//! `wl_output`, `zxdg_output_manager_v1`.

use smithay::{delegate_output, wayland::output::OutputHandler};

use crate::Desktop;

impl OutputHandler for Desktop {}

delegate_output!(Desktop);
