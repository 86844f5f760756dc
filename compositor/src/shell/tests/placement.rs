//! Where new windows go.

use super::{OUTPUT, shell, spec};
use crate::shell::{Point, Rect, Size, Spec, placement::place};

#[test]
fn a_dialog_goes_to_the_middle_of_its_parent() {
    let mut shell = shell(1);
    shell.move_to(0, Point::new(500, 300));
    shell.insert(7, Spec { parent: Some(0), ..spec(100, 80) });
    let (parent, dialog) = (shell.outer(0).expect("parent"), shell.outer(7).expect("dialog"));
    assert_eq!(dialog.center(), parent.center());
}

#[test]
fn a_dialog_of_a_window_at_the_edge_stays_inside() {
    let mut shell = shell(1);
    shell.move_to(0, Point::new(1200, 680));
    shell.insert(7, Spec { parent: Some(0), ..spec(200, 150) });
    assert!(OUTPUT.usable.contains_rect(shell.outer(7).expect("dialog")));
}

#[test]
fn a_window_larger_than_the_screen_shows_its_title_and_is_asked_to_fit() {
    let mut shell = shell(0);
    shell.insert(1, spec(3000, 2000));
    assert_eq!(shell.outer(1).map(Rect::location), Some(OUTPUT.usable.location()));
    assert_eq!(shell.wanted(1).map(|w| w.content), Some(Size::new(1272, 658)));
    shell.content_committed(1, Size::new(1272, 658));
    assert_eq!(shell.outer(1), Some(OUTPUT.usable));
}

#[test]
fn the_hole_is_found() {
    let usable = OUTPUT.usable;
    let hole = Rect::new(700, 300, 200, 150);
    let others: Vec<Rect> = usable.subtract(hole).collect();
    assert_eq!(place(Size::new(200, 150), usable, &others, None), hole.location());
}

#[test]
fn in_a_crowd_no_title_lies_on_another() {
    let mut shell = shell(0);
    for key in 0..16 {
        shell.insert(key, spec(900, 500));
    }
    let corners: Vec<Point> = shell.visible().map(|p| p.outer.location()).collect();
    for (i, a) in corners.iter().enumerate() {
        assert!(corners[i + 1..].iter().all(|b| a != b), "{corners:?}");
    }
    assert!(shell.visible().all(|p| OUTPUT.usable.contains_rect(p.outer)));
}

#[test]
fn many_windows_cost_no_more_than_some() {
    let others: Vec<Rect> = (0..5_000).map(|i| Rect::new(i % 700, i % 500, 500, 300)).collect();
    let at = place(Size::new(400, 300), OUTPUT.usable, &others, None);
    assert!(OUTPUT.usable.contains(at));
}

#[test]
fn maximised_windows_are_not_in_the_way() {
    let mut shell = shell(1);
    shell.set_maximised(0, true);
    shell.insert(1, spec(300, 200));
    assert_eq!(shell.outer(1).map(Rect::location), Some(OUTPUT.usable.location()));
}
