//! Questions and notices of dom0: no label's colour, but steel around them.

use crate::{
    DeviceRect, Image, Label, Pattern, Rect, Run, Scale, best_text_on,
    canvas::Canvas,
    painter::Painter,
    readable_on,
    secret::SecretField,
    swatch::{Filled, SWATCH},
    text::{At, Weight},
};

/// A qube to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Its label; none for a place of dom0.
    pub label: Option<Label>,
    /// Its name.
    pub name: &'a str,
    /// What is to be said of it, or nothing.
    pub note: &'a str,
    /// It is chosen.
    pub chosen: bool,
}

/// An answer to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What it says.
    pub text: &'a str,
    /// It can be given.
    pub enabled: bool,
    /// Return gives it.
    pub focused: bool,
    /// It gives something away.
    pub gives_away: bool,
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptSpec<'a> {
    /// What is asked.
    pub sentence: &'a [Run<'a>],
    /// Qubes to choose from, top to bottom; none where there is nothing to choose.
    pub choices: &'a [Choice<'a>],
    /// What is to be typed, if something is.
    pub field: Option<SecretField<'a>>,
    /// Left to right.
    pub answers: &'a [Answer<'a>],
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

/// A drawn question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptImage {
    /// The picture, opaque.
    pub image: Image,
    /// Where the answers are, in logical pixels relative to the picture.
    pub answers: Vec<Rect>,
    /// Where the choices are, likewise.
    pub choices: Vec<Rect>,
}

/// Something the person is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticeSpec<'a> {
    /// What.
    pub runs: &'a [Run<'a>],
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

/// Least width of a question's sentence, in logical pixels.
const WIDTH: i32 = 440;
/// Space around it.
const PAD: i32 = 22;
/// Height of an answer.
const ANSWER_HEIGHT: i32 = 32;
/// Least width of an answer.
const ANSWER_WIDTH: i32 = 112;
/// Height of a choice.
const CHOICE_HEIGHT: i32 = 28;
/// Widest line of a notice.
const NOTICE_WIDTH: i32 = 420;

impl Painter {
    /// A panel with steel around it.
    pub(crate) fn panel(&mut self, width: i32, height: i32, band: i32) -> Canvas {
        let mut canvas = Canvas::filled(width, height, self.theme.panel());
        let tones = self.theme.tones(None);
        let bounds = canvas.bounds();
        self.patterns.ring(&mut canvas, bounds, band, tones, Pattern::Steel);
        canvas
    }

    /// Draws a question and its answers.
    pub fn prompt(&mut self, spec: &PromptSpec<'_>) -> PromptImage {
        let scale = spec.scale;
        let style = self.style(Weight::Semibold, self.theme.text(), scale);
        let widths: Vec<i32> = spec
            .answers
            .iter()
            .map(|a| (scale.to_logical_up(self.writer.width(a.text, style) as f32) + 28).max(ANSWER_WIDTH))
            .collect();
        let gap = 12;
        let total: i32 = widths.iter().sum::<i32>() + gap * (widths.len() as i32 - 1).max(0);
        // Answers that are wider than the sentence widen the whole: none may be out of reach.
        let inner = total.max(WIDTH);
        let sentence = self.lay_out(spec.sentence, scale.to_device(inner), scale);
        // Whole logical pixels, so that answers have places in them.
        let words = scale.to_logical_up(self.sentence_height(&sentence, scale) as f32);
        let rows = spec.choices.len() as i32 * CHOICE_HEIGHT;
        let list = if rows == 0 { 0 } else { rows + PAD / 2 };
        let typed = if spec.field.is_some() { self.secret_height() + PAD / 2 } else { 0 };
        let (width, height) = (inner + 2 * PAD, words + list + typed + 3 * PAD + ANSWER_HEIGHT);
        let mut canvas = self.panel(scale.to_device(width), scale.to_device(height), scale.to_device(4));
        let pad = scale.to_device(PAD);
        self.write_sentence(&mut canvas, &sentence, (pad, pad), scale);
        let mut choices = Vec::with_capacity(spec.choices.len());
        for (row, choice) in (0..).zip(spec.choices) {
            let y = PAD + words + PAD / 2 + row * CHOICE_HEIGHT;
            let rect = Rect { x: PAD, y, w: inner, h: CHOICE_HEIGHT };
            self.choice(&mut canvas, choice, device(rect, scale), scale);
            choices.push(rect);
        }
        if let Some(field) = &spec.field {
            let y = PAD + words + list + PAD / 2;
            self.secret(&mut canvas, field, (PAD, y), inner, scale);
        }
        let mut x = width - PAD - total;
        let y = height - PAD - ANSWER_HEIGHT;
        let mut answers = Vec::with_capacity(widths.len());
        for (answer, w) in spec.answers.iter().zip(widths) {
            let rect = Rect { x, y, w, h: ANSWER_HEIGHT };
            self.answer(&mut canvas, answer, device(rect, scale), scale);
            answers.push(rect);
            x += w + gap;
        }
        PromptImage { image: canvas.into_opaque(), answers, choices }
    }

