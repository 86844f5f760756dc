//! What is drawn for people and for the golden pictures.

use transom_theming::{
    Answer, BarIcon, BarQube, BarSpec, CaptionSpec, Choice, CursorShape, FrameKind, FrameSpec, Icon, Image,
    Label, LauncherRow, LauncherSpec, LockSpec, NoticeSpec, NotificationSpec, Painter, PromptSpec, QubeMark,
    Rgb, Run, Scale, SecretField, Size, StartingSpec, TitleButton, WelcomeSpec,
};

use super::sheet::framed;

/// Stands for a window's content.
pub(crate) const CONTENT: Rgb = Rgb::new(0x30, 0x50, 0x48);

/// A toplevel with the keys.
pub(crate) fn toplevel(label: Option<Label>, title: &str, scale: Scale) -> FrameSpec<'_> {
    FrameSpec {
        kind: FrameKind::Toplevel,
        label,
        qube: label.map_or("dom0", |label| match label {
            Label::Red => "untrusted",
            Label::Orange => "disposable-17",
            Label::Yellow => "shopping",
            Label::Green => "personal",
            Label::Blue => "work",
            Label::Purple => "project-gq",
            Label::Grey => "sys-net",
            Label::Black => "vault",
        }),
        title,
        active: true,
        attention: None,
        not_isolated: false,
        maximised: false,
        hovered: None,
        pressed: None,
        content: Size { w: 250, h: 10 },
        scale,
    }
}

/// All labels, then dom0.
pub(crate) fn owners() -> impl Iterator<Item = Option<Label>> {
    Label::ALL.into_iter().map(Some).chain([None])
}

/// The states of a frame with this label, one picture each.
pub(crate) fn states(painter: &mut Painter, label: Option<Label>, scale: Scale) -> Vec<Image> {
    let plain = toplevel(label, "report.odt - LibreOffice Writer", scale);
    let close = Some(TitleButton::Close);
    let specs = [
        plain.clone(),
        FrameSpec { active: false, ..plain.clone() },
        FrameSpec { active: false, attention: Some(0.5), ..plain.clone() },
        FrameSpec { not_isolated: label.is_some(), hovered: Some(TitleButton::Minimise), ..plain.clone() },
        FrameSpec { not_isolated: label.is_some(), active: false, hovered: close, ..plain.clone() },
        FrameSpec { maximised: true, hovered: close, pressed: close, ..plain.clone() },
    ];
    specs.iter().map(|spec| framed(painter, spec, CONTENT)).collect()
}

/// Titles that are hard to set.
pub(crate) const TITLES: [&str; 8] = [
    "ÄÇjgpqy|ÅÉ 0123456789 — “quotes”",
    "🎉 party 👩‍👩‍👧 🇩🇪 ❤️ plan ✅",
    "مرحبا بالعالم - report.odt",
    "שלום עולם (draft) 12:45",
    "日本語のタイトル 中文 한국어",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘",
    "a very long title that goes on and on until nobody can be expected to read it to its end - Firefox",
    "\u{202e}reversed by a control character",
];

/// One title per row, with and without the keys.
pub(crate) fn titles(painter: &mut Painter, scale: Scale) -> Vec<Vec<Image>> {
    let labels = Label::ALL.into_iter();
    TITLES
        .into_iter()
        .zip(labels)
        .map(|(title, label)| {
            let spec = FrameSpec { content: Size { w: 400, h: 6 }, ..toplevel(Some(label), title, scale) };
            let inactive = FrameSpec { active: false, not_isolated: true, ..spec.clone() };
            [spec, inactive].iter().map(|s| framed(painter, s, CONTENT)).collect()
        })
        .collect()
}

/// Frames as they grow narrower.
pub(crate) fn narrow(painter: &mut Painter, scale: Scale) -> Vec<Vec<Image>> {
    [[240, 200, 160, 130], [110, 90, 60, 30], [20, 8, 1, 0]]
        .into_iter()
        .map(|widths| {
            widths
                .into_iter()
                .map(|w| {
                    let spec = toplevel(Some(Label::Orange), "inbox", scale);
                    framed(
                        painter,
                        &FrameSpec { content: Size { w, h: 30 }, not_isolated: w == 200, ..spec },
                        CONTENT,
                    )
                })
                .collect()
        })
        .collect()
}

