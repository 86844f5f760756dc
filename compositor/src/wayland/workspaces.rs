//! Workspaces as dom0's programs are told of them, for bars and docks: as the desktop's own bar has them.
//!
//! A *group* is the workspaces of one screen, or those that reach over all screens. All numbers that there can be are
//! told, so that one without windows can be asked for; those that the desktop's own bar does not show are hidden.

use std::collections::BTreeMap;

use crate::{
    Desktop,
    shell::{WORKSPACES, Workspaces},
};

/// The screen that has the workspaces of a group for itself; `None`: they reach over all.
pub(super) type GroupId = Option<u32>;

/// How a workspace stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) active: bool,
    /// A window there asks for attention.
    pub(super) urgent: bool,
    pub(super) hidden: bool,
}

/// Workspaces that change together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Screens that show them.
    pub(super) screens: Vec<u32>,
    /// The first is number 1.
    pub(super) workspaces: [State; WORKSPACES as usize],
}

impl Group {
    /// Screens, and workspaces of these in use: number, whether it is shown, whether it asks for attention.
    fn new(screens: Vec<u32>, in_use: &[(u32, bool, bool)]) -> Self {
        let state = |index: usize| {
            let of = in_use.iter().find(|(number, ..)| *number as usize == index + 1);
            of.map_or(State { hidden: true, ..State::default() }, |(_, active, urgent)| State {
                active: *active,
                urgent: *urgent,
                hidden: false,
            })
        };
        Self { screens, workspaces: std::array::from_fn(state) }
    }
}

impl Desktop {
    /// All groups that there are now.
    pub(super) fn workspace_groups(&self) -> BTreeMap<GroupId, Group> {
        let screens = || self.screens.iter().map(|screen| screen.id);
        match self.shell.workspaces() {
            Workspaces::Apart => screens()
                .map(|id| (Some(id), Group::new(vec![id], &self.shell.workspaces_in_use(id))))
                .collect(),
            Workspaces::Together => {
                let in_use = self.shell.workspaces_in_use(self.shell.active_output());
                BTreeMap::from([(None, Group::new(screens().collect(), &in_use))])
            }
        }
    }

    /// A program of dom0 wants these workspaces shown. The focus goes with them, so this is the person's alone
    /// (FOCUS): it is done for what they have just done in a program of dom0, once.
    pub(super) fn show_workspaces(&mut self, wanted: &[(GroupId, u32)]) {
        let now = self.clock.now();
        if wanted.is_empty() || !self.trust.act.take(now) || self.lock.covers() || self.dom0_asks() {
            return;
        }
        for (group, number) in wanted {
            match group {
                Some(screen) => self.shell.switch_workspace_on(*screen, *number),
                None => self.shell.switch_workspace(*number),
            }
        }
        self.follow_shell_focus();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_use_is_hidden() {
        let group = Group::new(vec![7], &[(2, true, false), (9, false, true)]);
        let shown = State { active: true, urgent: false, hidden: false };
        let asking = State { active: false, urgent: true, hidden: false };
        let hidden = State { active: false, urgent: false, hidden: true };
        for (index, state) in group.workspaces.into_iter().enumerate() {
            let wanted = match index + 1 {
                2 => shown,
                9 => asking,
                _ => hidden,
            };
            assert_eq!(state, wanted, "{index}");
        }
    }
}
