//! The buttons of a title bar.

use crate::{DeviceRect, Rgb, Scale, TitleButton, best_text_on, canvas::Canvas, contrast, swatch::cross};

/// How a button is being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Idle,
    Hovered,
    Pressed,
}

/// Side of the picture on a button, in logical pixels.
const ICON: i32 = 10;

/// How far the ground of a pressed button is from the bar's colour.
const PRESSED: f32 = 0.28;

/// Draws one button on a bar of this colour.
pub(crate) fn draw(
    canvas: &mut Canvas,
    rect: DeviceRect,
    button: TitleButton,
    used: Use,
    maximised: bool,
    (bar, ink): (Rgb, Rgb),
    scale: Scale,
) {
    let strength = match used {
        Use::Idle => 0.0,
        Use::Hovered => PRESSED / 2.0,
        Use::Pressed => PRESSED,
    };
    // Toward the ink if the icon stays readable on it even when pressed, else away from it: so the
    // icon never changes its colour.
    let toward = if contrast(bar.mix(ink, PRESSED), ink) >= 4.5 { ink } else { best_text_on(ink) };
    let back = bar.mix(toward, strength);
    canvas.fill(rect, back);
    let side = scale.to_device(ICON).min(rect.w).min(rect.h);
    let line = scale.hairline();
    let icon = DeviceRect::new(rect.x + (rect.w - side) / 2, rect.y + (rect.h - side) / 2, side, side);
    match button {
        TitleButton::Minimise => {
            canvas.fill(DeviceRect { y: icon.bottom() - line - side / 5, h: line, ..icon }, ink);
        }
        TitleButton::Maximise if maximised => {
            let part = side - side / 4;
            let behind = DeviceRect::new(icon.right() - part, icon.y, part, part);
            let front = DeviceRect::new(icon.x, icon.bottom() - part, part, part);
            canvas.outline(behind, line, ink);
            canvas.fill(front, back);
            canvas.outline(front, line, ink);
        }
        TitleButton::Maximise => canvas.outline(icon, line, ink),
        TitleButton::Close => cross(canvas, icon, scale.factor().max(1.0) * 1.2, ink),
    }
}
