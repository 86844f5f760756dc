//! Colours, their contrast, and how they look to people with other colour vision.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// An opaque sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Rgb {
    /// Red, 0 to 255, gamma-encoded.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
}

/// An sRGB colour with straight (not premultiplied) alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Rgba {
    /// The colour.
    pub rgb: Rgb,
    /// 0 is clear, 255 opaque.
    pub a: u8,
}

/// A text that is no colour.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a colour is written \"#rrggbb\" with hexadecimal digits")]
pub struct ColorError;

impl Rgb {
    /// Black.
    pub const BLACK: Self = Self::new(0, 0, 0);
    /// White.
    pub const WHITE: Self = Self::new(255, 255, 255);

    /// A colour from its channels.
    pub const fn new(r: u8, g: u8, b: u8) -> Self {
        Self { r, g, b }
    }

    /// A colour from `0xrrggbb`.
    pub(crate) const fn hex(value: u32) -> Self {
        Self::new((value >> 16) as u8, (value >> 8) as u8, value as u8)
    }

    /// This colour, see-through.
    pub const fn alpha(self, a: u8) -> Rgba {
        Rgba { rgb: self, a }
    }

    /// Relative luminance, 0 to 1 (WCAG 2.1).
    pub fn luminance(self) -> f32 {
        let [r, g, b] = self.linear();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// From `self` (`t` = 0) to `other` (`t` = 1), mixed as encoded values.
    #[must_use]
    pub fn mix(self, other: Self, t: f32) -> Self {
        let t = t.clamp(0.0, 1.0);
        let channel = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * t).round() as u8;
        Self::new(channel(self.r, other.r), channel(self.g, other.g), channel(self.b, other.b))
    }

    /// This colour as a person with this vision sees it. Machado, Oliveira and Fernandes 2009,
    /// full severity, applied to linear RGB.
    #[must_use]
    pub fn seen_by(self, vision: Vision) -> Self {
        let m = match vision {
            Vision::Full => return self,
            Vision::Protanopia => [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
            Vision::Deuteranopia => [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
            Vision::Tritanopia => [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        };
        let l = self.linear();
        let row = |i: usize| encode(m[i][0] * l[0] + m[i][1] * l[1] + m[i][2] * l[2]);
        Self::new(row(0), row(1), row(2))
    }

    fn linear(self) -> [f32; 3] {
        [self.r, self.g, self.b].map(|v| {
            let v = f32::from(v) / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// CIE L*a*b* under D65.
    #[expect(clippy::many_single_char_names, reason = "the names of the standard")]
    fn lab(self) -> [f32; 3] {
        let [r, g, b] = self.linear();
        let f = |t: f32| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = f((0.412_456 * r + 0.357_576 * g + 0.180_438 * b) / 0.950_47);
        let y = f(0.212_673 * r + 0.715_152 * g + 0.072_175 * b);
        let z = f((0.019_334 * r + 0.119_192 * g + 0.950_304 * b) / 1.088_83);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }
}

/// Gamma-encodes a linear channel.
fn encode(v: f32) -> u8 {
    let v = v.clamp(0.0, 1.0);
    let v = if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
    (v * 255.0).round() as u8
}

impl FromStr for Rgb {
    type Err = ColorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('#').ok_or(ColorError)?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ColorError);
        }
        u32::from_str_radix(digits, 16).map(Self::hex).map_err(|_| ColorError)
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.r, self.g, self.b)
    }
}

/// Kinds of colour vision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vision {
    /// Three kinds of cones.
    Full,
    /// No cones for long waves.
    Protanopia,
    /// No cones for middle waves.
    Deuteranopia,
    /// No cones for short waves.
    Tritanopia,
}

impl Vision {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Full, Self::Protanopia, Self::Deuteranopia, Self::Tritanopia];
}

/// Contrast ratio of two colours, 1 to 21 (WCAG 2.1).
pub fn contrast(a: Rgb, b: Rgb) -> f32 {
    let (a, b) = (a.luminance() + 0.05, b.luminance() + 0.05);
    if a > b { a / b } else { b / a }
}

/// Black or white, whichever has the better contrast on this colour. At least 4.58 : 1 on any.
pub fn best_text_on(background: Rgb) -> Rgb {
    if contrast(Rgb::BLACK, background) >= contrast(Rgb::WHITE, background) { Rgb::BLACK } else { Rgb::WHITE }
}

/// `color`, moved toward black or white just as far as it needs for 4.5 : 1 on `background`.
pub fn readable_on(color: Rgb, background: Rgb) -> Rgb {
    let goal = best_text_on(background);
    (0..=32)
        .map(|step| color.mix(goal, step as f32 / 32.0))
        .find(|mixed| contrast(*mixed, background) >= 4.5)
        .unwrap_or(goal)
}

