//! One well-formed message of every type, with random values: the form is legal, the moment need
//! not be.

use transom_protocol::{
    call::{self as c, CallDown, CallUp},
    limits::*,
    message::{self as m, ToDom0, ToQube, commit_flags, tail_bytes},
    network::{self as n, FromNet, ToNet},
    service::{self as s, ToAgent, ToQubed},
    types::{GrantKind, KeymapFormat, Rect, join_strings},
    wire::With,
};

use super::{dice::Dice, random::Random};

/// A fixed part together with a tail that fits it.
pub(crate) trait WithTail: Random {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>);
}

fn list<T: Random>(dice: &mut Dice<'_>, count: usize) -> Vec<T> {
    (0..count).map(|_| T::random(dice)).collect()
}

impl WithTail for m::Goodbye {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        (Self::random(dice), dice.text(MAX_REASON).into_bytes())
    }
}

impl WithTail for m::Keymap {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let keymap = Self::random(dice);
        let tail = match keymap.format {
            KeymapFormat::Names => {
                join_strings((0..5).map(|_| dice.text(40)).collect::<Vec<_>>().iter().map(String::as_str))
            }
            KeymapFormat::Text => {
                let most = if dice.once_in(16) { MAX_KEYMAP } else { 500 };
                dice.text(most).into_bytes()
            }
        };
        (keymap, tail)
    }
}

impl WithTail for m::GrantCreate {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let create = Self::random(dice);
        let runs: Vec<m::PageRun> = match create.kind {
            GrantKind::ClientFd => Vec::new(),
            GrantKind::PageRuns => {
                let count = if dice.once_in(16) { MAX_RUNS } else { dice.id(20) as usize };
                list(dice, count)
            }
        };
        (create, tail_bytes(&runs).to_vec())
    }
}

impl WithTail for m::Commit {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let mut commit = Self::random(dice);
        let [damage, opaque, input] = std::array::from_fn(|_| dice.below(MAX_RECTS + 1) as u8);
        (commit.damage, commit.opaque, commit.input) = (damage, opaque, input);
        commit.flags &= commit_flags::ALL;
        let count = [damage, opaque, input].map(usize::from).iter().sum();
        (commit, tail_bytes(&list::<Rect>(dice, count)).to_vec())
    }
}

impl WithTail for m::PointerConstraint {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let mut constraint = Self::random(dice);
        let count = dice.below(MAX_RECTS + 1);
        constraint.rects = (count as u16).into();
        (constraint, tail_bytes(&list::<Rect>(dice, count)).to_vec())
    }
}

impl WithTail for m::TextInput {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let mut input = Self::random(dice);
        let text = if input.has_text.get() { dice.text(MAX_INPUT_TEXT) } else { String::new() };
        let boundary = |at: u16| {
            let at = usize::from(at) % (text.len() + 1);
            // 0 is a boundary of every text.
            (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0) as u16
        };
        input.cursor = boundary(input.cursor.get()).into();
        input.anchor = boundary(input.anchor.get()).into();
        (input, text.into_bytes())
    }
}

impl WithTail for m::Preedit {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let text = dice.text(MAX_INPUT_TEXT);
        let at = |at: usize| text.floor_char_boundary(at.min(text.len())) as i32;
        let (begin, end) = if dice.once_in(4) {
            (-1, -1)
        } else {
            (at(dice.below(MAX_INPUT_TEXT)), at(dice.below(MAX_INPUT_TEXT)))
        };
        (Self { begin: begin.into(), end: end.into() }, text.into_bytes())
    }
}

impl WithTail for m::SelectionOffer {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let types = dice.mime_types(MAX_MIME_TYPES);
        (Self::random(dice), join_strings(types.iter().map(String::as_str)))
    }
}

impl WithTail for m::SelectionName {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        (Self::random(dice), dice.mime_type().into_bytes())
    }
}

