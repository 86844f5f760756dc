//! Which monitors there are, what drives each, and where each is on the desktop.

use smithay::{
    backend::drm::DrmDevice,
    reexports::drm::control::{Device as _, Mode, ModeTypeFlags, connector, crtc},
    utils::{Physical, Size},
};
use tracing::warn;

/// A monitor that is plugged in.
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    /// As the kernel calls its connector: `HDMI-A-1`.
    pub name: String,
    pub connector: connector::Handle,
    /// The mode it likes best.
    pub mode: Mode,
    /// What can drive it.
    crtcs: Vec<crtc::Handle>,
}

impl Monitor {
    /// Size in device pixels.
    pub(super) fn size(&self) -> Size<i32, Physical> {
        let (width, height) = self.mode.size();
        (i32::from(width), i32::from(height)).into()
    }

    /// Refresh in millihertz, from the pixel clock: the kernel's own number is rounded.
    pub(super) fn refresh(&self) -> u32 {
        let (_, _, htotal) = self.mode.hsync();
        let (_, _, vtotal) = self.mode.vsync();
        let pixels = u64::from(htotal) * u64::from(vtotal);
        let rate = (u64::from(self.mode.clock()) * 1_000_000).checked_div(pixels);
        rate.filter(|rate| *rate > 0).map_or(60_000, |rate| rate as u32)
    }
}

/// Every monitor that is plugged in, in the order of connectors.
pub(super) fn plugged(device: &DrmDevice) -> std::io::Result<Vec<Monitor>> {
    let resources = device.resource_handles()?;
    let mut monitors = Vec::new();
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
        let preferred = |mode: &&Mode| mode.mode_type().contains(ModeTypeFlags::PREFERRED);
        let modes = connector.modes();
        let Some(mode) = modes.iter().find(preferred).or_else(|| modes.first()) else { continue };
        let encoders = connector.encoders().iter().filter_map(|encoder| device.get_encoder(*encoder).ok());
        monitors.push(Monitor {
            name: format!("{}-{}", connector.interface().as_str(), connector.interface_id()),
            connector: *handle,
            mode: *mode,
            crtcs: encoders.flat_map(|encoder| resources.filter_crtcs(encoder.possible_crtcs())).collect(),
        });
    }
    Ok(monitors)
}

/// Something to drive `monitor` that is not among `taken`.
pub(super) fn free_crtc(monitor: &Monitor, taken: &[crtc::Handle]) -> Option<crtc::Handle> {
    monitor.crtcs.iter().copied().find(|crtc| !taken.contains(crtc))
}

/// Where monitors of these sizes are, side by side from left to right, and how large the desktop
/// is over all of them. It is as high as the lowest: all of it can be seen.
pub(super) fn side_by_side(sizes: &[Size<i32, Physical>]) -> (Vec<i32>, Size<i32, Physical>) {
    let mut width = 0_i32;
    let lefts = sizes.iter().map(|size| {
        let left = width;
        width = width.saturating_add(size.w);
        left
    });
    let lefts = lefts.collect();
    (lefts, (width, sizes.iter().map(|size| size.h).min().unwrap_or(0)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_desktop_can_be_seen() {
        let (lefts, desktop) = side_by_side(&[(1280, 800).into(), (1024, 768).into(), (640, 900).into()]);
        assert_eq!(lefts, [0, 1280, 2304]);
        assert_eq!(desktop, (2944, 768).into());
        assert_eq!(side_by_side(&[]), (Vec::new(), (0, 0).into()));
    }
}
