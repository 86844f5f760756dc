//! Surfaces in the scene, and under the pointer: the same order in both.

use smithay::utils::{Logical, Point};

use super::{Layer, LayerSurface};
use crate::{
    Desktop,
    input::pointer::Under,
    render::{
        scene::{Item, SurfaceKey},
        view::View,
    },
};

/// Where surfaces lie among windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Band {
    /// Above all windows.
    Above,
    /// Above windows, but below one that fills the screen.
    Between,
    /// Below all windows.
    Below,
}

impl Desktop {
    /// Surfaces of a screen in one band, topmost first; `filled`: a window fills the screen.
    fn layers_in(&self, screen: u32, band: Band, filled: bool) -> Vec<LayerSurface> {
        let focus = self.layers.focus();
        let band_of = |surface: &LayerSurface, layer: Layer| match layer {
            Layer::Overlay => Band::Above,
            Layer::Top if !filled || focus == Some(surface.key) => Band::Above,
            Layer::Top => Band::Between,
            Layer::Bottom | Layer::Background => Band::Below,
        };
        Layer::DOWN
            .into_iter()
            .flat_map(|layer| self.layers.of(screen, layer).map(move |surface| (layer, surface)))
            .filter(|(layer, surface)| band_of(surface, *layer) == band)
            .map(|(_, surface)| *surface)
            .collect()
    }

    pub(crate) fn compose_layers(&mut self, view: View, band: Band, filled: bool, items: &mut Vec<Item>) {
        for surface in self.layers_in(view.screen, band, filled) {
            for popup in self.popups_of(surface.key).into_iter().rev() {
                self.compose_popup(view, popup, items);
            }
            // FRAME holds for qubes: these are dom0's own, and only dom0's server adds to the list.
            debug_assert!(self.qubes.get(surface.key.qube).is_some_and(|link| link.label().is_none()));
            self.guest_items(view, surface.key, view.rect_to_device(surface.place), items);
        }
    }

    /// What of the surfaces in a band is under a point of a screen.
    pub(crate) fn layer_under(
        &self,
        screen: u32,
        at: Point<f64, Logical>,
        band: Band,
        filled: bool,
    ) -> Option<Under> {
        self.layers_in(screen, band, filled).into_iter().find_map(|surface| {
            if let Some(popup) = self.popup_under(surface.key, at) {
                return Some(popup);
            }
            let local = at - surface.place.loc.to_f64();
            let inside = surface.place.to_f64().contains(at) && self.takes_input(surface.key, local);
            inside.then_some(Under::Content(surface.key, local))
        })
    }

    /// What of a window's popups is under a point.
    pub(crate) fn popup_under(&self, window: SurfaceKey, at: Point<f64, Logical>) -> Option<Under> {
        self.popups_of(window).into_iter().rev().find_map(|popup| {
            let geometry = self.popup_geometry(popup)?;
            if geometry.content.to_f64().contains(at) {
                return Some(Under::Content(popup, at - geometry.content.loc.to_f64()));
            }
            geometry.outer.to_f64().contains(at).then_some(Under::PopupFrame(popup))
        })
    }

    /// Some part of a window's tree takes input at this place of its content.
    fn takes_input(&self, key: SurfaceKey, at: Point<f64, Logical>) -> bool {
        let Some((link, root)) = self.qubes.surface(key) else { return false };
        let origin = root.geometry().loc;
        link.tree(key.window).into_iter().any(|(part, offset)| {
            link.surface(part).is_some_and(|surface| surface.takes_input(at - (offset - origin).to_f64()))
        })
    }

    /// Surfaces that are to be seen on a screen: none that a window there covers by filling it.
    pub(crate) fn layers_seen_on(&self, screen: u32, filled: bool) -> Vec<SurfaceKey> {
        let bands: &[Band] = if filled { &[Band::Above] } else { &[Band::Above, Band::Between, Band::Below] };
        let in_band = |band: &Band| self.layers_in(screen, *band, filled);
        bands.iter().flat_map(in_band).map(|surface| surface.key).collect()
    }
}
