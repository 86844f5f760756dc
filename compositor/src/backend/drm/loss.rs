//! A graphics card that fails, goes or comes.
//!
//! A card that is lost takes all that was made on it along: its context, buffers and monitors. It is given
//! back to the seat, and whichever card can be had is taken, the same one as a rule. [`recovery`] says when.
//! Until then there is no monitor: windows stay where they are, and what is typed goes to nobody (FOCUS);
//! a lock stays locked (FAIL-CLOSED), for nothing here knows of it.
//!
//! [`recovery`]: super::recovery

use std::{collections::BTreeMap, error::Error, time::Duration};

use smithay::{
    backend::{
        drm::{DrmDeviceNotifier, DrmEvent},
        session::Session as _,
    },
    reexports::{
        calloop::{Interest, LoopHandle, Mode, PostAction, generic::Generic},
        drm::{Device as _, DriverCapability},
        udev::{EventType, MonitorBuilder, MonitorSocket},
    },
};
use tracing::{error, info, warn};

use super::{
    Drm,
    card::{self, Card, Found},
    failed,
    fault::{Fault, fault},
    recovery::Recovery,
};
use crate::{
    Desktop, DesktopError,
    config::cards::CardName,
    render::canvas::{Canvas, CanvasError, RendererKind},
};

/// What udev tells of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// It is there, or something about it is another way: a monitor came or went.
    Changed,
    /// Its driver gave it up, or had to reset it (drm-uapi, "Device Wedging").
    Wedged,
    /// It is gone.
    Gone,
}

/// Hears of cards from udev.
pub(super) fn watch(handle: &LoopHandle<'static, Desktop>) -> Result<(), DesktopError> {
    let monitor = MonitorBuilder::new()
        .and_then(|builder| builder.match_subsystem("drm"))
        .and_then(MonitorBuilder::listen)
        .map_err(|error| failed("udev", error))?;
    handle
        .insert_source(
            Generic::new(monitor, Interest::READ, Mode::Level),
            |_, monitor, desktop: &mut Desktop| {
                for (device, news) in heard(monitor) {
                    desktop.card_news(device, news);
                }
                Ok(PostAction::Continue)
            },
        )
        .map(drop)
        .map_err(|error| DesktopError::Loop(error.to_string()))
}

fn heard(monitor: &MonitorSocket) -> Vec<(u64, News)> {
    let heard = monitor.iter().filter_map(|event| {
        // Render nodes and connectors have events of their own.
        if !event.sysname().to_string_lossy().starts_with("card") {
            return None;
        }
        let news = match event.event_type() {
            EventType::Remove => News::Gone,
            _ if event.property_value("WEDGED").is_some() => News::Wedged,
            _ => News::Changed,
        };
        Some((event.devnum()?, news))
    });
    heard.collect()
}

/// What is remembered of cards beside the one in use.
#[derive(Debug)]
pub(super) struct Cards {
    pub(super) recovery: Recovery,
    /// The card failed; it is given up at the end of this turn.
    lost: bool,
    /// There has been one.
    any: bool,
    /// One that failed again and again.
    failing: Option<u64>,
    /// What was said last of why there is none.
    said: String,
    /// Monitors of cards that are not used, as far as they were told of.
    told: BTreeMap<u64, Vec<String>>,
}

impl Cards {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            recovery: Recovery::new(now),
            lost: false,
            any: false,
            failing: None,
            said: String::new(),
            told: BTreeMap::new(),
        }
    }

    /// Tells of the monitors of a card that is not used, once.
    fn tell_of(&mut self, card: &Found) {
        let before = self.told.insert(card.device, card.monitors.clone());
        if before.unwrap_or_default() != card.monitors {
            let monitors = card.monitors.join(", ");
            info!(card = %card.path.display(), monitors, "monitors of another graphics card are not used");
        }
    }
}

