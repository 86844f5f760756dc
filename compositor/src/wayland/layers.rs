//! Layer surfaces of programs as windows of dom0's link that the desktop's `layers` places.

use smithay::{
    output::Output,
    reexports::wayland_server::{
        Resource,
        protocol::{wl_output::WlOutput, wl_surface::WlSurface},
    },
    wayland::{
        compositor::with_states,
        shell::wlr_layer::{
            self, ExclusiveZone, KeyboardInteractivity, LayerSurface, LayerSurfaceCachedState,
            LayerSurfaceData,
        },
    },
};
use tracing::warn;
use transom_protocol::limits::MAX_DIMENSION;

use super::windows::{Role, id_of};
use crate::{
    Desktop,
    layers::{Keyboard, Layer, Wish, Zone},
    shell::{Edges, Size},
};

/// No margin and no zone reaches further, in logical pixels.
const FAR: i32 = MAX_DIMENSION as i32;

/// What a surface's program wants, within bounds.
fn wish(surface: &WlSurface) -> Wish {
    let state =
        with_states(surface, |states| *states.cached_state.get::<LayerSurfaceCachedState>().current());
    let near = |v: i32| v.clamp(-FAR, FAR);
    let margin = state.margin;
    let has = |edge| state.anchor.contains(edge);
    Wish {
        layer: match state.layer {
            wlr_layer::Layer::Background => Layer::Background,
            wlr_layer::Layer::Bottom => Layer::Bottom,
            wlr_layer::Layer::Top => Layer::Top,
            wlr_layer::Layer::Overlay => Layer::Overlay,
        },
        anchor: Edges {
            top: has(wlr_layer::Anchor::TOP),
            bottom: has(wlr_layer::Anchor::BOTTOM),
            left: has(wlr_layer::Anchor::LEFT),
            right: has(wlr_layer::Anchor::RIGHT),
        },
        zone: match state.exclusive_zone {
            ExclusiveZone::Exclusive(zone) => Zone::Keep(i32::try_from(zone).unwrap_or(FAR).min(FAR)),
            ExclusiveZone::Neutral => Zone::Clear,
            ExclusiveZone::DontCare => Zone::Ignore,
        },
        margins: [margin.top, margin.right, margin.bottom, margin.left].map(near),
        size: Size { w: state.size.w.clamp(0, FAR), h: state.size.h.clamp(0, FAR) },
        keyboard: match state.keyboard_interactivity {
            KeyboardInteractivity::None => Keyboard::None,
            KeyboardInteractivity::OnDemand => Keyboard::OnDemand,
            KeyboardInteractivity::Exclusive => Keyboard::Exclusive,
        },
    }
}

impl Desktop {
    /// A surface comes, on the output it names or on the screen that leads.
    pub(super) fn new_layer(&mut self, surface: LayerSurface, output: Option<&WlOutput>) {
        let screen = match output {
            Some(output) => {
                Output::from_resource(output).and_then(|output| self.wayland.outputs.screen(&output))
            }
            None => self.screens.lead().map(|screen| screen.id),
        };
        let Some(screen) = screen else {
            // The output went while the program asked for it.
            surface.send_close();
            return;
        };
        let id = self.wayland.windows.create(surface.wl_surface(), Role::Layer(surface.clone()));
        let Some(key) = self.local_key(id) else { return };
        if !self.layers.add(key, screen) {
            warn!("a program of dom0 is ended: too many layer surfaces");
            surface.shell_surface().post_error(
                smithay::reexports::wayland_protocols_wlr::layer_shell::v1::server::zwlr_layer_surface_v1::Error::InvalidSurfaceState,
                "too many layer surfaces",
            );
            self.destroy_local(id);
        }
    }

    /// A commit of a surface has taken effect: what it asks for holds now.
    pub(super) fn layer_asks(&mut self, surface: &WlSurface) {
        let Some(id) = id_of(surface) else { return };
        let is_layer = matches!(self.wayland.windows.get(id).map(|w| &w.role), Some(Role::Layer(_)));
        if let Some(key) = self.local_key(id).filter(|_| is_layer) {
            self.layer_wishes(key, wish(surface));
        }
    }

    /// A surface that took its picture away begins again, on the same screen.
    pub(super) fn layer_begins_anew(&mut self, surface: &LayerSurface, old: u32) {
        let screen = self.local_key(old).and_then(|key| self.layers.get(key)).map(|layer| layer.screen);
        with_states(surface.wl_surface(), |states| {
            if let Some(Ok(mut data)) = states.data_map.get::<LayerSurfaceData>().map(|data| data.lock()) {
                data.configured = false;
                data.initial_configure_sent = false;
            }
        });
        self.destroy_local(old);
        let id = self.wayland.windows.create(surface.wl_surface(), Role::Layer(surface.clone()));
        if let (Some(key), Some(screen)) = (self.local_key(id), screen) {
            // There was room for the old one.
            self.layers.add(key, screen);
        }
    }

    /// Surfaces whose screen is gone are closed, as their programs expect it.
    pub(crate) fn close_layers_without_screen(&mut self) {
        for key in self.layers_without_screen() {
            let role = self.wayland.windows.get(key.window).map(|window| window.role.clone());
            if let Some(Role::Layer(surface)) = role {
                surface.send_close();
            }
            self.destroy_local(key.window);
        }
    }
}
