use proptest::prelude::*;

use super::*;

const OUTPUT: Output = Output {
    id: 1,
    rect: Rect { x: 0, y: 0, w: 1280, h: 720 },
    usable: Rect { x: 0, y: 28, w: 1280, h: 692 },
};

fn spec(w: i32, h: i32) -> Spec<u32> {
    Spec {
        content: Size { w, h },
        min: Size::default(),
        max: Size::default(),
        insets: Insets { top: 30, right: 4, bottom: 4, left: 4 },
        fullscreen_insets: Insets { top: 3, ..Insets::default() },
        parent: None,
        grant_focus: true,
    }
}

fn shell(windows: u32) -> Shell<u32> {
    let mut shell = Shell::default();
    shell.set_output(OUTPUT);
    for key in 0..windows {
        shell.insert(key, spec(300, 200));
    }
    shell
}

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
        let chosen = shell.switcher_close(true).unwrap();
        shell.focus(chosen);
        chosen
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
    let before = shell.outer(0).unwrap();
    let edges = Edges { left: true, top: true, ..Edges::default() };
    shell.begin_resize(0, edges, Point { x: before.x, y: before.y });
    shell.drag(Point { x: before.x - 50, y: before.y - 20 });
    assert_eq!(shell.wanted(0).unwrap().content, Size { w: 350, h: 220 });
    assert!(shell.wanted(0).unwrap().resizing);
    // The program chooses another size than it was asked for, as terminals do.
    shell.content_committed(0, Size { w: 343, h: 216 });
    let after = shell.outer(0).unwrap();
    assert_eq!((after.right(), after.bottom()), (before.right(), before.bottom()));
}

#[test]
fn dragging_a_maximised_window_restores_it_under_the_pointer() {
    let mut shell = shell(1);
    shell.set_maximised(0, true);
    assert_eq!(shell.outer(0), Some(OUTPUT.usable));
    shell.begin_move(0, Point { x: 640, y: 40 });
    shell.drag(Point { x: 660, y: 60 });
    let outer = shell.outer(0).unwrap();
    assert!(outer.contains(Point { x: 660, y: 60 }), "{outer:?}");
    assert_eq!(shell.wanted(0).unwrap().content, Size { w: 300, h: 200 });
}

#[test]
fn a_dialog_keeps_the_focus_of_its_parent() {
    let mut shell = shell(2);
    shell.insert(7, Spec { parent: Some(0), ..spec(100, 80) });
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
    assert_eq!(shell.wanted(0).unwrap().content, Size { w: 300, h: 200 });
}

