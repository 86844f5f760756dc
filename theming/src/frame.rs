//! Frames of windows: band, line and title bar.

use crate::{
    DeviceRect, FrameGeometry, FrameKind, Image, Label, Pattern, Rgb, Scale, Size, TitleButton, best_text_on,
    button::{self, Use},
    canvas::Canvas,
    geometry::{BUTTON_WIDTH, title_buttons},
    painter::Painter,
    readable_on,
    swatch::{Filled, SWATCH},
    text::{At, Weight},
};

/// What a frame says. Text must be clean already (rule CLEAN-TEXT); it is cut to its field.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameSpec<'a> {
    /// What it goes around.
    pub kind: FrameKind,
    /// The qube's label; `None`: dom0's own window.
    pub label: Option<Label>,
    /// The qube's name.
    pub qube: &'a str,
    /// The window's title.
    pub title: &'a str,
    /// It has the person's keys.
    pub active: bool,
    /// It asks for attention; 0 to 1: where the pulse stands.
    pub attention: Option<f32>,
    /// Its qube shares dom0's kernel.
    pub not_isolated: bool,
    /// It fills the work area.
    pub maximised: bool,
    /// Button under the pointer.
    pub hovered: Option<TitleButton>,
    /// Button held down.
    pub pressed: Option<TitleButton>,
    /// Size of the content in logical pixels.
    pub content: Size,
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

impl FrameSpec<'_> {
    /// A thin frame without words: of a popup, a drag icon, a small picture of a window.
    pub fn thin(
        kind: FrameKind,
        label: Option<Label>,
        not_isolated: bool,
        content: Size,
        scale: Scale,
    ) -> Self {
        Self {
            kind,
            label,
            qube: "",
            title: "",
            active: true,
            attention: None,
            not_isolated,
            maximised: false,
            hovered: None,
            pressed: None,
            content,
            scale,
        }
    }
}

/// One strip of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where, relative to the frame's outer corner, in device pixels.
    pub rect: DeviceRect,
    /// Its picture: exactly as large, opaque.
    pub image: Image,
}

/// Words behind the name of a qube that is not a virtual machine.
pub(crate) const NOT_ISOLATED: &str = "not isolated";
/// Least room for a title, in logical pixels; with less there is none.
const LEAST_TITLE: i32 = 56;

impl Painter {
    /// Where the parts of this frame are.
    pub fn frame_geometry(&self, spec: &FrameSpec<'_>) -> FrameGeometry {
        FrameGeometry::device(&self.theme, spec.kind, spec.content, spec.scale)
    }

    /// The strips that fill the ring between outer and inner rectangle: they do not overlap and
    /// leave no gap.
    pub fn frame(&mut self, spec: &FrameSpec<'_>) -> Vec<Part> {
        let geometry = self.frame_geometry(spec);
        let (outer, inner) = (geometry.outer, geometry.inner);
        let below = outer.bottom() - inner.bottom();
        let strips = [
            DeviceRect { h: inner.y, ..outer },
            DeviceRect { y: inner.bottom(), h: below, ..outer },
            DeviceRect { y: inner.y, w: inner.x, h: inner.h, ..outer },
            DeviceRect::new(inner.right(), inner.y, outer.w - inner.right(), inner.h),
        ];
        strips
            .into_iter()
            .filter(|rect| !rect.is_empty())
            .map(|rect| Part { rect, image: self.strip(spec, &geometry, rect) })
            .collect()
    }

    fn strip(&mut self, spec: &FrameSpec<'_>, geometry: &FrameGeometry, rect: DeviceRect) -> Image {
        let mut canvas = Canvas::filled(rect.w, rect.h, self.theme.line());
        // The whole frame, moved so that this strip lies on the canvas.
        let moved = |r: DeviceRect| DeviceRect { x: r.x - rect.x, y: r.y - rect.y, ..r };
        let tones = self.theme.tones(spec.label);
        let pattern = spec.label.map_or(Pattern::Steel, Label::pattern);
        if spec.kind == FrameKind::Fullscreen {
            let band = DeviceRect { h: geometry.band, ..rect };
            self.patterns.band(&mut canvas, band, tones, pattern);
        } else {
            self.patterns.ring(&mut canvas, moved(geometry.outer), geometry.band, tones, pattern);
        }
        if rect.y == 0 && !geometry.bar.is_empty() {
            self.title_bar(&mut canvas, spec, moved(geometry.bar));
        }
        canvas.into_opaque()
    }

