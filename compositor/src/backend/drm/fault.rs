//! What an error of the graphics card means: this frame is lost, or the card is.

use std::{error::Error, fmt, io};

use rustix::io::Errno;
use smithay::backend::egl::EGLError;

/// How much an error costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// This frame, or this monitor's change: the next one may do.
    Frame,
    /// All that was made on the card: its context and buffers are of no use any longer.
    Card,
}

/// An error in words, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What it costs.
    pub fault: Fault,
    text: String,
}

impl Failure {
    /// What became of a frame for a reason that the card has nothing to do with.
    pub(super) fn of_frame(text: &str) -> Self {
        Self { fault: Fault::Frame, text: text.into() }
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { fault: fault(&error), text: error.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What an error costs, by whatever it was caused by.
pub(super) fn fault(error: &(dyn Error + 'static)) -> Fault {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if is_of_card(error) {
            return Fault::Card;
        }
        cause = error.source();
    }
    Fault::Frame
}

fn is_of_card(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.raw_os_error().is_some_and(is_lost)
            // Such an error hides from `source` what it wraps.
            || error.get_ref().is_some_and(|inner| fault(inner) == Fault::Card);
    }
    if let Some(errno) = error.downcast_ref::<Errno>() {
        return is_lost(errno.raw_os_error());
    }
    // Beside the lost context: how a display answers whose device is gone.
    matches!(
        error.downcast_ref::<EGLError>(),
        Some(EGLError::ContextLost | EGLError::NotInitialized | EGLError::BadContext | EGLError::BadDisplay)
    )
}

/// Numbers by which the kernel says that there is no such device any longer, or that it does not answer
/// (drm-uapi: one that was unplugged answers ENODEV, one that hangs for good EIO).
fn is_lost(number: i32) -> bool {
    [Errno::NODEV, Errno::NXIO, Errno::IO].iter().any(|errno| errno.raw_os_error() == number)
}

#[cfg(test)]
mod tests {
    use smithay::{
        backend::{
            allocator::gbm::GbmConvertError,
            drm::{DrmError, compositor::FrameError},
            egl::MakeCurrentError,
            renderer::{damage::Error as DamageError, gles::GlesError},
        },
        reexports::drm::control::crtc,
    };

    use super::*;

    type Frame = FrameError<io::Error, GbmConvertError, io::Error>;

    fn os(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn a_card_that_is_gone_or_hangs_is_lost() {
        for errno in [Errno::NODEV, Errno::NXIO, Errno::IO] {
            assert_eq!(fault(&os(errno)), Fault::Card);
            assert_eq!(fault(&io::Error::other(os(errno))), Fault::Card);
            // However deep it lies.
            assert_eq!(fault(&Frame::Allocator(os(errno))), Fault::Card);
            assert_eq!(fault(&Frame::DrmError(DrmError::UnableToGetDeviceId(errno))), Fault::Card);
        }
    }

    #[test]
    fn so_is_one_whose_context_is_lost() {
        let lost = |error| DamageError::Rendering(GlesError::from(MakeCurrentError::from(error)));
        for error in [EGLError::ContextLost, EGLError::NotInitialized, EGLError::BadDisplay] {
            assert_eq!(fault(&lost(error)), Fault::Card);
        }
        assert_eq!(fault(&lost(EGLError::BadAlloc)), Fault::Frame);
        assert_eq!(fault(&lost(EGLError::BadAccess)), Fault::Frame);
    }

    #[test]
    fn anything_else_costs_a_frame() {
        for errno in [Errno::INVAL, Errno::BUSY, Errno::NOMEM, Errno::ACCESS, Errno::NOSPC, Errno::INTR] {
            assert_eq!(fault(&Frame::FramebufferExport(os(errno))), Fault::Frame);
        }
        let crtc = crtc::Handle::from(std::num::NonZeroU32::MIN);
        for error in [DrmError::DeviceInactive, DrmError::DrmMasterFailed, DrmError::TestFailed(crtc)] {
            assert_eq!(fault(&Frame::DrmError(error)), Fault::Frame);
        }
        assert_eq!(fault(&DamageError::Rendering(GlesError::MappingError)), Fault::Frame);
        assert_eq!(Failure::of_frame("drawing was interrupted").fault, Fault::Frame);
        let failure = Failure::from(os(Errno::NODEV));
        assert_eq!((failure.fault, failure.to_string()), (Fault::Card, os(Errno::NODEV).to_string()));
    }
}
