//! What a person sees of single operations.

use super::{OUTPUT, shell, spec};
use crate::shell::{Change, Edges, Point, Rect, Shell, Size, Spec, Wanted};

#[test]
fn new_windows_do_not_cover_each_other_while_there_is_room() {
    let shell = shell(6);
    let placed: Vec<_> = shell.visible().collect();
    for a in &placed {
        for b in &placed {
            assert!(a.key == b.key || a.outer.intersection(b.outer).is_none(), "{a:?} {b:?}");
        }
    }
}

#[test]
fn a_window_that_was_not_asked_for_takes_no_focus_and_covers_nothing_focused() {
    let mut shell = shell(1);
    shell.insert(9, Spec { grant_focus: false, ..spec(1200, 600) });
    assert_eq!(shell.focused(), Some(0));
    assert_eq!(shell.visible().last().map(|p| p.key), Some(0));
}

#[test]
fn alt_tab_twice_toggles_between_the_last_two() {
    let mut shell = shell(4);
    let tab = |shell: &mut Shell<u32>| {
        assert!(shell.switcher_open(|_| true));
        shell.switcher_step(true);
        shell.switcher_close(true).expect("it is there")
    };
    assert_eq!(shell.focused(), Some(3));
    assert_eq!(tab(&mut shell), 2);
    assert_eq!(tab(&mut shell), 3);
    assert_eq!(tab(&mut shell), 2);
}

#[test]
fn closing_gives_the_focus_to_the_last_used() {
    let mut shell = shell(3);
    shell.focus(0);
    shell.remove(0);
    assert_eq!(shell.focused(), Some(2));
    shell.minimise(2);
    assert_eq!(shell.focused(), Some(1));
}

#[test]
fn resizing_on_the_left_keeps_the_right_edge() {
    let mut shell = shell(1);
    shell.move_to(0, Point::new(400, 300));
    let before = shell.outer(0).expect("it is there");
    let edges = Edges { left: true, top: true, ..Edges::default() };
    shell.begin_resize(0, edges, Point { x: before.x, y: before.y });
    shell.drag(Point { x: before.x - 50, y: before.y - 20 });
    assert_eq!(shell.wanted(0).expect("it is there").content, Size { w: 350, h: 220 });
    assert!(shell.wanted(0).expect("it is there").resizing);
    // The program chooses another size than it was asked for, as terminals do.
    shell.content_committed(0, Size { w: 343, h: 216 });
    let after = shell.outer(0).expect("it is there");
    assert_eq!((after.right(), after.bottom()), (before.right(), before.bottom()));
}

#[test]
fn dragging_a_maximised_window_restores_it_under_the_pointer() {
    let mut shell = shell(1);
    shell.set_maximised(0, true);
    assert_eq!(shell.outer(0), Some(OUTPUT.usable));
    shell.begin_move(0, Point { x: 640, y: 40 });
    shell.drag(Point { x: 660, y: 60 });
    let outer = shell.outer(0).expect("it is there");
    assert!(outer.contains(Point { x: 660, y: 60 }), "{outer:?}");
    assert_eq!(shell.wanted(0).expect("it is there").content, Size { w: 300, h: 200 });
}

#[test]
fn a_dialog_keeps_the_focus_of_its_parent() {
    let mut shell = shell(2);
    shell.insert(7, Spec { parent: Some(0), ..spec(100, 80) });
    shell.set_modal(7, true);
    shell.focus(1);
    shell.focus(0);
    assert_eq!(shell.focused(), Some(7));
    assert_eq!(shell.visible().last().map(|p| p.key), Some(7));
}

#[test]
fn fullscreen_goes_back_to_what_was_under_it() {
    let mut shell = shell(1);
    shell.set_maximised(0, true);
    shell.set_fullscreen(0, true);
    assert_eq!(shell.outer(0), Some(OUTPUT.rect));
    assert_eq!(shell.content(0), Some(Rect { x: 0, y: 3, w: 1280, h: 717 }));
    shell.set_fullscreen(0, false);
    assert_eq!(shell.outer(0), Some(OUTPUT.usable));
    shell.set_maximised(0, false);
    assert_eq!(shell.wanted(0).expect("it is there").content, Size { w: 300, h: 200 });
}

