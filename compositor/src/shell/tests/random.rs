//! Random operations of everybody: the person, qubes, cables. After each, all that must hold holds.

use proptest::prelude::*;

use super::{OUTPUT, spec};
use crate::shell::{
    Arrangement, Change, ColumnSettings, Direction, Edges, Fallback, Insets, Output, Placed, Point, Rect,
    Shell, Show, Size, Spec, Wanted, Workspaces,
};

const KEYS: u32 = 7;

#[derive(Clone, Debug)]
enum Op {
    // Cables.
    SetOutput(u32, Rect, bool),
    RemoveOutput(u32),
    // Qubes.
    Insert(u32, Size, Option<u32>, bool),
    Remove(u32),
    Parent(u32, Option<u32>),
    Modal(u32, bool),
    Limits(u32, Size, Size),
    Insets(u32, i32),
    Committed(u32, Size),
    Obeys(u32),
    Answered(u32),
    Attention(u32, bool),
    // The person.
    Focus(u32),
    Unfocus,
    Fallback(bool),
    Maximised(u32, bool),
    Fullscreen(u32, bool),
    FullscreenOn(u32, u32),
    Tile(u32, bool),
    Float(u32),
    Minimise(u32),
    Unminimise(u32),
    Raise(u32),
    Lower(u32),
    MoveBy(u32, i32, i32),
    MoveTo(u32, Point),
    ResizeBy(u32, i32, i32),
    Workspace(u32),
    ToWorkspace(u32, u32),
    WorkspaceOn(u32, u32),
    TurnTo(u32),
    BeAt(u32),
    Together(bool),
    Scratch(u32, bool),
    ToggleScratch,
    Arrange(u32, bool),
    Columns(i32, u32),
    Floating(u32, bool),
    Towards(u32, u8),
    Shift(u32, u8),
    ToOutput(u32, u32),
    OutputTowards(u32, u8),
    Grow(u32, i32, i32),
    NextWidth(u32, bool),
    Show(u32, u8),
    BeginMove(u32, Point),
    BeginResize(u32, u8, Point),
    Drag(Point),
    EndDrag,
    CancelDrag,
    Open(u32),
    Step(bool),
    Select(u32),
    Narrow(u32),
    Close(bool),
}

fn coordinate() -> impl Strategy<Value = i32> {
    prop_oneof![8 => -3000i32..3000, 1 => any::<i32>(), 1 => Just(i32::MAX), 1 => Just(i32::MIN)]
}

fn point() -> impl Strategy<Value = Point> {
    (coordinate(), coordinate()).prop_map(|(x, y)| Point::new(x, y))
}

fn size() -> impl Strategy<Value = Size> {
    let side = || prop_oneof![8 => 1i32..2000, 1 => -5i32..5, 1 => Just(16_384), 1 => any::<i32>()];
    (side(), side()).prop_map(|(w, h)| Size { w, h })
}

