//! The table of all qubes, what is said of the chosen one, and the verbs.

use super::{BUTTON, FIELD, GAP, HEAD, LINE, ManagerSpec, PAD, Place, ROW, lines, said_lines};
use crate::{
    Label, QubeMark, Rect, Run, Scale,
    canvas::Canvas,
    frame::NOT_ISOLATED,
    painter::Painter,
    prompt::device,
    readable_on,
    swatch::{Filled, SWATCH},
    text::{At, Weight},
};

/// A qube, or a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagerRow<'a> {
    /// Its label; a template has none.
    pub label: Option<Label>,
    /// Its name; wide enough for the longest that a qube can have.
    pub name: &'a str,
    /// It shares dom0's kernel.
    pub not_isolated: bool,
    /// What it is doing.
    pub mark: QubeMark,
    /// What it is: its template, or that it does not last.
    pub note: &'a str,
    /// Its state, and what is to be said of that.
    pub state: (&'a str, &'a str),
    /// What is said of its state is for the person to do.
    pub urgent: bool,
    /// Its memory in use, and how much it has.
    pub memory: (&'a str, &'a str),
    /// The qube that its network goes through.
    pub network: &'a str,
    /// What it takes on the disk, and how much it may.
    pub disk: (&'a str, &'a str),
    /// It is chosen.
    pub chosen: bool,
    /// It is the first of its kind: a line is drawn above it.
    pub first_of_kind: bool,
}

/// Something that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerbButton<'a> {
    /// What.
    pub text: &'a str,
    /// It can be done now.
    pub enabled: bool,
    /// The keys are on it.
    pub focused: bool,
}

/// All qubes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagerTable<'a> {
    /// What was typed.
    pub query: &'a str,
    /// How many there are.
    pub count: &'a str,
    /// Rows, top to bottom; at most as many as there is room for.
    pub rows: &'a [ManagerRow<'a>],
    /// Number of the first row, and of all that there are.
    pub scrolled: (usize, usize),
    /// Said where there are no rows.
    pub message: &'a str,
    /// Said of the chosen row, or what came of what was done.
    pub said: &'a [Run<'a>],
    /// What can be done; the second part begins a line of its own.
    pub verbs: (&'a [VerbButton<'a>], &'a [VerbButton<'a>]),
}

/// Where the columns begin, and how wide they are.
#[derive(Clone, Copy)]
struct Columns {
    name: (i32, i32),
    state: (i32, i32),
    memory: (i32, i32),
    /// Left out where there is no room.
    network: Option<(i32, i32)>,
    disk: (i32, i32),
}

/// Width of the bar that shows where one is, and of the space before it.
const BAR: i32 = 10;

fn columns(x: i32, width: i32) -> Columns {
    let wide = width >= 690;
    let (state, memory, disk) = if wide { (116, 92, 92) } else { (108, 80, 80) };
    let network = if wide { if width >= 850 { 200 } else { 136 } } else { 0 };
    let name = width - BAR - state - memory - network - disk;
    let at = [name, state, memory, network, disk].into_iter().scan(x, |x, w| {
        let from = *x;
        *x += w;
        Some((from, w))
    });
    let at: Vec<_> = at.collect();
    Columns { name: at[0], state: at[1], memory: at[2], network: wide.then_some(at[3]), disk: at[4] }
}

impl Painter {
    pub(super) fn table(
        &mut self,
        canvas: &mut Canvas,
        spec: &ManagerSpec<'_>,
        table: &ManagerTable<'_>,
        inner: Rect,
    ) -> Vec<(Place, Rect)> {
        let scale = spec.scale;
        let mut places = Vec::new();
        let field = Rect { h: FIELD, ..inner };
        self.typed(canvas, (table.query, "Type to search qubes", table.count), device(field, scale), scale);
        let columns = columns(inner.x, inner.w);
        let mut y = inner.y + FIELD + 8;
        self.heads(canvas, columns, Rect { y, h: HEAD, ..inner }, scale);
        y += HEAD;
        let all = Rect { y, h: spec.slots as i32 * ROW, ..inner };
        for (number, row) in table.rows.iter().take(spec.slots).enumerate() {
            let rect = Rect { y: y + number as i32 * ROW, w: inner.w - BAR, h: ROW, ..inner };
            self.qube_row(canvas, row, columns, rect, scale);
            places.push((Place::Row(number), rect));
        }
        if table.rows.is_empty() {
            let style = self.style(Weight::Regular, self.theme.dim_text(), scale);
            let rect = Rect { h: ROW, ..all };
            self.writer.write(canvas, table.message, style, device(rect, scale), At::Middle);
        }
        let track = Rect { x: inner.x + inner.w - 4, w: 4, ..all };
        self.scroll_bar(canvas, (table.scrolled.0, spec.slots, table.scrolled.1), track, scale);
        y += all.h + 4;
        let rule = Rect { y, h: 1, ..inner };
        canvas.fill(device(rule, scale), self.theme.line());
        y += 4;
        let most = said_lines(spec.small);
        let mut said = self.lay_out(table.said, scale.to_device(inner.w), scale);
        said.cut(most);
        self.write_sentence(canvas, &said, (scale.to_device(inner.x), scale.to_device(y)), scale);
        y += most * LINE + 8;
        let mut number = 0;
        for part in [table.verbs.0, table.verbs.1] {
            let mut x = inner.x;
            for verb in part {
                let rect = self.verb(canvas, verb, (x, y), scale);
                places.push((Place::Verb(number), rect));
                number += 1;
                x += rect.w + GAP;
            }
            y += BUTTON + GAP;
        }
        places
    }

