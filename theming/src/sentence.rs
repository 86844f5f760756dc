//! Sentences of dom0's with names of qubes in them, over several lines.

use crate::{
    DeviceRect, Label, Rgb, Scale,
    canvas::Canvas,
    painter::Painter,
    readable_on,
    swatch::{Filled, SWATCH},
    text::{At, Weight},
};

/// A piece of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run<'a> {
    /// Words.
    Text(&'a str),
    /// A qube: its swatch, and its name in its colour.
    Qube {
        /// Its name.
        name: &'a str,
        /// Its label.
        label: Label,
    },
}

/// A word, or a qube, at its place in device pixels relative to the sentence.
#[derive(Clone, Copy, Debug)]
struct Placed<'a> {
    word: Run<'a>,
    x: i32,
    line: i32,
    width: i32,
}

/// A sentence broken into lines.
#[derive(Debug)]
pub(crate) struct Sentence<'a> {
    words: Vec<Placed<'a>>,
    /// Of the widest line, in device pixels.
    pub(crate) width: i32,
    lines: i32,
}

impl Sentence<'_> {
    /// Leaves out what comes after so many lines.
    pub(crate) fn cut(&mut self, lines: i32) {
        self.words.retain(|placed| placed.line < lines);
        self.lines = self.lines.min(lines);
    }
}

impl Painter {
    /// Breaks a sentence into lines of at most this many device pixels.
    pub(crate) fn lay_out<'a>(&mut self, runs: &[Run<'a>], most: i32, scale: Scale) -> Sentence<'a> {
        let style = self.style(Weight::Regular, Rgb::BLACK, scale);
        let bold = self.style(Weight::Semibold, Rgb::BLACK, scale);
        let space = self.writer.width("n n", style) - 2 * self.writer.width("n", style);
        let mut sentence = Sentence { words: Vec::new(), width: 0, lines: 1 };
        let (mut x, mut line) = (0, 0);
        let words = runs.iter().flat_map(|run| match *run {
            Run::Text(text) => text.split_whitespace().map(Run::Text).collect::<Vec<_>>(),
            qube @ Run::Qube { .. } => vec![qube],
        });
        for word in words {
            let width = match word {
                Run::Text(text) => self.writer.width(text, style),
                Run::Qube { name, .. } => scale.to_device(SWATCH + 5) + self.writer.width(name, bold),
            }
            .min(most);
            // Punctuation belongs to the word before it.
            let tight = matches!(word, Run::Text(text) if text.starts_with([',', '.', ':', ';', '?', '!']));
            let gap = match word {
                _ if x == 0 || tight => 0,
                Run::Text(_) => space,
                // A swatch needs a bit more room than a letter.
                Run::Qube { .. } => space.max(scale.to_device(5)),
            };
            if x > 0 && x + gap + width > most {
                x = 0;
                line += 1;
            } else {
                x += gap;
            }
            sentence.words.push(Placed { word, x, line, width });
            x += width;
            sentence.width = sentence.width.max(x);
            sentence.lines = line + 1;
        }
        sentence
    }

    /// Height of a line, in device pixels.
    pub(crate) fn line_height(&self, scale: Scale) -> i32 {
        scale.to_device(self.theme.font_size() + 9)
    }

    /// Height of a sentence, in device pixels.
    pub(crate) fn sentence_height(&self, sentence: &Sentence<'_>, scale: Scale) -> i32 {
        sentence.lines * self.line_height(scale)
    }

    /// Writes a sentence on dom0's panel with its corner at `(x, y)`.
    pub(crate) fn write_sentence(
        &mut self,
        canvas: &mut Canvas,
        sentence: &Sentence<'_>,
        (x, y): (i32, i32),
        scale: Scale,
    ) {
        let height = self.line_height(scale);
        let panel = self.theme.panel();
        for placed in &sentence.words {
            let field = DeviceRect::new(x + placed.x, y + placed.line * height, placed.width, height);
            match placed.word {
                Run::Text(text) => {
                    let style = self.style(Weight::Regular, self.theme.text(), scale);
                    self.writer.write(canvas, text, style, field, At::Left);
                }
                Run::Qube { name, label } => {
                    let top = field.y + (height - scale.to_device(SWATCH)) / 2;
                    self.swatch(canvas, (field.x, top), (Some(label), false), Filled::Whole, panel, scale);
                    let shift = scale.to_device(SWATCH + 5);
                    let color = readable_on(self.theme.label_color(label), panel);
                    let style = self.style(Weight::Semibold, color, scale);
                    let rest = DeviceRect { x: field.x + shift, w: field.w - shift, ..field };
                    self.writer.write(canvas, name, style, rest, At::Left);
                }
            }
        }
    }
}
