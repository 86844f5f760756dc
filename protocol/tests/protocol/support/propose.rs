//! Steps that are likely to be legal in a given state. Ids and serials come from small ranges, so
//! that they are met again, reused and crossed. The session of the sender has the last word.

use transom_protocol::{
    MAGIC,
    limits::{CONTENT_PURPOSES, MAX_INPUT_TEXT},
    message::{self as m, ToDom0, ToQube, commit_flags, tail_bytes},
    session::{Session, WindowRole},
    types::*,
    wire::With,
};

use super::{dice::Dice, random::Random, samples::WithTail};

/// Most windows a conversation may have.
pub(crate) const WINDOWS: usize = 7;
/// Most grants.
pub(crate) const GRANTS: usize = 4;

/// Proposes steps for one end.
#[derive(Clone, Default)]
pub(crate) struct Proposer {
    last_serial: u32,
}

impl Proposer {
    pub(crate) fn hello(out: &mut Vec<u8>) {
        let hello =
            m::Hello { magic: MAGIC, version_min: 1.into(), version_max: 3.into(), features: 0.into() };
        ToDom0::Hello(&hello).encode(0, 0, out);
    }

    pub(crate) fn welcome(dice: &mut Dice<'_>, out: &mut Vec<u8>) {
        let welcome = m::Welcome {
            version: 1.into(),
            label: Random::random(dice),
            client_fds: Random::random(dice),
            max_windows: (WINDOWS as u32).into(),
            max_grants: (GRANTS as u32).into(),
            max_grant_bytes: (10 * 4_096).into(),
            max_selection_bytes: 100.into(),
            features: 0.into(),
        };
        ToQube::Welcome(&welcome).encode(0, 0, out);
    }

    /// The next serial; sometimes a far one.
    fn serial(&mut self, dice: &mut Dice<'_>) -> u32 {
        let step = if dice.once_in(64) { 1 << 30 } else { dice.id(2) };
        self.last_serial = self.last_serial.wrapping_add(step);
        self.last_serial
    }

