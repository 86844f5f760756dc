//! Screens as dom0's programs see them, and when their pictures were on them.

use std::{collections::BTreeMap, time::Duration};

use smithay::{
    output::{Mode, Output, PhysicalProperties, Scale, Subpixel},
    reexports::{
        wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::Kind,
        wayland_server::{backend::GlobalId, protocol::wl_surface::WlSurface},
    },
    utils::Transform,
    wayland::{
        compositor::{send_surface_state, with_states},
        fractional_scale::with_fractional_scale,
        presentation::Refresh,
    },
};
use transom_protocol::message;

use super::tree;
use crate::{Desktop, qubes::surface::transform};

/// Outputs by the desktop's id.
#[derive(Debug, Default)]
pub(super) struct Outputs(BTreeMap<u32, (Output, GlobalId)>);

impl Outputs {
    /// All, with the screens that they stand for.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Output)> {
        self.0.iter().map(|(id, (output, _))| (*id, output))
    }

    /// The screen that an output stands for.
    pub(super) fn screen(&self, output: &Output) -> Option<u32> {
        self.0.iter().find(|(_, (known, _))| known == output).map(|(id, _)| *id)
    }
}

impl Desktop {
    pub(super) fn local_output(&mut self, told: &message::Output) {
        let id = told.output.get();
        let plugged = self.screens.plugged().iter().find(|plugged| plugged.planned.id == id);
        let known = plugged.map(|plugged| plugged.monitor.identity.clone()).unwrap_or_default();
        let handle = self.wayland.handle.clone();
        let (output, _) = self.wayland.outputs.0.entry(id).or_insert_with(|| {
            let properties = PhysicalProperties {
                size: (told.width_mm.get() as i32, told.height_mm.get() as i32).into(),
                subpixel: Subpixel::Unknown,
                make: known.make,
                model: known.model,
            };
            let output = Output::new(known.connector, properties);
            let global = output.create_global::<Self>(&handle);
            (output, global)
        });
        let mode = Mode {
            size: (told.width.get() as i32, told.height.get() as i32).into(),
            refresh: told.refresh.get() as i32,
        };
        for old in output.modes().into_iter().filter(|old| *old != mode) {
            output.delete_mode(old);
        }
        let scale = Scale::Fractional(f64::from(told.scale.get()) / 120.0);
        let at = (told.x.get(), told.y.get()).into();
        output.change_current_state(Some(mode), Some(transform(told.transform)), Some(scale), Some(at));
        output.set_preferred(mode);
        self.locker_outputs_changed();
    }

    pub(super) fn local_output_gone(&mut self, id: u32) {
        if let Some((output, global)) = self.wayland.outputs.0.remove(&id) {
            for window in self.wayland.windows.by_id.values() {
                output.leave(&window.surface);
            }
            self.wayland.handle.remove_global::<Self>(global);
        }
    }

    /// A window is on an output, or no longer.
    pub(super) fn local_on_output(&mut self, window: u32, id: u32, on: bool) {
        let Some((output, _)) = self.wayland.outputs.0.get(&id) else { return };
        let Some(window) = self.wayland.windows.get(window) else { return };
        for surface in tree::surfaces(&window.surface) {
            if on {
                output.enter(&surface);
            } else {
                output.leave(&surface);
            }
        }
    }

    /// The scale a window should draw at, in 120ths.
    pub(super) fn local_scale(&mut self, window: u32, scale: u32) {
        let Some(window) = self.wayland.windows.get_mut(window) else { return };
        window.scale = scale;
        for surface in tree::surfaces(&window.surface) {
            tell_scale(&surface, scale);
        }
    }

    /// The scale of a surface that asks for it now, in 120ths.
    pub(super) fn scale_of(&self, surface: &WlSurface) -> u32 {
        let mut root = surface.clone();
        while let Some(parent) = smithay::wayland::compositor::get_parent(&root) {
            root = parent;
        }
        let window = super::windows::id_of(&root).and_then(|id| self.wayland.windows.get(id));
        window
            .map(|window| window.scale)
            .filter(|scale| *scale > 0)
            .unwrap_or_else(|| self.screens.lead().map_or(120, |s| s.scale))
    }

    /// A commit reached the screen.
    pub(super) fn local_presented(&mut self, window: u32, serial: u32, presented: &message::Presented) {
        let Some(window) = self.wayland.windows.get_mut(window) else { return };
        let feedback = window.feedback.remove(&serial);
        let Some((output, _)) = self.wayland.outputs.0.values().next() else { return };
        // The desktop counts from its own start; programs were promised the machine's clock.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let age = self.clock.now().saturating_sub(Duration::from_nanos(presented.time_ns.get()));
        let time = Duration::new(now.tv_sec as u64, now.tv_nsec as u32).saturating_sub(age);
        let refresh = match presented.refresh_ns.get() {
            0 => Refresh::Unknown,
            ns => Refresh::fixed(Duration::from_nanos(ns.into())),
        };
        let flags = Kind::from_bits_truncate(presented.flags.get());
        for feedback in feedback.into_iter().flatten() {
            feedback.presented(output, time, refresh, presented.sequence.get(), flags);
        }
    }
}

/// Tells a surface the scale to draw at, in 120ths.
pub(super) fn tell_scale(surface: &WlSurface, scale: u32) {
    with_states(surface, |states| {
        with_fractional_scale(states, |fractional| {
            fractional.set_preferred_scale(f64::from(scale) / 120.0);
        });
        send_surface_state(surface, states, scale.div_ceil(120) as i32, Transform::Normal);
    });
}
