use super::*;
use crate::{
    config::bindings::{Action, Chord},
    screens::Identity,
    shell::Arrangement,
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
            sticky-keys true
        }
        clipboard {
            max-mib 1
            deny from="vault" to="*"
            ask from="*" to="untrusted"
            otherwise "deny"
        }
        drag {
            allow from="work" to="web"
            deny from="vault" to="*"
        }
        theme "light" file="/etc/transom/mine.kdl"
        unbind "Alt+Tab"
        bind "Super+Return" "launch" "work" "foot" "-e" "sh"
        qube "web" { windows 8; memory-mib 64; idle-inhibit "never"; notifications false; }
        notifications { normal-seconds 20; do-not-disturb true; }
        idle { lock "90s"; screens-off "never"; inhibit-at-most "1h"; }
        night-colour { temperature 3400; from "20:30"; until "7:00"; fade "1h"; }
        output "HDMI-A-1" { scale 1.5; position 0 -20; mode "1920x1080@60"; transform "90"; vrr "fullscreen"; }
        output make="DEL" model="U2720Q" { off; scale 2; }
        card "01:00.0" "/dev/dri/card0"
        arrange "columns"
        columns { gap 0; width 33; }
        workspace 9 { arrange "floating"; }
        bind "Super+Tab" "focus-right"
        bar false
        animations false
        cursor-size 48
        workspaces "together"
    "#;
    let config = Config::parse("c.kdl", text).unwrap();
    assert_eq!(config.keyboard.layout, "us,ru");
    assert_eq!(config.keyboard.repeat_interval, None);
    assert_eq!(config.clipboard.max_bytes, 1 << 20);
    assert_eq!(config.clipboard.policy.decide("vault", "work"), Decision::Deny);
    assert_eq!(config.clipboard.policy.decide("work", "untrusted"), Decision::Ask);
    assert_eq!(config.clipboard.policy.decide("work", "web"), Decision::Deny);
    assert_eq!(config.drag.decide("work", "web"), Decision::Allow);
    assert_eq!(config.drag.decide("vault", "web"), Decision::Deny);
    assert_eq!(config.drag.decide("web", "work"), Decision::Ask);
    assert_eq!(config.theme.variant, Variant::Light);
    let bindings = &config.keyboard.bindings;
    assert_eq!(bindings.action(Chord::parse("Alt+Tab").unwrap()), None);
    let launch = bindings.action(Chord::parse("super+return").unwrap());
    assert!(matches!(launch, Some(Action::Launch { qube, argv }) if qube == "work" && argv.len() == 3));
    assert_eq!((config.limits("web").windows, config.limits("web").grant_bytes), (8, 64 << 20));
    assert_eq!(config.idle_inhibit("web"), IdleInhibit::Never);
    assert_eq!(config.idle_inhibit("work"), IdleInhibit::Limited);
    assert!(!config.takes_notifications("web") && config.takes_status_icons("web"));
    assert!(config.takes_notifications("work") && config.notifications.quiet);
    assert_eq!(config.notifications.normal, Duration::from_secs(20));
    assert_eq!(config.notifications.low, NotificationConfig::default().low);
    assert_eq!(config.idle.lock, Some(Duration::from_secs(90)));
    assert_eq!(config.idle.screens_off, None);
    assert!(config.no_bar && config.no_animations && config.keyboard.sticky);
    assert_eq!((config.cursor.0, config.cursor.drawn_at(180)), (48, 360));
    assert_eq!(config.arrange.screens, crate::shell::Workspaces::Together);
    assert_eq!(config.idle.inhibit_at_most, Duration::from_hours(1));
    assert_eq!(config.limits("work").windows, Limits::default().windows);
    assert_eq!(config.limits("web").selection_bytes, 1 << 20);
    assert_eq!(config.night.temperature, 3_400);
    let time = |hour, minute| jiff::civil::time(hour, minute, 0, 0);
    let night = crate::screens::night::Schedule::new(time(20, 30), time(7, 0), Duration::from_hours(1));
    assert_eq!(config.night.schedule, night.ok());
    assert_eq!([1, 9].map(|number| config.arrange.of(number)), [Arrangement::Columns, Arrangement::Floating]);
    assert_eq!(config.arrange.columns, crate::shell::ColumnSettings { gap: 0, width: 3_300 });
    assert_eq!(config.cards, ["0000:01:00.0", "/dev/dri/card0"].map(|card| card.parse().unwrap()));
    let [hdmi, dell] = &config.outputs[..] else { panic!("{:?}", config.outputs) };
    assert!(hdmi.which.fits(&Identity::of("HDMI-A-1")) && !dell.which.fits(&Identity::of("HDMI-A-1")));
    assert_eq!((hdmi.said.scale, hdmi.said.at, hdmi.said.on), (Some(180), Some((0, -20).into()), None));
    assert_eq!(hdmi.said.mode.unwrap().refresh, Some(60_000));
    assert_eq!((hdmi.said.vrr, dell.said.vrr), (Some(crate::screens::vrr::Vrr::Fullscreen), None));
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
        ("unbind \"Super+F12\"", 1, "does nothing"),
        ("\nnight-colour { temperature 2500; }", 2, "2500 K is too warm: below 3000 K trust labels"),
        ("night-colour { temperature 9000; }", 1, "colder than the screen's own white"),
        ("night-colour { from \"20:00\"; }", 1, "both \"from\" and \"until\""),
        ("night-colour {\n  from \"25:00\"; until \"7:00\"\n}", 2, "as in \"20:00\""),
        ("night-colour { from \"20:00\"; until \"20:00\"; }", 1, "at the same time"),
        ("night-colour { from \"20:00\"; until \"20:20\"; }", 1, "the fade is longer than the night"),
        ("output \"DP-1\" { vrr \"maybe\"; }", 1, "\"off\", \"on\" or \"fullscreen\""),
        ("clipboard {\n  otherwise \"maybe\"\n}", 2, "\"allow\", \"ask\" or \"deny\""),
        ("clipboard {\n  deny from=\"a\"\n}", 2, "to"),
        ("clipboard {\n  max-mib 0\n}", 2, "out of range"),
        ("theme \"pink\"", 1, "dark"),
        ("idle {\n  lock \"soon\"\n}", 2, "10m"),
        ("idle {\n  lock \"200h\"\n}", 2, "10m"),
        ("idle {\n  lock \"é\"\n}", 2, "10m"),
        ("qube \"a\" {\n  idle-inhibit \"often\"\n}", 2, "limited"),
        ("\ncard \"1\"", 2, "PCI bus"),
        ("card", 1, ""),
        ("workspaces \"alone\"", 1, "\"apart\", \"together\""),
        ("arrange \"rows\"", 1, "\"floating\", \"columns\""),
        ("\nwindow { workspace 2; }", 2, "which windows"),
        ("window app=\"foot\" { stand \"there\"; }", 1, "\"floating\", \"maximised\""),
        ("window app=\"foot\" { workspace 10; }", 1, "1 to 9"),
        ("columns {\n  width 101\n}", 2, "10 to 100"),
        ("\nworkspace 10 { arrange \"columns\"; }", 2, "1 to 9"),
        ("bind \"Super+x\" \"column-show\" \"piled\"", 1, "\"stacked\""),
        ("bind \"Super+x\" \"arrange\"", 1, "\"floating\""),
        ("\noutput { off; }", 2, "which output"),
        ("output \"DP-1\" {\n  scale 9\n}", 2, "0.5 to 4"),
        ("output \"DP-1\" {\n  mode \"big\"\n}", 2, "1920x1080"),
        ("output \"DP-1\" {\n  transform \"45\"\n}", 2, "flipped"),
        ("output \"DP-1\" {\n  position 1\n}", 2, ""),
        ("output \"DP-1\" {\n  scael 1\n}", 2, "scael"),
        ("keyboard {", 1, ""),
        ("keyboard { repeat-delay \"x\"; }", 1, ""),
        ("\nkeyboard { layout \"us,klingon\"; }", 2, "no keyboard layout \"us,klingon\""),
        ("keyboard { layout-scope \"qube\"; }", 1, "\"global\", \"window\""),
        ("bind \"Super+c\" \"layout\" \"33\"", 1, "1 to 32"),
        ("bind \"2-swipe-left\" \"close\"", 1, "3 to 5"),
        ("bind \"3-dance\" \"close\"", 1, "is no gesture"),
        ("unbind \"4-hold\"", 1, "does nothing"),
        ("\nswitch \"lid\" \"close\"", 2, "\"lid-close\", \"lid-open\""),
        ("switch \"lid-close\" \"dance\"", 1, "no action"),
        ("input {\n  touchpad {\n    tap \"yes\"\n  }\n}", 3, ""),
        ("input {\n  mouse {\n    tap true\n  }\n}", 3, "tap"),
        ("input {\n  mouse {\n    accel-speed 1.5\n  }\n}", 3, "from -1 to 1"),
        ("input {\n  mouse {\n    accel-profile \"fast\"\n  }\n}", 3, "\"adaptive\", \"flat\""),
        ("input {\n  mouse {\n    scroll-button 1\n  }\n}", 3, "out of range"),
        ("input {\n  joystick {\n  }\n}", 2, "joystick"),
        ("input {\n  device {\n  }\n}", 2, ""),
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
    let error = load(Path::new("/nowhere/config.kdl")).config.expect_err("there is none");
    assert!(error.to_string().contains("/nowhere/config.kdl"), "{error}");
}

