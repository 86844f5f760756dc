//! Finding fonts.

use std::path::PathBuf;

use cosmic_text::{Fallback, FontSystem, PlatformFallback, fontdb};
use unicode_script::Script;

/// Where fonts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fonts {
    /// All that are installed.
    System,
    /// Exactly these files, so that a picture is the same on every machine.
    Files(Vec<PathBuf>),
}

/// What to do about missing fonts.
const ADVICE: &str = "install a sans-serif font, on Debian the package fonts-inter or fonts-dejavu-core";

/// Fonts, ready to draw with.
#[derive(Debug)]
pub(crate) struct FontBook {
    pub(crate) system: FontSystem,
    /// Family of all text, and the weights of it that stand for regular and semibold.
    pub(crate) face: Option<Face>,
    pub(crate) problem: Option<String>,
}

/// The family that text is set in.
#[derive(Clone, Debug)]
pub(crate) struct Face {
    pub(crate) family: String,
    pub(crate) regular: fontdb::Weight,
    pub(crate) semibold: fontdb::Weight,
    /// Height of capitals, in parts of the font size.
    pub(crate) cap_height: f32,
}

/// Colour pictures for emoji before the black and white ones of DejaVu; otherwise as usual.
#[derive(Debug)]
struct Order;

impl Fallback for Order {
    fn common_fallback(&self) -> &[&'static str] {
        &[
            "Noto Sans",
            "Noto Color Emoji",
            "DejaVu Sans",
            "FreeSans",
            "Noto Sans Symbols",
            "Noto Sans Symbols2",
            "Noto Sans Mono",
            "DejaVu Sans Mono",
        ]
    }

    fn forbidden_fallback(&self) -> &[&'static str] {
        &[]
    }

    fn script_fallback(&self, script: Script, locale: &str) -> &[&'static str] {
        PlatformFallback.script_fallback(script, locale)
    }
}

impl FontBook {
    /// Loads fonts and chooses a face: the first of `families` that is there, else any.
    pub(crate) fn new(fonts: &Fonts, families: &[String]) -> Self {
        let mut problems = Vec::new();
        let (locale, db) = match fonts {
            Fonts::System => FontSystem::new().into_locale_and_db(),
            Fonts::Files(files) => {
                let mut db = fontdb::Database::new();
                for file in files {
                    let before = db.len();
                    if let Err(error) = db.load_font_file(file) {
                        problems.push(format!("font {} cannot be read ({error})", file.display()));
                    } else if db.len() == before {
                        problems.push(format!("{} holds no font", file.display()));
                    }
                }
                ("en-US".to_owned(), db)
            }
        };
        let mut system = FontSystem::new_with_locale_and_db_and_fallback(locale, db, Order);
        let face = choose(&mut system, families);
        match &face {
            None => problems.push(format!("no usable font: everything works, but without text; {ADVICE}")),
            Some(face) if !families.contains(&face.family) => problems.push(format!(
                "none of the theme's fonts is there ({}), {} is used; {ADVICE}",
                families.join(", "),
                face.family
            )),
            Some(_) => {}
        }
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        Self { system, face, problem }
    }
}

fn choose(system: &mut FontSystem, families: &[String]) -> Option<Face> {
    let mut candidates = families.to_vec();
    // Any upright face that is not for pictures or symbols only.
    let mut rest: Vec<String> = system
        .db()
        .faces()
        .filter(|face| face.style == fontdb::Style::Normal && !face.post_script_name.contains("Emoji"))
        .filter(|face| !face.monospaced)
        .filter_map(|face| face.families.first().map(|(name, _)| name.clone()))
        .collect();
    rest.sort_unstable_by_key(|name| (!name.contains("Sans"), name.clone()));
    rest.dedup();
    candidates.append(&mut rest);
    candidates.into_iter().find_map(|family| usable(system, family))
}

/// The family as a face, if a letter can be drawn with it.
fn usable(system: &mut FontSystem, family: String) -> Option<Face> {
    let mut faces: Vec<(fontdb::Weight, fontdb::ID)> = system
        .db()
        .faces()
        .filter(|face| face.style == fontdb::Style::Normal && face.stretch == fontdb::Stretch::Normal)
        .filter(|face| face.families.iter().any(|(name, _)| *name == family))
        .map(|face| (face.weight, face.id))
        .collect();
    faces.retain(|(weight, id)| {
        system.get_font(*id, *weight).is_some_and(|font| font.as_swash().charmap().map('M') != 0)
    });
    // A variable font draws the weight it is asked for.
    let variable = |system: &mut FontSystem, (weight, id): (fontdb::Weight, fontdb::ID)| {
        system.get_font(id, weight).is_some_and(|font| font.as_swash().variations().len() > 0)
    };
    let nearest = |wanted: u16| {
        faces.iter().copied().min_by_key(|(w, _)| (w.0.abs_diff(wanted), std::cmp::Reverse(w.0)))
    };
    let regular = nearest(400)?;
    let semibold = nearest(600)?;
    let cap_height = system
        .get_font(regular.1, regular.0)
        .and_then(|font| {
            let metrics = font.metrics();
            metrics.cap_height.map(|height| height / f32::from(metrics.units_per_em.max(1)))
        })
        .filter(|height| (0.4..1.0).contains(height))
        .unwrap_or(0.72);
    let semibold = if variable(system, semibold) { fontdb::Weight::SEMIBOLD } else { semibold.0 };
    Some(Face { family, regular: regular.0, semibold, cap_height })
}
