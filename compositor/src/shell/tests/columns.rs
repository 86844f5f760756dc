//! Columns: where they are, who moves, who does not.

use super::{OUTPUT, shell, spec};
use crate::shell::{
    Arrangement, ColumnSettings, Direction, Edges, Output, Part, Placed, Point, Rect, Shell, Show, Size,
    Spec, State,
};

/// A workspace of columns, half of the screen each, with windows 0, 1, ...
fn columns(windows: u32) -> Shell<u32> {
    let mut shell = shell(0);
    shell.set_columns(ColumnSettings { gap: 0, ..ColumnSettings::default() });
    shell.arrange(1, Arrangement::Columns);
    for key in 0..windows {
        shell.insert(key, spec(300, 200));
    }
    shell
}

fn unasked(shell: &mut Shell<u32>, key: u32) {
    shell.insert(key, Spec { grant_focus: false, ..spec(300, 200) });
}

/// x and width of a window.
fn across(shell: &Shell<u32>, key: u32) -> (i32, i32) {
    let outer = shell.outer(key).expect("it is there");
    (outer.x, outer.w)
}

/// y and height of a window.
fn down(shell: &Shell<u32>, key: u32) -> (i32, i32) {
    let outer = shell.outer(key).expect("it is there");
    (outer.y, outer.h)
}

#[test]
fn two_halves_fill_the_area_and_a_third_scrolls() {
    let mut shell = columns(2);
    assert_eq!([across(&shell, 0), across(&shell, 1)], [(0, 640), (640, 640)]);
    assert_eq!(down(&shell, 0), (28, 692));
    shell.insert(2, spec(300, 200));
    assert_eq!(
        [across(&shell, 0), across(&shell, 1), across(&shell, 2)],
        [(-640, 640), (0, 640), (640, 640)]
    );
    let seen: Vec<u32> = shell.visible().map(|placed| placed.key).collect();
    assert_eq!(seen, [1, 2], "what is out of view is not drawn");
    assert!(shell.wanted(0).expect("it is there").suspended);
    shell.focus(0);
    assert_eq!([across(&shell, 0), across(&shell, 1)], [(0, 640), (640, 640)]);
}

#[test]
fn gaps_are_around_and_between() {
    let mut shell = columns(2);
    shell.set_columns(ColumnSettings { gap: 10, ..ColumnSettings::default() });
    assert_eq!([across(&shell, 0), across(&shell, 1)], [(10, 625), (645, 625)]);
    assert_eq!(down(&shell, 0), (38, 672));
}

#[test]
fn a_window_that_nobody_asked_for_comes_last_and_moves_nothing() {
    let mut shell = columns(4);
    shell.focus(1);
    let before: Vec<Option<Placed<u32>>> = (0..4).map(|key| shell.placed(key)).collect();
    unasked(&mut shell, 7);
    assert_eq!((0..4).map(|key| shell.placed(key)).collect::<Vec<_>>(), before);
    assert_eq!(shell.neighbour(3, Direction::Right), Some(7));
}

#[test]
fn a_window_that_the_person_started_stands_beside() {
    let mut shell = columns(3);
    shell.focus(0);
    shell.insert(7, spec(300, 200));
    assert_eq!(shell.neighbour(0, Direction::Right), Some(7));
    assert_eq!(shell.neighbour(7, Direction::Right), Some(1));
}

#[test]
fn a_window_that_goes_leaves_the_persons_column_where_it_is() {
    let mut shell = columns(4);
    assert_eq!(across(&shell, 3), (640, 640));
    shell.remove(0);
    assert_eq!([across(&shell, 2), across(&shell, 3)], [(0, 640), (640, 640)]);
    shell.remove(2);
    assert_eq!([across(&shell, 1), across(&shell, 3)], [(0, 640), (640, 640)]);
}

#[test]
fn dialogs_and_fixed_sizes_float() {
    let mut shell = columns(1);
    shell.insert(5, Spec { parent: Some(0), ..spec(200, 100) });
    let fixed = Size { w: 200, h: 100 };
    shell.insert(6, Spec { min: fixed, max: fixed, ..spec(200, 100) });
    assert_eq!([shell.state(5), shell.state(6)], [Some(State::Normal); 2]);
    shell.set_parent(0, Some(6));
    assert_eq!(shell.state(0), Some(State::Normal), "what becomes a dialog floats");
}

