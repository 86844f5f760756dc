//! `wp_cursor_shape_manager_v1`: the pointer's picture by name.

use smithay::{delegate_cursor_shape, wayland::tablet_manager::TabletSeatHandler};

use crate::Desktop;

impl TabletSeatHandler for Desktop {}

delegate_cursor_shape!(Desktop);
