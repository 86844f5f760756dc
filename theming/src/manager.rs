//! The qube manager: all qubes in a table, what can be done with them, forms and logs.
//!
//! Everything in it is dom0's, in steel. What a qube wrote, the lines of its log, stands in fields of their own on
//! a page that says whose they are (rule CLEAN-TEXT).

mod form;
mod log;
mod table;

pub use self::{
    form::{FormLine, FormValue, ManagerForm},
    log::{LogLine, ManagerLog},
    table::{ManagerRow, ManagerTable, VerbButton},
};
use crate::{
    DeviceRect, Image, Rect, Scale, Size,
    canvas::Canvas,
    painter::Painter,
    prompt::device,
    text::{At, Weight},
};

/// What the manager shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagerPage<'a> {
    /// All qubes.
    Table(ManagerTable<'a>),
    /// Something to fill in.
    Form(ManagerForm<'a>),
    /// The end of a qube's log.
    Log(ManagerLog<'a>),
}

/// The manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagerSpec<'a> {
    /// Width in logical pixels.
    pub width: i32,
    /// Rows of the table that there is room for: the height of every page hangs on it.
    pub slots: usize,
    /// The screen is small: what can be done without is left out.
    pub small: bool,
    /// What is on it.
    pub page: ManagerPage<'a>,
    /// Which keys do what.
    pub hint: &'a str,
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

/// Something in the manager that can be pressed; numbers count as in the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A row of the table.
    Row(usize),
    /// A verb.
    Verb(usize),
    /// A line of a form.
    Line(usize),
    /// The choice before, of a line of a form.
    Previous(usize),
    /// The choice after.
    Next(usize),
    /// A button of a form or a log.
    Button(usize),
}

/// A drawn manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerImage {
    /// The picture, opaque.
    pub image: Image,
    /// Where everything is that can be pressed, in logical pixels relative to the picture. Of two in one spot the
    /// later one is meant.
    pub places: Vec<(Place, Rect)>,
}

/// Space around what is in it, in logical pixels.
const PAD: i32 = 16;
/// Height of the field for what is typed, and of the head of other pages.
const FIELD: i32 = 36;
/// Height of a row of the table.
const ROW: i32 = 40;
/// Height of the heads of the columns.
const HEAD: i32 = 24;
/// Height of a button.
const BUTTON: i32 = 28;
/// Space between two buttons.
const GAP: i32 = 6;
/// Height of the line at the foot.
const FOOT: i32 = 26;
/// Height of a line of text.
const LINE: i32 = 22;

/// Lines for what is said about the chosen row.
fn said_lines(small: bool) -> i32 {
    if small { 2 } else { 3 }
}

/// All but the rows.
fn fixed_height(small: bool) -> i32 {
    let foot = if small { PAD / 2 } else { FOOT };
    PAD + FIELD + 8 + HEAD + 8 + said_lines(small) * LINE + 8 + 2 * BUTTON + GAP + 4 + foot + PAD / 2
}

impl Painter {
    /// Height of the manager with so many rows, in logical pixels.
    pub fn manager_height(slots: usize, small: bool) -> i32 {
        fixed_height(small) + i32::try_from(slots).unwrap_or(i32::MAX / ROW / 2) * ROW
    }

    /// Draws the manager.
    pub fn manager(&mut self, spec: &ManagerSpec<'_>) -> ManagerImage {
        let scale = spec.scale;
        let height = Self::manager_height(spec.slots, spec.small);
        let mut canvas = self.panel(scale.to_device(spec.width), scale.to_device(height), scale.to_device(4));
        let inner = Rect { x: PAD, y: PAD, w: spec.width - 2 * PAD, h: height - 2 * PAD };
        let places = match &spec.page {
            ManagerPage::Table(table) => self.table(&mut canvas, spec, table, inner),
            ManagerPage::Form(form) => self.form(&mut canvas, form, inner, scale),
            ManagerPage::Log(log) => self.log(&mut canvas, spec, log, inner),
        };
        if !spec.small {
            let style = self.small(self.theme.dim_text(), scale);
            let foot = Rect { x: PAD, y: height - PAD / 2 - FOOT, w: inner.w, h: FOOT };
            self.writer.write(&mut canvas, spec.hint, style, device(foot, scale), At::Middle);
        }
        ManagerImage { image: canvas.into_opaque(), places }
    }

