//! `wp_presentation`.

use smithay::delegate_presentation;

use crate::Desktop;

delegate_presentation!(Desktop);
