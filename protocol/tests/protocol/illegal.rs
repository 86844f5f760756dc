//! Illegal steps: from a known state, each breaks exactly the rule it is meant to break, and
//! nothing changes.

use transom_protocol::{
    MAGIC,
    limits::*,
    message::{self as m, ToDom0, ToQube, next_to_dom0, next_to_qube, tail_bytes},
    session::{End, ProtocolError, Rule, SELECTION_SLACK, Session},
    types::*,
    wire::With,
};

use crate::support::{dice::Dice, random::Random};

const TOPLEVEL: u32 = 1;
const POPUP: u32 = 2;
const SUBSURFACE: u32 = 3;
const CURSOR: u32 = 4;
/// A second toplevel, never configured.
const NEW: u32 = 5;
/// A toplevel, destroyed and not confirmed.
const DYING: u32 = 6;
const FREE: u32 = 100;

/// 16 rows of 16 pixels and no more.
const GRANT: u32 = 1;
const REVOKING: u32 = 2;
/// As large as may be, so that no rows are too many for it.
const WIDE: u32 = 3;

const BOTH: &[End] = &[End::Agent, End::Dom0];
const DOM0: &[End] = &[End::Dom0];

/// Rules that other rooms find broken.
const ELSEWHERE: &[Rule] = &[
    // Not a message: found by `wire`, see the module `bytes`.
    Rule::Malformed,
    // Found by the compositor: mapping memory, queues and budgets.
    Rule::BadMemory,
    Rule::TooSlow,
    Rule::TooFast,
];

type Encode = fn(&mut Vec<u8>);

struct Case {
    rule: Rule,
    name: &'static str,
    ends: &'static [End],
    /// Legal steps from the known state to where it happens.
    prepare: fn(&mut Session),
    step: Encode,
}

fn case(rule: Rule, name: &'static str, step: Encode) -> Case {
    Case { rule, name, ends: BOTH, prepare: |_| {}, step }
}

impl Case {
    fn after(self, prepare: fn(&mut Session)) -> Self {
        Self { prepare, ..self }
    }

    /// For steps that are illegal only to say: on their way they may cross what makes them so.
    fn said_by_dom0(self) -> Self {
        Self { ends: DOM0, ..self }
    }
}

fn take_up(session: &mut Session, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), ProtocolError> {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    if bytes[1] & 0x80 == 0 {
        session.receive(&next_to_dom0(&bytes)?.unwrap()).map(drop)
    } else {
        session.receive_in_qube(&next_to_qube(&bytes)?.unwrap()).map(drop)
    }
}

#[track_caller]
fn legal(session: &mut Session, encode: impl FnOnce(&mut Vec<u8>)) {
    take_up(session, encode).expect("a legal step");
    session.check_invariants().expect("invariants");
}

/// Any value of a fixed part, to be changed where it matters.
fn some<T: Random>() -> T {
    T::random(&mut Dice::new(&[]))
}

fn with<T: Random>(change: impl FnOnce(&mut T)) -> T {
    let mut value = some();
    change(&mut value);
    value
}

fn hello(change: impl FnOnce(&mut m::Hello), out: &mut Vec<u8>) {
    let mut hello =
        m::Hello { magic: MAGIC, version_min: 1.into(), version_max: 1.into(), features: 0.into() };
    change(&mut hello);
    ToDom0::Hello(&hello).encode(0, 0, out);
}

fn welcome(version: u16, out: &mut Vec<u8>) {
    let welcome = with::<m::Welcome>(|w| {
        w.version = version.into();
        w.max_windows = 40.into();
        w.max_grants = 4.into();
        w.max_grant_bytes = (1 << 30).into();
        w.max_selection_bytes = 1_000.into();
    });
    ToQube::Welcome(&welcome).encode(0, 0, out);
}

fn create(id: u32, kind: WindowKind, parent: u32, out: &mut Vec<u8>) {
    ToDom0::WindowCreate(&m::WindowCreate { kind, parent: parent.into() }).encode(id, 0, out);
}

fn positioner() -> Positioner {
    with(|p: &mut Positioner| {
        (p.width, p.height) = (10.into(), 10.into());
        p.anchor_rect = Rect::new(0, 0, 5, 5);
    })
}

fn popup(id: u32, parent: u32, change: impl FnOnce(&mut Positioner), out: &mut Vec<u8>) {
    let mut positioner = positioner();
    change(&mut positioner);
    let create = m::PopupCreate { parent: parent.into(), positioner, grab: false.into() };
    ToDom0::PopupCreate(&create).encode(id, 0, out);
}

fn grant(id: u32, bytes: u64, out: &mut Vec<u8>) {
    let create = m::GrantCreate { grant: id.into(), kind: GrantKind::ClientFd, bytes: bytes.into() };
    ToDom0::GrantCreate(With { fixed: &create, tail: &[] }).encode(0, 0, out);
}

fn page_grant(bytes: u64, first: u64, count: u32, out: &mut Vec<u8>) {
    let create = m::GrantCreate { grant: FREE.into(), kind: GrantKind::PageRuns, bytes: bytes.into() };
    let runs = [m::PageRun { first: first.into(), count: count.into() }];
    ToDom0::GrantCreate(With { fixed: &create, tail: tail_bytes(&runs) }).encode(0, 0, out);
}

/// A grant of pages of which no two are neighbours.
fn scattered_grant(id: u32, pages: usize, out: &mut Vec<u8>) {
    let bytes = pages as u64 * 4_096;
    let create = m::GrantCreate { grant: id.into(), kind: GrantKind::PageRuns, bytes: bytes.into() };
    let runs: Vec<_> =
        (0..pages as u64).map(|page| m::PageRun { first: (page * 2).into(), count: 1.into() }).collect();
    ToDom0::GrantCreate(With { fixed: &create, tail: tail_bytes(&runs) }).encode(0, 0, out);
}

fn revoke(id: u32, out: &mut Vec<u8>) {
    ToDom0::GrantRevoke(&m::GrantName { grant: id.into() }).encode(0, 0, out);
}

fn revoked(id: u32, out: &mut Vec<u8>) {
    ToQube::Revoked(&m::GrantName { grant: id.into() }).encode(0, 0, out);
}

fn configure(id: u32, serial: u32, change: impl FnOnce(&mut m::Configure), out: &mut Vec<u8>) {
    ToQube::Configure(&with(change)).encode(id, serial, out);
}

/// A legal commit of 16 × 16 pixels that fill [`GRANT`], changed.
fn commit(id: u32, serial: u32, change: impl FnOnce(&mut m::Commit), out: &mut Vec<u8>) {
    let commit = with::<m::Commit>(|c| {
        c.buffer = BufferChange::Attach;
        c.scale = 1;
        c.grant = GRANT.into();
        (c.width, c.height, c.stride) = (16.into(), 16.into(), 64.into());
        c.content = Rect::new(0, 0, 16, 16);
        change(c);
    });
    ToDom0::Commit(With { fixed: &commit, tail: &[] }).encode(id, serial, out);
}