#[test]
fn what_the_person_floats_stays_above_the_columns() {
    let mut shell = columns(2);
    let fixed = Size { w: 200, h: 100 };
    shell.insert(6, Spec { min: fixed, max: fixed, ..spec(200, 100) });
    shell.focus(0);
    shell.focus(1);
    assert_eq!(shell.stacking().last(), Some(&6));
    // One that nobody asked for is not in the way of the columns until the person turns to it.
    shell.insert(7, Spec { min: fixed, max: fixed, grant_focus: false, ..spec(200, 100) });
    assert_eq!(shell.stacking(), [0, 7, 1, 6]);
    shell.focus(7);
    shell.focus(0);
    assert_eq!(shell.stacking(), [1, 0, 6, 7]);
    // A column that fills the screen is above all.
    shell.set_fullscreen(0, true);
    shell.focus(0);
    assert_eq!(shell.stacking().last(), Some(&0));
    shell.set_fullscreen(0, false);
    assert_eq!(shell.stacking(), [1, 0, 6, 7]);
}

#[test]
fn moved_to_a_side_a_window_joins_and_leaves() {
    let mut shell = columns(3);
    shell.shift(2, Direction::Left);
    assert_eq!([down(&shell, 1), down(&shell, 2)], [(28, 346), (374, 346)]);
    assert_eq!([across(&shell, 0), across(&shell, 1), across(&shell, 2)], [(0, 640), (640, 640), (640, 640)]);
    shell.shift(2, Direction::Up);
    assert_eq!([down(&shell, 2), down(&shell, 1)], [(28, 346), (374, 346)]);
    assert_eq!(shell.neighbour(2, Direction::Down), Some(1));
    shell.shift(2, Direction::Left);
    assert_eq!(
        [across(&shell, 0), across(&shell, 2), across(&shell, 1)],
        [(0, 640), (640, 640), (1280, 640)]
    );
}

#[test]
fn widths_go_round() {
    let mut shell = columns(1);
    let mut widths = Vec::new();
    for _ in 0..4 {
        shell.next_width(0, true);
        widths.push(across(&shell, 0).1);
    }
    assert_eq!(widths, [853, 1280, 426, 640]);
    shell.next_width(0, false);
    assert_eq!(across(&shell, 0).1, 426);
}

#[test]
fn a_maximised_column_is_as_wide_as_the_area_and_comes_back() {
    let mut shell = columns(2);
    shell.set_maximised(1, true);
    assert_eq!(across(&shell, 1), (0, 1280));
    assert!(shell.wanted(1).expect("it is there").maximised);
    shell.set_maximised(1, false);
    assert_eq!(across(&shell, 1), (640, 640));
}

#[test]
fn stacked_windows_leave_a_title_bar() {
    let mut shell = columns(1);
    for key in 1..3 {
        shell.insert(key, spec(300, 200));
        shell.shift(key, Direction::Left);
    }
    shell.focus(1);
    shell.set_show(1, Some(Show::Stacked));
    // A title bar of 30, a border of 4 and one line of content.
    assert_eq!([down(&shell, 0), down(&shell, 1), down(&shell, 2)], [(28, 35), (63, 622), (685, 35)]);
    let wanted = [0, 1, 2].map(|key| shell.wanted(key).expect("it is there"));
    assert_eq!(wanted.map(|wanted| wanted.suspended), [true, false, true]);
    assert_eq!(wanted.map(|wanted| wanted.content.h), [588; 3], "none is resized by being chosen");
    shell.focus(2);
    assert_eq!([down(&shell, 0), down(&shell, 1), down(&shell, 2)], [(28, 35), (63, 35), (98, 622)]);
    shell.set_show(2, Some(Show::Tabbed));
    assert_eq!([across(&shell, 0), across(&shell, 1), across(&shell, 2)], [(0, 320), (320, 320), (0, 640)]);
    assert_eq!([down(&shell, 0), down(&shell, 1), down(&shell, 2)], [(28, 35), (28, 35), (63, 657)]);
}

