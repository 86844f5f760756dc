//! dom0's bar: which qube has the keys, workspaces, the clock, the qubes, the clipboard, status icons of qubes.

use crate::{
    DeviceRect, Icon, Image, Label, Rect, Scale, best_text_on,
    canvas::Canvas,
    frame::{NOT_ISOLATED, dot},
    painter::Painter,
    prompt::device,
    swatch::{Filled, SWATCH},
    text::{At, Weight},
};

/// What a qube is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QubeMark {
    /// It runs: a filled swatch.
    Running,
    /// It does not: a ring.
    Halted,
    /// It starts, stops or is paused: half filled.
    Starting,
}

/// A qube in the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarQube<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its label.
    pub label: Label,
    /// What it is doing.
    pub mark: QubeMark,
    /// It shares dom0's kernel.
    pub not_isolated: bool,
}

/// A status icon of a program, in the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarIcon<'a> {
    /// Its qube's name: those of one qube stand together.
    pub qube: &'a str,
    /// Its qube's label.
    pub label: Label,
    /// What it is called.
    pub title: &'a str,
    /// Its picture.
    pub icon: Option<Icon<'a>>,
    /// It is marked.
    pub attention: bool,
}

/// A drawn bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarImage {
    /// The picture, opaque.
    pub image: Image,
    /// Where each status icon is, in logical pixels relative to the picture; `None`: there is no room for it.
    pub icons: Vec<Option<Rect>>,
    /// Where the workspaces are, as far as there is room for them; as for the icons.
    pub workspaces: Vec<Rect>,
}

/// What the bar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarSpec<'a> {
    /// Width in logical pixels; the height is [`crate::Theme::bar_height`].
    pub width: i32,
    /// Device pixels per logical pixel.
    pub scale: Scale,
    /// Who has the keys: name, label (`None`: dom0 itself), not isolated.
    pub focused: Option<(&'a str, Option<Label>, bool)>,
    /// Workspaces: number, it is the current one, something on it asks for attention.
    pub workspaces: &'a [(u32, bool, bool)],
    /// The time.
    pub clock: &'a str,
    /// The qubes.
    pub qubes: &'a [BarQube<'a>],
    /// State of the clipboard.
    pub clipboard: Option<&'a str>,
    /// The keyboard layout in force, if there are several.
    pub layout: Option<&'a str>,
    /// Something else that dom0 says.
    pub note: Option<&'a str>,
    /// Status icons, left to right.
    pub icons: &'a [BarIcon<'a>],
}

/// Side of a status icon, its ring included, in logical pixels.
const ICON: i32 = 22;
/// Thickness of its ring: that of a popup's frame.
const ICON_RING: i32 = 2;
/// Width of a workspace's number.
const WORKSPACE: i32 = 22;
/// Space between two qubes, and right of the last one.
const QUBE_GAP: i32 = 6;
const RIGHT: i32 = 10;

/// Which of so many qubes is at `x` of a bar of this width, in logical pixels. `None`: no qube's place is there; a
/// number that no qube has: it is, but none's in particular. There is always a place to press, even without qubes.
pub fn bar_mark_at(width: i32, qubes: usize, x: f64) -> Option<usize> {
    let step = f64::from(SWATCH + QUBE_GAP);
    let from_right = f64::from(width - RIGHT) + f64::from(QUBE_GAP) / 2.0 - x;
    let room = f64::from(width) / 2.0 - 48.0;
    let all = qubes.clamp(2, 1_000) as f64 * step;
    if x >= f64::from(width) || from_right > all.min(room) {
        return None;
    }
    let number = (from_right.max(0.0) / step) as usize;
    Some(qubes.checked_sub(number + 1).unwrap_or(qubes))
}

