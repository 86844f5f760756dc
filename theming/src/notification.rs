//! What a program of a qube tells the person: a card of dom0's, with the qube's swatch and name above the program's
//! words.
//!
//! The words are the qube's and stand in dom0's own font, each in a field of its own; the picture stays inside a ring
//! of the label's colour and pattern (rules FRAME and CLEAN-TEXT).

use crate::{
    DeviceRect, Icon, Image, Label, Pattern, Rect, Scale,
    canvas::Canvas,
    frame::{NOT_ISOLATED, dot},
    launcher::{RING, SLOT},
    painter::Painter,
    prompt::device,
    readable_on,
    swatch::{Filled, SWATCH, cross},
    text::{At, Weight},
};

/// A notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotificationSpec<'a> {
    /// Its qube's label.
    pub label: Label,
    /// Its qube's name.
    pub qube: &'a str,
    /// Its qube shares dom0's kernel.
    pub not_isolated: bool,
    /// What it is about, in one line.
    pub summary: &'a str,
    /// More of it; what does not fit into a few lines is cut.
    pub body: &'a str,
    /// What the buttons say.
    pub actions: &'a [&'a str],
    /// Its picture.
    pub icon: Option<Icon<'a>>,
    /// It matters much: a dot stands before the summary.
    pub critical: bool,
    /// What dom0 says of others of the same qube, or nothing.
    pub more: &'a str,
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

/// A drawn notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationImage {
    /// The picture, opaque.
    pub image: Image,
    /// Where it is put away, in logical pixels relative to the picture.
    pub close: Rect,
    /// Where the buttons are, likewise.
    pub actions: Vec<Rect>,
}

/// Width of a card, in logical pixels.
const WIDTH: i32 = 420;
/// Space around what is in it.
const PAD: i32 = 14;
/// Height of a line of words.
const LINE: i32 = 20;
/// Most lines of a body.
const BODY_LINES: usize = 3;
/// Side of the cross and the field around it.
const CLOSE: (i32, i32) = (9, 24);
/// Height of a button.
const BUTTON: i32 = 28;