#[test]
fn a_dialog_that_is_not_modal_leaves_its_parent_the_focus() {
    let mut shell = shell(2);
    shell.insert(7, Spec { parent: Some(0), grant_focus: false, ..spec(100, 80) });
    shell.focus(0);
    assert_eq!(shell.focused(), Some(0));
    assert_eq!(shell.visible().last().map(|p| p.key), Some(7), "it is above all the same");
}

#[test]
fn minimising_a_modal_dialog_takes_its_parent_along_and_focus_brings_both_back() {
    let mut shell = shell(1);
    shell.insert(7, Spec { parent: Some(0), ..spec(100, 80) });
    shell.set_modal(7, true);
    shell.minimise(7);
    assert_eq!(shell.visible().count(), 0);
    assert_eq!(shell.focused(), None);
    assert!(shell.wanted(0).expect("it is there").suspended);
    shell.focus(0);
    assert_eq!(shell.focused(), Some(7));
    assert_eq!(shell.visible().map(|p| p.key).collect::<Vec<_>>(), [0, 7]);
}

#[test]
fn a_dialog_of_a_closed_dialog_belongs_to_the_window_under_both() {
    let mut shell = shell(1);
    shell.insert(7, Spec { parent: Some(0), ..spec(100, 80) });
    shell.insert(8, Spec { parent: Some(7), ..spec(50, 40) });
    shell.set_parent(7, Some(8));
    assert_eq!(shell.parent(7), None, "no loops");
    shell.set_parent(7, Some(0));
    shell.remove(7);
    assert_eq!(shell.parent(8), Some(0));
    assert_eq!(shell.focused(), Some(8));
}

#[test]
fn a_dialog_that_leaves_its_minimised_parent_is_in_sight_again_and_says_so() {
    let mut shell = shell(2);
    shell.insert(7, Spec { parent: Some(0), ..spec(100, 80) });
    shell.minimise(0);
    assert!(shell.visible().all(|p| p.key == 1));
    shell.take_change();
    shell.set_parent(7, None);
    assert_eq!(shell.visible().map(|p| p.key).collect::<Vec<_>>(), [7, 1]);
    assert!(shell.take_change().contains(Change::LAYOUT | Change::WANTED));
    assert_eq!(shell.focused(), Some(1));
    shell.set_parent(7, None);
    assert!(shell.take_change().is_empty(), "nothing new");
}

#[test]
fn chains_of_dialogs_have_an_end() {
    let mut shell = shell(1);
    for key in 1..40 {
        shell.insert(key, Spec { parent: Some(key - 1), ..spec(100, 80) });
    }
    let orphans = (0..40).filter(|key| shell.parent(*key).is_none()).count();
    assert_eq!(orphans, 3, "40 windows in chains of at most 16");
    assert_eq!(shell.check_invariants(), Ok(()));
}

#[test]
fn a_new_window_is_marked_even_if_nothing_has_the_focus() {
    let mut shell = shell(0);
    shell.insert(1, Spec { grant_focus: false, ..spec(100, 80) });
    assert_eq!(shell.focused(), None);
    assert!(shell.attention(1));
    shell.focus(1);
    assert!(!shell.attention(1));
    shell.set_attention(1, true);
    assert!(!shell.attention(1), "it has attention");
}

#[test]
fn a_window_that_was_never_used_does_not_inherit_the_focus() {
    let mut shell = shell(1);
    shell.insert(9, Spec { grant_focus: false, ..spec(300, 200) });
    shell.remove(0);
    assert_eq!(shell.focused(), None);
    assert!(shell.contains(9));
}