    fn title_bar(&mut self, canvas: &mut Canvas, spec: &FrameSpec<'_>, bar: DeviceRect) {
        let scale = spec.scale;
        let side = |logical: i32| scale.to_device(logical);
        let color = self.theme.tones(spec.label).color;
        let (back, name_ink, title_ink) = if spec.active {
            let ink = best_text_on(color);
            (color, ink, ink)
        } else {
            let back = self.theme.inactive();
            let lit = back.mix(self.theme.neutrals.raised, spec.attention.unwrap_or(0.0));
            (lit, readable_on(color, lit), readable_on(self.theme.text(), lit))
        };
        canvas.fill(bar, back);
        let right = self.title_bar_buttons(canvas, spec, bar, (back, title_ink));
        let mut x = bar.x + side(6);
        let swatch_y = bar.y + (bar.h - side(SWATCH)) / 2;
        if x + side(SWATCH) <= right {
            x += self.swatch(
                canvas,
                (x, swatch_y),
                (spec.label, spec.not_isolated),
                Filled::Whole,
                back,
                scale,
            );
            x += side(6);
        }
        let (end, whole) = self.name(canvas, spec, DeviceRect { x, w: right - x, ..bar }, (back, name_ink));
        let left = end + side(8);
        // Nothing that says who speaks gives way before the title.
        if !whole || right - left < side(LEAST_TITLE) {
            return;
        }
        let thin = DeviceRect::new(left, bar.y + bar.h / 4, scale.hairline(), bar.h - 2 * (bar.h / 4));
        canvas.fill(thin, title_ink.alpha(110));
        let mut x = left + side(8);
        if let Some(pulse) = spec.attention {
            x += dot(canvas, (x, bar.y + bar.h / 2), 3.5, pulse, title_ink, scale) + side(6);
        }
        let style = self.style(Weight::Regular, title_ink, scale);
        let field = DeviceRect { x, w: right - x - side(6), ..bar };
        self.writer.write(canvas, spec.title, style, field, At::Left);
    }

    /// The qube's name and, behind it, that it is not isolated. Returns where they end,
    /// and whether all of it is there.
    fn name(
        &mut self,
        canvas: &mut Canvas,
        spec: &FrameSpec<'_>,
        room: DeviceRect,
        (back, ink): (Rgb, Rgb),
    ) -> (i32, bool) {
        let scale = spec.scale;
        let style = self.style(Weight::Semibold, ink, scale);
        let mut x = room.x + self.writer.write(canvas, spec.qube, style, room, At::Left);
        if spec.not_isolated {
            let gap = scale.to_device(7);
            let ink = if spec.active { ink } else { readable_on(self.theme.dim_text(), back) };
            let style = self.small(ink, scale);
            let width = self.writer.width(NOT_ISOLATED, style);
            if x + gap + width > room.right() {
                return (x, false);
            }
            let field = DeviceRect { x: x + gap, w: width, ..room };
            x += gap + self.writer.write(canvas, NOT_ISOLATED, style, field, At::Left);
        }
        (x, true)
    }

    /// Draws the buttons that fit; returns where the room left of them ends.
    fn title_bar_buttons(
        &mut self,
        canvas: &mut Canvas,
        spec: &FrameSpec<'_>,
        bar: DeviceRect,
        colors: (Rgb, Rgb),
    ) -> i32 {
        let insets = self.theme.insets(spec.kind);
        let outer = Size {
            w: spec.content.w + insets.left + insets.right,
            h: spec.content.h + insets.top + insets.bottom,
        };
        let width = spec.scale.to_device(BUTTON_WIDTH);
        let buttons = title_buttons(&self.theme, outer);
        let mut x = bar.right() - width * buttons.len() as i32;
        let end = x;
        for (button, _) in buttons {
            let used = match button {
                b if spec.pressed == Some(b) && spec.hovered == Some(b) => Use::Pressed,
                b if spec.hovered == Some(b) => Use::Hovered,
                _ => Use::Idle,
            };
            let rect = DeviceRect { x, w: width, ..bar };
            button::draw(canvas, rect, button, used, spec.maximised, colors, spec.scale);
            x += width;
        }
        end
    }
}

/// The dot of what asks for attention: `x` is its left edge, `y` its middle. Returns its width.
pub(crate) fn dot(
    canvas: &mut Canvas,
    (x, y): (i32, i32),
    radius: f32,
    pulse: f32,
    ink: Rgb,
    scale: Scale,
) -> i32 {
    let radius = radius * scale.factor();
    let side = (2.0 * radius).ceil() as i32;
    let strength = 0.7 + 0.3 * pulse.clamp(0.0, 1.0);
    if let Some(path) = tiny_skia::PathBuilder::from_circle(x as f32 + radius, y as f32, radius) {
        canvas.fill_path(&path, ink.alpha((255.0 * strength) as u8));
    }
    side
}
