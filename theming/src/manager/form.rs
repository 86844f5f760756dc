//! Something to fill in: texts and choices.

use super::{BUTTON, FIELD, GAP, Place};
use crate::{
    Answer, Label, Rect, Run, Scale,
    canvas::Canvas,
    painter::Painter,
    prompt::device,
    swatch::{Filled, SWATCH},
    text::{At, Weight},
};

/// What a line of a form holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormValue<'a> {
    /// What was typed.
    Text(&'a str),
    /// One of several.
    Choice {
        /// Which.
        text: &'a str,
        /// It is a label, or a qube of this label.
        label: Option<Label>,
        /// There is one before it, and one after it.
        more: (bool, bool),
    },
}

/// A line of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormLine<'a> {
    /// What is to be filled in.
    pub name: &'a str,
    /// What is.
    pub value: FormValue<'a>,
    /// Why it cannot be, or what is to be said of it.
    pub note: &'a str,
    /// The keys are on it.
    pub focused: bool,
    /// It can be changed.
    pub enabled: bool,
}

/// Something to fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagerForm<'a> {
    /// What it is for.
    pub title: &'a [Run<'a>],
    /// Top to bottom.
    pub lines: &'a [FormLine<'a>],
    /// Left to right.
    pub buttons: &'a [Answer<'a>],
    /// What is wrong, or waited for.
    pub said: &'a [Run<'a>],
}

/// Width of the names of the lines, and of the values.
const NAMES: i32 = 130;
const VALUES: i32 = 290;
/// Width of what steps to another choice.
const STEP: i32 = 28;

impl Painter {
    pub(super) fn form(
        &mut self,
        canvas: &mut Canvas,
        form: &ManagerForm<'_>,
        inner: Rect,
        scale: Scale,
    ) -> Vec<(Place, Rect)> {
        let mut places = Vec::new();
        let logical = |device: i32| scale.to_logical_up(device as f32);
        let mut title = self.lay_out(form.title, scale.to_device(inner.w), scale);
        title.cut(4);
        self.write_sentence(canvas, &title, (scale.to_device(inner.x), scale.to_device(inner.y)), scale);
        let mut y = inner.y + logical(self.sentence_height(&title, scale)) + 8;
        for (number, line) in form.lines.iter().enumerate() {
            let rect = Rect { x: inner.x, y, w: inner.w, h: FIELD };
            places.push((Place::Line(number), rect));
            self.form_line(canvas, line, number, rect, &mut places, scale);
            y += FIELD + GAP;
        }
        y += GAP;
        let style = self.style(Weight::Semibold, self.theme.text(), scale);
        let mut x = inner.x;
        for (number, button) in form.buttons.iter().enumerate() {
            let width = (logical(self.writer.width(button.text, style)) + 28).max(96);
            let rect = Rect { x, y, w: width, h: BUTTON };
            self.answer(canvas, button, device(rect, scale), scale);
            places.push((Place::Button(number), rect));
            x += width + 12;
        }
        y += BUTTON + 8;
        let mut said = self.lay_out(form.said, scale.to_device(inner.w), scale);
        let room = scale.to_device(inner.y + inner.h - y);
        said.cut((room / self.line_height(scale).max(1)).max(1));
        self.write_sentence(canvas, &said, (scale.to_device(inner.x), scale.to_device(y)), scale);
        places
    }

    fn form_line(
        &mut self,
        canvas: &mut Canvas,
        line: &FormLine<'_>,
        number: usize,
        rect: Rect,
        places: &mut Vec<(Place, Rect)>,
        scale: Scale,
    ) {
        let ink = if line.enabled { self.theme.text() } else { self.theme.dim_text() };
        let regular = self.style(Weight::Regular, ink, scale);
        let name = Rect { w: NAMES, ..rect };
        self.writer.write(canvas, line.name, regular, device(name, scale), At::Left);
        let value = Rect { x: rect.x + NAMES, w: VALUES.min(rect.w - NAMES), ..rect };
        let back = if line.focused { self.theme.neutrals.raised } else { self.theme.panel() };
        canvas.fill(device(value, scale), back);
        let thick = if line.focused { 2 } else { 1 } * scale.hairline();
        let edge = if line.enabled { self.theme.steel() } else { self.theme.neutrals.raised };
        canvas.outline(device(value, scale), thick, edge);
        let strong = self.style(Weight::Semibold, ink, scale);
        match line.value {
            FormValue::Text(text) => {
                let caret = scale.to_device(2);
                let field = device(Rect { x: value.x + 12, w: value.w - 24, ..value }, scale);
                let room = crate::DeviceRect { w: field.w - caret, ..field };
                let end = field.x + self.writer.write(canvas, text, strong, room, At::Left);
                if line.focused {
                    let high = scale.to_device(18);
                    let top = field.y + (field.h - high) / 2;
                    canvas.fill(crate::DeviceRect { x: end, y: top, w: caret, h: high }, ink);
                }
            }
            FormValue::Choice { text, label, more } => {
                let before = Rect { w: STEP, ..value };
                let after = Rect { x: value.x + value.w - STEP, w: STEP, ..value };
                for (place, rect, sign, there) in [
                    (Place::Previous(number), before, "\u{2039}", more.0),
                    (Place::Next(number), after, "\u{203a}", more.1),
                ] {
                    if there && line.enabled {
                        self.writer.write(canvas, sign, strong, device(rect, scale), At::Middle);
                        places.push((place, rect));
                    }
                }
                let mut field = device(Rect { x: value.x + STEP, w: value.w - 2 * STEP, ..value }, scale);
                if let Some(label) = label {
                    let top = field.y + (field.h - scale.to_device(SWATCH)) / 2;
                    let side =
                        self.swatch(canvas, (field.x, top), (Some(label), false), Filled::Whole, back, scale);
                    let side = side + scale.to_device(6);
                    field = crate::DeviceRect { x: field.x + side, w: field.w - side, ..field };
                }
                self.writer.write(canvas, text, strong, field, At::Left);
            }
        }
        let small = self.small(self.theme.dim_text(), scale);
        let x = value.x + value.w + 12;
        let note = Rect { x, w: rect.x + rect.w - x, ..rect };
        if note.w > 0 {
            self.writer.write(canvas, line.note, small, device(note, scale), At::Left);
        }
    }
}