fn output() -> impl Strategy<Value = Rect> {
    let rect = |(x, y, w, h)| Rect { x, y, w, h };
    prop_oneof![
        6 => (-2i32..3, -1i32..2, 300i32..2000, 200i32..1200).prop_map(|(x, y, w, h)| Rect::new(x * 1000, y * 700, w, h)),
        1 => (any::<i32>(), any::<i32>(), any::<i32>(), any::<i32>()).prop_map(rect),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS;
    let maybe = || proptest::option::of(0..KEYS);
    let flag = any::<bool>;
    let cables = prop_oneof![
        3 => (0u32..3, output(), flag()).prop_map(|(id, r, bar)| Op::SetOutput(id, r, bar)),
        2 => (0u32..3).prop_map(Op::RemoveOutput),
    ];
    let qubes = prop_oneof![
        5 => (key(), size(), maybe(), flag()).prop_map(|(k, s, p, f)| Op::Insert(k, s, p, f)),
        2 => key().prop_map(Op::Remove),
        2 => (key(), maybe()).prop_map(|(k, p)| Op::Parent(k, p)),
        2 => (key(), flag()).prop_map(|(k, m)| Op::Modal(k, m)),
        2 => (key(), size(), size()).prop_map(|(k, a, b)| Op::Limits(k, a, b)),
        1 => (key(), coordinate()).prop_map(|(k, i)| Op::Insets(k, i)),
        4 => (key(), size()).prop_map(|(k, s)| Op::Committed(k, s)),
        3 => key().prop_map(Op::Obeys),
        2 => key().prop_map(Op::Answered),
        2 => (key(), flag()).prop_map(|(k, a)| Op::Attention(k, a)),
    ];
    let states = prop_oneof![
        4 => key().prop_map(Op::Focus),
        1 => Just(Op::Unfocus),
        1 => flag().prop_map(Op::Fallback),
        3 => (key(), flag()).prop_map(|(k, b)| Op::Maximised(k, b)),
        3 => (key(), flag()).prop_map(|(k, b)| Op::Fullscreen(k, b)),
        1 => (key(), 0u32..4).prop_map(|(k, o)| Op::FullscreenOn(k, o)),
        2 => (key(), flag()).prop_map(|(k, b)| Op::Tile(k, b)),
        1 => key().prop_map(Op::Float),
        2 => key().prop_map(Op::Minimise),
        1 => key().prop_map(Op::Unminimise),
        1 => key().prop_map(Op::Raise),
        1 => key().prop_map(Op::Lower),
        2 => (key(), coordinate(), coordinate()).prop_map(|(k, x, y)| Op::MoveBy(k, x, y)),
        1 => (key(), point()).prop_map(|(k, p)| Op::MoveTo(k, p)),
        2 => (key(), coordinate(), coordinate()).prop_map(|(k, x, y)| Op::ResizeBy(k, x, y)),
        2 => (0u32..11).prop_map(Op::Workspace),
        2 => (key(), 0u32..11).prop_map(|(k, n)| Op::ToWorkspace(k, n)),
        3 => (0u32..4, 0u32..4).prop_map(|(o, n)| Op::WorkspaceOn(o, n)),
        1 => (0u32..4).prop_map(Op::TurnTo),
        1 => (0u32..4).prop_map(Op::BeAt),
        1 => flag().prop_map(Op::Together),
        2 => (key(), flag()).prop_map(|(k, s)| Op::Scratch(k, s)),
        3 => Just(Op::ToggleScratch),
    ];
    let columns = prop_oneof![
        4 => (1u32..4, prop::bool::weighted(0.8)).prop_map(|(n, c)| Op::Arrange(n, c)),
        1 => (-1i32..40, 1u32..10_001).prop_map(|(g, w)| Op::Columns(g, w)),
        2 => (key(), flag()).prop_map(|(k, f)| Op::Floating(k, f)),
        2 => (key(), 0u8..4).prop_map(|(k, d)| Op::Towards(k, d)),
        6 => (key(), 0u8..4).prop_map(|(k, d)| Op::Shift(k, d)),
        2 => (key(), 0u32..4).prop_map(|(k, o)| Op::ToOutput(k, o)),
        2 => (key(), 0u8..4).prop_map(|(k, d)| Op::OutputTowards(k, d)),
        3 => (key(), -9i32..9, -9i32..9).prop_map(|(k, w, h)| Op::Grow(k, w, h)),
        2 => (key(), flag()).prop_map(|(k, w)| Op::NextWidth(k, w)),
        3 => (key(), 0u8..4).prop_map(|(k, s)| Op::Show(k, s)),
    ];
    let hand = prop_oneof![
        2 => (key(), point()).prop_map(|(k, p)| Op::BeginMove(k, p)),
        3 => (key(), any::<u8>(), point()).prop_map(|(k, e, p)| Op::BeginResize(k, e, p)),
        5 => point().prop_map(Op::Drag),
        1 => Just(Op::EndDrag),
        1 => Just(Op::CancelDrag),
        2 => (0u32..3).prop_map(Op::Open),
        3 => flag().prop_map(Op::Step),
        1 => key().prop_map(Op::Select),
        2 => (0u32..4).prop_map(Op::Narrow),
        1 => flag().prop_map(Op::Close),
    ];
    prop_oneof![1 => cables, 4 => qubes, 4 => states, 3 => columns, 3 => hand]
}

fn edges(bits: u8) -> Edges {
    Edges { top: bits & 1 != 0, bottom: bits & 2 != 0, left: bits & 4 != 0, right: bits & 8 != 0 }
}

fn direction(number: u8) -> Direction {
    [Direction::Left, Direction::Right, Direction::Up, Direction::Down][usize::from(number % 4)]
}

fn apply(shell: &mut Shell<u32>, op: &Op) {
    match *op {
        Op::SetOutput(id, rect, true) => shell.set_output(Output::with_bar(id, rect)),
        Op::SetOutput(id, rect, false) => shell.set_output(Output { id, rect, usable: rect }),
        Op::RemoveOutput(id) => shell.remove_output(id),
        Op::Insert(key, content, parent, grant_focus) => {
            shell.insert(key, Spec { content, parent, grant_focus, ..spec(0, 0) });
        }
        Op::Remove(key) => shell.remove(key),
        Op::Parent(key, parent) => shell.set_parent(key, parent),
        Op::Modal(key, modal) => shell.set_modal(key, modal),
        Op::Limits(key, min, max) => shell.set_limits(key, min, max),
        Op::Insets(key, i) => shell.set_insets(key, Insets::new(i, i, i, i), Insets::new(i, 0, 0, 0)),
        Op::Committed(key, size) => shell.content_committed(key, size),
        Op::Obeys(key) => {
            if let Some(wanted) = shell.wanted(key) {
                shell.content_committed(key, wanted.content);
                shell.answered(key);
            }
        }
        Op::Answered(key) => shell.answered(key),
        Op::Attention(key, attention) => shell.set_attention(key, attention),
        Op::Focus(key) => shell.focus(key),
        Op::Unfocus => shell.unfocus(),
        Op::Fallback(any) => shell.set_fallback(if any { Fallback::LastUsed } else { Fallback::Nothing }),
        Op::Maximised(key, on) => shell.set_maximised(key, on),
        Op::Fullscreen(key, on) => shell.set_fullscreen(key, on),
        Op::FullscreenOn(key, output) => shell.set_fullscreen_on(key, output),
        Op::Tile(key, left) => shell.tile(key, left),
        Op::Float(key) => shell.float(key),
        Op::Minimise(key) => shell.minimise(key),
        Op::Unminimise(key) => shell.unminimise(key),
        Op::Raise(key) => shell.raise(key),
        Op::Lower(key) => shell.lower(key),
        Op::MoveBy(key, dx, dy) => shell.move_by(key, dx, dy),
        Op::MoveTo(key, at) => shell.move_to(key, at),
        Op::ResizeBy(key, dw, dh) => shell.resize_by(key, dw, dh),
        Op::Workspace(number) => shell.switch_workspace(number),
        Op::ToWorkspace(key, number) => shell.move_to_workspace(key, number),
        Op::WorkspaceOn(output, number) => shell.switch_workspace_on(output, number),
        Op::TurnTo(output) => shell.turn_to(output),
        Op::BeAt(output) => shell.be_at(output),
        Op::Together(true) => shell.set_workspaces(Workspaces::Together),
        Op::Together(false) => shell.set_workspaces(Workspaces::Apart),
        Op::Scratch(key, scratch) => shell.set_scratch(key, scratch),
        Op::ToggleScratch => shell.toggle_scratch(),
        Op::Arrange(number, columns) => {
            shell.arrange(number, if columns { Arrangement::Columns } else { Arrangement::Floating });
        }
        Op::Columns(gap, width) => shell.set_columns(ColumnSettings { gap, width }),
        Op::Floating(key, floating) => shell.set_floating(key, floating),
        Op::Towards(key, to) => {
            if let Some(next) = shell.neighbour(key, direction(to)) {
                shell.focus(next);
            }
        }
        Op::Shift(key, to) => shell.shift(key, direction(to)),
        Op::ToOutput(key, output) => shell.move_to_output(key, output),
        Op::OutputTowards(key, to) => {
            if let Some(output) = shell.output_towards(key, direction(to)) {
                shell.move_to_output(key, output);
            }
        }
        Op::Grow(key, wider, higher) => shell.grow(key, wider, higher),
        Op::NextWidth(key, wider) => shell.next_width(key, wider),
        Op::Show(key, show) => {
            shell.set_show(
                key,
                [None, Some(Show::Split), Some(Show::Stacked), Some(Show::Tabbed)][usize::from(show)],
            );
        }
        Op::BeginMove(key, at) => shell.begin_move(key, at),
        Op::BeginResize(key, bits, at) => shell.begin_resize(key, edges(bits), at),
        Op::Drag(at) => shell.drag(at),
        Op::EndDrag => shell.end_drag(),
        Op::CancelDrag => shell.cancel_drag(),
        Op::Open(n) => drop(shell.switcher_open(|key| n == 0 || key % n == 0)),
        Op::Step(forward) => shell.switcher_step(forward),
        Op::Select(key) => shell.switcher_select(key),
        Op::Narrow(n) => shell.switcher_narrow(|key| n == 0 || key % n == 0),
        Op::Close(confirm) => drop(shell.switcher_close(confirm)),
    }
}

/// What a caller can see.
#[derive(Debug, PartialEq)]
struct Seen {
    visible: Vec<Placed<u32>>,
    /// Those out of sight too.
    placed: Vec<Option<Placed<u32>>>,
    stacking: Vec<u32>,
    wanted: Vec<Option<Wanted>>,
    focused: Option<u32>,
    workspaces: Vec<Vec<(u32, bool, bool)>>,
    active: u32,
    switcher: Option<crate::shell::Switcher<u32>>,
}

fn look(shell: &Shell<u32>) -> Seen {
    Seen {
        visible: shell.visible().collect(),
        placed: (0..KEYS).map(|key| shell.placed(key)).collect(),
        stacking: shell.stacking().to_vec(),
        wanted: (0..KEYS).map(|key| shell.wanted(key)).collect(),
        focused: shell.focused(),
        workspaces: (0..3).map(|output| shell.workspaces_in_use(output)).collect(),
        active: shell.active_output(),
        switcher: shell.switcher().cloned(),
    }
}

/// What looks different is named in the change.
fn check_change(before: &Seen, after: &Seen, change: Change) -> Result<(), TestCaseError> {
    for (differs, part, name) in [
        (before.visible != after.visible, Change::LAYOUT, "layout"),
        (before.placed != after.placed, Change::LAYOUT, "layout out of sight"),
        (before.stacking != after.stacking, Change::LAYOUT, "stacking"),
        (before.wanted != after.wanted, Change::WANTED, "wanted"),
        (before.focused != after.focused, Change::FOCUS, "focus"),
        (before.workspaces != after.workspaces, Change::WORKSPACE, "workspaces"),
        (
            before.active != after.active && change.is_empty(),
            Change::WORKSPACE,
            "the screen where the person is",
        ),
        (before.switcher != after.switcher, Change::SWITCHER, "switcher"),
    ] {
        prop_assert!(
            !differs || change.contains(part),
            "{name} changed without a word: {before:?} {after:?}"
        );
    }
    Ok(())
}

/// Rule FOCUS: what a qube or a cable does never gives a window the focus; at most the window that has
/// it loses it, and then it falls to one that the person used, or to a parent or modal dialog of one.
fn check_focus(op: &Op, before: &Seen, shell: &Shell<u32>) -> Result<(), TestCaseError> {
    let not_the_person = matches!(
        op,
        Op::Insert(.., false)
            | Op::Modal(..)
            | Op::Limits(..)
            | Op::Insets(..)
            | Op::Committed(..)
            | Op::Obeys(..)
            | Op::Answered(..)
            | Op::Attention(..)
            | Op::SetOutput(..)
            | Op::RemoveOutput(..)
            | Op::BeginMove(..)
            | Op::BeginResize(..)
            | Op::Drag(..)
    );
    if not_the_person {
        prop_assert_eq!(shell.focused(), before.focused);
    }
    if matches!(op, Op::Remove(_) | Op::Parent(..) | Op::Minimise(_)) && before.focused.is_none() {
        prop_assert_eq!(shell.focused(), None);
    }
    Ok(())
}

/// Rule INTENT: a window that nobody asked for moves no other, and makes none smaller.
fn check_rest(op: &Op, before: &Seen, after: &Seen) -> Result<(), TestCaseError> {
    if let Op::Insert(new, _, _, false) = op {
        for (key, (before, after)) in before.placed.iter().zip(&after.placed).enumerate() {
            if before.is_some() && key != *new as usize {
                prop_assert_eq!(before, after, "{} moved", key);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 768, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn what_must_hold_holds_after_any_operations(ops in prop::collection::vec(op(), 1..80)) {
        let mut shell = Shell::default();
        shell.set_output(OUTPUT);
        for key in 0..3 {
            shell.insert(key, spec(300, 200));
        }
        shell.take_change();
        for op in ops {
            let before = look(&shell);
            apply(&mut shell, &op);
            if let Err(broken) = shell.check_invariants() {
                return Err(TestCaseError::fail(format!("after {op:?}: {broken}")));
            }
            let change = shell.take_change();
            let after = look(&shell);
            check_rest(&op, &before, &after)?;
            check_change(&before, &after, change).map_err(|e| TestCaseError::fail(format!("{op:?}: {e}")))?;
            check_focus(&op, &before, &shell).map_err(|e| TestCaseError::fail(format!("{op:?}: {e}")))?;
            if let Op::Focus(key) = op && shell.contains(key) {
                let focused = shell.focused();
                prop_assert!(focused.is_some_and(|f| shell.descends(f, key)), "focus of {key} went to {focused:?}");
            }
        }
    }
}
