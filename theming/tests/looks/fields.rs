//! No text leaves its field, and the qube's name does not depend on the title.

use std::cell::RefCell;

use proptest::prelude::*;
use transom_theming::{
    BarIcon, BarSpec, CaptionSpec, DeviceRect, FrameSpec, Image, Label, Painter, Scale, Size, Variant,
    title_buttons,
};

use crate::{
    frames::text,
    pixels::{changed, ground, painter, pixel, within},
    scenes::{CONTENT, TITLES, toplevel},
    sheet::framed,
};

thread_local! {
    static PAINTER: RefCell<Painter> = painter(Variant::Dark).into();
}

/// The part of a title bar that belongs to the title: right of the divider, left of the buttons.
fn title_field(painter: &Painter, spec: &FrameSpec<'_>, untitled: &Image) -> DeviceRect {
    let bar = painter.frame_geometry(spec).bar;
    let insets = painter.theme().insets(spec.kind);
    let outer = Size { w: spec.content.w + insets.left + insets.right, h: 0 };
    let buttons = title_buttons(painter.theme(), outer).len() as i32;
    let end = bar.right() - buttons * spec.scale.to_device(30);
    // In a bar without title the divider is the last thing before the buttons.
    let back = ground(untitled, bar);
    let middle = bar.y + bar.h / 2;
    let divider = (bar.x..end).rev().find(|x| pixel(untitled, *x, middle) != back).unwrap_or(bar.x);
    DeviceRect { x: divider + 1, w: end - divider - 1, ..bar }
}

/// Draws with and without title; the difference, and the field it must lie in.
fn title_drawn(spec: &FrameSpec<'_>) -> (Option<DeviceRect>, DeviceRect) {
    PAINTER.with_borrow_mut(|painter| {
        let untitled = framed(painter, &FrameSpec { title: "", ..spec.clone() }, CONTENT);
        let titled = framed(painter, spec, CONTENT);
        (changed(&untitled, &titled), title_field(painter, spec, &untitled))
    })
}

#[test]
fn no_title_of_the_table_leaves_its_field() {
    for scale in [120, 150, 180, 240] {
        for w in [120, 180, 230, 300, 480] {
            for (i, title) in TITLES.into_iter().enumerate() {
                let label = Label::ALL[i % 8];
                let plain = toplevel(Some(label), title, Scale::new(scale));
                for active in [true, false] {
                    let spec = FrameSpec { active, content: Size { w, h: 2 }, ..plain.clone() };
                    let (drawn, field) = title_drawn(&spec);
                    assert!(drawn.is_none_or(|d| within(d, field)), "{title} at {w}: {drawn:?} {field:?}");
                    assert!(drawn.is_some() || w < 480, "{title} is not drawn at all");
                }
            }
        }
    }
}

/// The shaper panics on a line of two paragraphs that run in different directions; a qube could
/// end dom0's desktop with a title.
#[test]
fn separators_of_paragraphs_are_spaces() {
    for end in ["\u{2029}", "\u{2028}", "\u{85}", "\n", "\r\n", "\u{1c}", "\u{1d}", "\u{1e}"] {
        for title in [format!("A{end}\u{5d0}"), format!("\u{5d0}{end}A"), format!("{end}\u{66d}")] {
            let spec = FrameSpec {
                content: Size { w: 480, h: 2 },
                ..toplevel(Some(Label::Red), &title, Scale::default())
            };
            assert!(title_drawn(&spec).0.is_some(), "{title:?}");
        }
    }
}

/// As long as there is any title to be seen, the name is whole.
#[test]
fn the_name_is_not_shortened_before_the_title() {
    let long = TITLES[6];
    for label in Label::ALL {
        let spec = toplevel(Some(label), long, Scale::new(150));
        let wide = FrameSpec { content: Size { w: 900, h: 2 }, title: "", ..spec.clone() };
        let (name, bar, start) = PAINTER.with_borrow_mut(|painter| {
            let image = framed(painter, &wide, CONTENT);
            let field = title_field(painter, &wide, &image);
            (image, painter.frame_geometry(&wide).bar, field.x)
        });
        let mut titles = 0;
        for w in 0..400 {
            let spec = FrameSpec { content: Size { w, h: 2 }, ..spec.clone() };
            if title_drawn(&spec).0.is_none() {
                continue;
            }
            titles += 1;
            let image = PAINTER.with_borrow_mut(|painter| framed(painter, &spec, CONTENT));
            for y in bar.y..bar.bottom() {
                for x in bar.x..start {
                    assert_eq!(pixel(&image, x, y), pixel(&name, x, y), "{label} at width {w}: {x}, {y}");
                }
            }
        }
        assert!(titles > 50, "{label}");
    }
}

/// Nor do the words *not isolated*: a narrow bar loses the title first.
#[test]
fn not_isolated_does_not_give_way_to_the_title() {
    let mut titles = 0;
    for w in 0..500 {
        let content = Size { w, h: 2 };
        let spec = FrameSpec {
            not_isolated: true,
            content,
            ..toplevel(Some(Label::Orange), TITLES[6], Scale::default())
        };
        let Some(title) = title_drawn(&spec).0 else { continue };
        titles += 1;
        // Swatch, name and the words take this much of a bar.
        assert!(title.x > 190, "at width {w} the title begins at {title:?}");
    }
    assert!(titles > 100);
}

