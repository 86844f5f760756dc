//! The qube manager: a table with everything at once, forms and a log.

use transom_theming::{
    Answer, FormLine, FormValue, Image, Label, LogLine, ManagerForm, ManagerLog, ManagerPage, ManagerRow,
    ManagerSpec, ManagerTable, Painter, QubeMark, Run, Scale, Size, VerbButton,
};

const LONGEST: &str = "a-qube-with-the-longest-name-mm";

fn verbs<'a>(words: &[&'a str], off: &[&str]) -> Vec<VerbButton<'a>> {
    words
        .iter()
        .map(|text| VerbButton { text, enabled: !off.contains(text), focused: *text == "Stop" })
        .collect()
}

fn rows() -> Vec<ManagerRow<'static>> {
    use QubeMark::{Halted, Running, Starting};
    let row = |label, name, mark, note, state: (&'static str, &'static str)| ManagerRow {
        label: Some(label),
        name,
        not_isolated: false,
        mark,
        note,
        state,
        urgent: false,
        memory: ("612 MB", "of 1.1 GB"),
        network: "sys-firewall",
        disk: ("1.2 GB", "of 8.6 GB"),
        chosen: false,
        first_of_kind: false,
    };
    vec![
        ManagerRow { chosen: true, ..row(Label::Blue, LONGEST, Running, "debian-12", ("running", "")) },
        ManagerRow {
            urgent: true,
            memory: ("", "of 1.1 GB"),
            network: LONGEST,
            ..row(Label::Red, "banking", Halted, "debian-12", ("halted", "is locked"))
        },
        ManagerRow {
            not_isolated: true,
            memory: ("212 MB", "no limit"),
            disk: ("48.3 MB", ""),
            network: "",
            ..row(Label::Green, "games", Starting, "", ("paused", ""))
        },
        ManagerRow {
            urgent: true,
            ..row(Label::Black, "vault", Halted, "debian-12", ("failed", "see below"))
        },
        ManagerRow {
            first_of_kind: true,
            not_isolated: true,
            ..row(Label::Orange, "disp-1234", Running, "disposable", ("running", ""))
        },
        ManagerRow {
            label: None,
            first_of_kind: true,
            memory: ("", ""),
            network: "",
            disk: ("812.4 MB", ""),
            ..row(Label::Grey, "debian-12", Halted, "template of 12 qubes", ("", ""))
        },
    ]
}