    fn heads(&mut self, canvas: &mut Canvas, columns: Columns, rect: Rect, scale: Scale) {
        let style = self.small(self.theme.dim_text(), scale);
        let heads = [
            ("Qube", Some((columns.name.0 + 8, columns.name.1 - 8))),
            ("State", Some(columns.state)),
            ("Memory", Some(columns.memory)),
            ("Network", columns.network),
            ("Disk", Some(columns.disk)),
        ];
        for (text, column) in heads {
            let Some((x, w)) = column else { continue };
            self.writer.write(canvas, text, style, device(Rect { x, w, ..rect }, scale), At::Left);
        }
        let rule = Rect { y: rect.y + rect.h - 1, h: 1, ..rect };
        canvas.fill(device(rule, scale), self.theme.line());
    }

    /// The chosen one is marked by its ground and an outline, not by a colour: colour means trust.
    fn qube_row(
        &mut self,
        canvas: &mut Canvas,
        row: &ManagerRow<'_>,
        columns: Columns,
        rect: Rect,
        scale: Scale,
    ) {
        let back = if row.chosen { self.theme.neutrals.raised } else { self.theme.panel() };
        canvas.fill(device(rect, scale), back);
        if row.first_of_kind {
            canvas.fill(device(Rect { h: 1, ..rect }, scale), self.theme.steel());
        }
        if row.chosen {
            canvas.outline(device(rect, scale), 2 * scale.hairline(), self.theme.steel());
        }
        let cell = |(x, w): (i32, i32)| Rect { x, w: w - 8, ..rect };
        let name = Rect { x: rect.x + 8, w: columns.name.1 - 16, ..rect };
        let note = match (row.not_isolated, row.note) {
            (false, note) => note.to_owned(),
            (true, "") => NOT_ISOLATED.to_owned(),
            (true, note) => format!("{NOT_ISOLATED}  \u{b7}  {note}"),
        };
        let (upper, lower) = lines(name);
        self.row_name(canvas, row, device(upper, scale), back, scale);
        let indent = SWATCH + 6;
        let field = Rect { x: lower.x + indent, w: lower.w - indent, ..lower };
        let style = self.small(self.theme.dim_text(), scale);
        self.writer.write(canvas, &note, style, device(field, scale), At::Left);
        self.cell(canvas, row.state, (row.urgent, row.urgent), cell(columns.state), scale);
        self.cell(canvas, row.memory, (false, false), cell(columns.memory), scale);
        if let Some(network) = columns.network {
            self.cell(canvas, (row.network, ""), (false, false), cell(network), scale);
        }
        self.cell(canvas, row.disk, (false, false), cell(columns.disk), scale);
    }

    fn row_name(
        &mut self,
        canvas: &mut Canvas,
        row: &ManagerRow<'_>,
        field: crate::DeviceRect,
        back: crate::Rgb,
        scale: Scale,
    ) {
        let top = field.y + (field.h - scale.to_device(SWATCH)) / 2;
        let filled = match row.mark {
            QubeMark::Running => Filled::Whole,
            QubeMark::Starting => Filled::Half,
            QubeMark::Halted => Filled::Ring,
        };
        let mark = (row.label, row.not_isolated);
        let side = self.swatch(canvas, (field.x, top), mark, filled, back, scale) + scale.to_device(6);
        let color =
            row.label.map_or(self.theme.text(), |label| readable_on(self.theme.label_color(label), back));
        let style = self.style(Weight::Semibold, color, scale);
        let rest = crate::DeviceRect { x: field.x + side, w: field.w - side, ..field };
        self.writer.write(canvas, row.name, style, rest, At::Left);
    }
}

const _: () = assert!(PAD > 8, "rows stand inside the ring");
