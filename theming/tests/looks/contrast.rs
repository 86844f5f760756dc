//! Text and icons can be read everywhere: 4.5 : 1 as WCAG 2.1 asks, measured on the pictures.

use transom_theming::{
    Answer, DeviceRect, FrameSpec, PromptSpec, Rect, Run, Scale, Size, TitleButton, contrast,
};

use crate::{
    pixels::{VARIANTS, best_contrast, ground, painter, whole},
    scenes::{CONTENT, owners, toplevel},
    sheet::framed,
};

/// Large enough that the strokes of letters cover whole pixels.
const SCALE: Scale = Scale::new(360);

/// Name alone, name with *not isolated*, and title alone, on every bar.
#[test]
fn text_of_title_bars() {
    for variant in VARIANTS {
        let mut painter = painter(variant);
        for label in owners() {
            let spec = FrameSpec { qube: "", content: Size { w: 260, h: 4 }, ..toplevel(label, "", SCALE) };
            for (active, attention) in [(true, None), (false, None), (false, Some(0.5)), (false, Some(1.0))] {
                let spec = FrameSpec { active, attention, ..spec.clone() };
                let texts = [
                    FrameSpec { qube: "IIII", attention: None, ..spec.clone() },
                    FrameSpec { title: "MMMM", ..spec.clone() },
                ];
                for spec in texts {
                    let image = framed(&mut painter, &spec, CONTENT);
                    let bar = painter.frame_geometry(&spec).bar;
                    let from = SCALE.to_device(30);
                    let area = DeviceRect { x: from, w: SCALE.to_device(110), ..bar };
                    let found = best_contrast(&image, area);
                    assert!(found >= 4.5, "{variant:?} {spec:?}: {found}");
                }
            }
        }
    }
}

#[test]
fn buttons_of_title_bars() {
    for variant in VARIANTS {
        let mut painter = painter(variant);
        for label in owners() {
            for (active, hovered, pressed) in [
                (true, false, false),
                (true, true, false),
                (true, true, true),
                (false, true, false),
                (false, true, true),
            ] {
                for button in [TitleButton::Minimise, TitleButton::Maximise, TitleButton::Close] {
                    let spec = FrameSpec {
                        active,
                        hovered: hovered.then_some(button),
                        pressed: pressed.then_some(button),
                        ..toplevel(label, "", SCALE)
                    };
                    let image = framed(&mut painter, &spec, CONTENT);
                    let bar = painter.frame_geometry(&spec).bar;
                    let width = SCALE.to_device(30);
                    let place = 3 - button as i32;
                    let area = DeviceRect { x: bar.right() - place * width, w: width, ..bar };
                    let found = best_contrast(&image, area);
                    assert!(found >= 4.5, "{variant:?} {spec:?}: {found}");
                }
            }
        }
    }
}

#[test]
fn answers_of_questions() {
    for variant in VARIANTS {
        let mut painter = painter(variant);
        let raised = [(true, true), (true, false), (false, false), (false, true)];
        let answers =
            raised.map(|(enabled, focused)| Answer { text: "HM", enabled, focused, gives_away: false });
        let drawn = painter.prompt(&PromptSpec {
            sentence: &[Run::Text("HM")],
            choices: &[],
            field: None,
            answers: &answers,
            scale: SCALE,
        });
        for Rect { x, y, w, h } in drawn.answers {
            let [x, y, w, h] = [x + 6, y + 6, w - 12, h - 12].map(|v| SCALE.to_device(v));
            let found = best_contrast(&drawn.image, DeviceRect::new(x, y, w, h));
            assert!(found >= 4.5, "{variant:?}: {found}");
        }
    }
}

/// Which window has the keys is seen at a glance: its bar looks other than all without them.
#[test]
fn the_active_bar_stands_out() {
    for variant in VARIANTS {
        let theme = transom_theming::Theme::builtin(variant);
        for label in owners() {
            let color = label.map_or(theme.steel(), |label| theme.label_color(label));
            for vision in transom_theming::Vision::ALL {
                let found =
                    transom_theming::difference(color.seen_by(vision), theme.inactive().seen_by(vision));
                assert!(found >= 9.0, "{variant:?} {label:?} {vision:?}: {found}");
            }
        }
    }
}

#[test]
fn text_of_panels_and_of_the_desktop() {
    for variant in VARIANTS {
        let painter = painter(variant);
        let theme = painter.theme();
        for (text, ground) in [
            (theme.text(), theme.panel()),
            (theme.text(), theme.background()),
            (theme.dim_text(), theme.panel()),
            (theme.dim_text(), theme.background()),
        ] {
            assert!(contrast(text, ground) >= 4.5, "{variant:?}: {text} on {ground}");
        }
    }
}

/// The bar's own text, and the name of the qube that has the keys.
#[test]
fn text_of_the_bar() {
    for variant in VARIANTS {
        let mut painter = painter(variant);
        for row in crate::scenes::bars(&mut painter, SCALE) {
            for image in row {
                let area = DeviceRect { h: whole(&image).h - SCALE.hairline(), ..whole(&image) };
                let found = best_contrast(&image, area);
                assert!(found >= 4.5, "{variant:?}: {found}");
                assert_eq!(ground(&image, area), painter.theme().panel());
            }
        }
    }
}
