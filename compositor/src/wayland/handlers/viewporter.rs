//! `wp_viewporter`.

use smithay::delegate_viewporter;

use crate::Desktop;

delegate_viewporter!(Desktop);
