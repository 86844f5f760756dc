use jiff::{civil, tz::TimeZone};
use proptest::prelude::*;
use transom_theming::{Label, Rgb, Variant, Vision, difference};

use super::*;

fn schedule(from: (i8, i8), until: (i8, i8), minutes: u64) -> Result<Schedule, &'static str> {
    let time = |(hour, minute)| civil::time(hour, minute, 0, 0);
    Schedule::new(time(from), time(until), Duration::from_mins(minutes))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(zone: &TimeZone, day: i8, hour: i8, minute: i8) -> Zoned {
    civil::date(2026, 11, day).at(hour, minute, 0, 0).to_zoned(zone.clone()).unwrap()
}

#[test]
fn night_comes_and_goes() {
    let night = schedule((20, 0), (7, 0), 30).unwrap();
    let utc = TimeZone::UTC;
    for (hour, minute, step) in [
        (12, 0, 0),
        (20, 0, 0),
        (20, 15, STEPS / 2),
        (20, 30, STEPS),
        (23, 59, STEPS),
        (3, 0, STEPS),
        (7, 0, STEPS),
        (7, 15, STEPS / 2),
        (7, 30, 0),
    ] {
        assert_eq!(night.at(&at(&utc, 27, hour, minute)).step, step, "{hour}:{minute}");
    }
    // By day it sleeps until the evening, by night until the morning.
    assert_eq!(
        night.at(&at(&utc, 27, 12, 0)).next,
        Some(at(&utc, 27, 20, 0).checked_add(0.seconds()).unwrap())
    );
    assert_eq!(night.at(&at(&utc, 27, 22, 0)).next, Some(at(&utc, 28, 7, 0)));
    // Halfway it looks again a step later: 30 minutes are 256 of 7.03 s.
    let next = night.at(&at(&utc, 27, 20, 15)).next.unwrap();
    assert_eq!(at(&utc, 27, 20, 15).duration_until(&next).as_secs(), 7);
}

#[test]
fn a_night_within_a_day_and_one_without_a_fade() {
    let utc = TimeZone::UTC;
    let siesta = schedule((13, 0), (15, 0), 0).unwrap();
    for (hour, minute, step) in [(12, 59, 0), (13, 0, STEPS), (14, 59, STEPS), (15, 0, 0), (0, 0, 0)] {
        assert_eq!(siesta.at(&at(&utc, 27, hour, minute)).step, step, "{hour}:{minute}");
    }
    assert!(schedule((20, 0), (20, 0), 0).is_err());
    assert!(schedule((13, 0), (15, 0), 121).is_err());
    assert!(schedule((15, 0), (13, 0), 121).is_err());
    assert!(schedule((13, 0), (15, 0), 120).is_ok());
}

#[test]
fn the_person_goes_before_the_schedule() {
    let config = NightConfig { temperature: 4_000, schedule: schedule((20, 0), (7, 0), 30).ok() };
    let noon = at(&TimeZone::UTC, 27, 12, 0);
    assert_eq!(config.at(Mode::On, &noon), Moment { step: STEPS, next: None });
    assert_eq!(config.at(Mode::Off, &noon), Moment { step: 0, next: None });
    assert_eq!(config.at(Mode::Auto, &noon).step, 0);
    assert_eq!(NightConfig::default().at(Mode::Auto, &noon), Moment { step: 0, next: None });
    assert_eq!((config.kelvin(0), config.kelvin(STEPS)), (NEUTRAL, 4_000));
    let halfway = config.kelvin(STEPS / 2);
    assert!((4_950..4_960).contains(&halfway), "{halfway}");
}