/// Popups, a drag icon and fullscreen strips of every label.
pub(crate) fn thin(painter: &mut Painter, scale: Scale) -> Vec<Vec<Image>> {
    [(FrameKind::Popup, 90), (FrameKind::DragIcon, 40), (FrameKind::Fullscreen, 110)]
        .into_iter()
        .map(|(kind, w)| {
            owners()
                .map(|label| {
                    let spec = toplevel(label, "", scale);
                    framed(painter, &FrameSpec { kind, content: Size { w, h: 40 }, ..spec }, CONTENT)
                })
                .collect()
        })
        .collect()
}

/// A disc of one colour on nothing, as a program's picture.
fn disc(rgb: [u8; 3]) -> Vec<u8> {
    let pixel = |at: i32| {
        let (x, y) = (2 * (at % 48) - 47, 2 * (at / 48) - 47);
        [rgb[0], rgb[1], rgb[2], if x * x + y * y < 42 * 42 { 255 } else { 0 }]
    };
    (0..48 * 48).flat_map(pixel).collect()
}

/// dom0's bar in several states.
pub(crate) fn bars(painter: &mut Painter, scale: Scale) -> Vec<Vec<Image>> {
    let marks = [QubeMark::Running, QubeMark::Halted, QubeMark::Starting];
    let qubes: Vec<BarQube<'_>> = owners()
        .flatten()
        .flat_map(|label| marks.map(|mark| (label, mark)))
        .enumerate()
        .map(|(i, (label, mark))| BarQube { name: "q", label, mark, not_isolated: i % 5 == 0 })
        .collect();
    let workspaces = [(1, true, false), (2, false, true), (3, false, false), (10, false, false)];
    let pixels = disc([250, 180, 40]);
    let icon = Some(Icon { side: 48, pixels: &pixels });
    let icons: Vec<BarIcon<'_>> =
        [(Label::Blue, true), (Label::Blue, false), (Label::Red, true), (Label::Green, false)]
            .into_iter()
            .enumerate()
            .map(|(i, (label, drawn))| BarIcon {
                qube: label.name(),
                label,
                title: "Mail",
                icon: icon.filter(|_| drawn),
                attention: i == 2,
            })
            .collect();
    let full = BarSpec {
        width: 1280,
        scale,
        focused: Some(("work", Some(Label::Blue), false)),
        workspaces: &workspaces,
        clock: "Thu 14 May  09:41",
        qubes: &qubes[..12],
        clipboard: Some("work → untrusted, 42 s left"),
        layout: None,
        note: None,
        icons: &[],
    };
    let specs = [
        full,
        BarSpec { focused: None, qubes: &qubes[12..], clipboard: None, ..full },
        BarSpec { focused: Some(("untrusted", Some(Label::Red), true)), qubes: &qubes[..3], ..full },
        BarSpec { width: 640, qubes: &qubes, ..full },
        BarSpec { width: 220, ..full },
        BarSpec { icons: &icons, ..full },
        BarSpec {
            note: Some("do not disturb"),
            clipboard: None,
            icons: &icons,
            width: 900,
            qubes: &qubes[..3],
            ..full
        },
    ];
    specs.iter().map(|spec| vec![painter.bar(spec).image]).collect()
}

/// Questions, notices, captions and the empty desktop's words.
pub(crate) fn panels(painter: &mut Painter, scale: Scale) -> Vec<Vec<Image>> {
    let sentence = [
        Run::Qube { name: "work", label: Label::Blue },
        Run::Text("wants to send report.pdf (1.2 MB) to"),
        Run::Qube { name: "untrusted", label: Label::Red },
        Run::Text(". The qube gets a copy; it cannot be taken back."),
    ];
    let answers = |enabled: bool, focused: bool| {
        [
            Answer { text: "Do not send", enabled: true, focused: !focused, gives_away: false },
            Answer { text: "Send", enabled, focused, gives_away: true },
        ]
    };
    let questions = [(false, false), (true, false), (true, true)]
        .map(|(enabled, focused)| {
            painter
                .prompt(&PromptSpec {
                    sentence: &sentence,
                    choices: &[],
                    field: None,
                    answers: &answers(enabled, focused),
                    scale,
                })
                .image
        })
        .to_vec();
    let notices = vec![
        painter.notice(&NoticeSpec { runs: &sentence, scale }),
        painter.notice(&NoticeSpec { runs: &[Run::Text("Nothing to paste.")], scale }),
    ];
    let captions = Label::ALL
        .into_iter()
        .enumerate()
        .map(|(i, label)| {
            let spec = toplevel(Some(label), TITLES[i], scale);
            painter.caption(&CaptionSpec {
                label: Some(label),
                qube: spec.qube,
                title: spec.title,
                width: 180,
                not_isolated: i % 3 == 0,
                scale,
            })
        })
        .collect();
    let lines = [
        ("Open a program", "Super + Space"),
        ("Switch windows", "Alt + Tab"),
        ("Copy between qubes", "Ctrl + Shift + C, then Ctrl + Shift + V"),
    ];
    vec![questions, notices, captions, vec![painter.welcome(&WelcomeSpec { lines: &lines, scale })]]
}