#[test]
fn with_the_strict_fallback_nothing_inherits_the_focus() {
    let mut shell = shell(2);
    shell.set_fallback(crate::shell::Fallback::Nothing);
    shell.remove(1);
    assert_eq!(shell.focused(), None);
}

#[test]
fn a_closed_dialog_gives_the_focus_to_its_parent() {
    let mut shell = shell(3);
    shell.insert(7, Spec { parent: Some(0), ..spec(100, 80) });
    shell.remove(7);
    assert_eq!(shell.focused(), Some(0), "though 2 was used last");
}

#[test]
fn workspaces_keep_their_windows_and_their_focus() {
    let mut shell = shell(2);
    shell.switch_workspace(2);
    assert_eq!((shell.focused(), shell.visible().count()), (None, 0));
    shell.insert(7, spec(100, 80));
    shell.set_attention(0, true);
    assert_eq!(shell.workspaces_in_use(OUTPUT.id), [(1, false, true), (2, true, false)]);
    shell.switch_workspace(1);
    assert_eq!(shell.focused(), Some(1));
    shell.move_to_workspace(1, 2);
    assert_eq!(shell.focused(), Some(0));
    shell.focus(1);
    assert_eq!((shell.current_workspace(), shell.focused()), (2, Some(1)));
    shell.switch_workspace(0);
    shell.switch_workspace(10);
    assert_eq!(shell.current_workspace(), 2);
}

#[test]
fn wanted_says_all_states() {
    let mut shell = shell(1);
    let content = Size::new(300, 200);
    assert_eq!(shell.wanted(0), Some(Wanted { content, activated: true, ..Wanted::default() }));
    shell.tile(0, true);
    let tiled = Wanted { content: Size::new(632, 658), activated: true, tiled: true, ..Wanted::default() };
    assert_eq!(shell.wanted(0), Some(tiled));
    shell.minimise(0);
    assert_eq!(shell.wanted(0), Some(Wanted { activated: false, suspended: true, ..tiled }));
    assert_eq!(shell.wanted(1), None);
}

#[test]
fn halves_make_a_whole() {
    let mut shell = shell(2);
    shell.tile(0, true);
    shell.tile(1, false);
    let (left, right) = (shell.outer(0).expect("left"), shell.outer(1).expect("right"));
    assert_eq!(left.intersection(right), None);
    assert_eq!(left.size().area() + right.size().area(), OUTPUT.usable.size().area());
    shell.float(0);
    assert_eq!(shell.outer(0).map(Rect::size), Some(Size::new(308, 234)));
}

#[test]
fn what_lies_at_a_place() {
    use crate::shell::{Hit, Part};
    let mut shell = shell(1);
    shell.move_to(0, Point::new(100, 100));
    let part = |x, y| shell.window_at(Point::new(x, y)).map(|Hit { key: _, part }| part);
    let border = |top, bottom, left, right| Some(Part::Border(Edges { top, bottom, left, right }));
    assert_eq!(part(99, 150), None);
    assert_eq!(part(104, 130), Some(Part::Content(Point::new(0, 0))));
    assert_eq!(part(200, 110), Some(Part::Title));
    assert_eq!(part(200, 101), border(true, false, false, false));
    assert_eq!(part(101, 101), border(true, false, true, false));
    assert_eq!(part(101, 200), border(false, false, true, false));
    assert_eq!(part(407, 333), border(false, true, false, true));
    assert_eq!(part(407, 325), border(false, true, false, true), "corners are easy to get");
    shell.set_maximised(0, true);
    let part = |x, y| shell.window_at(Point::new(x, y)).map(|hit| hit.part);
    assert_eq!(part(0, 28), Some(Part::Title));
    shell.set_fullscreen(0, true);
    let part = |x, y| shell.window_at(Point::new(x, y)).map(|hit| hit.part);
    assert_eq!(part(0, 2), Some(Part::Title));
    assert_eq!(part(0, 3), Some(Part::Content(Point::new(0, 0))));
}