#[test]
fn devices_have_the_settings_of_their_kind_and_their_own() {
    use devices::{AccelProfile, DeviceKind, DeviceName, ScrollMethod, SendEvents, Setting};
    let text = r#"
        input {
            touchpad { dwt false; natural-scroll true; send-events "disabled-on-external-mouse"; }
            mouse { accel-profile "flat"; accel-speed 1; }
            trackpoint { scroll-method "on-button-down"; scroll-button 274; }
            tablet { map-to-output "HDMI-A-1"; }
            device "046D:c52b" { accel-speed -0.25; left-handed true; }
            device "A mouse" { accel-speed 0.5; }
        }
    "#;
    let config = Config::parse("c.kdl", text).unwrap().devices;
    let device = |name: &str, id, kinds: &[DeviceKind]| {
        let device = DeviceName { name: name.into(), id, kinds: kinds.to_vec() };
        config.of(&device).iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        device("A touchpad", (1, 2), &[DeviceKind::Touchpad]),
        [
            Setting::Tap(true),
            Setting::SendEvents(SendEvents::DisabledOnExternalMouse),
            Setting::Dwt(false),
            Setting::NaturalScroll(true),
        ],
        "with the default that was not changed"
    );
    let flat = Setting::AccelProfile(AccelProfile::Flat);
    assert_eq!(
        device("Another", (0x46d, 0xc52b), &[DeviceKind::Mouse]),
        [Setting::AccelSpeed(-0.25), flat.clone(), Setting::LeftHanded(true)],
        "its own come after those of the kind"
    );
    assert_eq!(device("A mouse", (1, 1), &[DeviceKind::Mouse]), [Setting::AccelSpeed(0.5), flat]);
    assert_eq!(
        device("A stick", (1, 1), &[DeviceKind::Trackpoint]),
        [Setting::ScrollMethod(ScrollMethod::OnButtonDown), Setting::ScrollButton(274)]
    );
    assert_eq!(device("A board", (1, 1), &[DeviceKind::Keyboard]), []);
    let tablet = DeviceName { name: "A tablet".into(), id: (1, 1), kinds: vec![DeviceKind::Tablet] };
    assert_eq!(config.of(&tablet).output(), Some("HDMI-A-1"));
}