impl Painter {
    /// Draws a notification.
    pub fn notification(&mut self, spec: &NotificationSpec<'_>) -> NotificationImage {
        let scale = spec.scale;
        let left = PAD + SLOT + 12;
        let words = Rect { x: left, y: PAD, w: WIDTH - PAD - left, h: LINE };
        let regular = self.style(Weight::Regular, self.theme.text(), scale);
        let body = self.wrapped(spec.body, device(words, scale).w, regular);
        let lines = (2 + body.len() as i32) * LINE;
        let (buttons, more) = (!spec.actions.is_empty(), !spec.more.is_empty());
        let mut height = 2 * PAD + lines.max(SLOT);
        let row = height - PAD + 8;
        height += if buttons { 8 + BUTTON } else { 0 };
        let foot = height - PAD + 4;
        height += if more { 4 + LINE } else { 0 };

        let mut canvas = Canvas::filled(scale.to_device(WIDTH), scale.to_device(height), self.theme.panel());
        let (bounds, tones, panel) = (canvas.bounds(), self.theme.tones(None), self.theme.panel());
        self.patterns.ring(&mut canvas, bounds, scale.to_device(3), tones, Pattern::Steel);
        let slot = Rect { x: PAD, y: PAD + 2, w: SLOT, h: SLOT };
        let picture = (spec.label, spec.summary, spec.icon);
        self.slot(&mut canvas, picture, device(slot, scale), RING, scale);

        // The cross has the corner for itself: no name reaches it.
        let close = Rect { x: WIDTH - 6 - CLOSE.1, y: 6, w: CLOSE.1, h: CLOSE.1 };
        let inset = (CLOSE.1 - CLOSE.0) / 2;
        let sign = Rect { x: close.x + inset, y: close.y + inset, w: CLOSE.0, h: CLOSE.0 };
        cross(&mut canvas, device(sign, scale), scale.factor().max(1.0) * 1.2, self.theme.dim_text());

        let qube = device(Rect { w: close.x - 4 - words.x, ..words }, scale);
        let top = qube.y + (qube.h - scale.to_device(SWATCH)) / 2;
        let mark = (Some(spec.label), spec.not_isolated);
        let side =
            self.swatch(&mut canvas, (qube.x, top), mark, Filled::Whole, panel, scale) + scale.to_device(6);
        let color = readable_on(self.theme.label_color(spec.label), panel);
        let bold = self.style(Weight::Semibold, color, scale);
        let rest = DeviceRect { x: qube.x + side, w: qube.w - side, ..qube };
        let taken = self.writer.write(&mut canvas, spec.qube, bold, rest, At::Left) + scale.to_device(7);
        if spec.not_isolated {
            let small = self.small(self.theme.dim_text(), scale);
            let rest = DeviceRect { x: rest.x + taken, w: (rest.w - taken).max(0), ..rest };
            self.writer.write(&mut canvas, NOT_ISOLATED, small, rest, At::Left);
        }

        let mut line = device(Rect { y: words.y + LINE, ..words }, scale);
        if spec.critical {
            let shift = scale.to_device(12);
            let at = (line.x + scale.to_device(3), line.y + line.h / 2);
            dot(&mut canvas, at, 3.0, 1.0, self.theme.text(), scale);
            line = DeviceRect { x: line.x + shift, w: line.w - shift, ..line };
        }
        let bold = self.style(Weight::Semibold, self.theme.text(), scale);
        self.writer.write(&mut canvas, spec.summary, bold, line, At::Left);
        for (number, text) in (2..).zip(&body) {
            let line = device(Rect { y: words.y + number * LINE, ..words }, scale);
            self.writer.write(&mut canvas, text, regular, line, At::Left);
        }
        let actions = if buttons {
            let row = Rect { x: PAD, y: row, w: WIDTH - 2 * PAD, h: BUTTON };
            self.buttons(&mut canvas, spec.actions, row, scale)
        } else {
            Vec::new()
        };
        if more {
            let small = self.small(self.theme.dim_text(), scale);
            let line = device(Rect { y: foot, ..words }, scale);
            self.writer.write(&mut canvas, spec.more, small, line, At::Left);
        }
        NotificationImage { image: canvas.into_opaque(), close, actions }
    }

    /// Buttons side by side, to the right; as wide as they are all alike.
    fn buttons(&mut self, canvas: &mut Canvas, texts: &[&str], row: Rect, scale: Scale) -> Vec<Rect> {
        let (gap, count) = (8, texts.len() as i32);
        let style = self.style(Weight::Semibold, self.theme.text(), scale);
        let widest = texts.iter().map(|text| self.writer.width(text, style)).max().unwrap_or(0);
        let most = (row.w - gap * (count - 1)) / count.max(1);
        let width = (scale.to_logical_up(widest as f32) + 24).clamp(64.min(most), most);
        let first = row.x + row.w - count * width - gap * (count - 1);
        (0..)
            .zip(texts)
            .map(|(number, text)| {
                let button = Rect { x: first + number * (width + gap), w: width, ..row };
                let rect = device(button, scale);
                canvas.fill(rect, self.theme.neutrals.raised);
                canvas.outline(rect, scale.hairline(), self.theme.steel());
                let pad = scale.to_device(8);
                let inside = DeviceRect { x: rect.x + pad, w: rect.w - 2 * pad, ..rect };
                self.writer.write(canvas, text, style, inside, At::Middle);
                button
            })
            .collect()
    }

    /// Lines of at most so many device pixels; the last has all that is left.
    fn wrapped(&mut self, text: &str, room: i32, style: crate::text::Style) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut words = text.split_whitespace().peekable();
        while words.peek().is_some() {
            if lines.len() + 1 == BODY_LINES {
                lines.push(words.collect::<Vec<_>>().join(" "));
                break;
            }
            let mut line = String::new();
            while let Some(word) = words.peek() {
                let longer = if line.is_empty() { (*word).to_owned() } else { format!("{line} {word}") };
                if !line.is_empty() && self.writer.width(&longer, style) > room {
                    break;
                }
                line = longer;
                words.next();
            }
            lines.push(line);
        }
        lines
    }
}