/// A commit with one rectangle of damage.
fn damaged(rect: Rect, out: &mut Vec<u8>) {
    let commit = with::<m::Commit>(|c| (c.scale, c.damage) = (1, 1));
    ToDom0::Commit(With { fixed: &commit, tail: tail_bytes(&[rect]) }).encode(TOPLEVEL, 50, out);
}

fn output(id: u32, scale: u32, out: &mut Vec<u8>) {
    let output = with::<m::Output>(|o| (o.output, o.scale) = (id.into(), scale.into()));
    ToQube::Output(&output).encode(0, 0, out);
}

fn touch_point(id: i32) -> m::TouchPoint {
    with(|t: &mut m::TouchPoint| t.id = id.into())
}

fn touch_up(id: i32) -> m::TouchUp {
    m::TouchUp { time: 0.into(), id: id.into() }
}

fn gesture(kind: GestureKind, phase: GesturePhase, out: &mut Vec<u8>) {
    let gesture = with::<m::Gesture>(|g| (g.kind, g.phase) = (kind, phase));
    ToQube::Gesture(&gesture).encode(TOPLEVEL, 9, out);
}

fn ask_selection(serial: u32, out: &mut Vec<u8>) {
    let name = some::<m::SelectionName>();
    ToQube::SelectionRequest(With { fixed: &name, tail: b"text/plain" }).encode(0, serial, out);
}

fn drag_start(window: u32, selection: Selection, out: &mut Vec<u8>) {
    let offer = m::SelectionOffer { selection };
    ToDom0::DragStart(With { fixed: &offer, tail: b"text/plain\0" }).encode(window, 7, out);
}

fn drag(serial: u32, on: bool, out: &mut Vec<u8>) {
    ToQube::Drag(&m::Switch { on: on.into() }).encode(0, serial, out);
}

fn paste_of_drag(serial: u32, out: &mut Vec<u8>) {
    let offer = m::SelectionOffer { selection: Selection::Drag };
    ToQube::Paste(With { fixed: &offer, tail: b"text/plain\0" }).encode(0, serial, out);
}

fn selection_data(serial: u32, bytes: &[u8], out: &mut Vec<u8>) {
    let data = m::SelectionData { end: false.into(), failed: false.into() };
    ToDom0::SelectionData(With { fixed: &data, tail: bytes }).encode(0, serial, out);
}

fn set_parent(id: u32, parent: u32, out: &mut Vec<u8>) {
    ToDom0::SetParent(&m::SetParent { parent: parent.into(), modal: false.into() }).encode(id, 0, out);
}

fn resize(edges: u32, out: &mut Vec<u8>) {
    ToDom0::ResizeRequest(&m::ResizeRequest { edges: edges.into() }).encode(TOPLEVEL, 0, out);
}

fn place(id: u32, x: i32, sibling: u32, out: &mut Vec<u8>) {
    let place = m::SubsurfacePlace { x: x.into(), y: 0.into(), sibling: sibling.into(), above: true.into() };
    ToDom0::SubsurfacePlace(&place).encode(id, 0, out);
}

fn cursor(change: impl FnOnce(&mut m::CursorChange), out: &mut Vec<u8>) {
    ToDom0::Cursor(&with(change)).encode(0, 0, out);
}

/// The state from which every case sets out.
fn text_focus(window: u32, on: bool, out: &mut Vec<u8>) {
    ToQube::TextInputFocus(&m::Switch { on: on.into() }).encode(window, 5, out);
}

fn known(end: End) -> Session {
    let mut session = Session::new(end);
    let s = &mut session;
    legal(s, |out| hello(|_| {}, out));
    legal(s, |out| welcome(1, out));
    legal(s, |out| create(TOPLEVEL, WindowKind::Toplevel, 0, out));
    legal(s, |out| popup(POPUP, TOPLEVEL, |_| {}, out));
    legal(s, |out| create(SUBSURFACE, WindowKind::Subsurface, TOPLEVEL, out));
    legal(s, |out| create(CURSOR, WindowKind::Cursor, 0, out));
    legal(s, |out| create(NEW, WindowKind::Toplevel, 0, out));
    legal(s, |out| create(DYING, WindowKind::Toplevel, 0, out));
    legal(s, |out| ToDom0::WindowDestroy(()).encode(DYING, 0, out));
    legal(s, |out| configure(TOPLEVEL, 10, |_| {}, out));
    legal(s, |out| ToDom0::AckConfigure(()).encode(TOPLEVEL, 10, out));
    legal(s, |out| configure(TOPLEVEL, 11, |_| {}, out));
    legal(s, |out| grant(GRANT, 1_024, out));
    legal(s, |out| grant(REVOKING, 4_096, out));
    legal(s, |out| grant(WIDE, 1 << 29, out));
    legal(s, |out| revoke(REVOKING, out));
    legal(s, |out| commit(TOPLEVEL, 20, |_| {}, out));
    legal(s, |out| ToQube::Ping(()).encode(0, 1, out));
    legal(s, |out| output(1, 120, out));
    legal(s, |out| ToQube::KeyboardEnter(()).encode(TOPLEVEL, 1, out));
    legal(s, |out| ToQube::PointerEnter(&some()).encode(TOPLEVEL, 1, out));
    legal(s, |out| ToQube::TouchDown(&touch_point(0)).encode(TOPLEVEL, 1, out));
    legal(s, |out| ask_selection(1, out));
    session
}