#[test]
fn settings_are_written_as_they_are_read() {
    let text = r#"
        tap true; tap-drag false; tap-drag-lock true; tap-button-map "left-middle-right"; dwt true
        natural-scroll true; accel-speed 0.5; accel-profile "adaptive"; click-method "clickfinger"
        scroll-method "edge"; scroll-button 280; middle-emulation true; left-handed false
        send-events "disabled"; map-to-output "DP-1"
    "#;
    let parse = |text: &str| {
        let config = Config::parse("c.kdl", &format!("input {{ device \"d\" {{\n{text}\n}}\n}}")).unwrap();
        config.devices.devices[0].1.clone()
    };
    let settings = parse(text);
    assert_eq!(settings.iter().count(), 15);
    let written: Vec<String> = settings.iter().map(ToString::to_string).collect();
    assert_eq!(parse(&written.join("\n")), settings);
}

#[test]
fn a_file_goes_before_what_it_includes() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "config.kdl",
        r#"
        include "parts/keys.kdl"
        keyboard { layout "de"; }
        clipboard { allow from="vault" to="work"; }
        output "DP-1" { scale 2; }
        unbind "Super+F12"
        "#,
    );
    std::fs::create_dir(dir.path().join("parts")).unwrap();
    write("parts/keys.kdl", "include \"more.kdl\"\nkeyboard { layout \"fr\"; repeat-rate 50; }\n");
    write(
        "parts/more.kdl",
        r#"
        bind "Super+F12" "close"
        clipboard { deny from="vault" to="*"; wipe-seconds 5; }
        output "DP-1" { scale 1; }
        "#,
    );
    let loaded = load(&dir.path().join("config.kdl"));
    let config = loaded.config.unwrap();
    assert_eq!(config.keyboard.layout, "de");
    assert_eq!(config.keyboard.repeat_interval, Some(Duration::from_millis(20)));
    assert_eq!(config.clipboard.wipe_after, Duration::from_secs(5));
    assert_eq!(config.clipboard.policy.decide("vault", "work"), Decision::Allow);
    assert_eq!(config.clipboard.policy.decide("vault", "web"), Decision::Deny);
    assert_eq!(
        config.outputs.iter().map(|output| output.said.scale).collect::<Vec<_>>(),
        [Some(240), Some(120)]
    );
    assert_eq!(config.keyboard.bindings.action(Chord::parse("Super+F12").unwrap()), None);
    let names: Vec<_> = loaded.files.iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(names, ["config.kdl", "keys.kdl", "more.kdl"]);

    // What is wrong in one of them is said of that one.
    write("parts/more.kdl", "\n\nkeybord {\n}\n");
    let loaded = load(&dir.path().join("config.kdl"));
    let error = loaded.config.unwrap_err().to_string();
    assert!(error.contains("more.kdl:3:1: ") && error.contains("keybord"), "{error}");
    assert_eq!(loaded.files.len(), 3, "mending it is a reason to read it again");
    write("parts/more.kdl", "include \"keys.kdl\"\n");
    let error = load(&dir.path().join("config.kdl")).config.unwrap_err().to_string();
    assert!(error.contains("in a circle"), "{error}");
    write("parts/keys.kdl", "\ninclude \"gone.kdl\"\n");
    let error = load(&dir.path().join("config.kdl")).config.unwrap_err().to_string();
    assert!(error.contains("keys.kdl:2:1: ") && error.contains("gone.kdl cannot be read"), "{error}");
}
