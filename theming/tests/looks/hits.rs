//! What a click hits is what is painted there.

use proptest::prelude::*;
use transom_theming::{
    DeviceRect, FrameGeometry, FrameKind, FrameSpec, Hit, Scale, Size, Theme, TitleButton, Variant, hit_test,
    title_buttons,
};

use crate::{
    frames::{kind, scale},
    pixels::{changed, painter},
    scenes::{CONTENT, toplevel},
    sheet::framed,
};

/// How far a painted edge may be from where it is hit, in device pixels: the sides of a frame are
/// rounded each on its own.
const NEAR: f64 = 2.5;

fn holds(rect: DeviceRect, (x, y): (f64, f64), by: f64) -> bool {
    !rect.is_empty()
        && x >= f64::from(rect.x) - by
        && x < f64::from(rect.right()) + by
        && y >= f64::from(rect.y) - by
        && y < f64::from(rect.bottom()) + by
}

fn outer(theme: &Theme, kind: FrameKind, content: Size) -> Size {
    let insets = theme.insets(kind);
    Size { w: content.w + insets.left + insets.right, h: content.h + insets.top + insets.bottom }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn regions_lie_where_they_are_painted(
        kind in kind(),
        scale in scale(),
        (w, h) in (4..600, 4..400),
        (x, y) in (-0.1..1.1, -0.1..1.1),
    ) {
        let theme = Theme::builtin(Variant::Dark);
        let content = Size { w, h };
        let outer = outer(&theme, kind, content);
        let at = (x * f64::from(outer.w), y * f64::from(outer.h));
        let painted = FrameGeometry::device(&theme, kind, content, scale);
        let device = (at.0 * f64::from(scale.factor()), at.1 * f64::from(scale.factor()));
        match hit_test(&theme, kind, outer, at) {
            Hit::Outside => prop_assert!(!holds(painted.outer, device, -NEAR)),
            Hit::Content => prop_assert!(holds(painted.inner, device, NEAR)),
            // The line below the bar belongs to it.
            Hit::TitleBar | Hit::Button(_) => {
                prop_assert!(holds(painted.bar, device, NEAR + f64::from(painted.line)));
            }
            Hit::Edge { .. } => {
                prop_assert!(holds(painted.outer, device, NEAR));
                prop_assert!(!holds(painted.inner, device, -NEAR));
                prop_assert!(!holds(painted.bar, device, -NEAR));
            }
        }
    }
}

/// A button that is hovered changes exactly where a click hits it.
#[test]
fn buttons_are_hit_where_they_are_painted() {
    let mut painter = painter(Variant::Dark);
    for scale in [60, 120, 150, 180, 240, 317] {
        let scale = Scale::new(scale);
        for w in [0, 60, 117, 118, 119, 177, 178, 179, 240, 391] {
            let plain = FrameSpec { content: Size { w, h: 4 }, ..toplevel(None, "title", scale) };
            let idle = framed(&mut painter, &plain, CONTENT);
            let shown =
                title_buttons(painter.theme(), outer(painter.theme(), FrameKind::Toplevel, plain.content));
            for button in [TitleButton::Minimise, TitleButton::Maximise, TitleButton::Close] {
                let hovered = FrameSpec { hovered: Some(button), ..plain.clone() };
                let painted = changed(&idle, &framed(&mut painter, &hovered, CONTENT));
                let Some((_, rect)) = shown.iter().find(|(b, _)| *b == button) else {
                    assert_eq!(painted, None, "{button:?} is painted but cannot be hit at width {w}");
                    continue;
                };
                let painted = painted.expect("a button that can be hit is painted");
                let pairs = [
                    (painted.x, rect.x),
                    (painted.right(), rect.x + rect.w),
                    (painted.y, rect.y),
                    (painted.bottom(), rect.y + rect.h),
                ];
                for (device, logical) in pairs {
                    let off = f64::from(device) - f64::from(logical) * f64::from(scale.factor());
                    assert!(
                        off.abs() <= NEAR,
                        "{button:?} at scale {scale:?}, width {w}: {painted:?} {rect:?}"
                    );
                }
            }
        }
    }
}

/// Corners grab both ways, buttons keep all their room, nothing else can be resized.
#[test]
fn edges_grab_as_documented() {
    let theme = Theme::builtin(Variant::Dark);
    let size = Size { w: 408, h: 334 };
    let edge = |top, bottom, left, right| Hit::Edge { top, bottom, left, right };
    let table = [
        ((0.0, 0.0), edge(true, false, true, false)),
        ((11.9, 1.0), edge(true, false, true, false)),
        ((12.0, 1.0), edge(true, false, false, false)),
        ((200.0, 2.9), edge(true, false, false, false)),
        ((200.0, 3.0), Hit::TitleBar),
        ((407.9, 0.0), edge(true, false, false, true)),
        ((1.0, 200.0), edge(false, false, true, false)),
        ((407.0, 200.0), edge(false, false, false, true)),
        ((200.0, 333.0), edge(false, true, false, false)),
        ((1.0, 333.0), edge(false, true, true, false)),
        ((404.9, 10.0), Hit::Button(TitleButton::Close)),
        ((315.0, 10.0), Hit::Button(TitleButton::Minimise)),
        ((200.0, 200.0), Hit::Content),
        ((408.0, 10.0), Hit::Outside),
        ((-0.1, 10.0), Hit::Outside),
    ];
    for (at, hit) in table {
        assert_eq!(hit_test(&theme, FrameKind::Toplevel, size, at), hit, "{at:?}");
    }
    for kind in [FrameKind::Popup, FrameKind::DragIcon, FrameKind::Fullscreen] {
        assert_eq!(hit_test(&theme, kind, size, (0.0, 0.0)), edge(false, false, false, false), "{kind:?}");
    }
}
