//! Names of qubes and of labels.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{BUILT_IN_LABELS, DOM0, MAX_NAME};

/// Why a text is not the name of a qube.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Wrong characters or length.
    #[error("{0:?} is not a name: use 1 to 31 of a-z, 0-9 and '-', beginning with a letter")]
    Form(String),
    /// The name stands for something else.
    #[error("{0:?} is the name of the trusted side and cannot be a qube")]
    Reserved(String),
}

/// The one rule for names: `[a-z][a-z0-9-]{0,30}`.
fn well_formed(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Cuts a refused text so that an error stays one short line.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The name of a qube: `[a-z][a-z0-9-]{0,30}`, never `dom0`.
///
/// It is safe as a file name, a host name, in a log and on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QubeName(String);

impl QubeName {
    /// Checks a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if !well_formed(text) {
            Err(NameError::Form(shown(text)))
        } else if text == DOM0 {
            Err(NameError::Reserved(text.to_owned()))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a trust label, of the same form as a [`QubeName`].
///
/// Which labels exist is up to the theme; [`BUILT_IN_LABELS`] are always there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelName(String);

impl LabelName {
    /// Checks a label's form.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if well_formed(text) { Ok(Self(text.to_owned())) } else { Err(NameError::Form(shown(text))) }
    }

    /// The label of a qube about which nothing is known: the least trusted one.
    pub fn unknown() -> Self {
        Self("red".to_owned())
    }

    /// True for the labels that every theme has.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN_LABELS.contains(&self.as_str())
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Conversions that both kinds of name share.
macro_rules! name_type {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }
        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }
        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}
name_type!(QubeName);
name_type!(LabelName);
