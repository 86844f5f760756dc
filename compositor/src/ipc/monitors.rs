//! Monitors, told.

use super::{Gamma, Monitor, Night, VariableRefresh};
use crate::{
    Desktop,
    screens::{Plugged, said::transform_name},
};

impl Desktop {
    /// Every monitor that is plugged in.
    pub(super) fn monitors(&self) -> Vec<Monitor> {
        self.screens.plugged().iter().map(|plugged| self.monitor(plugged)).collect()
    }

    fn monitor(&self, Plugged { monitor, planned }: &Plugged) -> Monitor {
        let identity = monitor.identity.clone();
        let screen = self.screens.get(planned.id);
        let area = screen.map(|screen| screen.area).unwrap_or_default();
        Monitor {
            name: identity.connector,
            make: identity.make,
            model: identity.model,
            serial: identity.serial,
            on: planned.on,
            lit: planned.on && planned.lit,
            area: [area.loc.x, area.loc.y, area.size.w, area.size.h],
            size: planned.size().into(),
            scale: f64::from(planned.scale) / 120.0,
            transform: transform_name(planned.transform).into(),
            refresh: planned.mode.refresh,
            modes: monitor.modes.iter().map(|mode| (mode.size.w, mode.size.h, mode.refresh)).collect(),
            workspace: self.shell.workspace_on(planned.id),
            workspaces: self
                .shell
                .workspaces_in_use(planned.id)
                .into_iter()
                .map(|(number, _, attention)| (number, attention))
                .collect(),
            flips: self.backend.flips(planned.id).unwrap_or(0),
            missed: screen.map_or(0, |screen| screen.pacer.missed()),
            margin_us: screen.map_or(0, |screen| screen.pacer.margin().as_micros() as u64),
            pointer_plane: self.backend.pointer_plane(planned.id),
            planes: self.backend.planes(planned.id),
            gamma: self.gamma(planned.id),
            vrr: VariableRefresh {
                supported: monitor.varies,
                wanted: planned.vrr.name().into(),
                on: screen.is_some_and(|screen| screen.varies),
            },
        }
    }

    fn gamma(&self, screen: u32) -> Gamma {
        let Some(set) = self.ramp_of(screen) else { return Gamma::default() };
        let by = match (set.refused, set.program) {
            (true, _) => "refused",
            (false, true) => "program",
            (false, false) => "night",
        };
        Gamma {
            size: set.ramp.size(),
            by: by.into(),
            temperature: (by == "night").then_some(self.night_now().kelvin),
            first: set.ramp.first(),
            last: set.ramp.last(),
        }
    }

    /// Night colour.
    pub(super) fn night(&self) -> Night {
        let now = self.night_now();
        Night { mode: now.mode, temperature: now.kelvin }
    }
}
