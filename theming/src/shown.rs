//! Whether a theme can still be told apart on a screen that shows other colours than it is told to: a
//! warm one at night, a dim one.
//!
//! Measured without counting on the eye to get used to the light, which it does only in part.

use thiserror::Error;

use crate::{
    Label, Rgb, Theme,
    color::{best_text_on, contrast, difference},
};

/// Least difference (CIEDE2000) of any two labels. A theme has 8 of its own.
const LEAST_DIFFERENCE: f32 = 6.0;
/// Least contrast of a pattern on its colour. A theme has 1.3 of its own.
const LEAST_PATTERN: f32 = 1.2;
/// Least contrast of text: what WCAG 2.1 asks of large text (1.4.3) and of controls (1.4.11). A theme
/// has 4.5 of its own.
const LEAST_TEXT: f32 = 3.0;

/// What cannot be told apart any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Blurred {
    /// Two labels look alike.
    #[error("the labels {0} and {1} look alike")]
    Alike(Label, Label),
    /// A label looks like dom0's own.
    #[error("the label {0} looks like dom0's own colour")]
    LikeSteel(Label),
    /// A pattern cannot be seen.
    #[error("patterns cannot be seen on their colours")]
    Pattern,
    /// Text cannot be read.
    #[error("text cannot be read")]
    Text,
}

impl Theme {
    /// Whether labels, patterns and text can be told apart where each colour looks as `shown` says.
    ///
    /// # Errors
    /// What cannot.
    pub fn holds_as(&self, shown: impl Fn(Rgb) -> Rgb) -> Result<(), Blurred> {
        let apart = |a, b| difference(shown(a), shown(b)) >= LEAST_DIFFERENCE;
        let read = |text, ground| contrast(shown(text), shown(ground)) >= LEAST_TEXT;
        for (i, second) in Label::ALL.into_iter().enumerate() {
            let color = self.label_color(second);
            if !apart(color, self.steel()) {
                return Err(Blurred::LikeSteel(second));
            }
            if let Some(first) = Label::ALL[..i].iter().find(|first| !apart(color, self.label_color(**first)))
            {
                return Err(Blurred::Alike(*first, second));
            }
        }
        let owners = Label::ALL.map(Some).into_iter().chain([None]);
        for tones in owners.map(|label| self.tones(label)) {
            if contrast(shown(tones.color), shown(tones.pattern)) < LEAST_PATTERN {
                return Err(Blurred::Pattern);
            }
            if !read(best_text_on(tones.color), tones.color) {
                return Err(Blurred::Text);
            }
        }
        if self.texts().into_iter().all(|[(_, text), (_, ground)]| read(text, ground)) {
            Ok(())
        } else {
            Err(Blurred::Text)
        }
    }
}
