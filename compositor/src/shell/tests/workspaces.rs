//! Workspaces of several screens, and the scratch area.

use super::{OUTPUT, shell, spec};
use crate::shell::{Arrangement, Direction, Output, Point, Rect, Shell, Size, Spec, State, Workspaces};

/// To the right of the first.
const SECOND: u32 = 2;

/// Two screens side by side; windows 0 and 1 on the first, 2 on the second.
fn two_screens() -> Shell<u32> {
    let mut shell = shell(2);
    shell.set_output(second());
    shell.insert(2, spec(300, 200));
    shell.move_to_output(2, SECOND);
    shell
}

fn second() -> Output {
    Output::with_bar(SECOND, Rect::new(1280, 0, 1280, 720))
}

fn in_sight(shell: &Shell<u32>) -> Vec<u32> {
    let mut keys: Vec<u32> = shell.visible().map(|placed| placed.key).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn screens_change_their_workspaces_each_by_itself() {
    let mut shell = two_screens();
    assert_eq!(shell.active_output(), SECOND);
    shell.switch_workspace(4);
    assert_eq!((shell.workspace_on(OUTPUT.id), shell.workspace_on(SECOND)), (1, 4));
    assert_eq!((in_sight(&shell), shell.focused()), (vec![0, 1], None), "the keys go to no other screen");
    assert_eq!(shell.current_workspace(), 4, "the person is still there");
    shell.insert(3, spec(300, 200));
    assert_eq!(shell.placed(3).map(|placed| placed.output), Some(SECOND), "new windows come there");
    assert_eq!(shell.workspaces_in_use(SECOND), [(1, false, false), (4, true, false)]);
    assert_eq!(shell.workspaces_in_use(OUTPUT.id), [(1, true, false)]);
    shell.focus(0);
    assert_eq!((shell.active_output(), shell.current_workspace()), (OUTPUT.id, 1));
    shell.focus(2);
    assert_eq!((shell.workspace_on(SECOND), in_sight(&shell)), (1, vec![0, 1, 2]));
    assert_eq!(shell.check_invariants(), Ok(()));
}

#[test]
fn together_they_change_all_at_once() {
    let mut shell = two_screens();
    shell.set_workspaces(Workspaces::Together);
    shell.switch_workspace(4);
    assert_eq!((shell.workspace_on(OUTPUT.id), shell.workspace_on(SECOND)), (4, 4));
    assert_eq!(in_sight(&shell), [0u32; 0]);
    shell.switch_workspace(1);
    assert_eq!((in_sight(&shell), shell.focused()), (vec![0, 1, 2], Some(2)));
    shell.remove(2);
    assert_eq!(shell.focused(), Some(1), "on the other screen");
    shell.switch_workspace(3);
    shell.set_workspaces(Workspaces::Apart);
    assert_eq!((shell.workspace_on(OUTPUT.id), shell.workspace_on(SECOND)), (3, 3));
}

#[test]
fn the_keys_stay_on_their_screen_when_its_last_window_closes() {
    let mut shell = two_screens();
    shell.remove(2);
    assert_eq!((shell.focused(), shell.active_output()), (None, SECOND));
    shell.turn_to(OUTPUT.id);
    assert_eq!((shell.focused(), shell.active_output()), (Some(1), OUTPUT.id));
    shell.be_at(SECOND);
    assert_eq!(shell.active_output(), OUTPUT.id, "the keys say where the person is");
    shell.unfocus();
    shell.be_at(SECOND);
    assert_eq!(shell.active_output(), SECOND);
    assert_eq!(shell.output_beside(SECOND, Direction::Left), Some(OUTPUT.id));
}

#[test]
fn a_window_that_is_dragged_to_another_screen_stays_in_the_hand() {
    let mut shell = two_screens();
    shell.switch_workspace(5);
    shell.insert(7, Spec { parent: Some(0), ..spec(100, 80) });
    shell.focus(0);
    let from = shell.outer(0).expect("it is there").location().offset(60, 10);
    shell.begin_move(0, from);
    shell.drag(Point::new(1900, 300));
    assert_eq!((shell.dragged(), shell.workspace_of(0), shell.workspace_of(7)), (Some(0), Some(5), Some(5)));
    assert!(in_sight(&shell).contains(&7), "with its dialog");
    shell.cancel_drag();
    assert_eq!((shell.workspace_of(0), shell.placed(0).map(|p| p.output)), (Some(1), Some(OUTPUT.id)));
    shell.begin_move(0, from);
    shell.drag(Point::new(1900, 300));
    shell.end_drag();
    assert_eq!((shell.workspace_of(0), shell.focused()), (Some(5), Some(0)));
    assert_eq!(shell.check_invariants(), Ok(()));
}

#[test]
fn a_window_let_go_over_a_workspace_of_columns_stands_in_one() {
    let mut shell = two_screens();
    shell.arrange(5, Arrangement::Columns);
    shell.switch_workspace_on(SECOND, 5);
    shell.focus(0);
    let from = shell.outer(0).expect("it is there").location().offset(60, 10);
    shell.begin_move(0, from);
    shell.drag(Point::new(1900, 300));
    assert_eq!(shell.state(0), Some(State::Normal), "while it is in the hand");
    shell.end_drag();
    assert_eq!(shell.state(0), Some(State::Column));
    shell.move_to_output(0, OUTPUT.id);
    assert_eq!((shell.state(0), shell.workspace_of(0)), (Some(State::Normal), Some(1)));
    assert_eq!(shell.check_invariants(), Ok(()));
}

#[test]
fn a_dialog_on_another_screen_comes_and_goes_with_its_window() {
    let mut shell = two_screens();
    shell.insert(7, Spec { parent: Some(0), ..spec(100, 80) });
    shell.focus(7);
    shell.move_to(7, Point::new(1500, 300));
    assert_eq!(shell.placed(7).map(|p| p.output), Some(SECOND));
    shell.switch_workspace_on(SECOND, 3);
    assert!(in_sight(&shell).contains(&7), "its window is in sight");
    shell.switch_workspace_on(OUTPUT.id, 2);
    assert!(!in_sight(&shell).contains(&7));
    shell.switch_workspace_on(OUTPUT.id, 1);
    shell.remove(0);
    assert_eq!((shell.workspace_of(7), in_sight(&shell)), (Some(3), vec![1, 7]), "it stays in sight alone");
    assert_eq!(shell.check_invariants(), Ok(()));
}

#[test]
fn what_was_in_sight_when_its_screen_went_is_in_sight_on_another_and_goes_back() {
    let mut shell = two_screens();
    shell.move_to_workspace(2, 6);
    shell.switch_workspace_on(SECOND, 6);
    shell.insert(3, spec(300, 200));
    shell.move_to_workspace(3, 8);
    shell.focus(2);
    shell.remove_output(SECOND);
    assert_eq!((in_sight(&shell), shell.focused()), (vec![0, 1, 2], Some(2)));
    assert_eq!((shell.workspace_of(2), shell.workspace_of(3)), (Some(1), Some(8)));
    shell.move_to_workspace(3, 9);
    shell.set_output(second());
    assert_eq!((in_sight(&shell), shell.focused()), (vec![0, 1, 2], Some(2)));
    assert_eq!((shell.workspace_of(2), shell.workspace_of(3)), (Some(6), Some(9)), "9 by the person's wish");
    assert_eq!(shell.check_invariants(), Ok(()));
}

#[test]
fn a_screen_that_stands_in_for_the_only_one_shows_what_that_showed() {
    let mut shell = shell(2);
    shell.switch_workspace(3);
    shell.insert(2, spec(300, 200));
    shell.remove_output(OUTPUT.id);
    shell.set_output(second());
    assert_eq!((in_sight(&shell), shell.focused(), shell.current_workspace()), (vec![2], Some(2), 3));
    shell.switch_workspace(1);
    assert_eq!(in_sight(&shell), [0, 1]);
}

#[test]
fn the_scratch_area_gives_its_window_where_the_person_is() {
    let mut shell = two_screens();
    shell.arrange(1, Arrangement::Columns);
    shell.toggle_scratch();
    assert_eq!(shell.focused(), Some(2), "there is none");
    shell.set_scratch(0, true);
    assert_eq!((in_sight(&shell), shell.focused()), (vec![1, 2], Some(2)));
    shell.switch_workspace(7);
    assert_eq!(shell.workspaces_in_use(OUTPUT.id), [(1, true, false)]);
    shell.toggle_scratch();
    let placed = shell.placed(0).expect("it is there");
    assert_eq!((shell.focused(), placed.output, shell.workspace_of(0)), (Some(0), SECOND, Some(7)));
    assert_eq!(
        (placed.outer.center(), placed.content.size()),
        (second().usable.center(), Size::new(300, 200))
    );
    shell.toggle_scratch();
    assert_eq!((in_sight(&shell), shell.focused()), (vec![1], None));
    shell.turn_to(OUTPUT.id);
    shell.toggle_scratch();
    assert_eq!((shell.state(0), shell.placed(0).map(|p| p.output)), (Some(State::Normal), Some(OUTPUT.id)));
    assert_eq!(shell.visible().last().map(|p| p.key), Some(0), "above the columns");
    shell.set_scratch(0, false);
    assert_eq!((shell.state(0), shell.is_scratch(0)), (Some(State::Column), false));
    assert_eq!(shell.check_invariants(), Ok(()));
}

#[test]
fn narrowing_the_switcher_keeps_the_choice_if_it_can() {
    let mut shell = shell(4);
    shell.switcher_open(|_| true);
    shell.switcher_step(true);
    shell.switcher_narrow(|key| *key != 3);
    assert_eq!(shell.switcher().and_then(crate::shell::Switcher::choice), Some(2));
    shell.switcher_narrow(|key| *key < 2);
    assert_eq!(shell.switcher().map(|s| (s.windows.clone(), s.choice())), Some((vec![1, 0], Some(1))));
    shell.switcher_narrow(|_| false);
    assert_eq!(shell.switcher().and_then(crate::shell::Switcher::choice), None);
    shell.switcher_step(true);
    shell.switcher_narrow(|_| true);
    assert_eq!(shell.switcher().map(|s| s.windows.len()), Some(4));
    shell.switcher_narrow(|_| false);
    assert_eq!((shell.switcher_close(true), shell.focused()), (None, Some(3)), "nothing was chosen");
}