#[derive(Clone, Debug)]
enum Op {
    Output(i32, i32),
    Insert(u32, i32, i32, Option<u32>, bool),
    Remove(u32),
    Focus(u32),
    Parent(u32, Option<u32>),
    Limits(u32, i32, i32),
    Committed(u32, i32, i32),
    Attention(u32, bool),
    Maximised(u32, bool),
    Fullscreen(u32, bool),
    Tile(u32, bool),
    Minimise(u32),
    MoveBy(u32, i32, i32),
    Workspace(u32),
    ToWorkspace(u32, u32),
    BeginMove(u32, i32, i32),
    BeginResize(u32, u8, i32, i32),
    Drag(i32, i32),
    EndDrag,
    Open(u32),
    Step(bool),
    Close(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0u32..6;
    let at = || -3000i32..3000;
    let size = || prop_oneof![1i32..2000, Just(0), Just(16_384)];
    prop_oneof![
        (1i32..4000, 1i32..3000).prop_map(|(w, h)| Op::Output(w, h)),
        (key(), size(), size(), proptest::option::of(key()), any::<bool>())
            .prop_map(|(k, w, h, p, f)| Op::Insert(k, w, h, p, f)),
        key().prop_map(Op::Remove),
        key().prop_map(Op::Focus),
        (key(), proptest::option::of(key())).prop_map(|(k, p)| Op::Parent(k, p)),
        (key(), 0i32..500, 0i32..500).prop_map(|(k, a, b)| Op::Limits(k, a, b)),
        (key(), size(), size()).prop_map(|(k, w, h)| Op::Committed(k, w, h)),
        (key(), any::<bool>()).prop_map(|(k, b)| Op::Attention(k, b)),
        (key(), any::<bool>()).prop_map(|(k, b)| Op::Maximised(k, b)),
        (key(), any::<bool>()).prop_map(|(k, b)| Op::Fullscreen(k, b)),
        (key(), any::<bool>()).prop_map(|(k, b)| Op::Tile(k, b)),
        key().prop_map(Op::Minimise),
        (key(), at(), at()).prop_map(|(k, x, y)| Op::MoveBy(k, x, y)),
        (0u32..11).prop_map(Op::Workspace),
        (key(), 0u32..11).prop_map(|(k, n)| Op::ToWorkspace(k, n)),
        (key(), at(), at()).prop_map(|(k, x, y)| Op::BeginMove(k, x, y)),
        (key(), 0u8..16, at(), at()).prop_map(|(k, e, x, y)| Op::BeginResize(k, e, x, y)),
        (at(), at()).prop_map(|(x, y)| Op::Drag(x, y)),
        Just(Op::EndDrag),
        (0u32..3).prop_map(Op::Open),
        any::<bool>().prop_map(Op::Step),
        any::<bool>().prop_map(Op::Close),
    ]
}

fn apply(shell: &mut Shell<u32>, op: Op) {
    match op {
        Op::Output(w, h) => shell.set_output(Output {
            id: 1,
            rect: Rect { x: 0, y: 0, w, h },
            usable: Rect { x: 0, y: 28.min(h), w, h: h - 28.min(h) },
        }),
        Op::Insert(k, w, h, parent, grant_focus) => {
            shell.insert(k, Spec { parent, grant_focus, ..spec(w, h) });
        }
        Op::Remove(k) => shell.remove(k),
        Op::Focus(k) => shell.focus(k),
        Op::Parent(k, p) => shell.set_parent(k, p),
        Op::Limits(k, a, b) => shell.set_limits(k, Size { w: a, h: a }, Size { w: b, h: b }),
        Op::Committed(k, w, h) => shell.content_committed(k, Size { w, h }),
        Op::Attention(k, b) => shell.set_attention(k, b),
        Op::Maximised(k, b) => shell.set_maximised(k, b),
        Op::Fullscreen(k, b) => shell.set_fullscreen(k, b),
        Op::Tile(k, b) => shell.tile(k, b),
        Op::Minimise(k) => shell.minimise(k),
        Op::MoveBy(k, x, y) => shell.move_by(k, x, y),
        Op::Workspace(n) => shell.switch_workspace(n),
        Op::ToWorkspace(k, n) => shell.move_to_workspace(k, n),
        Op::BeginMove(k, x, y) => shell.begin_move(k, Point { x, y }),
        Op::BeginResize(k, e, x, y) => {
            let edges = Edges { top: e & 1 != 0, bottom: e & 2 != 0, left: e & 4 != 0, right: e & 8 != 0 };
            shell.begin_resize(k, edges, Point { x, y });
        }
        Op::Drag(x, y) => shell.drag(Point { x, y }),
        Op::EndDrag => shell.end_drag(),
        Op::Open(n) => drop(shell.switcher_open(|k| n == 0 || k % n == 0)),
        Op::Step(b) => shell.switcher_step(b),
        Op::Close(b) => {
            if let Some(chosen) = shell.switcher_close(b) {
                shell.focus(chosen);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_any_operations(ops in prop::collection::vec(op(), 1..60)) {
        let mut shell = shell(2);
        for op in ops {
            let text = format!("{op:?}");
            let (focused, keys) = (shell.focused(), shell.windows.len());
            let asks_focus = matches!(op, Op::Insert(.., false) | Op::Attention(..) | Op::Committed(..));
            apply(&mut shell, op);
            if let Err(broken) = shell.check_invariants() {
                return Err(TestCaseError::fail(format!("after {text}: {broken}")));
            }
            if asks_focus && keys > 0 {
                prop_assert_eq!(shell.focused(), focused, "{} moved the focus", text);
            }
        }
    }
}
