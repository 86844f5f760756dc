//! dom0's own pointers.

use tiny_skia::{LineCap, LineJoin, Path, PathBuilder, Stroke, Transform};

use crate::{Image, Rgb, Scale, canvas::Canvas, painter::Painter};

/// What a pointer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CursorShape {
    /// An arrow.
    Default,
    /// A hand: something can be followed.
    Pointer,
    /// A beam: text can be chosen.
    Text,
    /// Wait.
    Wait,
    /// Something can be taken.
    Grab,
    /// Something is being moved.
    Move,
    /// Up and down.
    ResizeNs,
    /// Left and right.
    ResizeEw,
    /// Upper left and lower right.
    ResizeNwse,
    /// Upper right and lower left.
    ResizeNesw,
}

impl CursorShape {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Default,
        Self::Pointer,
        Self::Text,
        Self::Wait,
        Self::Grab,
        Self::Move,
        Self::ResizeNs,
        Self::ResizeEw,
        Self::ResizeNwse,
        Self::ResizeNesw,
    ];
}

/// A drawn pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorImage {
    /// The picture; not opaque.
    pub image: Image,
    /// Where it points, in device pixels from its corner.
    pub hotspot: (i32, i32),
}

/// Side of a pointer's picture, in logical pixels.
const SIDE: i32 = 24;

impl Painter {
    /// Draws a pointer: white with a black edge, so that it is seen on anything.
    pub fn cursor(&mut self, scale: Scale, shape: CursorShape) -> CursorImage {
        let side = scale.to_device(SIDE);
        let mut canvas = Canvas::clear(side, side);
        let factor = scale.factor();
        let (path, hotspot, fill) = outline(shape);
        if let Some(path) = path.and_then(|p| p.transform(Transform::from_scale(factor, factor))) {
            let stroke = |width: f32| Stroke {
                width: width * factor,
                line_cap: LineCap::Round,
                line_join: LineJoin::Round,
                ..Stroke::default()
            };
            if fill {
                canvas.stroke_path(&path, &stroke(2.4), Rgb::BLACK);
                canvas.fill_path(&path, Rgb::WHITE);
            } else {
                canvas.stroke_path(&path, &stroke(4.4), Rgb::BLACK);
                canvas.stroke_path(&path, &stroke(1.8), Rgb::WHITE);
            }
        }
        let device = |v: f32| (v * factor).round() as i32;
        CursorImage { image: canvas.into_image(), hotspot: (device(hotspot.0), device(hotspot.1)) }
    }
}

/// The line of a shape in logical pixels, where it points, and whether it is an area.
fn outline(shape: CursorShape) -> (Option<Path>, (f32, f32), bool) {
    let middle = (12.0, 12.0);
    match shape {
        CursorShape::Default => {
            let points = [
                (3.0, 2.0),
                (3.0, 18.5),
                (7.2, 14.6),
                (10.0, 21.0),
                (12.9, 19.8),
                (10.2, 13.5),
                (15.8, 13.2),
            ];
            (polygon(&points), (3.0, 2.0), true)
        }
        CursorShape::Pointer => {
            let points = [
                (9.0, 3.0),
                (11.0, 3.0),
                (11.6, 10.0),
                (13.4, 9.4),
                (14.2, 10.4),
                (16.0, 10.0),
                (16.8, 11.2),
                (18.4, 11.2),
                (19.0, 13.0),
                (18.0, 18.0),
                (16.8, 21.0),
                (10.0, 21.0),
                (8.6, 18.6),
                (4.8, 14.6),
                (5.4, 13.0),
                (7.2, 13.2),
                (8.6, 14.6),
            ];
            (polygon(&points), (10.0, 3.0), true)
        }
        CursorShape::Text => {
            let lines: &[&[(f32, f32)]] = &[
                &[(9.0, 4.0), (12.0, 5.0), (15.0, 4.0)],
                &[(12.0, 5.0), (12.0, 19.0)],
                &[(9.0, 20.0), (12.0, 19.0), (15.0, 20.0)],
            ];
            (polylines(lines), middle, false)
        }
        CursorShape::Wait => {
            let points = [
                (6.0, 3.0),
                (18.0, 3.0),
                (18.0, 5.0),
                (12.8, 12.0),
                (18.0, 19.0),
                (18.0, 21.0),
                (6.0, 21.0),
                (6.0, 19.0),
                (11.2, 12.0),
                (6.0, 5.0),
            ];
            (polygon(&points), middle, true)
        }
        CursorShape::Grab => {
            let points = [
                (5.0, 9.0),
                (7.0, 8.0),
                (8.0, 10.5),
                (8.0, 5.0),
                (10.0, 4.4),
                (10.6, 9.0),
                (11.2, 4.0),
                (13.2, 4.0),
                (13.6, 9.0),
                (15.0, 4.8),
                (16.8, 5.4),
                (16.2, 10.0),
                (17.6, 8.0),
                (19.2, 8.8),
                (17.6, 16.0),
                (16.0, 20.5),
                (9.0, 20.5),
                (7.0, 15.0),
            ];
            (polygon(&points), middle, true)
        }
        CursorShape::Move => (arrows(&[0.0, 90.0, 180.0, 270.0]), middle, false),
        CursorShape::ResizeNs => (arrows(&[90.0, 270.0]), middle, false),
        CursorShape::ResizeEw => (arrows(&[0.0, 180.0]), middle, false),
        CursorShape::ResizeNwse => (arrows(&[45.0, 225.0]), middle, false),
        CursorShape::ResizeNesw => (arrows(&[135.0, 315.0]), middle, false),
    }
}

fn polygon(points: &[(f32, f32)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, (x, y)) in points.iter().enumerate() {
        if i == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
    }
    path.close();
    path.finish()
}

fn polylines(lines: &[&[(f32, f32)]]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for line in lines {
        for (i, (x, y)) in line.iter().enumerate() {
            if i == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
        }
    }
    path.finish()
}

/// Arrows from the middle, at these angles in degrees clockwise from the right.
fn arrows(angles: &[f32]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for angle in angles {
        let turn = |(x, y): (f32, f32)| {
            let (sin, cos) = angle.to_radians().sin_cos();
            (12.0 + x * cos - y * sin, 12.0 + x * sin + y * cos)
        };
        let lines: [[(f32, f32); 2]; 3] =
            [[(0.0, 0.0), (9.0, 0.0)], [(9.0, 0.0), (6.0, -3.0)], [(9.0, 0.0), (6.0, 3.0)]];
        for [from, to] in lines {
            let (x, y) = turn(from);
            path.move_to(x, y);
            let (x, y) = turn(to);
            path.line_to(x, y);
        }
    }
    path.finish()
}