impl Painter {
    /// Draws the bar.
    pub fn bar(&mut self, spec: &BarSpec<'_>) -> BarImage {
        let scale = spec.scale;
        let (width, height) = (scale.to_device(spec.width), scale.to_device(self.theme.bar_height()));
        let mut canvas = Canvas::filled(width, height, self.theme.panel());
        let line = scale.hairline();
        let row = DeviceRect::new(0, 0, width, height - line);
        canvas.fill(DeviceRect { y: row.bottom(), h: line, ..row }, self.theme.line());

        let clock = self.style(Weight::Semibold, self.theme.text(), scale);
        let clock_width = self.writer.width(spec.clock, clock);
        let middle = DeviceRect { x: (width - clock_width) / 2, w: clock_width, ..row };
        self.writer.write(&mut canvas, spec.clock, clock, middle, At::Middle);
        // The left and the right part end where the clock begins: none can push the other away.
        let gap = scale.to_device(16);
        let left = DeviceRect { w: (middle.x - gap).max(0), ..row };
        let x = self.bar_focus(&mut canvas, spec, left);
        let room = DeviceRect { x, w: left.right() - x, ..row };
        let workspaces = self.bar_workspaces(&mut canvas, spec, room);
        let from = middle.right() + gap;
        let right = DeviceRect { x: from, w: (width - from).max(0), ..row };
        let end = self.bar_right(&mut canvas, spec, right);
        // What dom0 says comes first: no icon can push it away.
        let icons = self.bar_icons(&mut canvas, spec, DeviceRect { w: (end - from).max(0), ..right });
        BarImage { image: canvas.into_opaque(), icons, workspaces }
    }

    /// Status icons, those of one qube close together, as many as there is room for.
    fn bar_icons(&mut self, canvas: &mut Canvas, spec: &BarSpec<'_>, room: DeviceRect) -> Vec<Option<Rect>> {
        let scale = spec.scale;
        // Whole logical pixels, so that a click finds what is seen.
        let (first, high) = (scale.to_logical_up(room.x as f32), self.theme.bar_height() - 1);
        let mut end = scale.to_logical_up(room.right() as f32) - 10;
        let mut places = vec![None; spec.icons.len()];
        let mut last = None;
        for (place, icon) in places.iter_mut().zip(spec.icons).rev() {
            end -= match last {
                None => 0,
                Some(qube) if qube == icon.qube => 3,
                Some(_) => 10,
            };
            last = Some(icon.qube);
            if end - ICON < first {
                break;
            }
            end -= ICON;
            let rect = Rect { x: end, y: (high - ICON) / 2, w: ICON, h: ICON };
            *place = Some(rect);
            let slot = device(rect, scale);
            self.slot(canvas, (icon.label, icon.title, icon.icon), slot, ICON_RING, scale);
            if icon.attention {
                let mark = scale.to_device(2);
                canvas.fill(DeviceRect { y: room.bottom() - mark, h: mark, ..slot }, self.theme.text());
            }
        }
        places
    }

    /// Colour and name of the qube that has the keys. Returns where it ends.
    fn bar_focus(&mut self, canvas: &mut Canvas, spec: &BarSpec<'_>, room: DeviceRect) -> i32 {
        let scale = spec.scale;
        let side = |logical: i32| scale.to_device(logical);
        let (name, label, not_isolated) = spec.focused.unwrap_or(("no window has the keys", None, false));
        let (back, ink, weight) = if spec.focused.is_some() {
            let back = self.theme.tones(label).color;
            (back, best_text_on(back), Weight::Semibold)
        } else {
            (self.theme.panel(), self.theme.dim_text(), Weight::Regular)
        };
        let (style, small) = (self.style(weight, ink, scale), self.small(ink, scale));
        let (pad, gap) = (side(8), side(6));
        let name_width = self.writer.width(name, style);
        let tag_width = if not_isolated { side(7) + self.writer.width(NOT_ISOLATED, small) } else { 0 };
        let whole = (pad + side(SWATCH) + gap + name_width + tag_width + pad).min(room.w);
        canvas.fill(DeviceRect { w: whole, ..room }, back);
        let top = room.y + (room.h - side(SWATCH)) / 2;
        let mut x = room.x + pad;
        x += self.swatch(canvas, (x, top), (label, not_isolated), Filled::Whole, back, scale) + gap;
        let end = room.x + whole - pad;
        let field = DeviceRect { x, w: name_width.min(end - x), ..room };
        x += self.writer.write(canvas, name, style, field, At::Left);
        if not_isolated {
            let field = DeviceRect { x: x + side(7), w: end - x - side(7), ..room };
            self.writer.write(canvas, NOT_ISOLATED, small, field, At::Left);
        }
        room.x + whole
    }