    /// The chosen one is marked by its ground and an outline, not by a colour: colour means trust.
    fn choice(&mut self, canvas: &mut Canvas, choice: &Choice<'_>, rect: DeviceRect, scale: Scale) {
        let side = |logical: i32| scale.to_device(logical);
        let back = if choice.chosen { self.theme.neutrals.raised } else { self.theme.panel() };
        canvas.fill(rect, back);
        if choice.chosen {
            canvas.outline(rect, 2 * scale.hairline(), self.theme.steel());
        }
        let (mut x, pad) = (rect.x + side(10), side(10));
        let top = rect.y + (rect.h - side(SWATCH)) / 2;
        x += self.swatch(canvas, (x, top), (choice.label, false), Filled::Whole, back, scale) + side(6);
        let field = DeviceRect { x, w: rect.right() - x - pad, ..rect };
        let color =
            choice.label.map_or(self.theme.text(), |label| readable_on(self.theme.label_color(label), back));
        let style = self.style(Weight::Semibold, color, scale);
        x += self.writer.write(canvas, choice.name, style, field, At::Left) + side(8);
        let style = self.small(self.theme.dim_text(), scale);
        let field = DeviceRect { x, w: rect.right() - x - pad, ..rect };
        if field.w > 0 {
            self.writer.write(canvas, choice.note, style, field, At::Left);
        }
    }

    pub(crate) fn answer(
        &mut self,
        canvas: &mut Canvas,
        answer: &Answer<'_>,
        rect: DeviceRect,
        scale: Scale,
    ) {
        let line = scale.hairline();
        let raised = self.theme.neutrals.raised;
        let (back, ink) = match (answer.enabled, answer.focused) {
            (true, true) => (self.theme.steel(), best_text_on(self.theme.steel())),
            (true, false) => (raised, self.theme.text()),
            (false, _) => (self.theme.panel(), self.theme.dim_text()),
        };
        canvas.fill(rect, back);
        canvas.outline(rect, line, if answer.enabled { self.theme.steel() } else { raised });
        if answer.focused {
            canvas.outline(rect.inset(2 * line), line, ink);
        }
        let weight = if answer.enabled { Weight::Semibold } else { Weight::Regular };
        let style = self.style(weight, ink, scale);
        self.writer.write(canvas, answer.text, style, rect, At::Middle);
    }

    /// Draws a notice.
    pub fn notice(&mut self, spec: &NoticeSpec<'_>) -> Image {
        let scale = spec.scale;
        let sentence = self.lay_out(spec.runs, scale.to_device(NOTICE_WIDTH), scale);
        let (pad_x, pad_y) = (scale.to_device(16), scale.to_device(10));
        let (width, height) = (
            sentence.width.max(scale.to_device(120)) + 2 * pad_x,
            self.sentence_height(&sentence, scale) + 2 * pad_y,
        );
        let mut canvas = self.panel(width, height, scale.to_device(3));
        self.write_sentence(&mut canvas, &sentence, (pad_x, pad_y), scale);
        canvas.into_opaque()
    }
}

pub(crate) fn device(rect: Rect, scale: Scale) -> DeviceRect {
    let (x, y) = (scale.to_device(rect.x), scale.to_device(rect.y));
    DeviceRect::new(x, y, scale.to_device(rect.x + rect.w) - x, scale.to_device(rect.y + rect.h) - y)
}
