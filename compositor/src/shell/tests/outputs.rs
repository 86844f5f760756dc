//! Screens that come, go and change.

use super::{OUTPUT, shell, spec};
use crate::shell::{Change, Direction, Output, Point, Rect, Shell, Spec, State};

fn second() -> Output {
    Output::with_bar(2, Rect::new(1280, 0, 1920, 1080))
}

/// Two screens, window 0 on the first, window 1 on the second.
fn two() -> Shell<u32> {
    let mut shell = shell(2);
    shell.set_output(second());
    shell.move_to(1, Point::new(2000, 500));
    shell
}

#[test]
fn windows_of_a_lost_screen_come_over_and_go_back() {
    let mut shell = two();
    let before = shell.outer(1);
    shell.remove_output(2);
    assert_eq!(shell.placed(1).map(|p| p.output), Some(1));
    assert_eq!(shell.check_invariants(), Ok(()));
    shell.set_output(second());
    assert_eq!(shell.outer(1), before);
}

#[test]
fn what_the_person_moved_meanwhile_stays() {
    let mut shell = two();
    shell.remove_output(2);
    shell.move_to(1, Point::new(100, 100));
    shell.set_output(second());
    assert_eq!(shell.outer(1).map(Rect::location), Some(Point::new(100, 100)));
}

#[test]
fn maximised_and_fullscreen_windows_follow_their_screen() {
    let mut shell = two();
    shell.set_maximised(1, true);
    shell.set_fullscreen(0, true);
    let larger = Output::with_bar(2, Rect::new(0, 720, 2560, 1440));
    shell.set_output(larger);
    assert_eq!(shell.outer(1), Some(Rect::new(0, 748, 2560, 1412)));
    shell.remove_output(2);
    assert_eq!((shell.outer(1), shell.outer(0)), (Some(OUTPUT.usable), Some(OUTPUT.rect)));
    shell.set_output(larger);
    assert_eq!(shell.outer(1), Some(Rect::new(0, 748, 2560, 1412)));
    shell.set_fullscreen_on(0, 2);
    assert_eq!((shell.outer(0), shell.state(0)), (Some(larger.rect), Some(State::Fullscreen)));
    shell.set_fullscreen(0, false);
    assert_eq!(shell.placed(0).map(|p| p.output), Some(1), "it floats where it was");
}

#[test]
fn without_a_screen_nothing_is_lost() {
    let mut shell = shell(2);
    let before: Vec<_> = shell.visible().collect();
    shell.remove_output(1);
    assert_eq!(shell.outputs(), []);
    shell.set_maximised(0, true);
    assert_eq!(shell.check_invariants(), Ok(()));
    shell.set_maximised(0, false);
    shell.set_output(OUTPUT);
    assert_eq!(shell.visible().collect::<Vec<_>>(), before);
}

#[test]
fn a_window_goes_to_the_screen_on_that_side_with_its_dialog() {
    let mut shell = shell(2);
    let right = Output { id: 2, rect: Rect::new(1280, 0, 800, 600), usable: Rect::new(1280, 28, 800, 572) };
    shell.set_output(right);
    shell.insert(7, Spec { parent: Some(1), ..spec(100, 80) });
    let [own, dialog] = [1, 7].map(|key| shell.outer(key).expect("it is there"));
    assert_eq!([Direction::Left, Direction::Up].map(|to| shell.output_towards(1, to)), [None; 2]);
    assert_eq!(shell.output_towards(1, Direction::Right), Some(2));
    shell.move_to_output(1, 2);
    let after = [1, 7].map(|key| shell.placed(key).expect("it is there"));
    assert_eq!(after.map(|placed| placed.output), [2, 2]);
    assert_eq!(after.map(|placed| placed.outer.x), [own.x + 1280, dialog.x + 1280]);
    assert_eq!(shell.output_towards(1, Direction::Left), Some(1));
    shell.move_to_output(1, 9);
    assert_eq!(shell.placed(1).map(|placed| placed.output), Some(2), "there is none of that number");
}

#[test]
fn a_shrunk_screen_keeps_titles_in_sight() {
    let mut shell = shell(1);
    shell.move_to(0, Point::new(1200, 690));
    shell.set_output(Output::with_bar(1, Rect::new(0, 0, 640, 480)));
    assert_eq!(shell.check_invariants(), Ok(()));
    assert_eq!(shell.outer(0).map(Rect::location), Some(Point::new(576, 454)));
}

#[test]
fn a_window_between_screens_may_stay_there() {
    let mut shell = two();
    shell.move_to(0, Point::new(1150, 200));
    assert_eq!(shell.outer(0).map(Rect::location), Some(Point::new(1150, 200)));
    assert_eq!(shell.placed(0).map(|p| p.output), Some(2), "more of it is there");
}

#[test]
fn another_screen_is_a_change_even_if_the_place_is_the_same() {
    let mut before = two();
    before.set_maximised(0, true);
    before.set_fullscreen_on(0, 2);
    before.set_fullscreen(0, false);
    before.float(0);
    assert_eq!(before.placed(0).map(|p| p.output), Some(2), "it stood there");
    let at = before.outer(0).map(Rect::location).expect("it is there");
    let ways: [fn(&mut Shell<u32>, Point); 3] =
        [|shell, at| shell.move_to(0, at), |shell, _| shell.move_by(0, 0, 0), |shell, _| shell.end_drag()];
    for way in ways {
        let mut shell = before.clone();
        shell.begin_move(0, at);
        shell.take_change();
        way(&mut shell, at);
        assert_eq!(shell.placed(0).map(|p| (p.outer.location(), p.output)), Some((at, 1)));
        assert!(shell.take_change().contains(Change::LAYOUT));
    }
}

#[test]
fn silly_screens_are_made_sensible() {
    let mut shell = shell(1);
    let silly = Rect { x: i32::MAX, y: i32::MIN, w: -5, h: 0 };
    shell.set_output(Output { id: 1, rect: silly, usable: silly });
    assert_eq!(shell.check_invariants(), Ok(()));
    shell.set_maximised(0, true);
    assert_eq!(shell.check_invariants(), Ok(()));
}