/// How different two colours look: CIEDE2000 (Sharma, Wu and Dalal 2005). 1 is just noticeable
/// side by side, 10 is plain at a glance.
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
pub fn difference(a: Rgb, b: Rgb) -> f32 {
    let ([l1, a1, b1], [l2, a2, b2]) = (a.lab(), b.lab());
    let c_mean = f32::midpoint(a1.hypot(b1), a2.hypot(b2));
    let pow7 = |v: f32| v.powi(7) / (v.powi(7) + 25.0_f32.powi(7));
    let g = 0.5 * (1.0 - pow7(c_mean).sqrt());
    let (a1, a2) = (a1 * (1.0 + g), a2 * (1.0 + g));
    let (c1, c2) = (a1.hypot(b1), a2.hypot(b2));
    let hue = |a: f32, b: f32| {
        if a == 0.0 && b == 0.0 { 0.0 } else { b.atan2(a).to_degrees().rem_euclid(360.0) }
    };
    let (h1, h2) = (hue(a1, b1), hue(a2, b2));
    let grey = c1 * c2 == 0.0;
    let dh = match h2 - h1 {
        _ if grey => 0.0,
        d if d > 180.0 => d - 360.0,
        d if d < -180.0 => d + 360.0,
        d => d,
    };
    let dh = 2.0 * (c1 * c2).sqrt() * (dh / 2.0).to_radians().sin();
    let h_mean = match h1 + h2 {
        sum if grey => sum,
        sum if (h1 - h2).abs() <= 180.0 => sum / 2.0,
        sum if sum < 360.0 => f32::midpoint(sum, 360.0),
        sum => (sum - 360.0) / 2.0,
    };
    let (l_mean, c_mean) = (f32::midpoint(l1, l2), f32::midpoint(c1, c2));
    let cos = |degrees: f32| degrees.to_radians().cos();
    let t = 1.0 - 0.17 * cos(h_mean - 30.0) + 0.24 * cos(2.0 * h_mean) + 0.32 * cos(3.0 * h_mean + 6.0)
        - 0.20 * cos(4.0 * h_mean - 63.0);
    let s_l = 1.0 + 0.015 * (l_mean - 50.0).powi(2) / (20.0 + (l_mean - 50.0).powi(2)).sqrt();
    let (s_c, s_h) = (1.0 + 0.045 * c_mean, 1.0 + 0.015 * c_mean * t);
    let turn = 60.0 * (-((h_mean - 275.0) / 25.0).powi(2)).exp();
    let r_t = -2.0 * pow7(c_mean).sqrt() * turn.to_radians().sin();
    let (l, c, h) = ((l2 - l1) / s_l, (c2 - c1) / s_c, dh / s_h);
    (l * l + c * c + h * h + r_t * c * h).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_has_the_values_of_wcag() {
        assert!((contrast(Rgb::BLACK, Rgb::WHITE) - 21.0).abs() < 0.01);
        assert!((contrast(Rgb::hex(0x0077_7777), Rgb::WHITE) - 4.48).abs() < 0.01);
    }

    #[test]
    fn colours_are_read_and_written() {
        assert_eq!("#12aBff".parse(), Ok(Rgb::new(0x12, 0xab, 0xff)));
        assert_eq!(Rgb::new(1, 2, 255).to_string(), "#0102ff");
        for bad in ["", "#", "12abff", "#12abf", "#12abfff", "#12abgg", "#+12abf", "#12äff"] {
            assert_eq!(bad.parse::<Rgb>(), Err(ColorError), "{bad}");
        }
    }

    #[test]
    fn difference_is_that_of_the_paper() {
        // Computed from published sRGB pairs with a reference implementation's tables.
        assert!(difference(Rgb::BLACK, Rgb::BLACK) < 0.001);
        assert!((difference(Rgb::BLACK, Rgb::WHITE) - 100.0).abs() < 0.1);
        let (red, green) = (Rgb::new(255, 0, 0), Rgb::new(0, 255, 0));
        assert!((difference(red, green) - 86.6).abs() < 0.5, "{}", difference(red, green));
        assert!((difference(red, green) - difference(green, red)).abs() < 0.001);
    }

    #[test]
    fn greys_look_alike_to_everyone() {
        for vision in Vision::ALL {
            let grey = Rgb::new(119, 119, 119);
            assert!(difference(grey.seen_by(vision), grey) < 1.0);
        }
    }

    #[test]
    fn every_colour_can_be_written_on() {
        for r in (0..=255).step_by(15) {
            for g in (0..=255).step_by(15) {
                for b in (0..=255).step_by(15) {
                    let color = Rgb::new(r, g, b);
                    assert!(contrast(best_text_on(color), color) >= 4.5);
                    assert!(contrast(readable_on(Rgb::new(b, r, g), color), color) >= 4.5);
                }
            }
        }
    }
}
