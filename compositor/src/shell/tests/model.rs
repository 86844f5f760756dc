//! The order of last use against a list that does nothing else.

use proptest::prelude::*;

use super::{shell, spec};
use crate::shell::{Shell, Spec};

fn tab(shell: &mut Shell<u32>, steps: usize) -> Option<u32> {
    shell.switcher_open(|_| true);
    for _ in 0..steps {
        shell.switcher_step(true);
    }
    shell.switcher_close(true)
}

#[test]
fn minimised_windows_and_other_workspaces_are_in_the_switcher() {
    let mut shell = shell(3);
    shell.minimise(1);
    shell.move_to_workspace(0, 5);
    assert!(shell.switcher_open(|_| true));
    assert_eq!(shell.switcher().map(|s| s.windows.clone()), Some(vec![2, 1, 0]));
    shell.switcher_select(0);
    assert_eq!(shell.switcher_close(true), Some(0));
    assert_eq!((shell.focused(), shell.current_workspace()), (Some(0), 5));
}

#[test]
fn a_cancelled_switcher_changes_nothing() {
    let mut shell = shell(3);
    let before = (shell.focused(), shell.history().to_vec(), shell.stacking().to_vec());
    shell.switcher_open(|_| true);
    shell.switcher_step(false);
    assert_eq!(shell.switcher_close(false), None);
    assert_eq!((shell.focused(), shell.history().to_vec(), shell.stacking().to_vec()), before);
}

#[test]
fn among_windows_of_another_qube_the_first_step_goes_to_the_last_used() {
    let mut shell = shell(4);
    assert!(shell.switcher_open(|key| *key < 2));
    shell.switcher_step(true);
    assert_eq!(shell.switcher().and_then(crate::shell::Switcher::choice), Some(1));
    shell.switcher_close(false);
    assert!(shell.switcher_open(|key| *key < 2));
    shell.switcher_step(false);
    assert_eq!(shell.switcher_close(true), Some(0));
    assert!(!shell.switcher_open(|_| false), "nothing to choose");
}

#[test]
fn if_the_choice_closes_the_choice_falls_back_to_where_the_keys_are() {
    let mut shell = shell(3);
    shell.switcher_open(|_| true);
    shell.switcher_step(true);
    shell.remove(1);
    assert_eq!(shell.switcher_close(true), Some(2));
    shell.switcher_open(|_| true);
    shell.remove(2);
    shell.remove(0);
    assert_eq!(shell.switcher(), None);
}

#[test]
fn a_window_that_comes_while_it_is_open_moves_no_card_and_no_keys() {
    let mut shell = shell(2);
    shell.switcher_open(|_| true);
    let before = shell.switcher().cloned();
    shell.insert(7, spec(100, 100));
    assert_eq!((shell.switcher().cloned(), shell.focused()), (before, Some(1)));
    assert!(shell.attention(7));
}

#[test]
fn a_window_that_pops_up_is_not_what_alt_tab_leads_to() {
    let mut shell = shell(2);
    shell.insert(7, Spec { grant_focus: false, ..spec(100, 100) });
    assert_eq!(tab(&mut shell, 1), Some(0));
}

#[test]
fn alt_tab_toggles_with_a_modal_dialog_too() {
    let mut shell = shell(2);
    shell.insert(7, Spec { parent: Some(1), ..spec(100, 100) });
    shell.set_modal(7, true);
    shell.focus(1);
    assert_eq!(tab(&mut shell, 1), Some(0));
    assert_eq!(tab(&mut shell, 1), Some(7));
    assert_eq!(tab(&mut shell, 1), Some(0));
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Insert(u32, bool),
    Remove(u32),
    Focus(u32),
    Tab(usize),
    Cancel(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0u32..7;
    prop_oneof![
        3 => (key.clone(), any::<bool>()).prop_map(|(k, grant)| Op::Insert(k, grant)),
        1 => key.clone().prop_map(Op::Remove),
        2 => key.prop_map(Op::Focus),
        4 => (0usize..9).prop_map(Op::Tab),
        1 => (0usize..9).prop_map(Op::Cancel),
    ]
}

/// Keys, last used first, and how many of them (from the front) were ever used; the focus is the
/// first of these, or none if there is none.
#[derive(Debug, Default)]
struct Model {
    order: Vec<u32>,
    used: Vec<u32>,
    focused: Option<u32>,
}

impl Model {
    fn focus(&mut self, key: u32) {
        self.order.retain(|k| *k != key);
        self.order.insert(0, key);
        self.used.retain(|k| *k != key);
        self.used.push(key);
        self.focused = Some(key);
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Insert(key, grant) if !self.order.contains(&key) => {
                self.order.push(key);
                if grant {
                    self.focus(key);
                }
            }
            Op::Remove(key) => {
                self.order.retain(|k| *k != key);
                self.used.retain(|k| *k != key);
                if self.focused == Some(key) {
                    self.focused = self.used.last().copied();
                }
            }
            Op::Focus(key) if self.order.contains(&key) => self.focus(key),
            Op::Tab(steps) if !self.order.is_empty() => {
                // With no focus the first step leads to the first card.
                let steps = if self.focused.is_none() { steps.saturating_sub(1) } else { steps };
                self.focus(self.order[steps % self.order.len()]);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_history_is_the_order_of_last_use(ops in prop::collection::vec(op(), 1..50)) {
        let (mut shell, mut model) = (shell(0), Model::default());
        for op in ops {
            match op {
                Op::Insert(key, grant_focus) => shell.insert(key, Spec { grant_focus, ..spec(200, 100) }),
                Op::Remove(key) => shell.remove(key),
                Op::Focus(key) => shell.focus(key),
                Op::Tab(steps) => drop(tab(&mut shell, steps)),
                Op::Cancel(steps) => {
                    shell.switcher_open(|_| true);
                    (0..steps).for_each(|_| shell.switcher_step(true));
                    shell.switcher_close(false);
                }
            }
            model.apply(op);
            prop_assert_eq!(shell.history(), &model.order[..], "{:?}", op);
            prop_assert_eq!(shell.focused(), model.focused, "{:?}", op);
        }
        // Alt-tab twice leads back, whatever was before.
        if let (Some(before), true) = (shell.focused(), shell.history().len() > 1) {
            let other = shell.history()[1];
            prop_assert_eq!(tab(&mut shell, 1), Some(other));
            prop_assert_eq!(tab(&mut shell, 1), Some(before));
            prop_assert_eq!(tab(&mut shell, 1), Some(other));
        }
    }
}
