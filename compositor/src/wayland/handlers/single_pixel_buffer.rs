//! `wp_single_pixel_buffer_manager_v1`.

use smithay::delegate_single_pixel_buffer;

use crate::Desktop;

delegate_single_pixel_buffer!(Desktop);