    /// A step of the agent.
    pub(crate) fn as_agent(&mut self, session: &Session, dice: &mut Dice<'_>, out: &mut Vec<u8>) {
        let all = windows(session, WindowRole::ALL);
        let top = windows(session, &[WindowRole::Toplevel]);
        let popups = windows(session, &[WindowRole::Popup]);
        let any = any_window(&all, dice);
        match dice.below(41) {
            0..3 => {
                let kind = WindowKind::random(dice);
                let parent = if kind == WindowKind::Subsurface { any } else { 0 };
                let create = m::WindowCreate { kind, parent: parent.into() };
                ToDom0::WindowCreate(&create).encode(dice.id(WINDOWS), 0, out);
            }
            3 => {
                let either = windows(session, &[WindowRole::Toplevel, WindowRole::Popup]);
                let create = m::PopupCreate {
                    parent: any_window(&either, dice).into(),
                    positioner: positioner(dice),
                    grab: Random::random(dice),
                };
                ToDom0::PopupCreate(&create).encode(dice.id(WINDOWS), 0, out);
            }
            4 => {
                let again = m::PopupReposition { positioner: positioner(dice), token: Random::random(dice) };
                ToDom0::PopupReposition(&again).encode(any_window(&popups, dice), 0, out);
            }
            5..7 => ToDom0::WindowDestroy(()).encode(any, 0, out),
            7 => ToDom0::Title(dice.text(60).as_bytes()).encode(any_window(&top, dice), 0, out),
            8 => ToDom0::AppId(dice.text(60).as_bytes()).encode(any_window(&top, dice), 0, out),
            9 => {
                let set = m::SetParent { parent: any_window(&top, dice).into(), modal: Random::random(dice) };
                ToDom0::SetParent(&set).encode(any_window(&top, dice), 0, out);
            }
            10 => {
                let (least, most) = (dice.id(100), 100 + dice.id(100));
                let size = m::SizeLimits {
                    min_width: least.into(),
                    min_height: 0.into(),
                    max_width: most.into(),
                    max_height: 0.into(),
                };
                ToDom0::SizeLimits(&size).encode(any_window(&top, dice), 0, out);
            }
            11 => {
                let request = m::WindowRequest { request: Random::random(dice) };
                ToDom0::WindowRequest(&request).encode(any_window(&top, dice), 0, out);
            }
            12 => ToDom0::MoveRequest(()).encode(any_window(&top, dice), dice.id(9), out),
            13 => {
                let request = m::ResizeRequest { edges: dice.id(10).into() };
                ToDom0::ResizeRequest(&request).encode(any_window(&top, dice), dice.id(9), out);
            }
            14..17 => {
                let waiting: Vec<(u32, u32)> = session
                    .windows()
                    .flat_map(|(id, w)| w.configures.iter().map(move |serial| (id, *serial)))
                    .collect();
                let (window, serial) = dice.pick(&waiting).unwrap_or((1, 1));
                ToDom0::AckConfigure(()).encode(window, serial, out);
            }
            17 => {
                let subs = windows(session, &[WindowRole::Subsurface]);
                let place = m::SubsurfacePlace {
                    x: i32::from(dice.byte()).into(),
                    y: (-i32::from(dice.byte())).into(),
                    sibling: if dice.once_in(2) { 0 } else { any }.into(),
                    above: Random::random(dice),
                };
                ToDom0::SubsurfacePlace(&place).encode(any_window(&subs, dice), 0, out);
            }
            18..20 => {
                let pages = dice.id(4);
                let kind = GrantKind::random(dice);
                let run = m::PageRun { first: Random::random(dice), count: pages.into() };
                let create = m::GrantCreate {
                    grant: dice.id(GRANTS + 1).into(),
                    kind,
                    bytes: (u64::from(pages) * 4_096).into(),
                };
                let runs = [run];
                let tail = if kind == GrantKind::PageRuns { tail_bytes(&runs) } else { &[] };
                ToDom0::GrantCreate(With { fixed: &create, tail }).encode(0, 0, out);
            }
            20 => {
                let name = m::GrantName { grant: dice.id(GRANTS + 1).into() };
                ToDom0::GrantRevoke(&name).encode(0, 0, out);
            }
            21..26 => {
                let serial = self.serial(dice);
                commit(dice, any, serial, out);
            }
            26 => {
                let cursors = windows(session, &[WindowRole::Cursor]);
                let change = m::CursorChange {
                    kind: Random::random(dice),
                    shape: dice.id(34) as u8,
                    window: any_window(&cursors, dice).into(),
                    hot_x: 3.into(),
                    hot_y: 0.into(),
                };
                ToDom0::Cursor(&change).encode(0, dice.id(9), out);
            }
            27 => {
                let constraint = m::PointerConstraint {
                    constraint: Random::random(dice),
                    has_hint: Random::random(dice),
                    hint_x: 1.0.into(),
                    hint_y: 2.0.into(),
                    rects: 1.into(),
                };
                let region = [Rect::new(0, 0, 5, 5)];
                ToDom0::PointerConstraint(With { fixed: &constraint, tail: tail_bytes(&region) })
                    .encode(any, 0, out);
            }
            28 => {
                let (mut input, text) = m::TextInput::with_tail(dice);
                input.rect = Rect::new(1, 2, 3, 4);
                (input.hint, input.purpose) =
                    (dice.id(9).into(), (dice.id(CONTENT_PURPOSES as usize + 2)).into());
                ToDom0::TextInput(With { fixed: &input, tail: &text }).encode(any, 0, out);
            }
            29 => ToDom0::IdleInhibit(&Random::random(dice)).encode(any, 0, out),
            30 => ToDom0::Bell(()).encode(if dice.once_in(2) { 0 } else { any }, 0, out),
            31 => {
                let (offer, types) = m::SelectionOffer::with_tail(dice);
                ToDom0::SelectionOffer(With { fixed: &offer, tail: &types }).encode(0, 0, out);
            }
            32 => {
                let data = m::SelectionData { end: Random::random(dice), failed: false.into() };
                let bytes = dice.blob(60);
                ToDom0::SelectionData(With { fixed: &data, tail: &bytes }).encode(0, dice.id(9), out);
            }
            33 | 34 => {
                let (mut notify, tail) = m::Notify::with_tail(dice);
                notify.notification = dice.id(4).into();
                ToDom0::Notify(With { fixed: &notify, tail: &tail }).encode(0, 0, out);
            }
            35 => {
                let name = m::NotificationName { notification: dice.id(4).into() };
                ToDom0::NotifyClose(&name).encode(0, 0, out);
            }
            36 => {
                let (mut icon, tail) = m::StatusIcon::with_tail(dice);
                icon.icon = dice.id(3).into();
                ToDom0::StatusIcon(With { fixed: &icon, tail: &tail }).encode(0, 0, out);
            }
            37 => {
                ToDom0::StatusIconGone(&m::StatusIconName { icon: dice.id(3).into() }).encode(0, 0, out);
            }
            38 => {
                let (mut offer, types) = m::SelectionOffer::with_tail(dice);
                offer.selection = Selection::Drag;
                ToDom0::DragStart(With { fixed: &offer, tail: &types }).encode(any, dice.id(9), out);
            }
            _ => ToDom0::Pong(()).encode(0, dice.id(5), out),
        }
    }