/// Questions with qubes to choose from.
pub(crate) fn choices(painter: &mut Painter, scale: Scale) -> Vec<Image> {
    let sentence = [
        Run::Qube { name: "work", label: Label::Blue },
        Run::Text("wants to copy “report.pdf (1.2 MB)” to:"),
    ];
    let all: Vec<_> = Label::ALL.into_iter().map(|label| (label, label.name(), "")).collect();
    let some = [
        (Label::Black, "vault", ""),
        (Label::Red, "untrusted", "is started for it"),
        (Label::Blue, "a new disposable qube", "goes with its last window"),
    ];
    [(&some[..], None, 0), (&some[..], Some(1), 2), (&all[..], Some(0), 1)]
        .map(|(rows, chosen, focus)| {
            let choices: Vec<_> = (0..)
                .zip(rows)
                .map(|(i, (label, name, note))| Choice {
                    label: Some(*label),
                    name,
                    note,
                    chosen: chosen == Some(i),
                })
                .collect();
            let answer = |number: usize, text| {
                let gives_away = number == 2;
                let enabled = !gives_away || chosen.is_some();
                Answer { text, enabled, focused: number == focus, gives_away }
            };
            let answers = [answer(0, "Do not allow"), answer(1, "Do not ask again"), answer(2, "Allow")];
            painter
                .prompt(&PromptSpec {
                    sentence: &sentence,
                    choices: &choices,
                    field: None,
                    answers: &answers,
                    scale,
                })
                .image
        })
        .to_vec()
}

/// Questions for the passphrase of the volumes.
pub(crate) fn passphrases(painter: &mut Painter, scale: Scale) -> Vec<Image> {
    let wants = [
        Run::Qube { name: "work", label: Label::Blue },
        Run::Text("waits for the passphrase of your volumes."),
    ];
    let sets =
        [Run::Text("Choose a passphrase for the volumes of your qubes. Whoever forgets it loses them.")];
    [
        (&wants[..], 0, None, "Unlock", true),
        (&wants[..], 14, Some(("The passphrase is wrong.", true)), "Unlock", true),
        (&wants[..], 90, Some(("Checking …", false)), "Unlock", false),
        (&sets[..], 9, None, "Next", true),
    ]
    .map(|(sentence, typed, message, yes, enabled)| {
        let field =
            SecretField { name: "Passphrase", typed, message, caps: typed == 14, layout: Some("German") };
        let answers = [
            Answer { text: "Not now", enabled: true, focused: false, gives_away: false },
            Answer { text: yes, enabled, focused: enabled, gives_away: false },
        ];
        let spec = PromptSpec { sentence, choices: &[], field: Some(field), answers: &answers, scale };
        painter.prompt(&spec).image
    })
    .to_vec()
}

/// What says that dom0 itself is meant: frames, the bar, a card's caption.
pub(crate) fn dom0(painter: &mut Painter, scale: Scale) -> Vec<Vec<Image>> {
    let plain = toplevel(None, "foot", scale);
    let small = |kind| FrameSpec { kind, content: Size { w: 90, h: 24 }, ..plain.clone() };
    let frames = [
        plain.clone(),
        FrameSpec { active: false, ..plain.clone() },
        small(FrameKind::Popup),
        small(FrameKind::Fullscreen),
    ]
    .map(|spec| framed(painter, &spec, CONTENT));
    let bar = BarSpec {
        width: 640,
        scale,
        focused: Some(("dom0", None, false)),
        workspaces: &[(1, true, false)],
        clock: "09:41",
        qubes: &[],
        clipboard: None,
        layout: None,
        note: None,
        icons: &[],
    };
    let caption = CaptionSpec {
        label: None,
        qube: plain.qube,
        title: plain.title,
        width: 180,
        not_isolated: false,
        scale,
    };
    vec![frames.to_vec(), vec![painter.bar(&bar).image], vec![painter.caption(&caption)]]
}