/// Nothing is cut off at the end of a text for which there is room: between the name and the
/// divider there is always the same gap of plain ground.
#[test]
fn names_are_drawn_to_their_end() {
    for qube in ["keys", "WWW", "left", "qubes", "قبو", "a-very-long-name-of-a-qube"] {
        for scale in [120, 150, 180, 240] {
            let scale = Scale::new(scale);
            let spec =
                FrameSpec { qube, content: Size { w: 700, h: 2 }, ..toplevel(Some(Label::Blue), "", scale) };
            PAINTER.with_borrow_mut(|painter| {
                let image = framed(painter, &spec, CONTENT);
                let field = title_field(painter, &spec, &image);
                let bar = painter.frame_geometry(&spec).bar;
                let gap = scale.to_device(8) - 1;
                let area = DeviceRect { x: field.x - scale.hairline() - gap, w: gap, ..bar };
                let back = ground(&image, bar);
                assert!(crate::pixels::colors(&image, area).all(|color| color == back), "{qube} {scale:?}");
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_title_at_all_leaves_its_field(
        title in text(),
        w in 0..500,
        scale in prop_oneof![Just(120), Just(150), Just(240), 60..400_u32],
        not_isolated in any::<bool>(),
        attention in any::<bool>(),
    ) {
        let plain = toplevel(Some(Label::Red), &title, Scale::new(scale));
        let attention = attention.then_some(1.0);
        let (drawn, field) =
            title_drawn(&FrameSpec { content: Size { w, h: 2 }, not_isolated, attention, ..plain });
        prop_assert!(drawn.is_none_or(|d| within(d, field)), "{:?} {:?}", drawn, field);
    }

    /// The qube's name stays left of the buttons and inside the bar.
    #[test]
    fn no_name_leaves_the_bar(qube in text(), w in 0..500, scale in 60..400_u32) {
        let scale = Scale::new(scale);
        let spec = FrameSpec { qube: &qube, content: Size { w, h: 2 }, ..toplevel(Some(Label::Red), "", scale) };
        PAINTER.with_borrow_mut(|painter| {
            let bar = painter.frame_geometry(&spec).bar;
            let insets = painter.theme().insets(spec.kind);
            let outer = Size { w: w + insets.left + insets.right, h: 0 };
            let buttons = title_buttons(painter.theme(), outer).len() as i32 * scale.to_device(30);
            let named = framed(painter, &spec, CONTENT);
            let nameless = framed(painter, &FrameSpec { qube: "", ..spec.clone() }, CONTENT);
            let field = DeviceRect { w: bar.w - buttons, ..bar };
            let drawn = changed(&named, &nameless);
            prop_assert!(drawn.is_none_or(|d| within(d, field)), "{:?} {:?}", drawn, field);
            Ok(())
        })?;
    }

    /// In dom0's bar no field reaches another one.
    #[test]
    fn fields_of_the_bar_keep_apart(name in text(), clipboard in text(), width in 100..900) {
        let plain = BarSpec {
            width,
            scale: Scale::default(),
            focused: Some(("work", Some(Label::Blue), false)),
            workspaces: &[(1, true, false), (2, false, true)],
            clock: "09:41",
            qubes: &[],
            clipboard: None,
            layout: None,
            note: None,
            icons: &[],
        };
        PAINTER.with_borrow_mut(|painter| {
            let image = painter.bar(&plain).image;
            let copied = BarSpec { clipboard: Some(&clipboard), ..plain };
            for spec in [copied, BarSpec { layout: Some(&name), ..plain }, BarSpec { layout: Some(&name), ..copied }] {
                let other = painter.bar(&spec).image;
                let right = changed(&image, &other);
                prop_assert!(right.is_none_or(|r| r.x > width / 2), "{:?}", right);
            }
            let icons = [BarIcon { qube: "q", label: Label::Red, title: &name, icon: None, attention: true }; 40];
            let crowded = painter.bar(&BarSpec { icons: &icons, ..plain });
            let right = changed(&image, &crowded.image);
            prop_assert!(right.is_none_or(|r| r.x > width / 2), "{:?}", right);
            let places: Vec<_> = crowded.icons.iter().flatten().collect();
            prop_assert!(places.windows(2).all(|pair| pair[0].x + pair[0].w < pair[1].x), "{:?}", places);
            // No icon takes anything from what dom0 says.
            let said = BarSpec { clipboard: Some("work → web, 42 s left"), layout: Some("de"), ..plain };
            let (alone, beside) = (painter.bar(&said), painter.bar(&BarSpec { icons: &icons, ..said }));
            let first = changed(&image, &alone.image);
            let reached = changed(&alone.image, &beside.image);
            prop_assert!(
                reached.is_none_or(|r| first.is_none_or(|f| r.right() <= f.x)),
                "{:?} {:?}", reached, first
            );
            let other = painter.bar(&BarSpec { focused: Some((&name, Some(Label::Blue), true)), ..plain }).image;
            let left = changed(&image, &other);
            prop_assert!(left.is_none_or(|l| l.right() < width / 2), "{:?}", left);
            Ok(())
        })?;
    }

    /// In a caption the title stays below the name and the name above the title.
    #[test]
    fn fields_of_a_caption_keep_apart(qube in text(), title in text(), width in 40..300) {
        let plain = CaptionSpec {
            label: Some(Label::Green),
            qube: "",
            title: "",
            width,
            not_isolated: false,
            scale: Scale::default(),
        };
        PAINTER.with_borrow_mut(|painter| {
            let middle = 6 + painter.theme().font_size() + 7;
            let image = painter.caption(&plain);
            let titled = changed(&image, &painter.caption(&CaptionSpec { title: &title, ..plain }));
            prop_assert!(titled.is_none_or(|t| t.y >= middle && t.x >= 8 && t.right() <= width - 8));
            let named = changed(&image, &painter.caption(&CaptionSpec { qube: &qube, ..plain }));
            prop_assert!(named.is_none_or(|n| n.bottom() <= middle && n.x >= 28 && n.right() <= width - 8));
            Ok(())
        })?;
    }
}
