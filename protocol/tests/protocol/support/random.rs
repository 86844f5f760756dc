//! Any legal value of every fixed part.

use transom_protocol::{call as c, message as m, network as n, service as s, types::*};
use zerocopy::little_endian::{I32, U16, U32, U64};

use super::dice::Dice;

pub(crate) trait Random: Sized {
    fn random(dice: &mut Dice<'_>) -> Self;
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Random for $type {
            fn random(dice: &mut Dice<'_>) -> Self {
                Self::from_bytes(dice.bytes())
            }
        }
    )*};
}
numbers! { I32 U16 U32 U64 }

impl Random for u8 {
    fn random(dice: &mut Dice<'_>) -> Self {
        dice.byte()
    }
}

impl Random for [u8; 8] {
    fn random(dice: &mut Dice<'_>) -> Self {
        dice.bytes()
    }
}

impl Random for [u8; 16] {
    fn random(dice: &mut Dice<'_>) -> Self {
        dice.bytes()
    }
}

impl Random for Flag {
    fn random(dice: &mut Dice<'_>) -> Self {
        (dice.byte() % 2 == 1).into()
    }
}

impl Random for Fixed {
    fn random(dice: &mut Dice<'_>) -> Self {
        Self(I32::random(dice))
    }
}

macro_rules! enums {
    ($($type:ident)*) => {$(
        impl Random for $type {
            fn random(dice: &mut Dice<'_>) -> Self {
                Self::ALL[dice.below(Self::ALL.len())]
            }
        }
    )*};
}
enums! {
    Format Transform Anchor Label WindowKind BufferChange Request GrantKind KeyState ButtonState
    AxisSource Selection CursorKind Constraint Urgency Status Activation GestureKind GesturePhase ToolKind KeymapFormat
}

macro_rules! structs {
    ($($type:path { $($field:ident)* })*) => {$(
        impl Random for $type {
            fn random(dice: &mut Dice<'_>) -> Self {
                // Every field is named: a new one does not compile until it is added here.
                Self { $($field: Random::random(dice),)* }
            }
        }
    )*};
}
structs! {
    Rect { x y width height }
    FixedRect { x y width height }
    Positioner { width height anchor_rect anchor gravity adjustment reactive offset_x offset_y }

    m::Hello { magic version_min version_max features }
    m::Welcome {
        version label client_fds max_windows max_grants max_grant_bytes max_selection_bytes features
    }
    m::Goodbye { rule }
    m::Output { output x y width height width_mm height_mm scale refresh transform }
    m::OutputName { output }
    m::OnOutput { output on }
    m::Scale { scale }
    m::Keymap { format }
    m::WindowCreate { kind parent }
    m::PopupCreate { parent positioner grab }
    m::PopupReposition { positioner token }
    m::SetParent { parent modal }
    m::SizeLimits { min_width min_height max_width max_height }
    m::WindowRequest { request }
    m::ResizeRequest { edges }
    m::SubsurfacePlace { x y sibling above }
    m::GrantCreate { grant kind bytes }
    m::PageRun { first count }
    m::GrantName { grant }
    m::Commit {
        buffer format transform scale flags damage opaque input grant offset width height stride
        color source dest_width dest_height content delta_x delta_y
    }
    m::Configure { width height bounds_width bounds_height states x y token }
    m::Time { time }
    m::Presented { time_ns refresh_ns sequence flags }
    m::Switch { on }
    m::Key { time code state }
    m::Modifiers { depressed latched locked group }
    m::Position { x y }
    m::TimedPosition { time x y }
    m::Button { time code state }
    m::Axis { time source stop_x stop_y inverted x y x120 y120 }
    m::RelativeMotion { time_us x y raw_x raw_y }
    m::Gesture { time kind phase fingers x y scale rotation }
    m::TouchPoint { time id x y }
    m::TouchUp { time id }
    m::ToolEnter { time tool axes x y }
    m::ToolMotion {
        time x y pressure distance tilt_x tilt_y rotation slider wheel wheel_clicks
    }
    m::ToolTip { time down }
    m::CursorChange { kind shape window hot_x hot_y }
    m::PointerConstraint { constraint has_hint hint_x hint_y rects }
    m::TextInput { focus enabled has_text by_method cursor anchor hint purpose rect }
    m::Preedit { begin end }
    m::DeleteSurrounding { before after }
    m::SelectionOffer { selection }
    m::SelectionName { selection }
    m::SelectionData { end failed }
    m::PasteData { index end }
    m::Notify { notification urgency choosable stays text }
    m::NotificationName { notification }
    m::NotifyAction { notification action }
    m::StatusIcon { icon status title }
    m::StatusIconName { icon }
    m::StatusIconActivate { icon activation }

    s::Hello { magic version }
    s::Welcome { version }
    s::Run { flags }
    s::Time { seconds nanos }
    s::Serve { token }
    s::Launch { flags }
    s::List { count }
    s::Listed { text }
    c::Call { magic version }
    c::Accept { magic token }
    c::Ended { code }
    n::Hello { magic version }
    n::Refused { flags }
    n::SetupHead { version }
    s::Failed { errno }
    s::Exited { code signal }
}
