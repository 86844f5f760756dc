//! `zwlr_gamma_control_manager_v1`: programs of dom0 that set the gamma ramps of monitors.
//!
//! One program at a time for each monitor. A table is read where it lies, and only from a regular file
//! (the protocol says that it can be mapped): nothing is waited for. Of another length than three ramps,
//! it is a protocol error; one through which dom0's pictures could not be read is refused by `failed`.

use std::{io, os::fd::OwnedFd};

use rustix::fs::{FileType, fstat};
use smithay::{
    output::Output,
    reexports::{
        wayland_protocols_wlr::gamma_control::v1::server::{
            zwlr_gamma_control_manager_v1::{self, ZwlrGammaControlManagerV1},
            zwlr_gamma_control_v1::{self, ZwlrGammaControlV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, backend::ClientId,
        },
    },
};
use tracing::warn;

use crate::{
    Desktop,
    screens::gamma::{Ramp, RampError},
};

/// Who may set a monitor's ramp: the control, the screen, and how many entries were told.
#[derive(Debug, Default)]
pub(in crate::wayland) struct GammaControls(Vec<(ZwlrGammaControlV1, u32, u32)>);

/// Why a table is not taken.
#[derive(Debug, thiserror::Error)]
enum TableError {
    #[error("the table is no regular file")]
    NoFile,
    #[error("the table cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Ramp(#[from] RampError),
}

/// The ramps that a file holds.
fn table(file: &OwnedFd, size: u32) -> Result<Ramp, TableError> {
    let length = size as usize * 3 * size_of::<u16>();
    let stat = fstat(file).map_err(io::Error::from)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(TableError::NoFile);
    }
    if u64::try_from(stat.st_size) != Ok(length as u64) {
        return Err(RampError::Length.into());
    }
    let mut bytes = vec![0; length];
    let mut read = 0;
    while read < length {
        match rustix::io::pread(file, &mut bytes[read..], read as u64) {
            // It has become shorter meanwhile.
            Ok(0) => return Err(RampError::Length.into()),
            Ok(more) => read += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    Ok(Ramp::from_bytes(size, &bytes)?)
}

impl Desktop {
    /// Monitors went, or are driven otherwise: controls that can do nothing any more end.
    pub(crate) fn tell_gamma_controls(&mut self) {
        let mut controls = std::mem::take(&mut self.wayland.gamma_controls.0);
        controls.retain(|(control, screen, told)| {
            let stays = self.screens.get(*screen).is_some()
                && self.ramp_size(*screen) == *told
                && !self.ramp_of(*screen).is_some_and(|set| set.refused);
            if !stays {
                control.failed();
                self.drop_program_ramp(*screen);
            }
            stays
        });
        self.wayland.gamma_controls.0 = controls;
    }

    fn set_gamma(&mut self, control: &ZwlrGammaControlV1, file: &OwnedFd) {
        let controls = &self.wayland.gamma_controls.0;
        let Some((_, screen, size)) = controls.iter().find(|(kept, ..)| kept == control).cloned() else {
            // It was told that it has failed.
            return;
        };
        let taken =
            table(file, size).and_then(|ramp| self.set_program_ramp(screen, ramp).map_err(TableError::from));
        match taken {
            Ok(()) => self.tell_gamma_controls(),
            Err(error @ TableError::Ramp(RampError::Length)) => {
                control.post_error(zwlr_gamma_control_v1::Error::InvalidGamma, error.to_string());
            }
            Err(error) => {
                warn!(%error, "a program's gamma ramp is not taken");
                control.failed();
                self.forget_gamma_control(control);
            }
        }
    }

    fn forget_gamma_control(&mut self, control: &ZwlrGammaControlV1) {
        let controls = &mut self.wayland.gamma_controls.0;
        let Some(at) = controls.iter().position(|(kept, ..)| kept == control) else { return };
        let (_, screen, _) = controls.swap_remove(at);
        self.drop_program_ramp(screen);
    }
}

impl GlobalDispatch<ZwlrGammaControlManagerV1, ()> for Desktop {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwlrGammaControlManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(manager, ());
    }
}

impl Dispatch<ZwlrGammaControlManagerV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        _: &ZwlrGammaControlManagerV1,
        request: zwlr_gamma_control_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let zwlr_gamma_control_manager_v1::Request::GetGammaControl { id, output } = request else { return };
        let screen =
            Output::from_resource(&output).and_then(|output| desktop.wayland.outputs.screen(&output));
        let control = init.init(id, ());
        let free = |screen: &u32| !desktop.wayland.gamma_controls.0.iter().any(|(_, held, _)| held == screen);
        match screen.filter(free).map(|screen| (screen, desktop.ramp_size(screen))) {
            Some((screen, size)) if size > 0 => {
                control.gamma_size(size);
                desktop.wayland.gamma_controls.0.push((control, screen, size));
            }
            _ => control.failed(),
        }
    }
}

impl Dispatch<ZwlrGammaControlV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        control: &ZwlrGammaControlV1,
        request: zwlr_gamma_control_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        if let zwlr_gamma_control_v1::Request::SetGamma { fd } = request {
            desktop.set_gamma(control, &fd);
        }
    }

    fn destroyed(desktop: &mut Self, _: ClientId, control: &ZwlrGammaControlV1, (): &()) {
        desktop.forget_gamma_control(control);
    }
}