impl WithTail for m::SelectionData {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let mut data = Self::random(dice);
        if data.failed.get() {
            data.end = true.into();
            return (data, Vec::new());
        }
        (data, dice.blob(MAX_CHUNK))
    }
}

impl WithTail for m::PasteData {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let mut data = Self::random(dice);
        data.index = (data.index.get() % MAX_MIME_TYPES as u16).into();
        (data, dice.blob(MAX_CHUNK))
    }
}

impl WithTail for m::Notify {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let mut notify = Self::random(dice);
        let mut texts = vec![dice.text(MAX_SUMMARY), dice.text(MAX_BODY)];
        texts.extend((0..dice.below(MAX_ACTIONS + 1)).map(|_| dice.text(MAX_ACTION)));
        let mut tail = join_strings(texts.iter().map(String::as_str));
        notify.text = (tail.len() as u16).into();
        if dice.once_in(4) {
            tail.resize(tail.len() + s::ICON_BYTES, dice.byte());
        }
        (notify, tail)
    }
}

impl WithTail for m::StatusIcon {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let mut icon = Self::random(dice);
        let mut tail = dice.text(MAX_STATUS_TITLE).into_bytes();
        icon.title = (tail.len() as u16).into();
        if dice.once_in(4) {
            tail.resize(tail.len() + s::ICON_BYTES, dice.byte());
        }
        (icon, tail)
    }
}

impl WithTail for s::Run {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let mut arguments = vec![format!("p{}", dice.text(60))];
        arguments.extend((0..dice.below(s::MAX_ARGUMENTS)).map(|_| dice.text(120)));
        (Self::random(dice), join_strings(arguments.iter().map(String::as_str)))
    }
}

impl WithTail for s::Failed {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        (Self::random(dice), dice.text(s::MAX_REASON).into_bytes())
    }
}

fn service(dice: &mut Dice<'_>) -> String {
    format!("s{}", dice.id(1_000))
}

impl WithTail for s::Serve {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let (service, argument) = (service(dice), dice.id(1_000).to_string());
        (Self::random(dice), join_strings([service.as_str(), &argument, "work"]))
    }
}

impl WithTail for n::Refused {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        (Self::random(dice), dice.text(n::MAX_REASON).into_bytes())
    }
}

impl WithTail for n::SetupHead {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let inside = Some(std::net::Ipv4Addr::from_bits(dice.id(1 << 24)));
        let setup = n::Setup { inside, ..n::Setup::default() };
        (Self { version: n::NETWORK_VERSION.into() }, setup.to_json())
    }
}

impl WithTail for s::Launch {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        (Self::random(dice), format!("p{}", dice.id(1_000)).into_bytes())
    }
}

impl WithTail for s::Listed {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let id = format!("p{}", dice.id(1_000));
        let name = dice.text(s::MAX_PROGRAM_NAME);
        let [comment, categories, keywords] = [(); 3].map(|()| dice.text(s::MAX_PROGRAM_WORDS));
        let mut tail = join_strings([
            id.as_str(),
            name.as_str(),
            comment.as_str(),
            categories.as_str(),
            keywords.as_str(),
        ]);
        let text = (tail.len() as u16).into();
        if dice.once_in(2) {
            tail.resize(tail.len() + s::ICON_BYTES, dice.byte());
        }
        (Self { text }, tail)
    }
}

impl WithTail for c::Call {
    fn with_tail(dice: &mut Dice<'_>) -> (Self, Vec<u8>) {
        let target = ["", "vault", c::DISPOSABLE, "dom0"][dice.below(4)];
        let (service, argument) = (service(dice), dice.id(1_000).to_string());
        let description = dice.text(c::MAX_DESCRIPTION);
        (Self::random(dice), join_strings([service.as_str(), target, &argument, &description]))
    }
}

