//! dom0's outputs as programs see them, and what is known of frames on them.

use std::{collections::BTreeMap, time::Duration};

use smithay::{
    output::{Mode, Output, PhysicalProperties, Scale, Subpixel},
    reexports::{
        wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::Kind,
        wayland_server::backend::GlobalId,
    },
    utils::Transform,
    wayland::{
        compositor::{send_surface_state, with_states},
        fractional_scale::with_fractional_scale,
        presentation::Refresh,
    },
};
use transom_protocol::{message, types};

use crate::{Agent, windows::tree};

/// Outputs by dom0's id.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    by_id: BTreeMap<u32, (Output, GlobalId)>,
}

impl Outputs {
    /// Scale of the first output, in 120ths: what a new window will most likely need.
    pub(crate) fn usual_scale(&self) -> u32 {
        let first = self.by_id.values().next();
        first.map_or(120, |(output, _)| (output.current_scale().fractional_scale() * 120.0).round() as u32)
    }
}

impl Agent {
    pub(crate) fn output_changed(&mut self, told: &message::Output) {
        let id = told.output.get();
        let output = if let Some((output, _)) = self.outputs.by_id.get(&id) {
            output.clone()
        } else {
            let properties = PhysicalProperties {
                size: (told.width_mm.get() as i32, told.height_mm.get() as i32).into(),
                subpixel: Subpixel::Unknown,
                make: "Transom".into(),
                model: "dom0".into(),
            };
            let output = Output::new(format!("dom0-{id}"), properties);
            let global = output.create_global::<Self>(&self.display);
            self.outputs.by_id.insert(id, (output.clone(), global));
            output
        };
        let mode = Mode {
            size: (told.width.get() as i32, told.height.get() as i32).into(),
            refresh: told.refresh.get() as i32,
        };
        let transform = match told.transform {
            types::Transform::Normal => Transform::Normal,
            types::Transform::Rot90 => Transform::_90,
            types::Transform::Rot180 => Transform::_180,
            types::Transform::Rot270 => Transform::_270,
            types::Transform::Flipped => Transform::Flipped,
            types::Transform::Flipped90 => Transform::Flipped90,
            types::Transform::Flipped180 => Transform::Flipped180,
            types::Transform::Flipped270 => Transform::Flipped270,
        };
        for old in output.modes().into_iter().filter(|old| *old != mode) {
            output.delete_mode(old);
        }
        let scale = Scale::Fractional(f64::from(told.scale.get()) / 120.0);
        let at = (told.x.get(), told.y.get()).into();
        output.change_current_state(Some(mode), Some(transform), Some(scale), Some(at));
        output.set_preferred(mode);
    }

    pub(crate) fn output_gone(&mut self, id: u32) {
        if let Some((output, global)) = self.outputs.by_id.remove(&id) {
            for window in self.windows.by_id.values() {
                output.leave(&window.surface);
            }
            self.display.remove_global::<Self>(global);
        }
    }

    /// A window is on an output, or no longer.
    pub(crate) fn on_output(&mut self, window: u32, id: u32, on: bool) {
        let Some((output, _)) = self.outputs.by_id.get(&id) else { return };
        let Some(window) = self.windows.by_id.get_mut(&window) else { return };
        window.outputs.retain(|known| *known != id);
        if on {
            window.outputs.push(id);
        }
        let mut surfaces = vec![window.surface.clone()];
        while let Some(surface) = surfaces.pop() {
            if on {
                output.enter(&surface);
            } else {
                output.leave(&surface);
            }
            surfaces.extend(tree::children(&surface).into_iter().filter_map(|(child, _)| child));
        }
    }

    /// The scale a window should draw at, in 120ths.
    pub(crate) fn preferred_scale(&mut self, window: u32, scale: u32) {
        let Some(window) = self.windows.get_mut(window) else { return };
        window.scale = scale;
        let mut surfaces = vec![window.surface.clone()];
        while let Some(surface) = surfaces.pop() {
            with_states(&surface, |states| {
                with_fractional_scale(states, |fractional| {
                    fractional.set_preferred_scale(f64::from(scale) / 120.0);
                });
                send_surface_state(&surface, states, scale.div_ceil(120) as i32, Transform::Normal);
            });
            surfaces.extend(tree::children(&surface).into_iter().filter_map(|(child, _)| child));
        }
    }

    /// A commit reached the screen.
    pub(crate) fn presented(&mut self, window: u32, serial: u32, presented: &message::Presented) {
        let Some(window) = self.windows.get_mut(window) else { return };
        let feedback = window.take_feedback(serial);
        let output = window.outputs.first().or(self.outputs.by_id.keys().next());
        let Some((output, _)) = output.and_then(|id| self.outputs.by_id.get(id)) else { return };
        // dom0's clock means nothing in the qube: here the commit counts as shown when that was told.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let time = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
        let refresh = match presented.refresh_ns.get() {
            0 => Refresh::Unknown,
            ns => Refresh::fixed(Duration::from_nanos(ns.into())),
        };
        let flags = Kind::from_bits_truncate(presented.flags.get());
        for callback in feedback {
            callback.presented(output, time, refresh, presented.sequence.get(), flags);
        }
    }

    /// A commit never reached the screen.
    pub(crate) fn discarded(&mut self, window: u32, serial: u32) {
        let Some(window) = self.windows.get_mut(window) else { return };
        for callback in window.take_feedback(serial) {
            callback.discarded();
        }
    }
}