/// All pointers.
pub(crate) fn cursors(painter: &mut Painter, scale: Scale) -> Vec<Image> {
    CursorShape::ALL.into_iter().map(|shape| painter.cursor(scale, shape).image).collect()
}

/// Lock screens.
pub(crate) fn locks(painter: &mut Painter, scale: Scale) -> Vec<Image> {
    let empty = LockSpec {
        time: "23:59",
        date: "Wednesday, 30 September",
        person: "A Person",
        typed: 0,
        message: None,
        caps: false,
        layout: None,
        scale,
    };
    let specs = [
        empty,
        LockSpec { typed: 7, layout: Some("de"), ..empty },
        LockSpec { typed: 1, message: Some(("That is not the password.", true)), caps: true, ..empty },
        LockSpec {
            person: "A person with a name that is longer than any panel is wide, and goes on",
            typed: 512,
            message: Some(("Words of another module that are longer than any panel is wide", false)),
            caps: true,
            layout: Some("us"),
            ..empty
        },
    ];
    specs.iter().map(|spec| painter.lock(spec)).collect()
}

/// The launcher: programs of several qubes, none, and what is on its way.
pub(crate) fn launchers(painter: &mut Painter, scale: Scale) -> Vec<Image> {
    let pixels: Vec<u8> = (0..48 * 48)
        .flat_map(|at| {
            let (x, y) = (at % 48, at / 48);
            let inside = (4..44).contains(&x) && (8..40).contains(&y);
            [(x * 5) as u8, 90, (y * 5) as u8, if inside { 255 } else { 0 }]
        })
        .collect();
    let icon = Some(Icon { side: 48, pixels: &pixels });
    let rows: Vec<LauncherRow<'_>> = Label::ALL
        .into_iter()
        .enumerate()
        .map(|(i, label)| LauncherRow {
            label,
            qube: if i == 3 { "a-qube-with-the-longest-name-mm" } else { label.name() },
            not_isolated: i % 3 == 1,
            note: if i % 2 == 0 { "halted" } else { "" },
            name: TITLES[i],
            comment: if i % 3 == 2 {
                ""
            } else {
                "What it is for, in more words than there is room for in a row"
            },
            icon: icon.filter(|_| i % 4 != 3),
            chosen: i == 1,
        })
        .collect();
    let full = LauncherSpec {
        query: "",
        count: "37",
        rows: &rows,
        slots: 8,
        message: "",
        hint: "Return starts  \u{b7}  Escape closes",
        scale,
    };
    let none = LauncherSpec {
        query: "a word that nothing is called and that goes on until there is no room left for it, not even here",
        count: "0 of 37",
        rows: &[],
        slots: 2,
        message: "Nothing is called that",
        ..full
    };
    let starting =
        |label, name, icon, note| StartingSpec { label, qube: label.name(), name, icon, note, scale };
    vec![
        painter.launcher(&full).image,
        painter.launcher(&none).image,
        painter.starting(&starting(Label::Blue, "Firefox", icon, "is starting")),
        painter.starting(&starting(Label::Red, TITLES[6], None, "waits for its qube to start")),
    ]
}

/// Notifications: of every form, short and long.
pub(crate) fn notifications(painter: &mut Painter, scale: Scale) -> Vec<Image> {
    let pixels = disc([40, 160, 250]);
    let icon = Some(Icon { side: 48, pixels: &pixels });
    let plain = NotificationSpec {
        label: Label::Blue,
        qube: "work",
        not_isolated: false,
        summary: "Ada Lovelace",
        body: "Lunch at one?",
        actions: &[],
        icon,
        critical: false,
        more: "",
        scale,
    };
    let long = "A body that goes on and on, over the first line, over the second one as well, and then over the \
                third, which ends where there is no more room for any of it, however much more it may be";
    let specs = [
        plain,
        NotificationSpec { actions: &["Reply", "Mark as read"], ..plain },
        NotificationSpec {
            label: Label::Red,
            qube: "untrusted",
            not_isolated: true,
            icon: None,
            summary: "Download finished",
            body: "",
            more: "and 12 more",
            ..plain
        },
        NotificationSpec {
            label: Label::Yellow,
            qube: "a-very-long-name-of-a-qube-of-thirty",
            not_isolated: true,
            summary: TITLES[6],
            body: long,
            critical: true,
            actions: &["Now", "Later", "Never again, whatever it may be", "4"],
            more: "and 3 more",
            ..plain
        },
    ];
    specs.iter().map(|spec| painter.notification(spec).image).collect()
}
