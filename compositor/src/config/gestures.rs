//! Gestures and switches of the machine, and what they do.

use transom_protocol::types::GestureKind;

use super::{bindings::Action, bound::Bound, named::named};

/// Fingers of gestures that can be the desktop's. Those of two are the programs'.
const FINGERS: std::ops::RangeInclusive<u32> = 3..=5;

/// Where a gesture goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Fingers come together.
    In,
    /// Fingers go apart.
    Out,
    /// Fingers rest.
    Rest,
}

/// A gesture that can be bound: `3-swipe-left`, `4-pinch-in`, `3-hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GestureName {
    /// Fingers.
    pub fingers: u32,
    /// What they do.
    pub kind: GestureKind,
    /// Where to.
    pub way: Way,
}

impl GestureName {
    /// Reads a name. `None`: it is not meant to be one.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        let (fingers, rest) = text.split_once('-')?;
        let fingers: u32 = fingers.parse().ok()?;
        let known = match rest {
            "swipe-left" => Some((GestureKind::Swipe, Way::Left)),
            "swipe-right" => Some((GestureKind::Swipe, Way::Right)),
            "swipe-up" => Some((GestureKind::Swipe, Way::Up)),
            "swipe-down" => Some((GestureKind::Swipe, Way::Down)),
            "pinch-in" => Some((GestureKind::Pinch, Way::In)),
            "pinch-out" => Some((GestureKind::Pinch, Way::Out)),
            "hold" => Some((GestureKind::Hold, Way::Rest)),
            _ => None,
        };
        Some(match known {
            None => Err(format!(
                "\"{text}\" is no gesture; they are such as 3-swipe-left, -right, -up, -down, 4-pinch-in, -out, 3-hold"
            )),
            Some(_) if !FINGERS.contains(&fingers) => {
                Err(format!("\"{text}\" has {fingers} fingers; gestures of the desktop have 3 to 5"))
            }
            Some((kind, way)) => Ok(Self { fingers, kind, way }),
        })
    }
}

/// Gestures in force, each with one action.
pub type Gestures = Bound<GestureName>;

impl Default for Bound<GestureName> {
    fn default() -> Self {
        let swipe = |way| GestureName { fingers: 3, kind: GestureKind::Swipe, way };
        let mut gestures = Self::none();
        gestures.bind(swipe(Way::Left), Action::WorkspaceNext);
        gestures.bind(swipe(Way::Right), Action::WorkspacePrevious);
        gestures
    }
}

impl Bound<GestureName> {
    /// True if a gesture that begins so is the desktop's, wherever it goes. Fingers that rest are so
    /// if they may be about to do something that is.
    pub fn owns(&self, kind: GestureKind, fingers: u32) -> bool {
        let meant = |name: &GestureName| name.kind == kind || kind == GestureKind::Hold;
        self.iter().any(|(name, _)| name.fingers == fingers && meant(name))
    }
}

named! {
    /// What a switch of the machine says.
    pub enum SwitchEvent {
        /// The lid was closed.
        LidClose "lid-close",
        /// The lid was opened.
        LidOpen "lid-open",
        /// The machine is a tablet now.
        TabletModeOn "tablet-mode-on",
        /// It is none any more.
        TabletModeOff "tablet-mode-off",
    }
}

/// Switches do nothing by themselves.
impl Default for Bound<SwitchEvent> {
    fn default() -> Self {
        Self::none()
    }
}