#[test]
fn a_black_body_has_its_colour() {
    assert!(white(NEUTRAL).into_iter().all(|part| (part - 1.0).abs() < 1e-9));
    assert_eq!(Ramp::to(256, white(NEUTRAL)), Ramp::to(256, [1.0; 3]));
    // What is less warm is less red, and every channel goes its way evenly.
    let mut before = white(1_700);
    for kelvin in (1_750..=NEUTRAL).step_by(50) {
        let now = white(kelvin);
        assert!((now[0] - 1.0).abs() < 1e-9, "{kelvin}: {now:?}");
        assert!(now[1] > before[1] && now[2] >= before[2], "{kelvin}: {now:?}");
        assert!(now[1] - before[1] < 0.02 && now[2] - before[2] < 0.1, "{kelvin}: {before:?} {now:?}");
        before = now;
    }
    // Illuminant A, 2856 K, has chromaticity (0.4476, 0.4074) (ISO/CIE 11664-2).
    let rgb = black_body(2_856);
    let [x, y, z] = [
        [0.412_456, 0.357_576, 0.180_438],
        [0.212_673, 0.715_152, 0.072_175],
        [0.019_334, 0.119_192, 0.950_304],
    ]
    .map(|row: [f64; 3]| row.iter().zip(rgb).map(|(factor, value)| factor * value).sum::<f64>());
    let sum = x + y + z;
    assert!((x / sum - 0.4476).abs() < 0.001 && (y / sum - 0.4074).abs() < 0.001, "{} {}", x / sum, y / sum);
}

const THEMES: [Variant; 2] = [Variant::Dark, Variant::Light];

/// The limit is where it is because it was measured, and moves only with a theme.
#[test]
fn the_warmest_is_as_warm_as_both_themes_bear() {
    let both = THEMES.map(|variant| warmest(&Theme::builtin(variant)));
    assert_eq!(both.into_iter().max(), Some(WARMEST));
    let warmer = Ramp::to(256, white(WARMEST - 50));
    assert!(THEMES.into_iter().any(|variant| warmer.check(&Theme::builtin(variant)).is_err()));
}

/// There, all pairs of labels are plainly different to an eye that sees all colours, and neighbours in
/// the list to any other.
#[test]
fn labels_stay_apart_at_the_warmest() {
    let ramp = Ramp::to(256, white(WARMEST));
    for theme in THEMES.map(Theme::builtin) {
        let seen = |color: Rgb, vision: Vision| ramp.shown(color).seen_by(vision);
        for (i, one) in Label::ALL.into_iter().enumerate() {
            for (j, two) in Label::ALL[..i].iter().enumerate() {
                for vision in Vision::ALL {
                    let (one, two) = (theme.label_color(one), theme.label_color(*two));
                    let found = difference(seen(one, vision), seen(two, vision));
                    let least = match vision {
                        Vision::Full => 10.0,
                        _ if j + 1 == i => 7.0,
                        _ => 2.0,
                    };
                    assert!(found >= least, "{vision:?} {one} {two}: {found}");
                }
            }
        }
    }
}

#[test]
fn no_theme_is_made_unreadable() {
    let theme = Theme::builtin(Variant::Dark);
    let hot = NightConfig { temperature: 1_000, schedule: None };
    assert!(hot.within(&theme).temperature >= WARMEST);
    let mild = NightConfig { temperature: 5_000, schedule: None };
    assert_eq!(mild.clone().within(&theme), mild);
}

proptest! {
    /// What is foretold comes true, and nothing happens before; also where clocks are changed.
    #[test]
    fn nothing_changes_before_it_is_foretold(
        from in (0_i8..24, 0_i8..60), until in (0_i8..24, 0_i8..60), fade in 0_u64..90,
        start in 0_i64..366 * 86_400,
        place in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        wait in 0.0_f64..1.0,
    ) {
        let Ok(night) = schedule(from, until, fade) else { return Ok(()) };
        let begin = civil::date(2026, 1, 1).at(0, 0, 0, 0).to_zoned(zone(place)).unwrap();
        let mut now = begin.checked_add(SignedDuration::from_secs(start)).unwrap();
        for _ in 0..6 {
            let moment = night.at(&now);
            prop_assert!(moment.step <= STEPS);
            let next = moment.next.unwrap();
            prop_assert!(next > now);
            let between = now.checked_add(now.duration_until(&next).mul_f64(wait * 0.999)).unwrap();
            prop_assert_eq!(night.at(&between).step, moment.step);
            let then = night.at(&next);
            // A step at a time, except where an hour is left out or lived through twice.
            if place == "UTC" && fade > 0 {
                prop_assert!(then.step.abs_diff(moment.step) <= 1, "{} {}", then.step, moment.step);
            }
            now = next;
        }
    }
}
