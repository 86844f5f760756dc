//! Draws everything of dom0's into `target/theming/`, for people to look at:
//! `cargo run -p transom-theming --example gallery`.

use std::process::ExitCode;

use transom_theming::{Fonts, Painter, Rgb, Scale, Theme, Variant};

use crate::sheet::{Sheet, rows, target};

#[path = "../tests/looks/scenes.rs"]
mod scenes;
#[path = "../tests/looks/sheet.rs"]
mod sheet;

const GREY: Rgb = Rgb::new(0x80, 0x80, 0x80);

fn main() -> ExitCode {
    for variant in [Variant::Dark, Variant::Light] {
        let mut painter = Painter::new(Theme::builtin(variant), Fonts::System);
        for (scale, name) in [(120, "100"), (150, "125"), (180, "150"), (240, "200")] {
            let scale = Scale::new(scale);
            let back = painter.theme().background();
            let gap = scale.to_device(10);
            let frames: Vec<_> =
                scenes::owners().map(|label| scenes::states(&mut painter, label, scale)).collect();
            let save = |what: &str, sheet: &Sheet| {
                sheet.save(&target().join(format!("{what}-{}-{name}.png", variant.name())));
            };
            save("frames", &rows(&frames, gap, back));
            save("titles", &rows(&scenes::titles(&mut painter, scale), gap, back));
            save("narrow", &rows(&scenes::narrow(&mut painter, scale), gap, back));
            save("thin", &rows(&scenes::thin(&mut painter, scale), gap, back));
            save("bars", &rows(&scenes::bars(&mut painter, scale), gap, back));
            save("panels", &rows(&scenes::panels(&mut painter, scale), gap, back));
            save("choices", &rows(&[scenes::choices(&mut painter, scale)], gap, back));
            save("launchers", &rows(&[scenes::launchers(&mut painter, scale)], gap, back));
            save("notifications", &rows(&[scenes::notifications(&mut painter, scale)], gap, back));
            save("dom0", &rows(&scenes::dom0(&mut painter, scale), gap, back));
            save("passphrase", &rows(&[scenes::passphrases(&mut painter, scale)], gap, back));
            save("lock", &rows(&[scenes::locks(&mut painter, scale)], gap, back));
            save("cursors", &rows(&[scenes::cursors(&mut painter, scale)], gap, GREY));
        }
    }
    ExitCode::SUCCESS
}
