//! What a frame says does not change where anything is.

use transom_theming::{DeviceRect, FrameSpec, Label, Scale, Size, TitleButton, Variant};

use crate::{
    pixels::{changed, painter, within},
    scenes::{CONTENT, TITLES, owners, toplevel},
    sheet::framed,
};

#[test]
fn nothing_said_moves_the_frame() {
    let mut painter = painter(Variant::Dark);
    for scale in [120, 150, 180, 240] {
        let plain = toplevel(Some(Label::Blue), "", Scale::new(scale));
        let close = Some(TitleButton::Close);
        let mut specs: Vec<FrameSpec<'_>> = vec![
            FrameSpec { active: false, ..plain.clone() },
            FrameSpec { attention: Some(0.0), ..plain.clone() },
            FrameSpec { attention: Some(1.0), ..plain.clone() },
            FrameSpec { hovered: close, ..plain.clone() },
            FrameSpec { hovered: close, pressed: close, ..plain.clone() },
            FrameSpec { maximised: true, ..plain.clone() },
            FrameSpec { not_isolated: true, ..plain.clone() },
            FrameSpec { qube: "", ..plain.clone() },
        ];
        specs.extend(TITLES.map(|title| FrameSpec { title, ..plain.clone() }));
        specs.extend(owners().map(|label| FrameSpec { label, ..plain.clone() }));
        let geometry = painter.frame_geometry(&plain);
        let rects = |parts: Vec<transom_theming::Part>| parts.into_iter().map(|p| p.rect).collect::<Vec<_>>();
        let expected = rects(painter.frame(&plain));
        for spec in specs {
            assert_eq!(painter.frame_geometry(&spec), geometry);
            assert_eq!(rects(painter.frame(&spec)), expected, "{spec:?}");
        }
    }
}

/// With the keys only the dot pulses; nothing beside it changes, let alone moves.
#[test]
fn a_pulse_changes_the_dot_alone() {
    let mut painter = painter(Variant::Dark);
    let at = |attention| FrameSpec { attention, ..toplevel(Some(Label::Green), "title", Scale::default()) };
    let (low, high) =
        (framed(&mut painter, &at(Some(0.0)), CONTENT), framed(&mut painter, &at(Some(1.0)), CONTENT));
    let changed = changed(&low, &high).expect("it pulses");
    assert!(changed.w <= 8 && changed.h <= 8, "{changed:?}");
}

/// Without the keys the bar is lit, the band, the line and the content are not.
#[test]
fn a_pulse_stays_in_the_bar() {
    let mut painter = painter(Variant::Dark);
    for scale in [120, 150, 240] {
        let spec = FrameSpec { active: false, ..toplevel(Some(Label::Red), "title", Scale::new(scale)) };
        let bar = painter.frame_geometry(&spec).bar;
        let at = |attention| FrameSpec { attention, ..spec.clone() };
        let plain = framed(&mut painter, &at(None), CONTENT);
        for pulse in [0.0, 0.3, 1.0, f32::NAN] {
            if let Some(changed) = changed(&plain, &framed(&mut painter, &at(Some(pulse)), CONTENT)) {
                assert!(within(changed, bar), "{changed:?} {bar:?}");
            }
        }
    }
}

#[test]
fn hovering_changes_the_button_alone() {
    let mut painter = painter(Variant::Light);
    let spec =
        FrameSpec { content: Size { w: 400, h: 40 }, ..toplevel(Some(Label::Grey), "t", Scale::new(150)) };
    let idle = framed(&mut painter, &spec, CONTENT);
    let bar = painter.frame_geometry(&spec).bar;
    let used =
        FrameSpec { hovered: Some(TitleButton::Close), pressed: Some(TitleButton::Close), ..spec.clone() };
    let changed = changed(&idle, &framed(&mut painter, &used, CONTENT)).expect("it is painted");
    let width = Scale::new(150).to_device(30);
    assert_eq!(changed, DeviceRect { x: bar.right() - width, w: width, ..bar });
}
