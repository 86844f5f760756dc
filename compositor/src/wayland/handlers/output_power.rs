//! `zwlr_output_power_manager_v1`: monitors made dark, and lit.

use smithay::{
    output::Output,
    reexports::{
        wayland_protocols_wlr::output_power_management::v1::server::{
            zwlr_output_power_manager_v1::{self, ZwlrOutputPowerManagerV1},
            zwlr_output_power_v1::{self, Mode, ZwlrOutputPowerV1},
        },
        wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum},
    },
};

use crate::Desktop;

/// What programs hold, and what each was last told.
#[derive(Debug, Default)]
pub(in crate::wayland) struct Powers(Vec<(ZwlrOutputPowerV1, u32, bool)>);

impl Desktop {
    /// Programs hear which monitors are dark now.
    pub(crate) fn tell_output_power(&mut self) {
        let screens = &self.screens;
        self.wayland.powers.0.retain_mut(|(power, screen, told)| {
            let lit = screens.get(*screen).map(|screen| screen.lit);
            match lit {
                None => power.failed(),
                Some(lit) if lit != *told => {
                    power.mode(if lit { Mode::On } else { Mode::Off });
                    *told = lit;
                }
                Some(_) => {}
            }
            lit.is_some()
        });
    }
}

impl GlobalDispatch<ZwlrOutputPowerManagerV1, ()> for Desktop {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwlrOutputPowerManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(manager, ());
    }
}

impl Dispatch<ZwlrOutputPowerManagerV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        _: &ZwlrOutputPowerManagerV1,
        request: zwlr_output_power_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let zwlr_output_power_manager_v1::Request::GetOutputPower { id, output } = request else { return };
        let screen =
            Output::from_resource(&output).and_then(|output| desktop.wayland.outputs.screen(&output));
        let power = init.init(id, screen.unwrap_or(0));
        match screen.and_then(|id| desktop.screens.get(id)) {
            Some(screen) => {
                power.mode(if screen.lit { Mode::On } else { Mode::Off });
                desktop.wayland.powers.0.push((power, screen.id, screen.lit));
            }
            None => power.failed(),
        }
    }
}

impl Dispatch<ZwlrOutputPowerV1, u32> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        power: &ZwlrOutputPowerV1,
        request: zwlr_output_power_v1::Request,
        screen: &u32,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let zwlr_output_power_v1::Request::SetMode { mode } = request else { return };
        match mode {
            WEnum::Value(mode) => drop(desktop.set_power(*screen, mode == Mode::On)),
            WEnum::Unknown(_) => {
                power.post_error(zwlr_output_power_v1::Error::InvalidMode, "on or off");
            }
        }
    }

    fn destroyed(
        desktop: &mut Self,
        _: smithay::reexports::wayland_server::backend::ClientId,
        power: &ZwlrOutputPowerV1,
        _: &u32,
    ) {
        desktop.wayland.powers.0.retain(|(kept, ..)| kept != power);
    }
}
