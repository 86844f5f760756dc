//! A field for what nobody may read: a password, a passphrase. Shown as dots, with what is to be said of it.

use crate::{
    DeviceRect, Rect, Scale,
    canvas::Canvas,
    painter::Painter,
    prompt::device,
    text::{At, Weight},
};

/// What a field for a secret shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretField<'a> {
    /// What is written in it while nothing is typed.
    pub name: &'a str,
    /// Characters typed so far. More than fit are not told apart.
    pub typed: usize,
    /// What the person is told, and whether something is wrong.
    pub message: Option<(&'a str, bool)>,
    /// Caps Lock is on.
    pub caps: bool,
    /// The keyboard layout, if there are several.
    pub layout: Option<&'a str>,
}

/// Height of the field itself, in logical pixels.
const FIELD: i32 = 36;
/// Space below it.
const GAP: i32 = 12;
/// Side of a dot, and its distance from the next.
const DOT: (i32, i32) = (8, 14);
/// Most dots.
const MOST_DOTS: usize = 20;

impl Painter {
    fn secret_line(&self) -> i32 {
        self.theme.font_size() + 9
    }

    /// Height of such a field with the two lines below it, in logical pixels.
    pub(crate) fn secret_height(&self) -> i32 {
        FIELD + GAP + 2 * self.secret_line()
    }

    /// Draws one, `width` wide and [`Painter::secret_height`] high, at `at`; both in logical pixels.
    pub(crate) fn secret(
        &mut self,
        canvas: &mut Canvas,
        field: &SecretField<'_>,
        (x, mut y): (i32, i32),
        width: i32,
        scale: Scale,
    ) {
        let line = self.secret_line();
        let row = |y: i32, h: i32| device(Rect { x, y, w: width, h }, scale);
        let dim = self.style(Weight::Regular, self.theme.dim_text(), scale);
        let strong = self.style(Weight::Semibold, self.theme.text(), scale);
        self.dots(canvas, field, row(y, FIELD), scale);
        y += FIELD + GAP;
        if let Some((text, wrong)) = field.message {
            let style = if wrong { strong } else { dim };
            self.writer.write(canvas, text, style, row(y, line), At::Middle);
        }
        y += line;
        let caps = if field.caps { "Caps Lock is on" } else { "" };
        let hints: Vec<&str> =
            [caps, field.layout.unwrap_or_default()].into_iter().filter(|hint| !hint.is_empty()).collect();
        let style = if field.caps { strong } else { dim };
        self.writer.write(canvas, &hints.join("  \u{b7}  "), style, row(y, line), At::Middle);
    }

    fn dots(&mut self, canvas: &mut Canvas, spec: &SecretField<'_>, field: DeviceRect, scale: Scale) {
        canvas.fill(field, self.theme.neutrals.raised);
        canvas.outline(field, scale.hairline(), self.theme.steel());
        let ink = self.theme.text();
        if spec.typed == 0 {
            let style = self.style(Weight::Regular, ink, scale);
            self.writer.write(canvas, spec.name, style, field, At::Middle);
            return;
        }
        let (side, step) = (scale.to_device(DOT.0), scale.to_device(DOT.1));
        let dots = spec.typed.min(MOST_DOTS) as i32;
        let width = (dots - 1) * step + side;
        let (left, top) = (field.x + (field.w - width) / 2, field.y + (field.h - side) / 2);
        for dot in 0..dots {
            canvas.fill(DeviceRect::new(left + dot * step, top, side, side), ink);
        }
    }
}
