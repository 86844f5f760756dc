//! The end of a qube's log. Its lines are the qube's: each is one line in a field of its own.

use super::{BUTTON, FIELD, FOOT, LINE, ManagerSpec, Place, VerbButton};
use crate::{
    Rect, Run,
    canvas::Canvas,
    painter::Painter,
    prompt::device,
    text::{At, Weight},
};

/// A line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When, and who says so, in dom0's words.
    pub when: &'a str,
    /// See `when`.
    pub who: &'a str,
    /// What: the qube's words, cleaned, unless dom0 says it.
    pub text: &'a str,
}

/// The end of a qube's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagerLog<'a> {
    /// Whose.
    pub title: &'a [Run<'a>],
    /// Those that are seen, the oldest first.
    pub lines: &'a [LogLine<'a>],
    /// Number of the first of them, and of all.
    pub scrolled: (usize, usize),
    /// Said where there are none.
    pub message: &'a str,
}

/// Widths of the first two columns.
const WHEN: i32 = 72;
const WHO: i32 = 60;

impl Painter {
    pub(super) fn log(
        &mut self,
        canvas: &mut Canvas,
        spec: &ManagerSpec<'_>,
        log: &ManagerLog<'_>,
        inner: Rect,
    ) -> Vec<(Place, Rect)> {
        let scale = spec.scale;
        let mut title = self.lay_out(log.title, scale.to_device(inner.w), scale);
        title.cut(1);
        self.write_sentence(canvas, &title, (scale.to_device(inner.x), scale.to_device(inner.y + 6)), scale);
        let most = Self::manager_log_lines(spec.slots, spec.small);
        let all = Rect { y: inner.y + FIELD, h: most as i32 * LINE, ..inner };
        canvas.fill(device(Rect { y: all.y - 2, h: 1, ..all }, scale), self.theme.line());
        let dim = self.small(self.theme.dim_text(), scale);
        let plain = self.small(self.theme.text(), scale);
        for (number, line) in log.lines.iter().take(most).enumerate() {
            let rect = Rect { y: all.y + number as i32 * LINE, h: LINE, ..all };
            let text = Rect { x: rect.x + WHEN + WHO, w: rect.w - WHEN - WHO - 12, ..rect };
            self.writer.write(canvas, line.when, dim, device(Rect { w: WHEN - 4, ..rect }, scale), At::Left);
            let who = Rect { x: rect.x + WHEN, w: WHO - 4, ..rect };
            self.writer.write(canvas, line.who, dim, device(who, scale), At::Left);
            self.writer.write(canvas, line.text, plain, device(text, scale), At::Left);
        }
        if log.lines.is_empty() {
            let style = self.style(Weight::Regular, self.theme.dim_text(), scale);
            let rect = Rect { h: 2 * LINE, ..all };
            self.writer.write(canvas, log.message, style, device(rect, scale), At::Middle);
        }
        let track = Rect { x: inner.x + inner.w - 4, w: 4, ..all };
        self.scroll_bar(canvas, (log.scrolled.0, most, log.scrolled.1), track, scale);
        let foot = if spec.small { 0 } else { FOOT };
        let y = inner.y + inner.h - foot - BUTTON + 4;
        let back = VerbButton { text: "Back", enabled: true, focused: true };
        vec![(Place::Button(0), self.verb(canvas, &back, (inner.x, y), scale))]
    }
}