fn handshake_cases() -> Vec<Case> {
    // These begin with a connection on which nothing was said.
    let anew: fn(&mut Session) = |s| *s = Session::new(End::Dom0);
    let greeted: fn(&mut Session) = |s| {
        *s = Session::new(End::Dom0);
        legal(s, |out| hello(|_| {}, out));
    };
    vec![
        case(Rule::BadMagic, "another magic", |o| hello(|h| h.magic[7] ^= 1, o)).after(anew),
        case(Rule::NoCommonVersion, "only newer versions", |o| {
            hello(|h| (h.version_min, h.version_max) = (2.into(), 9.into()), o);
        })
        .after(anew),
        case(Rule::NoCommonVersion, "only older versions", |o| {
            hello(|h| (h.version_min, h.version_max) = (0.into(), 0.into()), o);
        })
        .after(anew),
        case(Rule::NoCommonVersion, "a range the wrong way round", |o| {
            hello(|h| (h.version_min, h.version_max) = (1.into(), 0.into()), o);
        })
        .after(anew),
        case(Rule::NoCommonVersion, "a welcome to a version not offered", |o| welcome(2, o)).after(greeted),
        case(Rule::OutOfPhase, "a window before hello", |o| create(1, WindowKind::Toplevel, 0, o))
            .after(anew),
        case(Rule::OutOfPhase, "a welcome before hello", |o| welcome(1, o)).after(anew),
        case(Rule::OutOfPhase, "a window before the welcome", |o| create(1, WindowKind::Toplevel, 0, o))
            .after(greeted),
        case(Rule::OutOfPhase, "a ping before the welcome", |o| ToQube::Ping(()).encode(0, 1, o))
            .after(greeted),
        case(Rule::OutOfPhase, "a second hello at once", |o| hello(|_| {}, o)).after(greeted),
        case(Rule::OutOfPhase, "a second hello", |o| hello(|_| {}, o)),
        case(Rule::OutOfPhase, "a second welcome", |o| welcome(1, o)),
        case(Rule::OutOfPhase, "a bell after goodbye", |o| ToDom0::Bell(()).encode(0, 0, o)).after(closed),
        case(Rule::OutOfPhase, "a ping after goodbye", |o| ToQube::Ping(()).encode(0, 9, o)).after(closed),
        case(Rule::NotAsked, "a pong to no ping", |o| ToDom0::Pong(()).encode(0, 2, o)),
        case(Rule::NotAsked, "a second pong", |o| ToDom0::Pong(()).encode(0, 1, o))
            .after(|s| legal(s, |o| ToDom0::Pong(()).encode(0, 1, o))),
        case(Rule::TooMany, "the same ping again", |o| ToQube::Ping(()).encode(0, 1, o)),
        case(Rule::TooMany, "a fifth open ping", |o| ToQube::Ping(()).encode(0, 5, o)).after(|s| {
            for serial in 2..=4 {
                legal(s, |o| ToQube::Ping(()).encode(0, serial, o));
            }
        }),
    ]
}

fn closed(s: &mut Session) {
    let goodbye = some::<m::Goodbye>();
    legal(s, |o| ToQube::Goodbye(With { fixed: &goodbye, tail: b"" }).encode(0, 0, o));
}

