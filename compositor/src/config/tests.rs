use super::*;
use crate::{
    config::bindings::{Action, Chord},
    screens::Identity,
    trust::policy::Decision,
};

#[test]
fn the_default_file_says_what_holds_by_default() {
    let read = Config::parse("default.kdl", DEFAULT).unwrap();
    assert_eq!(read, Config::default());
    let empty = Config::parse("empty.kdl", "").unwrap();
    assert_eq!(empty, Config::default());
}

#[test]
fn settings_are_taken_up() {
    let text = r#"
        keyboard {
            layout "us,ru"
            repeat-rate 0
        }
        clipboard {
            max-mib 1
            deny from="vault" to="*"
            ask from="*" to="untrusted"
            otherwise "deny"
        }
        theme "light" file="/etc/transom/mine.kdl"
        unbind "Alt+Tab"
        bind "Super+Return" "launch" "work" "foot" "-e" "sh"
        qube "web" { windows 8; memory-mib 64; idle-inhibit "never"; }
        idle { lock "90s"; screens-off "never"; inhibit-at-most "1h"; }
        output "HDMI-A-1" { scale 1.5; position 0 -20; mode "1920x1080@60"; transform "90"; }
        output make="DEL" model="U2720Q" { off; scale 2; }
    "#;
    let config = Config::parse("c.kdl", text).unwrap();
    assert_eq!(config.keyboard.layout, "us,ru");
    assert_eq!(config.keyboard.repeat_interval, None);
    assert_eq!(config.clipboard.max_bytes, 1 << 20);
    assert_eq!(config.clipboard.policy.decide("vault", "work"), Decision::Deny);
    assert_eq!(config.clipboard.policy.decide("work", "untrusted"), Decision::Ask);
    assert_eq!(config.clipboard.policy.decide("work", "web"), Decision::Deny);
    assert_eq!(config.theme.variant, Variant::Light);
    let bindings = &config.keyboard.bindings;
    assert_eq!(bindings.action(Chord::parse("Alt+Tab").unwrap()), None);
    let launch = bindings.action(Chord::parse("super+return").unwrap());
    assert!(matches!(launch, Some(Action::Launch { qube, argv }) if qube == "work" && argv.len() == 3));
    assert_eq!((config.limits("web").windows, config.limits("web").grant_bytes), (8, 64 << 20));
    assert_eq!(config.idle_inhibit("web"), IdleInhibit::Never);
    assert_eq!(config.idle_inhibit("work"), IdleInhibit::Limited);
    assert_eq!(config.idle.lock, Some(Duration::from_secs(90)));
    assert_eq!(config.idle.screens_off, None);
    assert_eq!(config.idle.inhibit_at_most, Duration::from_hours(1));
    assert_eq!(config.limits("work").windows, Limits::default().windows);
    assert_eq!(config.limits("web").selection_bytes, 1 << 20);
    let [hdmi, dell] = &config.outputs[..] else { panic!("{:?}", config.outputs) };
    assert!(hdmi.which.fits(&Identity::of("HDMI-A-1")) && !dell.which.fits(&Identity::of("HDMI-A-1")));
    assert_eq!((hdmi.said.scale, hdmi.said.at, hdmi.said.on), (Some(180), Some((0, -20).into()), None));
    assert_eq!(hdmi.said.mode.unwrap().refresh, Some(60_000));
    assert_eq!(hdmi.said.transform, Some(smithay::utils::Transform::_90));
    let known = Identity { make: "DEL".into(), model: "U2720Q".into(), ..Identity::of("DP-3") };
    assert!(dell.which.fits(&known));
    assert_eq!((dell.said.on, dell.said.scale, dell.said.at), (Some(false), Some(240), None));
}

#[test]
fn a_bad_file_says_where_and_why() {
    for (text, line, reason) in [
        ("keyboard {\n  layuot \"us\"\n}", 2, "layuot"),
        ("\n\nbind \"Super+nonsense\" \"close\"", 3, "is no key"),
        ("bind \"Hyper+c\" \"close\"", 1, "is no modifier"),
        ("bind \"a\" \"close\"", 1, "needs Super, Ctrl or Alt"),
        ("bind \"Super+c\" \"dance\"", 1, "no action"),
        ("bind \"Super+c\"", 1, "something to do"),
        ("bind \"Super+1\" \"workspace\" \"77\"", 1, "needs a number"),
        ("unbind \"Super+F12\"", 1, "does nothing by default"),
        ("clipboard {\n  otherwise \"maybe\"\n}", 2, "\"allow\", \"ask\" or \"deny\""),
        ("clipboard {\n  deny from=\"a\"\n}", 2, "to"),
        ("clipboard {\n  max-mib 0\n}", 2, "out of range"),
        ("theme \"pink\"", 1, "dark"),
        ("idle {\n  lock \"soon\"\n}", 2, "10m"),
        ("idle {\n  lock \"200h\"\n}", 2, "10m"),
        ("idle {\n  lock \"é\"\n}", 2, "10m"),
        ("qube \"a\" {\n  idle-inhibit \"often\"\n}", 2, "limited"),
        ("\noutput { off; }", 2, "which output"),
        ("output \"DP-1\" {\n  scale 9\n}", 2, "0.5 to 4"),
        ("output \"DP-1\" {\n  mode \"big\"\n}", 2, "1920x1080"),
        ("output \"DP-1\" {\n  transform \"45\"\n}", 2, "flipped"),
        ("output \"DP-1\" {\n  position 1\n}", 2, ""),
        ("output \"DP-1\" {\n  scael 1\n}", 2, "scael"),
        ("keyboard {", 1, ""),
        ("keyboard { repeat-delay \"x\"; }", 1, ""),
    ] {
        let error = Config::parse("bad.kdl", text).expect_err(text);
        assert_eq!(error.line(), line, "{error}");
        assert!(error.reason().contains(reason), "{error}");
        assert!(error.to_string().starts_with(&format!("bad.kdl:{line}:")), "{error}");
        assert_eq!(error.to_string().lines().count(), 1, "one line: {error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = load(Path::new("/nowhere/config.kdl")).expect_err("there is none");
    assert!(error.to_string().contains("/nowhere/config.kdl"), "{error}");
}
