//! No label can be taken for another one, whatever colours a person sees.

use std::collections::HashSet;

use transom_theming::{
    FrameKind, FrameSpec, Image, Label, Painter, Rgb, Scale, Size, Theme, Vision, difference,
};

use crate::{
    pixels::{VARIANTS, painter, pixel},
    scenes::{CONTENT, owners, toplevel},
    sheet::framed,
};

#[test]
fn no_two_share_a_pattern_a_letter_or_a_name() {
    let patterns: HashSet<_> = Label::ALL.into_iter().map(Label::pattern).collect();
    let letters: HashSet<_> = Label::ALL.into_iter().map(Label::letter).collect();
    let names: HashSet<_> = Label::ALL.into_iter().map(Label::name).collect();
    assert_eq!((patterns.len(), letters.len(), names.len()), (8, 8, 8));
    assert!(!patterns.contains(&transom_theming::Pattern::Steel));
}

fn seen(theme: &Theme, label: Label, vision: Vision) -> Rgb {
    theme.label_color(label).seen_by(vision)
}

#[test]
fn neighbours_differ_in_colour_for_every_vision() {
    for variant in VARIANTS {
        let theme = Theme::builtin(variant);
        for pair in Label::ALL.windows(2) {
            for vision in Vision::ALL {
                let found = difference(seen(&theme, pair[0], vision), seen(&theme, pair[1], vision));
                assert!(found >= 10.0, "{variant:?} {pair:?} {vision:?}: {found}");
            }
        }
    }
}

/// All pairs differ in colour to an eye that sees all colours; to others, where the colours come
/// close, the patterns (which always differ) are there to be seen.
#[test]
fn every_pair_differs_in_colour_or_in_a_visible_pattern() {
    for variant in VARIANTS {
        let theme = Theme::builtin(variant);
        for (i, one) in Label::ALL.into_iter().enumerate() {
            for vision in Vision::ALL {
                let pattern = theme.label_pattern_color(one).seen_by(vision);
                let visible = difference(seen(&theme, one, vision), pattern);
                assert!(visible >= 10.0, "pattern of {one} in {variant:?} for {vision:?}: {visible}");
                for two in &Label::ALL[..i] {
                    let found = difference(seen(&theme, one, vision), seen(&theme, *two, vision));
                    let least = if vision == Vision::Full { 10.0 } else { 2.0 };
                    assert!(found >= least, "{variant:?} {one} {two} {vision:?}: {found}");
                }
            }
        }
    }
}

#[test]
fn none_looks_like_dom0() {
    for variant in VARIANTS {
        let theme = Theme::builtin(variant);
        for label in Label::ALL {
            let found = difference(theme.label_color(label), theme.steel());
            assert!(found >= 10.0, "{variant:?} {label}: {found}");
        }
    }
}

/// Where in the upper band there is something else than the plain colour.
fn shape(painter: &mut Painter, spec: &FrameSpec<'_>) -> Vec<bool> {
    let image: Image = framed(painter, spec, CONTENT);
    let theme = painter.theme();
    let color = spec.label.map_or(theme.steel(), |label| theme.label_color(label));
    let band = painter.frame_geometry(spec).band;
    let far = image.width as i32;
    (0..band).flat_map(|y| (0..far).map(move |x| (x, y))).map(|(x, y)| pixel(&image, x, y) != color).collect()
}

/// Without any colour: the bands of no two labels, nor dom0's, have the same shape.
#[test]
fn patterns_differ_at_every_scale() {
    let mut painter = painter(VARIANTS[0]);
    for kind in [FrameKind::Toplevel, FrameKind::Popup, FrameKind::Fullscreen] {
        for scale in [120, 150, 180, 210, 240, 300, 360] {
            let mut shapes = HashSet::new();
            for label in owners() {
                let spec = toplevel(label, "", Scale::new(scale));
                let spec = FrameSpec { kind, content: Size { w: 60, h: 20 }, ..spec };
                assert!(shapes.insert(shape(&mut painter, &spec)), "{kind:?} {scale} {label:?}");
            }
        }
    }
}

/// A pattern repeats exactly: each stretch of the band looks like the one a period before it.
#[test]
fn patterns_are_even_at_every_scale() {
    let mut painter = painter(VARIANTS[0]);
    for scale in [120, 150, 180, 240, 317] {
        for label in owners() {
            let spec = FrameSpec {
                kind: FrameKind::Fullscreen,
                content: Size { w: 200, h: 4 },
                ..toplevel(label, "", Scale::new(scale))
            };
            let image = framed(&mut painter, &spec, CONTENT);
            let band = painter.frame_geometry(&spec).band;
            // Every pattern's period divides this one.
            let period = 4 * band * (band / 2).max(2);
            for x in period..image.width as i32 {
                for y in 0..band {
                    assert_eq!(
                        pixel(&image, x, y),
                        pixel(&image, x - period, y),
                        "{label:?} {scale} {x} {y}"
                    );
                }
            }
        }
    }
}