#[test]
fn sides_are_pulled_with_the_pointer() {
    let mut shell = columns(2);
    shell.begin_resize(0, Edges { right: true, ..Edges::default() }, Point::new(639, 300));
    shell.drag(Point::new(539, 300));
    assert_eq!([across(&shell, 0), across(&shell, 1)], [(0, 540), (540, 640)]);
    shell.cancel_drag();
    assert_eq!(across(&shell, 0), (0, 640));
    shell.shift(1, Direction::Left);
    shell.begin_resize(0, Edges { bottom: true, ..Edges::default() }, Point::new(10, 370));
    shell.drag(Point::new(10, 470));
    shell.end_drag();
    assert_eq!([down(&shell, 0), down(&shell, 1)], [(28, 446), (474, 246)]);
    shell.drag(Point::new(10, 900));
    assert_eq!(down(&shell, 0), (28, 446), "the person has let go");
}

#[test]
fn a_window_is_dropped_beside_a_column_or_into_it() {
    let mut shell = columns(3);
    shell.focus(0);
    shell.begin_move(0, Point::new(20, 40));
    shell.drag(Point::new(900, 600));
    assert_eq!(shell.state(0), Some(State::Normal), "it comes loose");
    shell.end_drag();
    // The middle of the window under the pointer, below its centre.
    assert_eq!(shell.neighbour(2, Direction::Down), Some(0));
    shell.begin_move(0, Point::new(700, 400));
    shell.drag(Point::new(5, 300));
    shell.end_drag();
    assert_eq!(shell.neighbour(0, Direction::Right), Some(1));
    shell.begin_move(0, Point::new(20, 40));
    shell.drag(Point::new(900, 600));
    shell.cancel_drag();
    assert_eq!(shell.neighbour(0, Direction::Right), Some(1), "it goes back");
}

#[test]
fn a_column_that_reaches_out_of_its_screen_is_not_on_the_next_one() {
    let mut shell = columns(3);
    let left =
        Output { id: 2, rect: Rect::new(-1280, 0, 1280, 720), usable: Rect::new(-1280, 28, 1280, 692) };
    shell.set_output(left);
    assert_eq!(across(&shell, 0), (-640, 640));
    assert_eq!(shell.window_at(Point::new(-100, 300)), None);
    shell.focus(1);
    shell.begin_resize(1, Edges { left: true, ..Edges::default() }, Point::new(0, 300));
    shell.drag(Point::new(-100, 300));
    shell.end_drag();
    shell.focus(2);
    let at = |x| shell.window_at(Point::new(x, 300)).map(|hit| hit.key);
    assert_eq!([at(-10), at(10)], [None, Some(1)]);
}

#[test]
fn the_border_of_a_column_is_one_that_can_be_pulled() {
    let shell = columns(2);
    let part = shell.window_at(Point::new(638, 300)).map(|hit| hit.part);
    assert_eq!(part, Some(Part::Border(Edges { right: true, ..Edges::default() })));
}

#[test]
fn windows_of_a_screen_that_goes_stand_in_the_same_order_on_the_other() {
    let mut shell = columns(0);
    shell.set_output(Output {
        id: 2,
        rect: Rect::new(1280, 0, 1280, 720),
        usable: Rect::new(1280, 28, 1280, 692),
    });
    for key in [3, 1, 2] {
        shell.insert(key, spec(300, 200));
    }
    shell.remove_output(1);
    assert_eq!(shell.neighbour(3, Direction::Right), Some(1));
    assert_eq!(shell.neighbour(1, Direction::Right), Some(2));
    shell.set_output(OUTPUT);
    assert_eq!(shell.placed(3).map(|placed| placed.output), Some(1), "and come back");
    assert_eq!(shell.neighbour(3, Direction::Right), Some(1));
}

#[test]
fn a_workspace_is_arranged_as_it_stands_and_back() {
    let mut shell = shell(3);
    let before: Vec<Option<Rect>> = (0..3).map(|key| shell.outer(key)).collect();
    shell.arrange(1, Arrangement::Columns);
    assert!((0..3).all(|key| shell.stands(key)));
    assert_eq!(shell.arrangement(1), Arrangement::Columns);
    shell.arrange(1, Arrangement::Floating);
    assert_eq!((0..3).map(|key| shell.outer(key)).collect::<Vec<_>>(), before);
}

#[test]
fn a_window_goes_between_workspaces_of_either_kind() {
    let mut shell = columns(1);
    shell.move_to_workspace(0, 2);
    assert_eq!(shell.state(0), Some(State::Normal));
    shell.move_to_workspace(0, 1);
    assert_eq!(shell.state(0), Some(State::Column));
    shell.set_floating(0, true);
    assert_eq!(shell.state(0), Some(State::Normal));
    shell.set_floating(0, false);
    assert_eq!(shell.state(0), Some(State::Column));
}
