//! Pictures compared pixel for pixel. `TRANSOM_BLESS=1 cargo test -p transom-theming` writes them
//! anew; look at them before you commit them.

use std::path::{Path, PathBuf};

use transom_theming::{Label, Painter, Rgb, Scale, Variant};

use crate::{
    pixels::painter,
    scenes,
    sheet::{Sheet, rows, target},
};

fn load(path: &Path) -> Option<Sheet> {
    let picture = image::open(path).ok()?.into_rgb8();
    Some(Sheet { width: picture.width(), height: picture.height(), data: picture.into_raw() })
}

/// Both pictures' differences in white on a dark copy.
fn difference(golden: &Sheet, actual: &Sheet) -> Sheet {
    let mut diff = Sheet { data: actual.data.iter().map(|v| v / 4).collect(), ..*actual };
    let same_size = (golden.width, golden.height) == (actual.width, actual.height);
    for (i, pixel) in diff.data.chunks_exact_mut(3).enumerate() {
        let range = i * 3..i * 3 + 3;
        if !same_size || golden.data.get(range.clone()) != actual.data.get(range) {
            pixel.fill(255);
        }
    }
    diff
}

fn check(name: &str, actual: &Sheet) {
    let path: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.png"));
    if std::env::var_os("TRANSOM_BLESS").is_some_and(|value| value == "1") {
        actual.save(&path);
        return;
    }
    let golden = load(&path);
    if golden.as_ref() == Some(actual) {
        return;
    }
    let shown = target().join(format!("{name}-actual.png"));
    actual.save(&shown);
    let Some(golden) = golden else {
        panic!(
            "{} is missing; the picture is {}. TRANSOM_BLESS=1 writes it",
            path.display(),
            shown.display()
        );
    };
    let diff = target().join(format!("{name}-diff.png"));
    difference(&golden, actual).save(&diff);
    panic!(
        "{name} is not as in {}: see {} and {}. If it is as it should be, TRANSOM_BLESS=1 writes it anew",
        path.display(),
        shown.display(),
        diff.display()
    );
}

fn sheet(painter: &Painter, pictures: &[Vec<transom_theming::Image>], scale: Scale) -> Sheet {
    rows(pictures, scale.to_device(6), painter.theme().background())
}

/// All labels in the dark theme; in the light one, and larger, some.
#[test]
fn frames() {
    let (mut painter, at) = (painter(Variant::Dark), Scale::new(120));
    let pictures: Vec<_> = scenes::owners().map(|label| scenes::states(&mut painter, label, at)).collect();
    check("frames-dark-120", &sheet(&painter, &pictures, at));
}

#[test]
fn frames_at_a_fractional_scale() {
    let (mut painter, at) = (painter(Variant::Light), Scale::new(150));
    let labels = [Some(Label::Red), Some(Label::Purple), Some(Label::Black), None];
    let pictures = labels.map(|label| scenes::states(&mut painter, label, at).into_iter().take(3).collect());
    check("frames-light-150", &sheet(&painter, &pictures, at));
}

#[test]
fn narrow_and_thin_frames() {
    for scale in [120, 150, 180, 240] {
        let (mut painter, at) = (painter(Variant::Dark), Scale::new(scale));
        let mut pictures = scenes::thin(&mut painter, at);
        pictures.truncate(if scale == 120 { 3 } else { 1 });
        if scale == 120 {
            pictures.extend(scenes::narrow(&mut painter, at));
        }
        check(&format!("small-{scale}"), &sheet(&painter, &pictures, at));
    }
}

#[test]
fn titles() {
    let (mut painter, at) = (painter(Variant::Light), Scale::new(120));
    let pictures = scenes::titles(&mut painter, at);
    check("titles", &sheet(&painter, &pictures, at));
}

#[test]
fn bars_and_panels() {
    for variant in [Variant::Dark, Variant::Light] {
        let (mut painter, at) = (painter(variant), Scale::new(120));
        let mut pictures = scenes::bars(&mut painter, at);
        pictures.extend(scenes::panels(&mut painter, at));
        if variant == Variant::Light {
            // Two bars and the questions are enough here.
            pictures.drain(2..7);
            pictures.truncate(3);
        }
        check(&format!("panels-{}", variant.name()), &sheet(&painter, &pictures, at));
    }
}

