//! Asked sizes, drawn sizes, and which side stays.

use proptest::prelude::*;

use super::{OUTPUT, shell, spec};
use crate::shell::{Edges, Point, Rect, Shell, Size, Spec};

const LEFT_TOP: Edges = Edges { left: true, top: true, bottom: false, right: false };
const RIGHT_BOTTOM: Edges = Edges { left: false, top: false, bottom: true, right: true };

/// One window at 400, 300 with content of 300 by 200.
fn one() -> Shell<u32> {
    let mut shell = shell(1);
    shell.move_to(0, Point::new(400, 300));
    shell
}

fn asked(shell: &Shell<u32>) -> Size {
    shell.wanted(0).expect("it is there").content
}

fn outer(shell: &Shell<u32>) -> Rect {
    shell.outer(0).expect("it is there")
}

#[test]
fn the_frame_waits_for_the_window() {
    let mut shell = one();
    let before = outer(&shell);
    shell.begin_resize(0, RIGHT_BOTTOM, Point::new(700, 500));
    shell.drag(Point::new(760, 540));
    assert_eq!(asked(&shell), Size::new(360, 240));
    assert_eq!(outer(&shell), before);
    shell.content_committed(0, Size::new(360, 240));
    assert_eq!(shell.content(0).map(Rect::size), Some(Size::new(360, 240)));
    assert_eq!(outer(&shell).location(), before.location());
}

#[test]
fn answers_after_the_end_still_keep_the_opposite_side() {
    let mut shell = one();
    let before = outer(&shell);
    shell.begin_resize(0, LEFT_TOP, Point::new(400, 300));
    shell.drag(Point::new(350, 260));
    shell.end_drag();
    for size in [Size::new(320, 215), Size::new(345, 231)] {
        shell.content_committed(0, size);
        assert_eq!((outer(&shell).right(), outer(&shell).bottom()), (before.right(), before.bottom()));
        assert_eq!(asked(&shell), Size::new(350, 240), "older answers change nothing");
    }
    shell.answered(0);
    assert_eq!(asked(&shell), Size::new(345, 231), "this is what it takes");
    let answered = outer(&shell);
    shell.content_committed(0, Size::new(500, 300));
    assert_eq!(outer(&shell).location(), answered.location(), "its own wish grows to the right");
    assert_eq!(asked(&shell), Size::new(500, 300));
}

#[test]
fn limits_hold_while_pulling() {
    let mut shell = one();
    shell.set_limits(0, Size::new(250, 150), Size::new(400, 0));
    shell.begin_resize(0, RIGHT_BOTTOM, Point::new(0, 0));
    shell.drag(Point::new(-1000, -1000));
    assert_eq!(asked(&shell), Size::new(250, 150));
    shell.drag(Point::new(5000, 5000));
    assert_eq!(asked(&shell), Size::new(400, 5200));
    shell.drag(Point::new(i32::MIN, i32::MAX));
    assert_eq!(asked(&shell), Size::new(250, 16_384));
}

#[test]
fn the_title_is_not_pulled_under_the_bar() {
    let mut shell = one();
    let bottom = outer(&shell).bottom();
    shell.begin_resize(0, Edges { top: true, ..Edges::NONE }, Point::new(500, 300));
    shell.drag(Point::new(500, -500));
    shell.content_committed(0, asked(&shell));
    assert_eq!((outer(&shell).y, outer(&shell).bottom()), (OUTPUT.usable.y, bottom));
}

#[test]
fn a_cancelled_resize_asks_for_the_former_size_at_the_former_place() {
    let mut shell = one();
    let before = outer(&shell);
    shell.begin_resize(0, LEFT_TOP, Point::new(400, 300));
    shell.drag(Point::new(300, 200));
    shell.content_committed(0, Size::new(380, 290));
    shell.cancel_drag();
    assert_eq!(asked(&shell), Size::new(300, 200));
    shell.content_committed(0, Size::new(300, 200));
    assert_eq!(outer(&shell), before);
}

#[test]
fn a_cancelled_move_goes_back_even_to_maximised() {
    let mut shell = one();
    let before = outer(&shell);
    shell.begin_move(0, Point::new(450, 310));
    shell.drag(Point::new(20, 600));
    assert_ne!(outer(&shell), before);
    shell.cancel_drag();
    assert_eq!(outer(&shell), before);
    shell.set_maximised(0, true);
    shell.begin_move(0, Point::new(450, 40));
    shell.drag(Point::new(20, 600));
    assert_ne!(outer(&shell), OUTPUT.usable);
    shell.cancel_drag();
    assert_eq!(outer(&shell), OUTPUT.usable);
    shell.set_maximised(0, false);
    assert_eq!(outer(&shell), before);
}

