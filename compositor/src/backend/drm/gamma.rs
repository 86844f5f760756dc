//! The gamma ramp of what drives a monitor: the atomic property `GAMMA_LUT`, else the older request
//! (`DRM_IOCTL_MODE_SETGAMMA`), else there is none.
//!
//! A property is changed by a commit of its own, which must not meet a page flip: it is made while no
//! frame waits for its vertical blank, and its own vertical blank is waited for as a frame's is, so the
//! desktop never waits in the kernel. The first after a monitor is taken up is waited for: what shows it
//! has no frame of ours yet that would flip.

use std::io;

use smithay::reexports::drm::control::{AtomicCommitFlags, Device, atomic::AtomicModeReq, crtc, property};

use crate::screens::gamma::{Ramp, SIZES};

/// How a ramp is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `GAMMA_LUT`, with as many entries as `GAMMA_LUT_SIZE` says.
    Property { lut: property::Handle, size: u32 },
    /// The older request.
    Request { size: u32 },
    /// None.
    None,
}

/// What comes of setting a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The monitor has it, or it waits for the one on its way.
    Done,
    /// The next vertical blank shows it.
    OnItsWay,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Gamma {
    crtc: crtc::Handle,
    way: Way,
    wanted: Option<Ramp>,
    /// What was set; `None`: whatever others left there.
    set: Option<Ramp>,
}

impl Gamma {
    /// What this CRTC has. `atomic`: commits can be made.
    pub(super) fn of(device: &impl Device, crtc: crtc::Handle, atomic: bool) -> Self {
        Self { crtc, way: way(device, crtc, atomic), wanted: None, set: None }
    }

    /// Entries of its ramp; 0: it has none.
    pub(super) fn size(&self) -> u32 {
        match self.way {
            Way::Property { size, .. } | Way::Request { size } => size,
            Way::None => 0,
        }
    }

    /// This ramp is to be set.
    pub(super) fn want(&mut self, ramp: &Ramp) {
        if self.wanted.as_ref() != Some(ramp) {
            self.wanted = Some(ramp.clone());
        }
    }

    /// Others had the monitor.
    pub(super) fn forget(&mut self) {
        self.set = None;
    }

    /// The one that is wanted is not in force yet.
    pub(super) fn due(&self) -> bool {
        self.wanted.is_some() && self.wanted != self.set && self.way != Way::None
    }

    /// Sets what is wanted. `shows`: frames of ours are on the monitor, and none is on its way.
    ///
    /// # Errors
    /// The card refuses; it is not tried again with the same ramp.
    pub(super) fn set(&mut self, device: &impl Device, shows: bool) -> io::Result<Step> {
        let Some(ramp) = self.wanted.clone().filter(|_| self.due()) else { return Ok(Step::Done) };
        let done = match self.way {
            Way::Property { lut, .. } => match commit(device, self.crtc, lut, &ramp, shows) {
                // Something else is on its way there.
                Err(_) if shows => commit(device, self.crtc, lut, &ramp, false).map(|()| false),
                done => done.map(|()| shows),
            },
            Way::Request { .. } => {
                let [red, green, blue] = ramp.channels();
                device.set_gamma(self.crtc, red, green, blue).map(|()| false)
            }
            Way::None => Ok(false),
        };
        if done.is_err() {
            self.wanted = None;
        }
        self.set = done.is_ok().then_some(ramp);
        done.map(|on_its_way| if on_its_way { Step::OnItsWay } else { Step::Done })
    }
}

fn way(device: &impl Device, crtc: crtc::Handle, atomic: bool) -> Way {
    let (mut lut, mut lut_size) = (None, 0);
    if let Ok(properties) = device.get_properties(crtc) {
        for (handle, value) in &properties {
            let Ok(info) = device.get_property(*handle) else { continue };
            match info.name().to_bytes() {
                b"GAMMA_LUT" => lut = Some(*handle),
                b"GAMMA_LUT_SIZE" => lut_size = *value,
                _ => {}
            }
        }
    }
    let sensible = |size: u64| u32::try_from(size).ok().filter(|size| SIZES.contains(size));
    // Without commits it is there to be read all the same.
    if let (Some(lut), Some(size)) = (lut.filter(|_| atomic), sensible(lut_size)) {
        return Way::Property { lut, size };
    }
    let older = device.get_crtc(crtc).ok().and_then(|crtc| sensible(crtc.gamma_length().into()));
    older.map_or(Way::None, |size| Way::Request { size })
}

/// Makes the commit. `event`: its vertical blank says when it is in force, and nothing is waited for.
fn commit(
    device: &impl Device,
    crtc: crtc::Handle,
    lut: property::Handle,
    ramp: &Ramp,
    event: bool,
) -> io::Result<()> {
    let blob = drm_ffi::mode::create_property_blob(device.as_fd(), &mut table(ramp))?.blob_id;
    let mut request = AtomicModeReq::new();
    request.add_property(crtc, lut, property::Value::Blob(blob.into()));
    let flags = if event {
        AtomicCommitFlags::NONBLOCK | AtomicCommitFlags::PAGE_FLIP_EVENT
    } else {
        AtomicCommitFlags::empty()
    };
    let done = device.atomic_commit(flags, request);
    // The CRTC keeps it.
    let _ = device.destroy_property_blob(blob.into());
    done
}

/// The kernel's `struct drm_color_lut`: red, green, blue and nothing, each 16 bits, entry by entry.
fn table(ramp: &Ramp) -> Vec<u8> {
    let [red, green, blue] = ramp.channels();
    let entries = red.iter().zip(green).zip(blue);
    entries.flat_map(|((red, green), blue)| [*red, *green, *blue, 0]).flat_map(u16::to_ne_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_gets_its_own_form() {
        let bytes = table(&Ramp::to(2, [1.0, 0.5, 0.25]));
        let values: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
        assert_eq!(values, [0, 0, 0, 0, 65_535, 32_768, 16_384, 0]);
    }
}