/// Questions with qubes to choose from: none chosen, one chosen, and every label.
#[test]
fn choices() {
    for (variant, scale) in [(Variant::Dark, 120), (Variant::Light, 150)] {
        let (mut painter, at) = (painter(variant), Scale::new(scale));
        let pictures = scenes::choices(&mut painter, at);
        check(&format!("choices-{}", variant.name()), &sheet(&painter, &[pictures], at));
    }
}

/// dom0's own windows: steel everywhere, no label's colour.
#[test]
fn dom0() {
    for variant in [Variant::Dark, Variant::Light] {
        let (mut painter, at) = (painter(variant), Scale::new(120));
        let pictures = scenes::dom0(&mut painter, at);
        check(&format!("dom0-{}", variant.name()), &sheet(&painter, &pictures, at));
    }
}

#[test]
fn cursors() {
    let mut painter = painter(Variant::Dark);
    let pictures = [120, 180].map(|scale| scenes::cursors(&mut painter, Scale::new(scale)));
    check("cursors", &rows(&pictures, 6, Rgb::new(0x80, 0x80, 0x80)));
}

/// The question for a passphrase: empty, a wrong one, while it is tried, and for a new one.
#[test]
fn passphrases() {
    for (variant, scale) in [(Variant::Dark, 120), (Variant::Light, 150)] {
        let (mut painter, at) = (painter(variant), Scale::new(scale));
        let pictures = scenes::passphrases(&mut painter, at);
        check(&format!("passphrase-{}", variant.name()), &sheet(&painter, &[pictures], at));
    }
}

/// The lock screen: empty, being typed into, with something wrong, with everything at once.
#[test]
fn lock_screens() {
    for (variant, scale) in [(Variant::Dark, 120), (Variant::Light, 150)] {
        let (mut painter, at) = (painter(variant), Scale::new(scale));
        let pictures = scenes::locks(&mut painter, at);
        check(&format!("lock-{}", variant.name()), &sheet(&painter, &[pictures], at));
    }
}

/// Neither a long name nor a long password reaches beyond its place, and the panel stays as it is.
#[test]
fn a_lock_screen_keeps_its_size() {
    let (mut painter, at) = (painter(Variant::Dark), Scale::new(120));
    let sizes: Vec<_> =
        scenes::locks(&mut painter, at).iter().map(|picture| (picture.width, picture.height)).collect();
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
}

/// The launcher with programs of every label, with none, and what is on its way.
#[test]
fn launchers() {
    for (variant, scale) in [(Variant::Dark, 120), (Variant::Light, 150)] {
        let (mut painter, at) = (painter(variant), Scale::new(scale));
        let pictures: Vec<_> =
            scenes::launchers(&mut painter, at).into_iter().map(|picture| vec![picture]).collect();
        check(&format!("launcher-{}", variant.name()), &sheet(&painter, &pictures, at));
    }
}

/// Notifications of qubes, with a picture and without, long and short.
#[test]
fn notifications() {
    for (variant, scale) in [(Variant::Dark, 120), (Variant::Light, 150)] {
        let (mut painter, at) = (painter(variant), Scale::new(scale));
        let pictures: Vec<_> =
            scenes::notifications(&mut painter, at).into_iter().map(|picture| vec![picture]).collect();
        check(&format!("notifications-{}", variant.name()), &sheet(&painter, &pictures, at));
    }
}

/// The manager on a large and on a small screen: its table, forms and a log.
#[test]
fn managers() {
    for (variant, scale, (w, h)) in [(Variant::Dark, 120, (960, 640)), (Variant::Light, 150, (640, 400))] {
        let (mut painter, at) = (painter(variant), Scale::new(scale));
        let pictures = crate::managers::all(&mut painter, at, transom_theming::Size { w, h });
        let rows: Vec<_> = pictures.into_iter().map(|picture| vec![picture]).collect();
        check(&format!("manager-{}", variant.name()), &sheet(&painter, &rows, at));
    }
}