#[test]
fn a_maximised_window_does_not_come_loose_by_a_click() {
    let mut shell = one();
    shell.set_maximised(0, true);
    shell.begin_move(0, Point::new(450, 40));
    shell.drag(Point::new(453, 43));
    shell.end_drag();
    assert_eq!(outer(&shell), OUTPUT.usable);
}

#[test]
fn late_pictures_of_a_maximised_window_do_not_count_when_it_floats_again() {
    let mut shell = one();
    let before = outer(&shell);
    shell.set_maximised(0, true);
    shell.content_committed(0, Size::new(1272, 658));
    shell.set_maximised(0, false);
    assert_eq!(asked(&shell), Size::new(300, 200));
    shell.content_committed(0, Size::new(1272, 658));
    assert_eq!(outer(&shell), before);
    shell.content_committed(0, Size::new(290, 200));
    shell.answered(0);
    assert_eq!(shell.content(0).map(Rect::size), Some(Size::new(290, 200)), "its answer counts");
}

#[test]
fn a_window_that_grows_stays_within_reach() {
    let mut shell = one();
    shell.begin_move(0, Point::new(400, 300));
    shell.drag(Point::new(-200, 5000));
    shell.end_drag();
    shell.content_committed(0, Size::new(30, 5));
    assert_eq!(shell.check_invariants(), Ok(()));
    assert!(outer(&shell).intersection(OUTPUT.usable).is_some_and(|r| r.w >= 64 && r.h >= 26));
}

#[test]
fn a_tiny_window_has_a_frame_to_hold() {
    let mut shell = shell(0);
    shell.insert(0, spec(1, 1));
    assert_eq!(shell.content(0).map(Rect::size), Some(crate::shell::LEAST_CONTENT));
    assert_eq!(asked(&shell), Size::new(1, 1), "it is not asked to be larger");
}

#[test]
fn closing_a_window_ends_its_move() {
    let mut shell = one();
    shell.begin_move(0, Point::new(400, 300));
    shell.remove(0);
    assert!(!shell.is_dragging());
    shell.drag(Point::new(1, 1));
    shell.end_drag();
}

#[test]
fn two_moves_at_once_are_one() {
    let mut shell = shell(2);
    shell.begin_move(0, Point::new(0, 0));
    shell.begin_resize(1, LEFT_TOP, Point::new(0, 0));
    assert_eq!(shell.dragged(), Some(0));
}

#[test]
fn keys_resize_and_keep_the_corner() {
    let mut shell = one();
    shell.resize_by(0, 32, -16);
    assert_eq!(asked(&shell), Size::new(332, 184));
    shell.resize_by(0, 32, -16);
    assert_eq!(asked(&shell), Size::new(364, 168));
    shell.content_committed(0, Size::new(364, 168));
    assert_eq!(outer(&shell).location(), Point::new(400, 300));
}

proptest! {
    /// While sides are pulled, whatever the window draws, the other sides do not move (as long as the
    /// window is within reach without help).
    #[test]
    fn sides_that_are_not_pulled_stay(
        edges in 1u8..16,
        steps in prop::collection::vec((-80i32..80, -80i32..80, 80i32..500, 60i32..300), 1..12),
    ) {
        let edges = Edges { top: edges & 1 != 0, bottom: edges & 2 != 0, left: edges & 4 != 0, right: edges & 8 != 0 };
        let edges = edges.without_contradiction();
        let mut shell = shell(0);
        shell.insert(0, Spec { max: Size::new(500, 300), ..spec(300, 200) });
        shell.move_to(0, Point::new(600, 400));
        let before = outer(&shell);
        shell.begin_resize(0, edges, Point::new(600, 400));
        for (dx, dy, w, h) in steps {
            shell.drag(Point::new(600 + dx, 400 + dy));
            shell.content_committed(0, Size::new(w, h));
            let now = outer(&shell);
            prop_assert_eq!(if edges.left { now.right() } else { now.x }, if edges.left { before.right() } else { before.x });
            prop_assert_eq!(if edges.top { now.bottom() } else { now.y }, if edges.top { before.bottom() } else { before.y });
        }
    }
}
