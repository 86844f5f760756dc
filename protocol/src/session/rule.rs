//! The rules of the protocol, by name and number, and what breaking one is called.

use crate::wire::WireError;

macro_rules! rules {
    ($($number:literal $name:ident $text:literal;)*) => {
        /// A rule of the protocol. Its number goes into a goodbye.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        #[repr(u16)]
        pub enum Rule { $(#[doc = $text] #[error($text)] $name = $number,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

rules! {
    1 Malformed "the bytes are not a message";
    2 OutOfPhase "the message is not legal at this stage of the connection";
    3 BadMagic "the connection does not begin with Transom's magic";
    4 NoCommonVersion "no protocol version that both sides speak";
    5 IdTaken "the id is 0 or in use";
    6 UnknownWindow "no such window";
    7 WrongRole "the window is not of the kind that this message is for";
    8 WrongParent "the parent or sibling is not one this window can have";
    9 TooDeep "windows are nested too deep";
    10 Circle "a window cannot be its own ancestor";
    11 HasChildren "the window still has popups or subsurfaces";
    12 TooManyWindows "more windows than the qube may have";
    13 UnknownGrant "no such grant, or it is being revoked";
    14 TooManyGrants "more grants, or more bytes or page runs in them, than the qube may have";
    15 OutOfRange "a number is outside its range";
    16 UnknownSerial "the serial is not one that is open, or not newer than the last";
    17 NotConfigured "a picture came before the first configure was acknowledged";
    18 TooManyBuffers "more unreleased buffers than a window may have";
    19 OutsideGrant "the picture does not lie inside its grant";
    20 BadViewport "the viewport does not lie inside the picture";
    21 NotAsked "an answer to something that was not asked";
    22 SelectionTooLarge "far more selection data than the limit";
    23 TooMany "more of something than its limit";
    24 UnknownOutput "no such output";
    25 FocusHeld "another window has the focus";
    26 NoFocus "the window does not have the focus";
    27 BadMemory "the granted memory cannot be read";
    28 TooSlow "the qube does not read what it is sent";
    29 TooFast "the qube sends more than it may";
    30 UnknownNotification "no such notification, choice or status icon";
}

/// A message that was not legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} for window {window}: {rule}")]
pub struct Violation {
    /// The rule it broke.
    pub rule: Rule,
    /// Name of the message.
    pub message: &'static str,
    /// The window in its header.
    pub window: u32,
}

/// Why a connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Not a message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Not legal now.
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl ProtocolError {
    /// The rule that was broken.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Wire(_) => Rule::Malformed,
            Self::Violation(violation) => violation.rule,
        }
    }
}
