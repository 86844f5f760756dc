//! The demo, as `make demo` runs it without a display.

use transom_tests::process::House;

#[test]
fn the_scripted_person_can_do_everything() {
    let house = House::new();
    let out = house.path().join("demo");
    let run = house.command(&["demo", "--scripted", "--out"]).arg(&out).output().unwrap();
    let report = std::fs::read_to_string(out.join("report.json")).unwrap_or_default();
    assert!(run.status.success(), "{}\n{report}", String::from_utf8_lossy(&run.stderr));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let steps = report["steps"].as_array().unwrap();
    assert!(steps.len() >= 10 && steps.iter().all(|step| step["ok"] == true), "{steps:?}");
    for qube in ["work", "personal", "untrusted"] {
        assert_eq!(report["windows"][qube].as_array().map(Vec::len), Some(3), "{qube}");
    }
    let picture = image::open(out.join("desktop.png")).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (1920, 1080));
    // The colours of the three labels are on the screen, in plenty.
    let theme = transom_theming::Theme::builtin(transom_theming::Variant::Dark);
    for label in [transom_theming::Label::Blue, transom_theming::Label::Green, transom_theming::Label::Red] {
        let color = theme.label_color(label);
        let count = picture.pixels().filter(|p| p.0 == [color.r, color.g, color.b]).count();
        assert!(count > 2_000, "{label}: {count} pixels");
    }
}
