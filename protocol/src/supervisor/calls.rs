//! Calls of services that the person decides about.

use serde::{Deserialize, Serialize};

use super::{LabelName, QubeName};
use crate::call::Target;

/// A qube asks for a service, and policy wants the person to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAsk {
    /// Never used twice by one qubed.
    pub call: u64,
    /// Who asks.
    pub source: QubeName,
    /// The label of the one who asks.
    pub label: LabelName,
    /// The name of the service, checked by [`crate::call::is_service`].
    pub service: String,
    /// Its argument, checked by [`crate::call::is_argument`].
    pub argument: String,
    /// What it is about in the words of the qube that asks, cleaned; it may be a lie.
    pub said: String,
    /// What the person may choose from; at least one, none twice.
    pub choices: Vec<CallChoice>,
    /// The choice that is chosen at first, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<u32>,
}

/// A qube that a call may go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallChoice {
    /// Which.
    pub target: Target,
    /// Its label; of a disposable the label of what it is made from.
    pub label: LabelName,
    /// True if it runs already.
    pub running: bool,
}

/// What the person answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum CallAnswer {
    /// Not this time.
    Deny,
    /// Not this time, and nothing more is asked for this qube until it is started anew; what the desktop
    /// serves it ends. Also of a call that the desktop serves.
    Silence,
    /// To this one of the choices.
    Allow {
        /// Which.
        target: Target,
    },
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CallFate {
    /// It was allowed and goes on.
    Allowed,
    /// A rule says no.
    Denied,
    /// It could not be.
    Failed {
        /// Why, in one line of dom0's own words.
        reason: String,
    },
}
