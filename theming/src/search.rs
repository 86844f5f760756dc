//! The field for what is typed above the switcher and the overview, and the numbers of workspaces there.

use crate::{
    Image, Pattern, Rect, Scale,
    canvas::Canvas,
    frame::dot,
    painter::Painter,
    prompt::device,
    text::{At, Weight},
};

/// Space around the field, in logical pixels.
const PAD: i32 = 10;
/// Height of the field.
const FIELD: i32 = 36;
/// Side of a workspace's number.
const NUMBER: i32 = 24;

/// What is typed to find windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchSpec<'a> {
    /// What was typed.
    pub query: &'a str,
    /// What is said while nothing was.
    pub empty: &'a str,
    /// Width in logical pixels.
    pub width: i32,
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

/// The number of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkspaceSpec {
    /// It.
    pub number: u32,
    /// Its screen shows it.
    pub shown: bool,
    /// A window on it asks for attention.
    pub attention: bool,
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

impl Painter {
    /// Draws the field for what is typed, in the frame of dom0's own pictures.
    pub fn search(&mut self, spec: &SearchSpec<'_>) -> Image {
        let scale = spec.scale;
        let (width, height) = (scale.to_device(spec.width), scale.to_device(FIELD + 2 * PAD));
        let mut canvas = Canvas::filled(width, height, self.theme.panel());
        let (bounds, tones) = (canvas.bounds(), self.theme.tones(None));
        self.patterns.ring(&mut canvas, bounds, scale.to_device(4), tones, Pattern::Steel);
        let field = device(Rect { x: PAD, y: PAD, w: spec.width - 2 * PAD, h: FIELD }, scale);
        self.typed(&mut canvas, (spec.query, spec.empty, ""), field, scale);
        canvas.into_opaque()
    }

    /// Draws the number of a workspace.
    pub fn workspace(&mut self, spec: &WorkspaceSpec) -> Image {
        let scale = spec.scale;
        let side = scale.to_device(NUMBER);
        let back = if spec.shown { self.theme.neutrals.raised } else { self.theme.panel() };
        let mut canvas = Canvas::filled(side, side, back);
        let bounds = canvas.bounds();
        let ink = if spec.shown { self.theme.text() } else { self.theme.dim_text() };
        let weight = if spec.shown { Weight::Semibold } else { Weight::Regular };
        let style = self.style(weight, ink, scale);
        self.writer.write(&mut canvas, &spec.number.to_string(), style, bounds, At::Middle);
        if spec.attention {
            let at = (side - scale.to_device(6), scale.to_device(6));
            dot(&mut canvas, at, 2.0, 1.0, self.theme.text(), scale);
        }
        canvas.into_opaque()
    }
}