fn window_cases() -> Vec<Case> {
    use WindowKind::*;
    vec![
        case(Rule::IdTaken, "window 0", |o| create(0, Toplevel, 0, o)),
        case(Rule::IdTaken, "the id of a living window", |o| create(TOPLEVEL, Toplevel, 0, o)),
        case(Rule::IdTaken, "the id of a window not confirmed gone", |o| create(DYING, Toplevel, 0, o)),
        case(Rule::IdTaken, "the same for a popup", |o| popup(DYING, TOPLEVEL, |_| {}, o)),
        case(Rule::TooManyWindows, "one window more than may be", |o| create(FREE, Toplevel, 0, o))
            .after(|s| (7..=40).for_each(|id| legal(s, |o| create(id, Toplevel, 0, o)))),
        case(Rule::WrongParent, "a toplevel with a parent", |o| create(FREE, Toplevel, TOPLEVEL, o)),
        case(Rule::WrongParent, "a cursor with a parent", |o| create(FREE, Cursor, TOPLEVEL, o)),
        case(Rule::WrongParent, "a drag icon with a parent", |o| create(FREE, DragIcon, TOPLEVEL, o)),
        case(Rule::WrongParent, "a popup of a subsurface", |o| popup(FREE, SUBSURFACE, |_| {}, o)),
        case(Rule::UnknownWindow, "a subsurface of nothing", |o| create(FREE, Subsurface, 0, o)),
        case(Rule::UnknownWindow, "a subsurface of a dying window", |o| create(FREE, Subsurface, DYING, o)),
        case(Rule::UnknownWindow, "a popup of nothing", |o| popup(FREE, 0, |_| {}, o)),
        case(Rule::TooDeep, "a subsurface too deep", |o| create(FREE, Subsurface, 24, o)).after(|s| {
            // The toplevel is the first of MAX_DEPTH, 24 the last.
            legal(s, |o| create(10, Subsurface, TOPLEVEL, o));
            (11..=24).for_each(|id| legal(s, |o| create(id, Subsurface, id - 1, o)));
        }),
        case(Rule::OutOfRange, "an empty popup", |o| popup(FREE, TOPLEVEL, |p| p.width = 0.into(), o)),
        case(Rule::OutOfRange, "a popup too high", |o| {
            popup(FREE, TOPLEVEL, |p| p.height = (MAX_DIMENSION + 1).into(), o);
        }),
        case(Rule::OutOfRange, "an anchor of negative size", |o| {
            popup(FREE, TOPLEVEL, |p| p.anchor_rect.width = (-1).into(), o);
        }),
        case(Rule::OutOfRange, "an anchor far away", |o| {
            popup(FREE, TOPLEVEL, |p| p.anchor_rect.y = (MAX_OFFSET + 1).into(), o);
        }),
        case(Rule::OutOfRange, "a popup offset too far", |o| {
            popup(FREE, TOPLEVEL, |p| p.offset_x = (-MAX_OFFSET - 1).into(), o);
        }),
        case(Rule::OutOfRange, "an unknown adjustment", |o| {
            popup(FREE, TOPLEVEL, |p| p.adjustment = 64, o);
        }),
        case(Rule::WrongRole, "placing a toplevel anew as a popup", |o| {
            let again = m::PopupReposition { positioner: positioner(), token: 0.into() };
            ToDom0::PopupReposition(&again).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::OutOfRange, "placing a popup anew without a size", |o| {
            ToDom0::PopupReposition(&some()).encode(POPUP, 0, o);
        }),
        case(Rule::HasChildren, "destroying before the children", |o| {
            ToDom0::WindowDestroy(()).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::UnknownWindow, "destroying twice", |o| ToDom0::WindowDestroy(()).encode(DYING, 0, o)),
        case(Rule::UnknownWindow, "destroying nothing", |o| ToDom0::WindowDestroy(()).encode(FREE, 0, o)),
        case(Rule::UnknownWindow, "a title for nothing", |o| ToDom0::Title(b"t").encode(FREE, 0, o)),
        case(Rule::WrongRole, "a title for a popup", |o| ToDom0::Title(b"t").encode(POPUP, 0, o)),
        case(Rule::WrongRole, "an app id for a cursor", |o| ToDom0::AppId(b"t").encode(CURSOR, 0, o)),
        case(Rule::WrongRole, "a wish about a popup", |o| {
            ToDom0::WindowRequest(&some()).encode(POPUP, 0, o);
        }),
        case(Rule::WrongRole, "moving a popup", |o| ToDom0::MoveRequest(()).encode(POPUP, 0, o)),
        case(Rule::WrongRole, "resizing a popup", |o| ToDom0::ResizeRequest(&some()).encode(POPUP, 0, o)),
        case(Rule::OutOfRange, "resizing by no edge", |o| resize(0, o)),
        case(Rule::OutOfRange, "resizing by an unknown edge", |o| resize(16, o)),
        case(Rule::OutOfRange, "resizing by top and bottom", |o| resize(edges::TOP | edges::BOTTOM, o)),
        case(Rule::OutOfRange, "resizing by left and right", |o| resize(edges::LEFT | edges::RIGHT, o)),
        case(Rule::Circle, "its own parent", |o| set_parent(NEW, NEW, o)),
        case(Rule::Circle, "a circle of two", |o| set_parent(TOPLEVEL, NEW, o))
            .after(|s| legal(s, |o| set_parent(NEW, TOPLEVEL, o))),
        case(Rule::WrongRole, "a popup as a parent", |o| set_parent(NEW, POPUP, o)),
        case(Rule::WrongRole, "a parent for a popup", |o| set_parent(POPUP, NEW, o)),
        case(Rule::UnknownWindow, "a dying parent", |o| set_parent(NEW, DYING, o)),
        case(Rule::OutOfRange, "smallest larger than largest", |o| {
            let size = with::<m::SizeLimits>(|l| (l.min_width, l.max_width) = (9.into(), 8.into()));
            ToDom0::SizeLimits(&size).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::OutOfRange, "a limit that is too large", |o| {
            let size = with::<m::SizeLimits>(|l| l.min_height = (MAX_DIMENSION + 1).into());
            ToDom0::SizeLimits(&size).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::WrongRole, "size limits for a popup", |o| ToDom0::SizeLimits(&some()).encode(POPUP, 0, o)),
        case(Rule::UnknownSerial, "an ack of nothing", |o| ToDom0::AckConfigure(()).encode(TOPLEVEL, 12, o)),
        case(Rule::UnknownSerial, "a second ack", |o| ToDom0::AckConfigure(()).encode(TOPLEVEL, 10, o)),
        case(Rule::UnknownSerial, "an ack of one that was passed over", |o| {
            ToDom0::AckConfigure(()).encode(TOPLEVEL, 11, o);
        })
        .after(|s| {
            legal(s, |o| configure(TOPLEVEL, 12, |_| {}, o));
            legal(s, |o| ToDom0::AckConfigure(()).encode(TOPLEVEL, 12, o));
        }),
        case(Rule::WrongRole, "an ack for a cursor", |o| ToDom0::AckConfigure(()).encode(CURSOR, 10, o)),
        case(Rule::WrongRole, "placing a toplevel", |o| place(TOPLEVEL, 0, 0, o)),
        case(Rule::OutOfRange, "a subsurface far away", |o| place(SUBSURFACE, MAX_OFFSET + 1, 0, o)),
        case(Rule::WrongParent, "a subsurface above itself", |o| place(SUBSURFACE, 0, SUBSURFACE, o)),
        case(Rule::WrongParent, "a popup as a sibling", |o| place(SUBSURFACE, 0, POPUP, o)),
        case(Rule::WrongParent, "a sibling elsewhere", |o| place(SUBSURFACE, 0, FREE, o))
            .after(|s| legal(s, |o| create(FREE, Subsurface, NEW, o))),
    ]
}

fn grant_cases() -> Vec<Case> {
    vec![
        case(Rule::IdTaken, "grant 0", |o| grant(0, 4_096, o)),
        case(Rule::IdTaken, "the id of a grant", |o| grant(GRANT, 4_096, o)),
        case(Rule::IdTaken, "the id of a grant not confirmed revoked", |o| grant(REVOKING, 4_096, o)),
        case(Rule::OutOfRange, "an empty grant", |o| grant(FREE, 0, o)),
        case(Rule::TooManyGrants, "one grant too many", |o| grant(FREE, 1, o))
            .after(|s| legal(s, |o| grant(9, 1, o))),
        case(Rule::TooManyGrants, "too many bytes", |o| grant(FREE, 1 << 29, o)),
        case(Rule::TooManyGrants, "more bytes than there are", |o| grant(FREE, u64::MAX, o)),
        case(Rule::OutOfRange, "runs shorter than the grant", |o| page_grant(8_192, 0, 1, o)),
        case(Rule::OutOfRange, "runs longer than the grant", |o| page_grant(4_096, 0, 2, o)),
        case(Rule::OutOfRange, "an empty run", |o| page_grant(4_096, 0, 0, o)),
        case(Rule::OutOfRange, "a run past the end", |o| page_grant(4_096, u64::MAX, 1, o)),
        case(Rule::TooManyGrants, "too many runs in all", |o| {
            scattered_grant(FREE, MAX_ALL_RUNS - MAX_RUNS + 1, o);
        })
        .after(|s| {
            legal(s, |o| revoked(REVOKING, o));
            legal(s, |o| scattered_grant(REVOKING, MAX_RUNS, o));
        }),
        case(Rule::UnknownGrant, "revoking nothing", |o| revoke(FREE, o)),
        case(Rule::UnknownGrant, "revoking twice", |o| revoke(REVOKING, o)),
        case(Rule::UnknownGrant, "confirming nothing", |o| revoked(FREE, o)),
        case(Rule::NotAsked, "ending a grant unasked", |o| revoked(GRANT, o)),
        case(Rule::UnknownGrant, "confirming twice", |o| revoked(REVOKING, o))
            .after(|s| legal(s, |o| revoked(REVOKING, o))),
    ]
}

fn commit_cases() -> Vec<Case> {
    macro_rules! broken {
        ($rule:ident, $name:literal, |$c:ident| $change:expr) => {
            case(Rule::$rule, $name, |o| commit(TOPLEVEL, 50, |$c: &mut m::Commit| $change, o))
        };
    }
    vec![
        case(Rule::UnknownWindow, "a commit of nothing", |o| commit(FREE, 50, |_| {}, o)),
        case(Rule::UnknownSerial, "a commit without serial", |o| commit(TOPLEVEL, 0, |_| {}, o)),
        case(Rule::UnknownSerial, "the last serial again", |o| commit(TOPLEVEL, 20, |_| {}, o)),
        case(Rule::UnknownSerial, "an older serial", |o| commit(SUBSURFACE, 19, |_| {}, o)),
        case(Rule::NotConfigured, "a picture before any configure", |o| commit(NEW, 50, |_| {}, o)),
        case(Rule::NotConfigured, "a colour before the ack", |o| {
            commit(POPUP, 50, |c| c.buffer = BufferChange::Solid, o);
        })
        .after(|s| legal(s, |o| configure(POPUP, 1, |_| {}, o))),
        case(Rule::TooManyBuffers, "one buffer too many", |o| commit(TOPLEVEL, 50, |_| {}, o)).after(|s| {
            for at in 1..MAX_BUFFERS_IN_FLIGHT as u32 {
                legal(s, |o| commit(TOPLEVEL, 20 + at, |_| {}, o));
            }
        }),
        broken!(UnknownGrant, "no such grant", |c| c.grant = FREE.into()),
        broken!(UnknownGrant, "a grant that is being revoked", |c| c.grant = REVOKING.into()),
        broken!(OutsideGrant, "one row too many", |c| c.height = 17.into()),
        broken!(OutsideGrant, "four bytes too far", |c| c.offset = 4.into()),
        broken!(OutsideGrant, "rows too far apart", |c| c.stride = 68.into()),
        broken!(OutsideGrant, "an offset that overflows", |c| c.offset = (u64::MAX - 3).into()),
        broken!(OutOfRange, "an odd offset", |c| c.offset = 2.into()),
        broken!(OutOfRange, "an odd stride", |c| (c.height, c.stride) = (2.into(), 66.into())),
        broken!(OutOfRange, "rows that overlap", |c| c.stride = 60.into()),
        broken!(OutOfRange, "a width of 0", |c| c.width = 0.into()),
        broken!(OutOfRange, "a height of 0", |c| c.height = 0.into()),
        broken!(OutOfRange, "a picture too wide", |c| {
            (c.grant, c.width, c.height) = (WIDE.into(), (MAX_DIMENSION + 1).into(), 1.into());
            c.stride = ((MAX_DIMENSION + 1) * 4).into();
        }),
        broken!(OutOfRange, "a width that overflows", |c| c.width = (1 << 30).into()),
        broken!(OutOfRange, "scale 0", |c| c.scale = 0),
        broken!(OutOfRange, "scale 17", |c| c.scale = 17),
        broken!(OutOfRange, "a content rectangle of negative size", |c| c.content.width = (-1).into()),
        broken!(OutOfRange, "a content rectangle too large", |c| {
            c.content.height = (MAX_DIMENSION as i32 + 1).into();
        }),
        broken!(OutOfRange, "a content rectangle far away", |c| c.content.x = (-MAX_OFFSET - 1).into()),
        broken!(OutOfRange, "a hot spot far away", |c| c.delta_y = (MAX_OFFSET + 1).into()),
        case(Rule::OutOfRange, "damage of negative size", |o| damaged(Rect::new(0, 0, 1, -1), o)),
        case(Rule::OutOfRange, "damage that overflows", |o| damaged(Rect::new(i32::MAX, 0, 1, 1), o)),
        broken!(BadViewport, "a source larger than the picture", |c| {
            (c.source.width, c.source.height) = (16.5.into(), 16.0.into());
        }),
        broken!(BadViewport, "a source that begins outside", |c| {
            (c.source.x, c.source.width, c.source.height) = ((-1.0).into(), 4.0.into(), 4.0.into());
        }),
        broken!(BadViewport, "an empty source", |c| c.source.x = 1.0.into()),
        broken!(BadViewport, "a destination without height", |c| c.dest_width = 5.into()),
        broken!(BadViewport, "a destination too large", |c| {
            (c.dest_width, c.dest_height) = ((MAX_DIMENSION + 1).into(), 1.into());
        }),
        broken!(BadViewport, "a source too large for the picture that stays", |c| {
            c.buffer = BufferChange::Keep;
            (c.source.width, c.source.height) = (17.0.into(), 1.0.into());
        }),
    ]
}

fn other_agent_cases() -> Vec<Case> {
    vec![
        case(Rule::OutOfRange, "shape 0", |o| {
            cursor(|c| (c.kind, c.shape) = (CursorKind::Shape, 0), o);
        }),
        case(Rule::OutOfRange, "a shape that has no name", |o| {
            cursor(|c| (c.kind, c.shape) = (CursorKind::Shape, m::CURSOR_SHAPES + 1), o);
        }),
        case(Rule::WrongRole, "a toplevel as the pointer", |o| {
            cursor(|c| (c.kind, c.window) = (CursorKind::Window, TOPLEVEL.into()), o);
        }),
        case(Rule::UnknownWindow, "nothing as the pointer", |o| {
            cursor(|c| (c.kind, c.window) = (CursorKind::Window, FREE.into()), o);
        }),
        case(Rule::OutOfRange, "a hot spot outside", |o| {
            cursor(
                |c| {
                    (c.kind, c.window) = (CursorKind::Window, CURSOR.into());
                    c.hot_x = (MAX_DIMENSION as i32 + 1).into();
                },
                o,
            );
        }),
        case(Rule::UnknownWindow, "a constraint on nothing", |o| {
            ToDom0::PointerConstraint(With { fixed: &some(), tail: &[] }).encode(FREE, 0, o);
        }),
        case(Rule::OutOfRange, "a region of negative size", |o| {
            let constraint = with::<m::PointerConstraint>(|c| c.rects = 1.into());
            let tail = [Rect::new(0, 0, -1, 0)];
            ToDom0::PointerConstraint(With { fixed: &constraint, tail: tail_bytes(&tail) })
                .encode(TOPLEVEL, 0, o);
        }),
        case(Rule::UnknownWindow, "text input in nothing", |o| {
            ToDom0::TextInput(With { fixed: &some(), tail: &[] }).encode(FREE, 0, o);
        }),
        case(Rule::OutOfRange, "a text cursor of negative size", |o| {
            let input = with::<m::TextInput>(|t| t.rect = Rect::new(0, 0, 0, -1));
            ToDom0::TextInput(With { fixed: &input, tail: &[] }).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::OutOfRange, "a hint for a text field that does not exist", |o| {
            let input = with::<m::TextInput>(|t| t.hint = (CONTENT_HINTS + 1).into());
            ToDom0::TextInput(With { fixed: &input, tail: &[] }).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::OutOfRange, "a purpose of a text field that does not exist", |o| {
            let input = with::<m::TextInput>(|t| t.purpose = (CONTENT_PURPOSES + 1).into());
            ToDom0::TextInput(With { fixed: &input, tail: &[] }).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::UnknownWindow, "keeping the screen on for nothing", |o| {
            ToDom0::IdleInhibit(&some()).encode(DYING, 0, o);
        }),
        case(Rule::UnknownWindow, "a bell of nothing", |o| ToDom0::Bell(()).encode(FREE, 0, o)),
        case(Rule::OutOfRange, "a drag offered as a selection", |o| {
            let offer = with::<m::SelectionOffer>(|offer| offer.selection = Selection::Drag);
            ToDom0::SelectionOffer(With { fixed: &offer, tail: &[] }).encode(0, 0, o);
        }),
        case(Rule::OutOfRange, "a selection that is dragged", |o| {
            drag_start(TOPLEVEL, Selection::Primary, o);
        }),
        case(Rule::UnknownWindow, "a drag out of nothing", |o| drag_start(DYING, Selection::Drag, o)),
        case(Rule::NotAsked, "selection data unasked", |o| selection_data(2, b"x", o)),
        case(Rule::NotAsked, "selection data after the end", |o| selection_data(1, b"x", o)).after(|s| {
            let end = m::SelectionData { end: true.into(), failed: true.into() };
            legal(s, |o| ToDom0::SelectionData(With { fixed: &end, tail: &[] }).encode(0, 1, o));
        }),
        case(Rule::SelectionTooLarge, "one byte too many", |o| selection_data(1, b"x", o)).after(|s| {
            let mut left = 1_000 + SELECTION_SLACK as usize;
            while left > 0 {
                let now = left.min(MAX_CHUNK);
                legal(s, |o| selection_data(1, &vec![0; now], o));
                left -= now;
            }
        }),
    ]
}

fn dom0_cases() -> Vec<Case> {
    vec![
        case(Rule::OutOfRange, "output 0", |o| output(0, 120, o)),
        case(Rule::OutOfRange, "an output without scale", |o| output(1, 0, o)),
        case(Rule::TooMany, "one output too many", |o| output(FREE, 120, o))
            .after(|s| (2..=MAX_OUTPUTS as u32).for_each(|id| legal(s, |o| output(id, 120, o)))),
        case(Rule::UnknownOutput, "no such output gone", |o| {
            ToQube::OutputGone(&m::OutputName { output: 2.into() }).encode(0, 0, o);
        }),
        case(Rule::UnknownOutput, "on no such output", |o| {
            let on = m::OnOutput { output: 2.into(), on: true.into() };
            ToQube::OnOutput(&on).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::OutOfRange, "a preferred scale of 0", |o| {
            ToQube::PreferredScale(&m::Scale { scale: 0.into() }).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::UnknownWindow, "configuring nothing", |o| configure(FREE, 50, |_| {}, o)),
        case(Rule::UnknownWindow, "configuring a dying window", |o| configure(DYING, 50, |_| {}, o))
            .said_by_dom0(),
        case(Rule::WrongRole, "configuring a subsurface", |o| configure(SUBSURFACE, 50, |_| {}, o)),
        case(Rule::OutOfRange, "a width too large", |o| {
            configure(TOPLEVEL, 50, |c| c.width = (MAX_DIMENSION + 1).into(), o);
        }),
        case(Rule::OutOfRange, "an unknown state", |o| {
            configure(TOPLEVEL, 50, |c| c.states = (states::ALL + 1).into(), o);
        }),
        case(Rule::UnknownSerial, "a configure without serial", |o| configure(TOPLEVEL, 0, |_| {}, o)),
        case(Rule::UnknownSerial, "an older configure", |o| configure(TOPLEVEL, 11, |_| {}, o)),
        case(Rule::TooMany, "one configure too many", |o| configure(TOPLEVEL, 100, |_| {}, o)).after(|s| {
            for at in 1..MAX_CONFIGURES_IN_FLIGHT as u32 {
                legal(s, |o| configure(TOPLEVEL, 11 + at, |_| {}, o));
            }
            assert!(!s.may_configure(TOPLEVEL));
        }),
        case(Rule::WrongRole, "closing a popup", |o| ToQube::Close(()).encode(POPUP, 0, o)),
        case(Rule::WrongRole, "dismissing a toplevel", |o| ToQube::PopupDone(()).encode(TOPLEVEL, 0, o)),
        case(Rule::UnknownWindow, "a frame of nothing", |o| ToQube::FrameDone(&some()).encode(FREE, 0, o)),
        case(Rule::UnknownSerial, "releasing no buffer", |o| ToQube::Release(()).encode(TOPLEVEL, 21, o)),
        case(Rule::UnknownSerial, "releasing twice", |o| ToQube::Release(()).encode(TOPLEVEL, 20, o))
            .after(|s| legal(s, |o| ToQube::Release(()).encode(TOPLEVEL, 20, o))),
        case(Rule::UnknownSerial, "releasing for another window", |o| {
            ToQube::Release(()).encode(SUBSURFACE, 20, o);
        }),
        case(Rule::NotAsked, "a living window gone", |o| ToQube::WindowGone(()).encode(TOPLEVEL, 0, o)),
        case(Rule::UnknownWindow, "nothing gone", |o| ToQube::WindowGone(()).encode(FREE, 0, o)),
        case(Rule::UnknownWindow, "a word after gone", |o| ToQube::Close(()).encode(DYING, 0, o))
            .after(|s| legal(s, |o| ToQube::WindowGone(()).encode(DYING, 0, o))),
        case(Rule::TooMany, "one selection request too many", |o| ask_selection(FREE, o)).after(|s| {
            (2..=MAX_SELECTION_REQUESTS as u32).for_each(|serial| legal(s, |o| ask_selection(serial, o)));
        }),
        case(Rule::UnknownSerial, "a selection request without serial", |o| ask_selection(0, o)),
        case(Rule::UnknownSerial, "the serial of an open request", |o| ask_selection(1, o)),
        case(Rule::NotAsked, "cancelling nothing", |o| ToQube::SelectionCancel(()).encode(0, 2, o))
            .said_by_dom0(),
        case(Rule::UnknownSerial, "a drag without a press", |o| drag(0, true, o)),
        case(Rule::TooMany, "a second drag", |o| drag(8, true, o)).after(|s| legal(s, |o| drag(7, true, o))),
        case(Rule::NotAsked, "the end of no drag", |o| drag(7, false, o)),
        case(Rule::NotAsked, "the end of another drag", |o| drag(8, false, o))
            .after(|s| legal(s, |o| drag(7, true, o))),
        case(Rule::NotAsked, "what is dragged, asked for without a drag", |o| {
            let name = m::SelectionName { selection: Selection::Drag };
            ToQube::SelectionRequest(With { fixed: &name, tail: b"text/plain" }).encode(0, 9, o);
        }),
        case(Rule::UnknownSerial, "a drop without a paste", |o| ToQube::Drop(&some()).encode(TOPLEVEL, 0, o)),
        case(Rule::UnknownWindow, "a drop on nothing", |o| ToQube::Drop(&some()).encode(FREE, 3, o)),
        case(Rule::NotAsked, "the paste of no drop", |o| paste_of_drag(3, o)),
        case(Rule::NotAsked, "the paste of another drop", |o| paste_of_drag(4, o))
            .after(|s| legal(s, |o| ToQube::Drop(&some()).encode(TOPLEVEL, 3, o))),
        case(Rule::NotAsked, "the paste of a drop, twice", |o| paste_of_drag(3, o)).after(|s| {
            legal(s, |o| ToQube::Drop(&some()).encode(TOPLEVEL, 3, o));
            legal(s, |o| paste_of_drag(3, o));
        }),
    ]
}

fn notify(name: u32, buttons: usize, out: &mut Vec<u8>) {
    let texts = ["summary", "body"].into_iter().chain(std::iter::repeat_n("button", buttons));
    let tail = join_strings(texts);
    let fixed = with::<m::Notify>(|notify| {
        notify.notification = name.into();
        notify.text = (tail.len() as u16).into();
    });
    ToDom0::Notify(With { fixed: &fixed, tail: &tail }).encode(0, 0, out);
}

fn icon(name: u32, out: &mut Vec<u8>) {
    let fixed = with::<m::StatusIcon>(|icon| icon.icon = name.into());
    ToDom0::StatusIcon(With { fixed: &fixed, tail: &[] }).encode(0, 0, out);
}

fn choose(notification: u32, action: u8, out: &mut Vec<u8>) {
    ToQube::NotifyAction(&m::NotifyAction { notification: notification.into(), action }).encode(0, 0, out);
}

fn notification_cases() -> Vec<Case> {
    fn two(s: &mut Session) {
        legal(s, |o| notify(1, 2, o));
        legal(s, |o| icon(1, o));
    }
    vec![
        case(Rule::OutOfRange, "a notification called 0", |o| notify(0, 0, o)),
        case(Rule::TooMany, "one notification too many", |o| notify(FREE, 0, o)).after(|s| {
            (1..=MAX_NOTIFICATIONS as u32).for_each(|name| legal(s, |o| notify(name, 1, o)));
            // What an open one says may change all the same.
            legal(s, |o| notify(1, 0, o));
        }),
        case(Rule::UnknownNotification, "closing a notification twice", |o| {
            ToDom0::NotifyClose(&m::NotificationName { notification: 1.into() }).encode(0, 0, o);
        })
        .after(|s| {
            two(s);
            legal(s, |o| {
                ToDom0::NotifyClose(&m::NotificationName { notification: 1.into() }).encode(0, 0, o);
            });
        }),
        case(Rule::OutOfRange, "a status icon called 0", |o| icon(0, o)),
        case(Rule::TooMany, "one status icon too many", |o| icon(FREE, o))
            .after(|s| (1..=MAX_STATUS_ICONS as u32).for_each(|name| legal(s, |o| icon(name, o)))),
        case(Rule::UnknownNotification, "no such status icon gone", |o| {
            ToDom0::StatusIconGone(&m::StatusIconName { icon: 2.into() }).encode(0, 0, o);
        })
        .after(two),
        case(Rule::UnknownNotification, "dismissing nothing", |o| {
            ToQube::NotifyDismissed(&m::NotificationName { notification: 2.into() }).encode(0, 0, o);
        })
        .after(two)
        .said_by_dom0(),
        case(Rule::UnknownNotification, "a third of two buttons", |o| choose(1, 3, o))
            .after(two)
            .said_by_dom0(),
        case(Rule::UnknownNotification, "as a whole, which it cannot be", |o| choose(1, 0, o))
            .after(two)
            .said_by_dom0(),
        case(Rule::UnknownNotification, "a click on no status icon", |o| {
            let click = m::StatusIconActivate { icon: 2.into(), activation: Activation::Primary };
            ToQube::StatusIconActivate(&click).encode(0, 0, o);
        })
        .after(two)
        .said_by_dom0(),
    ]
}

fn input_cases() -> Vec<Case> {
    macro_rules! no_focus {
        ($name:literal, $message:expr) => {
            case(Rule::NoFocus, $name, |o| $message.encode(NEW, 9, o))
        };
    }
    vec![
        case(Rule::FocusHeld, "the keyboard in two windows", |o| ToQube::KeyboardEnter(()).encode(NEW, 9, o)),
        case(Rule::FocusHeld, "the pointer in two windows", |o| {
            ToQube::PointerEnter(&some()).encode(NEW, 9, o);
        }),
        case(Rule::UnknownWindow, "the keyboard in a dying window", |o| {
            ToQube::KeyboardEnter(()).encode(DYING, 9, o);
        })
        .said_by_dom0(),
        no_focus!("the keyboard leaves another window", ToQube::KeyboardLeave(())),
        no_focus!("a key for another window", ToQube::Key(&some())),
        no_focus!("modifiers for another window", ToQube::Modifiers(&some())),
        no_focus!("the pointer leaves another window", ToQube::PointerLeave(())),
        no_focus!("motion in another window", ToQube::Motion(&some())),
        no_focus!("a button for another window", ToQube::Button(&some())),
        no_focus!("scrolling in another window", ToQube::Axis(&some())),
        no_focus!("a pointer frame for another window", ToQube::PointerFrame(())),
        no_focus!("relative motion in another window", ToQube::RelativeMotion(&some())),
        no_focus!("a gesture in another window", ToQube::Gesture(&some())),
        no_focus!("a tool leaves another window", ToQube::ToolLeave(())),
        no_focus!("a tool moves in another window", ToQube::ToolMotion(&some())),
        no_focus!("a tip in another window", ToQube::ToolTip(&some())),
        no_focus!("a tool's button for another window", ToQube::ToolButton(&some())),
        no_focus!("a finger of another window moves", ToQube::TouchMotion(&touch_point(0))),
        no_focus!("a finger of another window goes up", ToQube::TouchUp(&touch_up(0))),
        case(Rule::NoFocus, "a pointer frame after it left", |o| {
            ToQube::PointerFrame(()).encode(TOPLEVEL, 0, o);
        })
        .after(|s| legal(s, |o| ToQube::PointerLeave(()).encode(TOPLEVEL, 0, o))),
        case(Rule::NoFocus, "a key after it left", |o| ToQube::Key(&some()).encode(TOPLEVEL, 0, o))
            .after(|s| legal(s, |o| ToQube::KeyboardLeave(()).encode(TOPLEVEL, 0, o))),
        case(Rule::NoFocus, "a finger that is not down moves", |o| {
            ToQube::TouchMotion(&touch_point(1)).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::NoFocus, "a finger goes up after the cancel", |o| {
            ToQube::TouchUp(&touch_up(0)).encode(TOPLEVEL, 0, o);
        })
        .after(|s| legal(s, |o| ToQube::TouchCancel(()).encode(TOPLEVEL, 0, o))),
        case(Rule::NoFocus, "a gesture goes on that did not begin", |o| {
            gesture(GestureKind::Pinch, GesturePhase::Update, o);
        }),
        case(Rule::NoFocus, "another gesture ends", |o| gesture(GestureKind::Pinch, GesturePhase::End, o))
            .after(|s| legal(s, |o| gesture(GestureKind::Swipe, GesturePhase::Begin, o))),
        case(Rule::NoFocus, "a gesture ends twice", |o| gesture(GestureKind::Swipe, GesturePhase::End, o))
            .after(|s| {
                legal(s, |o| gesture(GestureKind::Swipe, GesturePhase::Begin, o));
                legal(s, |o| gesture(GestureKind::Swipe, GesturePhase::Cancel, o));
            }),
        case(Rule::TooMany, "a gesture within another", |o| {
            gesture(GestureKind::Hold, GesturePhase::Begin, o);
        })
        .after(|s| legal(s, |o| gesture(GestureKind::Swipe, GesturePhase::Begin, o))),
        case(Rule::NoFocus, "a gesture goes on after the pointer left", |o| {
            gesture(GestureKind::Swipe, GesturePhase::Update, o);
        })
        .after(|s| {
            legal(s, |o| gesture(GestureKind::Swipe, GesturePhase::Begin, o));
            legal(s, |o| ToQube::PointerLeave(()).encode(TOPLEVEL, 0, o));
            legal(s, |o| ToQube::PointerEnter(&some()).encode(TOPLEVEL, 1, o));
        }),
        case(Rule::OutOfRange, "a tool with an unknown axis", |o| {
            let enter = with::<m::ToolEnter>(|enter| enter.axes = tool_axes::ALL + 1);
            ToQube::ToolEnter(&enter).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::FocusHeld, "a tool in two windows", |o| ToQube::ToolEnter(&some()).encode(NEW, 0, o))
            .after(|s| legal(s, |o| ToQube::ToolEnter(&some()).encode(TOPLEVEL, 0, o))),
        case(Rule::UnknownWindow, "a tool in a dying window", |o| {
            ToQube::ToolEnter(&some()).encode(DYING, 9, o);
        })
        .said_by_dom0(),
        case(Rule::NoFocus, "a tip after the tool left", |o| ToQube::ToolTip(&some()).encode(TOPLEVEL, 0, o))
            .after(|s| {
                legal(s, |o| ToQube::ToolEnter(&some()).encode(TOPLEVEL, 0, o));
                legal(s, |o| ToQube::ToolLeave(()).encode(TOPLEVEL, 0, o));
            }),
        case(Rule::TooMany, "a finger comes down twice", |o| {
            ToQube::TouchDown(&touch_point(0)).encode(NEW, 0, o);
        }),
        case(Rule::TooMany, "a 65th finger", |o| ToQube::TouchDown(&touch_point(64)).encode(NEW, 0, o))
            .after(|s| {
                (1..64).for_each(|id| legal(s, |o| ToQube::TouchDown(&touch_point(id)).encode(NEW, 0, o)));
            }),
        case(Rule::UnknownWindow, "text for nothing", |o| ToQube::CommitText(b"t").encode(FREE, 0, o)),
        case(Rule::UnknownWindow, "the input method in nothing", |o| text_focus(FREE, true, o)),
        case(Rule::NoFocus, "the input method in a window without the keys", |o| text_focus(NEW, true, o)),
        case(Rule::UnknownSerial, "the input method without a serial", |o| {
            ToQube::TextInputFocus(&m::Switch { on: true.into() }).encode(TOPLEVEL, 0, o);
        }),
        case(Rule::FocusHeld, "the input method comes twice", |o| text_focus(TOPLEVEL, true, o))
            .after(|s| legal(s, |o| text_focus(TOPLEVEL, true, o))),
        case(Rule::NoFocus, "the input method goes twice", |o| text_focus(TOPLEVEL, false, o)).after(|s| {
            legal(s, |o| text_focus(TOPLEVEL, true, o));
            legal(s, |o| text_focus(TOPLEVEL, false, o));
        }),
        case(Rule::NoFocus, "text for a window that the input method does not serve", |o| {
            ToQube::CommitText(b"t").encode(TOPLEVEL, 0, o);
        }),
        case(Rule::NoFocus, "text for the window that had the keys before", |o| {
            ToQube::TextInputDone(()).encode(TOPLEVEL, 1, o);
        })
        .after(|s| {
            legal(s, |o| text_focus(TOPLEVEL, true, o));
            legal(s, |o| ToQube::KeyboardLeave(()).encode(TOPLEVEL, 0, o));
        }),
        case(Rule::OutOfRange, "more is deleted than a field can say", |o| {
            let delete = m::DeleteSurrounding { before: (MAX_INPUT_TEXT as u32 + 1).into(), after: 0.into() };
            ToQube::DeleteSurrounding(&delete).encode(TOPLEVEL, 0, o);
        })
        .after(|s| legal(s, |o| text_focus(TOPLEVEL, true, o))),
        case(Rule::UnknownWindow, "a constraint of nothing", |o| {
            ToQube::ConstraintActive(&some()).encode(FREE, 0, o);
        }),
    ]
}

fn cases() -> Vec<Case> {
    [
        handshake_cases(),
        window_cases(),
        grant_cases(),
        commit_cases(),
        other_agent_cases(),
        dom0_cases(),
        notification_cases(),
        input_cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn each_breaks_its_rule_and_nothing_else() {
    for case in cases() {
        for end in case.ends {
            let mut session = known(*end);
            (case.prepare)(&mut session);
            let before = session.clone();
            let rule = take_up(&mut session, case.step).map_err(|error| error.rule());
            assert_eq!(rule, Err(case.rule), "{} ({end:?})", case.name);
            assert!(session == before, "{} ({end:?}) changed the state", case.name);
        }
    }
}

/// What dom0 may not say of a dying window may still be under way when it begins to die.
#[test]
fn what_only_dom0_may_not_say_is_heard_in_the_qube() {
    for case in cases().iter().filter(|case| case.ends == DOM0) {
        let mut session = known(End::Agent);
        // One of them wants the keyboard to be free.
        legal(&mut session, |o| ToQube::KeyboardLeave(()).encode(TOPLEVEL, 0, o));
        (case.prepare)(&mut session);
        assert_eq!(take_up(&mut session, case.step), Ok(()), "{}", case.name);
    }
}

#[test]
fn every_rule_is_broken_once() {
    let broken: Vec<Rule> = cases().iter().map(|case| case.rule).collect();
    for rule in Rule::ALL {
        let here = broken.contains(rule);
        assert!(
            here != ELSEWHERE.contains(rule),
            "{rule:?} is {}given by the session",
            if here { "" } else { "not " }
        );
    }
}

#[test]
fn rules_are_numbered_without_gaps() {
    for (at, rule) in Rule::ALL.iter().enumerate() {
        assert_eq!(*rule as usize, at + 1, "{rule:?}");
    }
}
