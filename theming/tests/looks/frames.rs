//! The strips of a frame tile the ring around the content exactly and are opaque (rule FRAME).

use proptest::prelude::*;
use transom_theming::{FrameKind, FrameSpec, Label, Scale, Size, TitleButton, Variant};

use crate::pixels::painter;

pub(crate) fn kind() -> impl Strategy<Value = FrameKind> {
    prop_oneof![
        Just(FrameKind::Toplevel),
        Just(FrameKind::Popup),
        Just(FrameKind::DragIcon),
        Just(FrameKind::Fullscreen)
    ]
}

/// Scales that exist, and all others down to the least and up to the largest.
pub(crate) fn scale() -> impl Strategy<Value = Scale> {
    prop_oneof![prop_oneof![Just(120), Just(150), Just(180), Just(240)], 30..=480_u32, 480..=1920_u32]
        .prop_map(Scale::new)
}

/// Sizes of content, small ones more often; never so large that a test takes long.
fn content(scale: Scale) -> impl Strategy<Value = Size> {
    let most = (60_000 / scale.get() as i32).clamp(30, 500);
    let side = move || prop_oneof![-3..=3, 0..=40, 0..=most];
    (side(), side()).prop_map(|(w, h)| Size { w, h })
}

pub(crate) fn label() -> impl Strategy<Value = Option<Label>> {
    proptest::option::of(proptest::sample::select(Label::ALL.to_vec()))
}

fn button() -> impl Strategy<Value = Option<TitleButton>> {
    let all = vec![TitleButton::Minimise, TitleButton::Maximise, TitleButton::Close];
    proptest::option::of(proptest::sample::select(all))
}

/// Any text at all: of any script, marks without letters, controls.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(crate::scenes::TITLES.map(str::to_owned).to_vec());
    prop_oneof![any::<String>(), known, "[a-zA-Z֐-״؀-ە\u{300}-\u{36f}😀-🙏\u{200b}-\u{202e} ]{0,60}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strips_tile_the_ring_and_are_opaque(
        kind in kind(),
        (scale, content) in scale().prop_flat_map(|scale| (Just(scale), content(scale))),
        label in label(),
        (qube, title) in (text(), text()),
        (active, not_isolated, maximised) in any::<(bool, bool, bool)>(),
        attention in proptest::option::of(-1.0..2.0_f32),
        (hovered, pressed) in (button(), button()),
    ) {
        thread_local! {
            static PAINTER: std::cell::RefCell<transom_theming::Painter> = painter(Variant::Dark).into();
        }
        let (qube, title) = (qube.as_str(), title.as_str());
        let spec = FrameSpec {
            kind, label, qube, title, active, attention, not_isolated, maximised, hovered, pressed, content, scale,
        };
        let (geometry, parts) = PAINTER.with_borrow_mut(|p| (p.frame_geometry(&spec), p.frame(&spec)));
        let outer = geometry.outer;
        let mut covered = vec![0_u8; outer.w as usize * outer.h as usize];
        for rect in parts.iter().map(|part| part.rect).chain([geometry.inner]) {
            prop_assert_eq!(rect.intersection(&outer), rect);
            for y in rect.y..rect.bottom() {
                let row = y as usize * outer.w as usize;
                for count in &mut covered[row + rect.x as usize..row + rect.right() as usize] {
                    *count += 1;
                }
            }
        }
        prop_assert!(covered.iter().all(|count| *count == 1), "gap or overlap: {:?}", geometry);
        for part in &parts {
            let (w, h) = (part.image.width as i32, part.image.height as i32);
            prop_assert_eq!((w, h), (part.rect.w, part.rect.h));
            prop_assert_eq!(part.image.data.len(), w as usize * h as usize * 4);
            prop_assert!(part.image.data.chunks_exact(4).all(|pixel| pixel[3] == 255));
        }
    }
}