/// Makes a function that hands one message of every variant to a visitor, each from the same dice.
macro_rules! every {
    ($name:ident, $enum:ident; $($variant:ident $form:ident $($arg:expr)?;)*) => {
        pub(crate) fn $name(dice: &Dice<'_>, visit: &mut dyn FnMut(&$enum<'_>)) {
            $({
                #[allow(unused_mut, unused_variables, reason = "a message without payload needs no dice")]
                let mut dice = dice.clone();
                every!(@$form visit, dice, $enum::$variant $(, $arg)?);
            })*
        }
    };
    (@unit $visit:ident, $dice:ident, $variant:path) => { $visit(&$variant(())) };
    (@fixed $visit:ident, $dice:ident, $variant:path) => { $visit(&$variant(&Random::random(&mut $dice))) };
    (@bytes $visit:ident, $dice:ident, $variant:path, $max:expr) => { $visit(&$variant(&$dice.blob($max))) };
    (@tail $visit:ident, $dice:ident, $variant:path) => {
        let (fixed, tail) = WithTail::with_tail(&mut $dice);
        $visit(&$variant(With { fixed: &fixed, tail: &tail }));
    };
}

every! { every_to_dom0, ToDom0;
    Hello fixed; Pong unit; WindowCreate fixed; PopupCreate fixed; PopupReposition fixed;
    WindowDestroy unit; Title bytes MAX_TITLE; AppId bytes MAX_APP_ID; SetParent fixed;
    SizeLimits fixed; WindowRequest fixed; MoveRequest unit; ResizeRequest fixed; AckConfigure unit;
    SubsurfacePlace fixed; GrantCreate tail; GrantRevoke fixed; Commit tail; Cursor fixed;
    PointerConstraint tail; TextInput tail; IdleInhibit fixed; Bell unit; Notify tail;
    NotifyClose fixed; StatusIcon tail; StatusIconGone fixed; SelectionOffer tail; SelectionData tail;
    DragStart tail;
}

every! { every_to_qube, ToQube;
    Welcome fixed; Goodbye tail; Ping unit; Output fixed; OutputGone fixed; Keymap tail;
    Configure fixed; Close unit; PopupDone unit; FrameDone fixed; Presented fixed; Discarded unit;
    Release unit; OnOutput fixed; PreferredScale fixed; WindowGone unit; Revoked fixed;
    KeyboardEnter unit; KeyboardLeave unit; Key fixed; Modifiers fixed; PointerEnter fixed;
    PointerLeave unit; Motion fixed; Button fixed; Axis fixed; PointerFrame unit;
    RelativeMotion fixed; ConstraintActive fixed; Gesture fixed; TouchDown fixed; TouchMotion fixed;
    TouchUp fixed; TouchFrame unit; TouchCancel unit; ToolEnter fixed; ToolLeave unit; ToolMotion fixed;
    ToolTip fixed; ToolButton fixed; TextInputFocus fixed; Preedit tail;
    CommitText bytes MAX_INPUT_TEXT; DeleteSurrounding fixed; TextInputDone unit; NotifyDismissed fixed; NotifyAction fixed;
    StatusIconActivate fixed;
    SelectionRequest tail; SelectionCancel unit; Paste tail; PasteData tail;
    Drag fixed; Drop fixed;
}

every! { every_to_qubed, ToQubed;
    Hello fixed; Started unit; Failed tail; Exited fixed; Ready unit; List fixed; Listed tail; ListEnd unit;
}

every! { every_to_agent, ToAgent;
    Welcome fixed; Run tail; Shutdown unit; Time fixed; Serve tail; Launch tail;
}

every! { every_call_up, CallUp;
    Call tail; Accept fixed; Data bytes c::MAX_DATA; End unit; Exited fixed;
}

every! { every_call_down, CallDown;
    Allowed unit; Refused unit; Data bytes c::MAX_DATA; End unit; Exited fixed;
}

every! { every_from_net, FromNet;
    Hello fixed; Applied unit; Refused tail;
}

every! { every_to_net, ToNet;
    Setup tail;
}