impl Drm {
    /// An error that the card had. If only another start of the card can mend it, that follows.
    pub(super) fn failed(&mut self, error: &(dyn Error + 'static)) {
        self.cards.lost |= self.card.is_some() && fault(error) == Fault::Card;
    }

    /// Asks the card something easy. If it does not answer, nothing can be drawn on it, and what fails there
    /// is more than a frame.
    pub(super) fn ask_card(&mut self) -> Result<(), CanvasError> {
        let Some(card) = &self.card else { return Ok(()) };
        card.device.get_driver_capability(DriverCapability::DumbBuffer).map(drop).map_err(|error| {
            self.failed(&error);
            CanvasError::Draw(format!("the graphics card does not answer: {error}"))
        })
    }

    /// When a card is tried for.
    pub(crate) fn card_due(&self) -> Option<Duration> {
        self.cards.recovery.due()
    }

    /// The cards of the seat, in the order in which they are tried.
    fn candidates(&self, liked: &[CardName]) -> Result<Vec<Found>, DesktopError> {
        let all = card::all(&self.session.seat()).map_err(|error| failed("udev", error))?;
        Ok(card::order(all, liked, self.cards.failing))
    }

    /// Takes the first card that can be had.
    fn take(&mut self, liked: &[CardName]) -> Result<(Canvas, DrmDeviceNotifier), DesktopError> {
        let candidates = self.candidates(liked)?;
        if candidates.is_empty() {
            return Err(failed("graphics", "there is no graphics card (/dev/dri/card*)"));
        }
        // What was asked for on the command line holds for the start; later any picture is better than none.
        let kinds: &[RendererKind] = match self.renderer {
            _ if !self.cards.recovery.trusts_gpu() => &[RendererKind::Pixman],
            RendererKind::Gles if self.cards.any => &[RendererKind::Gles, RendererKind::Pixman],
            RendererKind::Gles => &[RendererKind::Gles],
            RendererKind::Pixman => &[RendererKind::Pixman],
            RendererKind::Auto => &[RendererKind::Auto],
        };
        let mut reasons = Vec::new();
        for (place, found) in candidates.iter().enumerate() {
            for kind in kinds {
                match Card::open(&mut self.session, found, *kind) {
                    Ok((card, canvas, notifier)) => {
                        for reason in &reasons {
                            warn!("a graphics card cannot be used: {reason}");
                        }
                        if place == 0 && !liked.is_empty() && !found.is_one_of(liked) {
                            warn!(card = %found.path.display(), "no card that the config names is there");
                        }
                        self.cards.told.clear();
                        for other in candidates.iter().filter(|other| other.device != found.device) {
                            self.cards.tell_of(other);
                        }
                        self.card = Some(card);
                        return Ok((canvas, notifier));
                    }
                    Err(reason) => reasons.push(format!("{}: {reason}", found.path.display())),
                }
            }
        }
        Err(failed("no graphics card can be used", reasons.join("; ")))
    }

    /// Gives the card back, as it is.
    fn let_go(&mut self, handle: &LoopHandle<'static, Desktop>) {
        self.cards.lost = false;
        if let Some(mut card) = self.card.take() {
            if let Some(source) = card.source.take() {
                handle.remove(source);
            }
            card.close(&mut self.session);
        }
    }
}

impl Desktop {
    /// Takes a card, and its monitors.
    pub(super) fn take_card(&mut self) -> Result<(), DesktopError> {
        let now = self.clock.now();
        let Some(drm) = self.backend.drm_mut() else { return Ok(()) };
        let taken = drm.take(&self.config.cards).and_then(|(canvas, notifier)| {
            self.canvas = canvas;
            let source =
                self.handle.insert_source(notifier, |event, metadata, desktop: &mut Self| match event {
                    DrmEvent::VBlank(crtc) => desktop.flipped(crtc, metadata.as_ref()),
                    DrmEvent::Error(error) => {
                        error!(%error, "the graphics card");
                        if let Some(drm) = desktop.backend.drm_mut() {
                            drm.failed(&error);
                        }
                    }
                });
            let source = source.map_err(|error| DesktopError::Loop(error.to_string()))?;
            if let Some(card) = &mut drm.card {
                card.source = Some(source);
            }
            Ok(())
        });
        if let Err(error) = taken {
            drm.let_go(&self.handle);
            drm.cards.recovery.failed(now);
            return Err(error);
        }
        drm.cards.any = true;
        drm.cards.said.clear();
        drm.cards.recovery.taken(now);
        self.monitors_changed();
        Ok(())
    }