    /// A step of dom0, never a goodbye: what crosses that one is not read any more.
    pub(crate) fn as_dom0(&mut self, session: &Session, dice: &mut Dice<'_>, out: &mut Vec<u8>) {
        let all = windows(session, WindowRole::ALL);
        let shells = windows(session, &[WindowRole::Toplevel, WindowRole::Popup]);
        let any = any_window(&all, dice);
        let keys = session.keyboard_focus().unwrap_or(any);
        let typed = session.text_focus().unwrap_or(keys);
        let pointer = session.pointer_focus().unwrap_or(any);
        let tool = session.tool_focus().unwrap_or(any);
        match dice.below(67) {
            0..2 => ToQube::Ping(()).encode(0, dice.id(5), out),
            2..4 => {
                let mut output = m::Output::random(dice);
                (output.output, output.scale) = (dice.id(3).into(), 120.into());
                ToQube::Output(&output).encode(0, 0, out);
            }
            4 => ToQube::OutputGone(&m::OutputName { output: dice.id(3).into() }).encode(0, 0, out),
            5 => {
                let keymap = m::Keymap { format: KeymapFormat::Text };
                ToQube::Keymap(With { fixed: &keymap, tail: b"xkb" }).encode(0, 0, out);
            }
            6..11 => {
                let mut configure = m::Configure::random(dice);
                (configure.width, configure.height) = (640.into(), 0.into());
                configure.states = (configure.states.get() & states::ALL).into();
                let serial = self.serial(dice);
                ToQube::Configure(&configure).encode(any_window(&shells, dice), serial, out);
            }
            11 => ToQube::Close(()).encode(any_window(&shells, dice), 0, out),
            12 => ToQube::PopupDone(()).encode(any_window(&shells, dice), 0, out),
            13 => ToQube::FrameDone(&Random::random(dice)).encode(any, 0, out),
            14 => ToQube::Presented(&Random::random(dice)).encode(any, dice.id(9), out),
            15 => ToQube::Discarded(()).encode(any, dice.id(9), out),
            16..19 => {
                let held: Vec<(u32, u32)> = session
                    .windows()
                    .flat_map(|(id, w)| w.buffers.iter().map(move |serial| (id, *serial)))
                    .collect();
                let (window, serial) = dice.pick(&held).unwrap_or((1, 1));
                ToQube::Release(()).encode(window, serial, out);
            }
            19 => {
                let on = m::OnOutput { output: dice.id(3).into(), on: Random::random(dice) };
                ToQube::OnOutput(&on).encode(any, 0, out);
            }
            20 => ToQube::PreferredScale(&m::Scale { scale: 180.into() }).encode(any, 0, out),
            // Destroyed windows cannot be seen from outside: try every id.
            21..25 => ToQube::WindowGone(()).encode(dice.id(WINDOWS), 0, out),
            25..27 => {
                ToQube::Revoked(&m::GrantName { grant: dice.id(GRANTS + 1).into() }).encode(0, 0, out);
            }
            27 => ToQube::KeyboardEnter(()).encode(any, dice.id(9), out),
            28 => ToQube::KeyboardLeave(()).encode(keys, 0, out),
            29 => ToQube::Key(&Random::random(dice)).encode(keys, dice.id(9), out),
            30 => ToQube::Modifiers(&Random::random(dice)).encode(keys, 0, out),
            31 => ToQube::PointerEnter(&Random::random(dice)).encode(any, dice.id(9), out),
            32 => ToQube::PointerLeave(()).encode(pointer, 0, out),
            33 => ToQube::Motion(&Random::random(dice)).encode(pointer, 0, out),
            34 => ToQube::Button(&Random::random(dice)).encode(pointer, dice.id(9), out),
            35 => ToQube::Axis(&Random::random(dice)).encode(pointer, 0, out),
            36 => ToQube::PointerFrame(()).encode(pointer, 0, out),
            37 => ToQube::RelativeMotion(&Random::random(dice)).encode(pointer, 0, out),
            38 => ToQube::ConstraintActive(&Random::random(dice)).encode(any, 0, out),
            39 => {
                let mut gesture = m::Gesture::random(dice);
                match session.gesture() {
                    Some(kind) if gesture.phase != GesturePhase::Begin => gesture.kind = kind,
                    Some(_) => {}
                    None => gesture.phase = GesturePhase::Begin,
                }
                ToQube::Gesture(&gesture).encode(pointer, dice.id(9), out);
            }
            40 => ToQube::TouchDown(&touch(dice)).encode(any, dice.id(9), out),
            41 => ToQube::TouchMotion(&touch(dice)).encode(any, 0, out),
            42 => {
                let up = m::TouchUp { time: 0.into(), id: touch(dice).id };
                ToQube::TouchUp(&up).encode(any, dice.id(9), out);
            }
            43 => ToQube::TouchFrame(()).encode(any, 0, out),
            44 => ToQube::TouchCancel(()).encode(any, 0, out),
            45 => ToQube::TextInputFocus(&m::Switch { on: session.text_focus().is_none().into() }).encode(
                typed,
                dice.id(9),
                out,
            ),
            46 => {
                let (preedit, text) = m::Preedit::with_tail(dice);
                ToQube::Preedit(With { fixed: &preedit, tail: &text }).encode(typed, 0, out);
            }
            47 => ToQube::CommitText(b"text").encode(typed, 0, out),
            48 => {
                let most = MAX_INPUT_TEXT + 2;
                let delete =
                    m::DeleteSurrounding { before: dice.id(most).into(), after: dice.id(most).into() };
                ToQube::DeleteSurrounding(&delete).encode(typed, 0, out);
            }
            49 => ToQube::TextInputDone(()).encode(typed, 0, out),
            50 | 51 => {
                let name = m::SelectionName { selection: Random::random(dice) };
                ToQube::SelectionRequest(With { fixed: &name, tail: b"text/plain" }).encode(
                    0,
                    dice.id(9),
                    out,
                );
            }
            52 => ToQube::SelectionCancel(()).encode(0, dice.id(9), out),
            53 => {
                let (offer, types) = m::SelectionOffer::with_tail(dice);
                ToQube::Paste(With { fixed: &offer, tail: &types }).encode(0, dice.id(9), out);
            }
            54 => {
                let (data, bytes) = m::PasteData::with_tail(dice);
                ToQube::PasteData(With { fixed: &data, tail: &bytes }).encode(0, dice.id(9), out);
            }
            55 => {
                let mut enter = m::ToolEnter::random(dice);
                enter.axes &= tool_axes::ALL;
                ToQube::ToolEnter(&enter).encode(any, dice.id(9), out);
            }
            56 => ToQube::ToolLeave(()).encode(tool, 0, out),
            57 => ToQube::ToolMotion(&Random::random(dice)).encode(tool, 0, out),
            58 => ToQube::ToolTip(&Random::random(dice)).encode(tool, dice.id(9), out),
            59 => ToQube::ToolButton(&Random::random(dice)).encode(tool, dice.id(9), out),
            60 => {
                let name = m::NotificationName { notification: dice.id(4).into() };
                ToQube::NotifyDismissed(&name).encode(0, 0, out);
            }
            61 => {
                let chosen = m::NotifyAction { notification: dice.id(4).into(), action: dice.below(3) as u8 };
                ToQube::NotifyAction(&chosen).encode(0, 0, out);
            }
            62 => {
                let click =
                    m::StatusIconActivate { icon: dice.id(3).into(), activation: Random::random(dice) };
                ToQube::StatusIconActivate(&click).encode(0, 0, out);
            }
            63 => {
                let on = session.drag().is_none();
                let serial = session.drag().unwrap_or(dice.id(9));
                ToQube::Drag(&m::Switch { on: on.into() }).encode(0, serial, out);
            }
            64 => ToQube::Drop(&Random::random(dice)).encode(any, dice.id(3), out),
            65 => {
                let (mut offer, types) = m::SelectionOffer::with_tail(dice);
                offer.selection = Selection::Drag;
                ToQube::Paste(With { fixed: &offer, tail: &types }).encode(0, dice.id(3), out);
            }
            _ => ToQube::WindowGone(()).encode(any, 0, out),
        }
    }
}

