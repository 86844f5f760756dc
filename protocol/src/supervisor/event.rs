//! What `transom-qubed` says of itself.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::RequestBody;
use super::{CallAsk, CallFate, LabelName, QubeInfo, QubeName};
use crate::call::Target;

/// How dom0 reads the memory of a qube's windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MemoryKind {
    /// The client's own pools come as file descriptors on the control stream.
    ClientFds,
    /// Grants are runs of page frames of guest RAM. A read-only descriptor of the RAM comes as the
    /// second file descriptor of [`Event::Link`].
    GuestRam {
        /// Its size in bytes.
        bytes: u64,
        /// First guest physical address of the hole below 4 GiB; [`Self::GuestRam::bytes`] if
        /// there is none.
        hole_start: u64,
        /// First guest physical address above the hole.
        hole_end: u64,
    },
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A qube is new, or its state changed.
    QubeState {
        /// The qube as it is now.
        qube: QubeInfo,
    },
    /// A qube's agent opened a control stream. It comes with the stream as the first file
    /// descriptor. Only to the attached compositor. A newer link of the same qube replaces the
    /// older one.
    Link {
        /// The qube whose stream it is.
        qube: QubeInfo,
        /// Never used twice by one qubed.
        link_id: u64,
        /// How its grants are read.
        memory: MemoryKind,
    },
    /// The qube that this stream belonged to is down. Only to the attached compositor.
    LinkGone {
        /// The qube.
        qube: QubeName,
        /// [`Event::Link::link_id`].
        link_id: u64,
    },
    /// The person has to decide about a call. Only to the attached compositor, which answers with
    /// [`RequestBody::AnswerCall`].
    Ask {
        /// The question.
        ask: CallAsk,
    },
    /// A question is over without an answer. Only to the attached compositor.
    AskGone {
        /// [`CallAsk::call`].
        call: u64,
    },
    /// The desktop is to serve a call: its stream comes as the file descriptor, open already, and speaks
    /// [`crate::call`]. Only to the attached compositor, which ends the call by closing it.
    Serve {
        /// Never used twice by one qubed.
        call: u64,
        /// Who called.
        source: QubeName,
        /// The label of the one who called.
        label: LabelName,
        /// The name of the service, checked by [`crate::call::is_service`].
        service: String,
        /// Its argument, checked by [`crate::call::is_argument`].
        argument: String,
        /// What it is about in the words of the qube, cleaned; it may be a lie.
        said: String,
    },
    /// What became of a call, for the person. Only to the attached compositor, and not of every call
    /// where there are many.
    Call {
        /// Who asked.
        source: QubeName,
        /// The service.
        service: String,
        /// Whom it was for, if that was known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<Target>,
        /// What became of it.
        fate: CallFate,
    },
    /// A qube that was to start with the desktop waits for the passphrase of the volumes. Only to the
    /// attached compositor.
    Locked {
        /// The qube.
        qube: QubeName,
    },
    /// A qube has listed its programs anew.
    Programs {
        /// The qube.
        qube: QubeName,
    },
    /// The qube was deleted.
    QubeRemoved {
        /// Its name.
        qube: QubeName,
    },
}
