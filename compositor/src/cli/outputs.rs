//! Screens of `transom headless` as a person names them.

use smithay::utils::{Logical, Point};

use super::parse_size;
use crate::screens::Monitor;

/// `NAME=1920x1080@1.5+0+0`; scale and place may be left out.
pub(super) fn parse(text: &str) -> Result<Monitor, String> {
    read(text).ok_or_else(|| {
        "give a screen such as left=1920x1080, left=1920x1080@1.5 or left=1920x1080+0+0".into()
    })
}

fn read(text: &str) -> Option<Monitor> {
    let (name, rest) = text.split_once('=').filter(|(name, _)| !name.is_empty())?;
    let (rest, at) = match rest.split_once('+') {
        Some((rest, at)) => (rest, Some(place(at)?)),
        None => (rest, None),
    };
    let (size, scale) = match rest.split_once('@') {
        Some((size, scale)) => (size, Some(scale.parse::<f64>().ok().filter(|s| (0.5..=4.0).contains(s))?)),
        None => (rest, None),
    };
    let (width, height) = parse_size(size).ok()?;
    let mut monitor = Monitor::simple(name, (width as i32, height as i32).into());
    monitor.hint.scale = scale.map(|scale| (scale * 120.0).round() as u32);
    monitor.hint.at = at;
    Some(monitor)
}

fn place(text: &str) -> Option<Point<i32, Logical>> {
    let (x, y) = text.split_once('+')?;
    Some((x.parse().ok()?, y.parse().ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn screens_are_read() {
        let full = parse("DP-1=800x600@1.5+100+-20").unwrap();
        assert_eq!((full.identity.connector.as_str(), full.modes[0].size), ("DP-1", (800, 600).into()));
        assert_eq!((full.hint.scale, full.hint.at), (Some(180), Some((100, -20).into())));
        let plain = parse("left=800x600").unwrap();
        assert_eq!((plain.hint.scale, plain.hint.at), (None, None));
        for bad in ["800x600", "=800x600", "a=8x6", "a=800x600@9", "a=800x600+1", "a=800x600@1+1+b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