fn windows(session: &Session, roles: &[WindowRole]) -> Vec<u32> {
    session.windows().filter(|(_, w)| roles.contains(&w.role)).map(|(id, _)| id).collect()
}

/// One of `among`, seldom another.
fn any_window(among: &[u32], dice: &mut Dice<'_>) -> u32 {
    if dice.once_in(16) { dice.below(WINDOWS + 1) as u32 } else { dice.pick(among).unwrap_or(1) }
}

fn touch(dice: &mut Dice<'_>) -> m::TouchPoint {
    let mut point = m::TouchPoint::random(dice);
    point.id = (point.id.get() % 3).into();
    point
}

fn positioner(dice: &mut Dice<'_>) -> Positioner {
    let mut positioner = Positioner::random(dice);
    (positioner.width, positioner.height) = (dice.id(300).into(), dice.id(300).into());
    positioner.anchor_rect = Rect::new(dice.below(50) as i32, 0, 10, 0);
    positioner.adjustment &= 63;
    (positioner.offset_x, positioner.offset_y) = (0.into(), (-5).into());
    positioner
}

fn commit(dice: &mut Dice<'_>, window: u32, serial: u32, out: &mut Vec<u8>) {
    let (width, height) = (dice.id(40), dice.id(40));
    let rects: Vec<Rect> = (0..dice.below(3)).map(|at| Rect::new(at as i32, 0, 7, 7)).collect();
    let viewport = dice.once_in(4);
    let side = if viewport { 0.5 } else { 0.0 };
    let commit = m::Commit {
        buffer: Random::random(dice),
        format: Random::random(dice),
        transform: Random::random(dice),
        scale: dice.id(3) as u8,
        flags: dice.byte() & commit_flags::ALL,
        damage: rects.len() as u8,
        opaque: 0,
        input: 0,
        grant: dice.id(GRANTS).into(),
        offset: (dice.below(256) as u64 * 4).into(),
        width: width.into(),
        height: height.into(),
        stride: (width * 4 + dice.below(2) as u32 * 4).into(),
        color: Random::random(dice),
        source: FixedRect { x: 0.0.into(), y: side.into(), width: side.into(), height: side.into() },
        dest_width: u32::from(viewport).into(),
        dest_height: u32::from(viewport).into(),
        content: Rect::new(0, 0, width as i32, height as i32),
        delta_x: 0.into(),
        delta_y: 0.into(),
    };
    ToDom0::Commit(With { fixed: &commit, tail: tail_bytes(&rects) }).encode(window, serial, out);
}
