//! Which of several keyboard layouts is in force: the desktop's, or each window's own.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Desktop,
    config::{LayoutScope, bindings::Step},
    render::scene::SurfaceKey,
};

/// Layouts that windows were left with. A window that is not named has the first.
#[derive(Debug, Default)]
pub(crate) struct Layouts(BTreeMap<SurfaceKey, u32>);

impl Layouts {
    /// Windows that are gone have none.
    pub(super) fn forget(&mut self, gone: &impl Fn(SurfaceKey) -> bool) {
        self.0.retain(|key, _| !gone(*key));
    }
}

impl Desktop {
    /// The person chooses another layout.
    pub(super) fn step_layout(&mut self, step: Step, now: Duration) {
        let keyboard = &mut self.input.keyboard;
        if let Some(layout) = step.from(keyboard.layout(), keyboard.layouts()) {
            let outcomes = keyboard.set_layout(layout);
            self.outcomes(outcomes, now);
            self.layout_chosen();
        }
    }

    /// A chord or a key of the layout may have chosen another one: the bar shows it.
    pub(super) fn layout_chosen(&mut self) {
        if self.input.keyboard.layouts() < 2 {
            return;
        }
        let layout = self.input.keyboard.layout();
        if let Some(focused) = self.trust.focus.wanted() {
            self.input.layouts.0.insert(focused, layout);
        }
        self.damage_all();
    }

    /// Another window has the focus: its layout comes with it.
    pub(crate) fn layout_follows(&mut self, focused: Option<SurfaceKey>, now: Duration) {
        if self.config.keyboard.layout_scope == LayoutScope::Window
            && let Some(key) = focused
        {
            let layout = self.input.layouts.0.get(&key).copied().unwrap_or_default();
            let outcomes = self.input.keyboard.set_layout(layout);
            self.outcomes(outcomes, now);
        }
    }

    /// What the bar says of the layout: nothing where there is only one.
    pub(crate) fn layout_in_force(&self) -> Option<String> {
        let keyboard = &self.input.keyboard;
        (keyboard.layouts() > 1)
            .then(|| keyboard.layout_labels().into_iter().nth(keyboard.layout() as usize))
            .flatten()
    }
}