    /// Numbers of workspaces. Returns where they are.
    fn bar_workspaces(&mut self, canvas: &mut Canvas, spec: &BarSpec<'_>, room: DeviceRect) -> Vec<Rect> {
        let scale = spec.scale;
        let high = self.theme.bar_height();
        let mut places = Vec::with_capacity(spec.workspaces.len());
        // Whole logical pixels, so that a click finds what is seen.
        let mut left = scale.to_logical_up(room.x as f32) + 10;
        for (number, current, attention) in spec.workspaces {
            let place = Rect { x: left, y: 0, w: WORKSPACE, h: high };
            let cell = DeviceRect { y: room.y, h: room.h, ..device(place, scale) };
            if cell.right() > room.right() {
                break;
            }
            places.push(place);
            let (back, ink) = if *current {
                (self.theme.neutrals.raised, self.theme.text())
            } else {
                (self.theme.panel(), self.theme.dim_text())
            };
            canvas.fill(cell, back);
            if *current {
                let mark = scale.to_device(2);
                canvas.fill(DeviceRect { y: cell.bottom() - mark, h: mark, ..cell }, self.theme.text());
            }
            let style = self.style(Weight::Regular, ink, scale);
            self.writer.write(canvas, &number.to_string(), style, cell, At::Middle);
            if *attention {
                let at = (cell.right() - scale.to_device(6), cell.y + scale.to_device(8));
                dot(canvas, at, 2.0, 1.0, self.theme.text(), scale);
            }
            left += WORKSPACE;
        }
        places
    }

    /// The qubes' states, left of them the keyboard layout, and left of that the clipboard's state. Returns where
    /// they begin.
    fn bar_right(&mut self, canvas: &mut Canvas, spec: &BarSpec<'_>, room: DeviceRect) -> i32 {
        let scale = spec.scale;
        let side = |logical: i32| scale.to_device(logical);
        let (panel, gap) = (self.theme.panel(), side(QUBE_GAP));
        let top = room.y + (room.h - side(SWATCH)) / 2;
        let mut x = room.right() - side(RIGHT);
        for qube in spec.qubes.iter().rev() {
            if x - side(SWATCH) < room.x {
                return room.x;
            }
            x -= side(SWATCH);
            let filled = match qube.mark {
                QubeMark::Running => Filled::Whole,
                QubeMark::Starting => Filled::Half,
                QubeMark::Halted => Filled::Ring,
            };
            self.swatch(canvas, (x, top), (Some(qube.label), qube.not_isolated), filled, panel, scale);
            x -= gap;
        }
        let texts = [
            (spec.layout, Weight::Semibold),
            (spec.clipboard, Weight::Regular),
            (spec.note, Weight::Regular),
        ];
        for (text, weight) in texts.into_iter().filter_map(|(text, weight)| Some((text?, weight))) {
            let style = self.style(weight, self.theme.text(), scale);
            let width = self.writer.width(text, style);
            let end = (x - side(10)).max(room.x);
            let start = (end - width).max(room.x);
            let field = DeviceRect { x: start, w: end - start, ..room };
            self.writer.write(canvas, text, style, field, At::Left);
            x = start;
        }
        x
    }
}