pub(crate) fn all(painter: &mut Painter, scale: Scale, room: Size) -> Vec<Image> {
    let (width, slots, small) = ManagerSpec::fit(room);
    let (first, second) = (
        verbs(
            &["Start", "Stop", "Restart", "Pause", "Resume", "Kill", "Programs", "Log"],
            &["Start", "Resume"],
        ),
        verbs(&["New", "Clone", "Rename", "Settings", "Remove"], &["Rename", "Remove"]),
    );
    let rows = rows();
    let qube = Run::Qube { name: LONGEST, label: Label::Blue };
    let long = "cannot start: the agent ended with status 3 before it was ready; see `transom qube log vault`, \
                and more words than there is room for in the lines below the table, which end where they must \
                and go on for a while so that this can be seen on a large screen as well as on a small one";
    let said = [qube, Run::Text(long)];
    let table = ManagerTable {
        query: "",
        count: "41",
        rows: &rows[..rows.len().min(slots)],
        scrolled: (3, 41),
        message: "",
        said: &said,
        verbs: (&first, &second),
    };
    let page = ManagerPage::Table(table);
    let hint = "Tab goes to the verbs  \u{b7}  Return does one  \u{b7}  Escape closes";
    let spec = ManagerSpec { width, slots, small, page, hint, scale };
    let none = ManagerTable {
        query: "a word that nothing is called",
        count: "0 of 41",
        rows: &[],
        scrolled: (0, 0),
        message: "Nothing is called that",
        said: &[],
        ..table
    };
    let choice = |text, label| FormValue::Choice { text, label, more: (true, true) };
    let line = |name, value, note| FormLine { name, value, note, focused: false, enabled: true };
    let lines = [
        line("Colour", choice("blue", Some(Label::Blue)), ""),
        FormLine {
            focused: true,
            ..line("Network through", choice(LONGEST, Some(Label::Red)), "counts at once")
        },
        FormLine { enabled: false, ..line("Memory", choice("1 GiB", None), "stop it first") },
        line("Private volume", choice("8 GiB", None), "can only grow"),
        line(
            "With the desktop",
            FormValue::Choice { text: "does not start", label: None, more: (false, true) },
            "",
        ),
    ];
    let button = |text, enabled, focused| Answer { text, enabled, focused, gives_away: false };
    let buttons = [button("Cancel", true, false), button("Change", false, false)];
    let title = [Run::Text("Settings of"), qube];
    let settings = ManagerForm {
        title: &title,
        lines: &lines,
        buttons: &buttons,
        said: &[Run::Text("Nothing is changed yet.")],
    };
    let remove = [Run::Text("Remove"), qube, Run::Text("and everything in it for good? Type its name.")];
    let typed = [FormLine { focused: true, ..line("Name", FormValue::Text("a-qube"), "") }];
    let removing = ManagerForm { title: &remove, lines: &typed, ..settings };
    let words = |when, who, text| LogLine { when, who, text };
    let log_lines = [
        words("12:34:56", "qubed", "starting"),
        words(
            "12:34:57",
            "agent",
            "a line that a qube wrote and that is longer than the panel is wide, \u{5e9}\u{5dc}\u{5d5}\u{5dd} with words of another direction in it, and goes on and on and on",
        ),
        words("12:34:58", "qubed", "the agent is ready after 0.52 s"),
    ];
    let of = [Run::Text("Log of"), qube];
    let log = ManagerLog { title: &of, lines: &log_lines, scrolled: (30, 60), message: "" };
    [
        ManagerPage::Table(table),
        ManagerPage::Table(none),
        ManagerPage::Form(settings),
        ManagerPage::Form(removing),
        ManagerPage::Log(log),
    ]
    .into_iter()
    .map(|page| painter.manager(&ManagerSpec { page, ..spec }).image)
    .collect()
}

/// Everything that can be pressed lies inside the panel, and no two buttons share a spot.
#[test]
fn places_are_inside_and_apart() {
    use transom_theming::{Place, Rect};
    let fonts = crate::pixels::painter;
    let mut painter = fonts(transom_theming::Variant::Dark);
    for (w, h) in [(640, 372), (800, 572), (1280, 772), (3840, 2100)] {
        let (width, slots, small) = ManagerSpec::fit(Size { w, h });
        assert!(width <= w && Painter::manager_height(slots, small) <= h, "{w} {h}");
        for scale in [120, 150, 180, 240] {
            let words = ["Start", "Stop", "Restart", "Pause", "Resume", "Kill", "Programs", "Log"];
            let (first, rows) = (verbs(&words, &[]), rows());
            let table = ManagerTable {
                query: "",
                count: "",
                rows: &rows[..rows.len().min(slots)],
                scrolled: (0, 1),
                message: "",
                said: &[],
                verbs: (&first, &first[..5]),
            };
            let page = ManagerPage::Table(table);
            let spec = ManagerSpec { width, slots, small, page, hint: "", scale: Scale::new(scale) };
            let places = painter.manager(&spec).places;
            let bounds = Rect { x: 0, y: 0, w: width, h: Painter::manager_height(slots, small) };
            for (i, (place, rect)) in places.iter().enumerate() {
                let inside = rect.x >= bounds.x
                    && rect.y >= bounds.y
                    && rect.x + rect.w <= bounds.w
                    && rect.y + rect.h <= bounds.h;
                assert!(inside, "{place:?} {rect:?} in {bounds:?}");
                let apart = |other: &Rect| {
                    rect.x + rect.w <= other.x
                        || other.x + other.w <= rect.x
                        || rect.y + rect.h <= other.y
                        || other.y + other.h <= rect.y
                };
                assert!(places[..i].iter().all(|(_, other)| apart(other)), "{place:?} {rect:?}");
            }
            assert!(places.contains(&(Place::Verb(12), places.last().unwrap().1)));
        }
    }
}
