//! Devices and keyboard layouts, for `transom msg inputs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Desktop;

/// What a person types and points with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    /// Devices; none except with `transom session`.
    pub devices: Vec<Device>,
    /// Keyboard layouts, and the number of the one in force, from 0.
    pub layouts: Vec<String>,
    /// See `layouts`.
    pub layout: u32,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Vendor and product, as the config file has them.
    pub id: String,
    /// What it is.
    pub kinds: Vec<String>,
    /// Settings in force, as the config file has them.
    pub settings: Vec<String>,
    /// Settings that it cannot have, and why.
    pub refused: Vec<String>,
}

impl Desktop {
    /// Devices and layouts now.
    pub fn inputs(&self) -> Inputs {
        let keyboard = &self.input.keyboard;
        Inputs {
            devices: self.backend.devices(),
            layouts: keyboard.layout_labels(),
            layout: keyboard.layout(),
        }
    }
}
