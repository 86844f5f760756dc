//! Which notifications and status icons of a qube there are.
//!
//! The agent alone makes and ends them: what dom0 says about one does not change what is known of it, so that
//! both ends know the same whatever crosses on the way.

use std::collections::{BTreeMap, BTreeSet};

use super::{Rule, Step, ensure};
use crate::{
    limits::{MAX_NOTIFICATIONS, MAX_STATUS_ICONS},
    message::Notify,
    wire::With,
};

/// What can be chosen on an open notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choices {
    /// It can be chosen as a whole.
    pub whole: bool,
    /// Number of its buttons.
    pub buttons: u8,
}

/// Notifications that are open, and status icons that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notifications {
    open: BTreeMap<u32, Choices>,
    icons: BTreeSet<u32>,
}

impl Notifications {
    /// What can be chosen on an open notification; `None`: none of that name is open.
    pub fn choices(&self, notification: u32) -> Option<Choices> {
        self.open.get(&notification).copied()
    }

    /// How many notifications are open.
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Open notifications, by name.
    pub fn names(&self) -> impl Iterator<Item = u32> {
        self.open.keys().copied()
    }

    /// Names of the status icons.
    pub fn icons(&self) -> impl Iterator<Item = u32> {
        self.icons.iter().copied()
    }

    pub(super) fn notify(&mut self, notify: &With<'_, Notify>) -> Step {
        let name = notify.fixed.notification.get();
        ensure(name != 0, Rule::OutOfRange)?;
        ensure(self.open.len() < MAX_NOTIFICATIONS || self.open.contains_key(&name), Rule::TooMany)?;
        let buttons = notify.parts().untrusted_actions.len() as u8;
        self.open.insert(name, Choices { whole: notify.fixed.choosable.get(), buttons });
        Ok(())
    }

    pub(super) fn close(&mut self, name: u32) -> Step {
        self.open.remove(&name).map(drop).ok_or(Rule::UnknownNotification)
    }

    pub(super) fn open(&self, name: u32) -> Result<Choices, Rule> {
        self.choices(name).ok_or(Rule::UnknownNotification)
    }

    /// True if an open notification has this to choose: 0 is the whole of it.
    pub fn may_choose(&self, notification: u32, action: u8) -> bool {
        self.choices(notification)
            .is_some_and(|choices| if action == 0 { choices.whole } else { action <= choices.buttons })
    }

    pub(super) fn icon(&mut self, icon: u32) -> Step {
        ensure(icon != 0, Rule::OutOfRange)?;
        ensure(self.icons.len() < MAX_STATUS_ICONS || self.icons.contains(&icon), Rule::TooMany)?;
        self.icons.insert(icon);
        Ok(())
    }

    pub(super) fn icon_gone(&mut self, icon: u32) -> Step {
        ensure(self.icons.remove(&icon), Rule::UnknownNotification)
    }

    pub(super) fn known_icon(&self, icon: u32) -> Step {
        ensure(self.icons.contains(&icon), Rule::UnknownNotification)
    }

    pub(super) fn check_invariants(&self) -> Result<(), String> {
        if self.open.len() > MAX_NOTIFICATIONS || self.icons.len() > MAX_STATUS_ICONS {
            return Err("more notifications or status icons than there may be".into());
        }
        if self.open.contains_key(&0) || self.icons.contains(&0) {
            return Err("a notification or status icon is called 0".into());
        }
        Ok(())
    }
}