    /// Lines in the log of a manager of this height.
    pub fn manager_log_lines(slots: usize, small: bool) -> usize {
        let room = Self::manager_height(slots, small)
            - 2 * PAD
            - FIELD
            - 8
            - (BUTTON + 8)
            - if small { 0 } else { FOOT };
        usize::try_from(room / LINE).unwrap_or(0).max(1)
    }

    /// A bar that says which part of something is seen.
    fn scroll_bar(
        &mut self,
        canvas: &mut Canvas,
        (first, seen, all): (usize, usize, usize),
        track: Rect,
        scale: Scale,
    ) {
        if all <= seen {
            return;
        }
        let at = |part: usize| {
            let part = i64::try_from(part).unwrap_or(i64::MAX);
            let all = i64::try_from(all).unwrap_or(i64::MAX).max(1);
            track.y + i32::try_from(i64::from(track.h).saturating_mul(part) / all).unwrap_or(0)
        };
        canvas.fill(device(track, scale), self.theme.neutrals.raised);
        let (top, bottom) = (at(first), at(first + seen));
        let thumb = Rect { y: top, h: (bottom - top).max(8).min(track.y + track.h - top), ..track };
        canvas.fill(device(thumb, scale), self.theme.steel());
    }

    /// A button as wide as its words. Returns where it is.
    fn verb(&mut self, canvas: &mut Canvas, verb: &VerbButton<'_>, (x, y): (i32, i32), scale: Scale) -> Rect {
        let style = self.style(Weight::Semibold, self.theme.text(), scale);
        let width = scale.to_logical_up(self.writer.width(verb.text, style) as f32) + 22;
        let rect = Rect { x, y, w: width, h: BUTTON };
        let answer = crate::Answer {
            text: verb.text,
            enabled: verb.enabled,
            focused: verb.focused,
            gives_away: false,
        };
        self.answer(canvas, &answer, device(rect, scale), scale);
        rect
    }

    /// Two lines, the second one small.
    fn cell(
        &mut self,
        canvas: &mut Canvas,
        (upper, lower): (&str, &str),
        (strong, urgent): (bool, bool),
        rect: Rect,
        scale: Scale,
    ) {
        let weight = if strong { Weight::Semibold } else { Weight::Regular };
        let first = self.style(weight, self.theme.text(), scale);
        let second = self.small(if urgent { self.theme.text() } else { self.theme.dim_text() }, scale);
        let field = |rect: Rect| -> DeviceRect { device(rect, scale) };
        // The upper line stands beside the name in every column.
        let (top, bottom) = lines(rect);
        self.writer.write(canvas, upper, first, field(top), At::Left);
        self.writer.write(canvas, lower, second, field(bottom), At::Left);
    }
}

/// Two lines in a row of the table.
fn lines(rect: Rect) -> (Rect, Rect) {
    let line = 18;
    let top = rect.y + (rect.h - 2 * line) / 2;
    (Rect { y: top, h: line, ..rect }, Rect { y: top + line, h: line, ..rect })
}

/// How large the manager is on a screen with this room, below the bar: width, rows, and whether it is small.
impl crate::manager::ManagerSpec<'_> {
    /// Width, rows and smallness for this much room, in logical pixels.
    pub fn fit(room: Size) -> (i32, usize, bool) {
        let small = room.h < 420;
        let margin = if small { 8 } else { 24 };
        let width = (room.w - 2 * margin).min(940);
        let rows = (room.h - 2 * margin - fixed_height(small)) / ROW;
        (width, usize::try_from(rows).unwrap_or(0).clamp(1, 14), small)
    }
}
