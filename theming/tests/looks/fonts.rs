//! Fonts that are missing or broken take away the text, nothing else, and are named.

use std::path::PathBuf;

use transom_theming::{Fonts, FrameSpec, Label, Painter, Scale, Theme, Variant};

use crate::{
    pixels::changed,
    scenes::{CONTENT, bars, panels, toplevel},
    sheet::framed,
};

fn painter(files: &[&str]) -> Painter {
    let files = files.iter().map(PathBuf::from).collect();
    Painter::new(Theme::builtin(Variant::Dark), Fonts::Files(files))
}

#[test]
fn without_fonts_everything_is_drawn_without_text() {
    let mut painter = painter(&[]);
    let problem = painter.problem().expect("it is a problem");
    assert!(problem.contains("install") && problem.contains("fonts-dejavu-core"), "{problem}");
    let spec = toplevel(Some(Label::Red), "some title", Scale::default());
    let one = framed(&mut painter, &spec, CONTENT);
    let two = framed(&mut painter, &FrameSpec { title: "", qube: "", ..spec }, CONTENT);
    assert_eq!(changed(&one, &two), None);
    assert!(one.data.chunks_exact(4).any(|pixel| pixel[2] > 200));
    assert!(!bars(&mut painter, Scale::default()).is_empty());
    assert!(!panels(&mut painter, Scale::default()).is_empty());
}

#[test]
fn a_font_file_that_is_missing_is_named() {
    let painter = painter(&["/nowhere/nothing.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"]);
    let problem = painter.problem().expect("it is a problem");
    assert!(problem.starts_with("font /nowhere/nothing.ttf cannot be read ("), "{problem}");
    assert!(!problem.contains("without text"), "{problem}");
}

#[test]
fn a_file_that_is_no_font_is_named() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let painter = painter(&[file]);
    let problem = painter.problem().expect("it is a problem");
    assert!(problem.starts_with(&format!("{file} holds no font; no usable font")), "{problem}");
}

#[test]
fn a_font_that_the_theme_does_not_name_is_used_and_said() {
    let painter = painter(&["/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf"]);
    let problem = painter.problem().expect("it is a problem");
    assert!(
        problem.contains("Inter, Noto Sans, DejaVu Sans") && problem.contains("DejaVu Serif is used"),
        "{problem}"
    );
}
