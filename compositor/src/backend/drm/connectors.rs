//! Which monitors there are, and what can drive each.

use smithay::{
    backend::drm::DrmDevice,
    reexports::drm::control::{self as drm, Device as _, ModeTypeFlags, connector, crtc},
};
use tracing::warn;

use crate::screens::{Hint, Mode, Monitor, edid};

/// A connector with a monitor.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub handle: connector::Handle,
    /// What is plugged in.
    pub monitor: Monitor,
    /// The modes as the kernel has them, in the order of the monitor's.
    modes: Vec<drm::Mode>,
    /// What can drive it.
    crtcs: Vec<crtc::Handle>,
}

impl Connector {
    /// The kernel's form of a mode.
    pub(super) fn mode(&self, mode: Mode) -> Option<drm::Mode> {
        let at = self.monitor.modes.iter().position(|known| *known == mode)?;
        self.modes.get(at).copied()
    }
}

fn told(mode: &drm::Mode) -> Mode {
    let (width, height) = mode.size();
    Mode { size: (i32::from(width), i32::from(height)).into(), refresh: refresh(mode) }
}

/// Refresh in millihertz, from the pixel clock: the kernel's own number is rounded.
fn refresh(mode: &drm::Mode) -> u32 {
    let (_, _, htotal) = mode.hsync();
    let (_, _, vtotal) = mode.vsync();
    let pixels = u64::from(htotal) * u64::from(vtotal);
    let rate = (u64::from(mode.clock()) * 1_000_000).checked_div(pixels);
    rate.filter(|rate| *rate > 0).map_or(60_000, |rate| rate as u32)
}

/// Every monitor that is plugged in, in the order of connectors.
pub(super) fn plugged(device: &DrmDevice) -> std::io::Result<Vec<Connector>> {
    let resources = device.resource_handles()?;
    let mut connectors = Vec::new();
    for handle in resources.connectors() {
        let connector = match device.get_connector(*handle, true) {
            Ok(connector) => connector,
            Err(error) => {
                // One that goes while it is looked at.
                warn!(%error, "a connector cannot be read");
                continue;
            }
        };
        if connector.state() != connector::State::Connected {
            continue;
        }
        let mut modes: Vec<drm::Mode> = Vec::new();
        for mode in connector.modes() {
            if !modes.iter().any(|known| told(known) == told(mode)) {
                modes.push(*mode);
            }
        }
        // The one it likes best first, the others as they are.
        modes.sort_by_key(|mode| !mode.mode_type().contains(ModeTypeFlags::PREFERRED));
        if modes.is_empty() {
            continue;
        }
        let encoders = connector.encoders().iter().filter_map(|encoder| device.get_encoder(*encoder).ok());
        let name = format!("{}-{}", connector.interface().as_str(), connector.interface_id());
        connectors.push(Connector {
            handle: *handle,
            monitor: Monitor {
                identity: edid::identity(&name, &edid_of(device, *handle).unwrap_or_default()),
                modes: modes.iter().map(told).collect(),
                millimetres: connector.size().unwrap_or((0, 0)),
                varies: property(device, *handle, b"vrr_capable") == Some(1),
                hint: Hint::default(),
            },
            modes,
            crtcs: encoders.flat_map(|encoder| resources.filter_crtcs(encoder.possible_crtcs())).collect(),
        });
    }
    connectors.sort_by_key(|connector| u32::from(connector.handle));
    Ok(connectors)
}

/// What the monitor says of itself.
fn edid_of(device: &DrmDevice, connector: connector::Handle) -> Option<Vec<u8>> {
    device.get_property_blob(property(device, connector, b"EDID")?).ok()
}

/// A property of a connector.
fn property(device: &DrmDevice, connector: connector::Handle, name: &[u8]) -> Option<u64> {
    let properties = device.get_properties(connector).ok()?;
    let (_, value) = properties.iter().find(|(property, _)| {
        device.get_property(**property).is_ok_and(|info| info.name().to_bytes() == name)
    })?;
    Some(*value)
}

/// Something to drive `connector` that is not among `taken`.
pub(super) fn free_crtc(connector: &Connector, taken: &[crtc::Handle]) -> Option<crtc::Handle> {
    connector.crtcs.iter().copied().find(|crtc| !taken.contains(crtc))
}