    /// Gives up a card that failed, and takes one if that is due.
    pub(crate) fn settle_card(&mut self) {
        let now = self.clock.now();
        let Some(drm) = self.backend.drm_mut() else { return };
        if drm.cards.lost || drm.card.as_ref().is_some_and(|card| card.monitors.lost()) {
            warn!("the graphics card failed; it is started anew");
            drm.cards.recovery.lost(now);
            if !drm.cards.recovery.trusts_card() {
                drm.cards.failing = drm.card.as_ref().map(|card| card.device.device_id());
            }
            self.leave_card();
        }
        let due = self.backend.drm().and_then(Drm::card_due);
        if due.is_some_and(|due| due <= now)
            && let Err(error) = self.take_card()
        {
            self.no_card(&error);
        }
        let none = self.backend.drm().is_some_and(|drm| drm.card.is_none());
        if none && !self.screens.plugged().is_empty() {
            // As when the last monitor is unplugged.
            self.adopt_screens(Vec::new());
        }
    }

    /// No card can be had for now.
    fn no_card(&mut self, error: &DesktopError) {
        let Some(drm) = self.backend.drm_mut() else { return };
        if !drm.cards.any {
            // Nobody has seen this desktop yet; whoever started it has to know.
            return self.fail(&error.to_string());
        }
        let text = error.to_string();
        if drm.cards.said != text {
            error!(%error, "no graphics card for now; windows stay, and wait for one");
            drm.cards.said = text;
        }
    }

    /// The card is not used any longer; whatever was on its monitors is gone.
    fn leave_card(&mut self) {
        self.nothing_is_shown();
        // What draws on it goes before it.
        match Canvas::new(RendererKind::Pixman) {
            Ok(canvas) => self.canvas = canvas,
            Err(error) => error!(%error, "nothing can be drawn"),
        }
        if let Some(drm) = self.backend.drm_mut() {
            drm.let_go(&self.handle);
        }
    }

    fn card_news(&mut self, device: u64, news: News) {
        let now = self.clock.now();
        let Some(drm) = self.backend.drm_mut() else { return };
        let ours = drm.card.as_ref().is_some_and(|card| card.device.device_id() == device);
        match news {
            News::Gone => {
                drm.cards.failing.take_if(|failing| *failing == device);
                if ours {
                    warn!("the graphics card is gone; qubes go on");
                    drm.cards.recovery.gone(now);
                    self.leave_card();
                }
            }
            News::Wedged if ours => {
                warn!("the driver says that the graphics card hung");
                drm.cards.lost = true;
            }
            News::Changed | News::Wedged => {
                drm.cards.recovery.news(now);
                if ours {
                    self.monitors_changed();
                }
                self.look_at_others(device);
            }
        }
    }

    /// While the card in use has no monitor, another one that has one is taken instead. Else only told is
    /// what is new at the other one.
    fn look_at_others(&mut self, news: u64) {
        let (now, seeing) = (self.clock.now(), !self.screens.plugged().is_empty());
        let Some(drm) = self.backend.drm_mut() else { return };
        let Some(card) = drm.card.as_ref().filter(|card| card.device.is_active()) else { return };
        let ours = card.device.device_id();
        let candidates = match drm.candidates(&self.config.cards) {
            Ok(candidates) => candidates,
            Err(error) => return error!(%error, "other cards cannot be looked at"),
        };
        let better = candidates.first().filter(|best| best.device != ours && !best.monitors.is_empty());
        if let Some(better) = better.filter(|_| !seeing) {
            info!(card = %better.path.display(), "another graphics card has a monitor");
            drm.cards.recovery.gone(now);
            self.leave_card();
        } else if let Some(other) = candidates.iter().find(|card| card.device == news && news != ours) {
            drm.cards.tell_of(other);
        }
    }
}
