//! Theme files: the two that come along, and what is said about bad ones.

use transom_theming::{Theme, Variant};

const DARK: &str = include_str!("../../themes/dark.kdl");
const LIGHT: &str = include_str!("../../themes/light.kdl");

#[test]
fn the_files_are_the_built_in_themes() {
    for (text, variant) in [(DARK, Variant::Dark), (LIGHT, Variant::Light)] {
        let theme = Theme::parse("theme.kdl", text).expect("the file is good");
        assert_eq!(theme, Theme::builtin(variant));
    }
}

/// All colours are in the files: started from the other theme they still give their own.
#[test]
fn the_files_list_every_key() {
    for (text, own, other) in [(DARK, "dark", "light"), (LIGHT, "light", "dark")] {
        let (own_base, other_base) = (format!("base \"{own}\""), format!("base \"{other}\""));
        let text = text.replace(&own_base, &other_base);
        let theme = Theme::parse("theme.kdl", &text).expect("the file is good");
        let own: Variant = own.parse().expect("it is a variant");
        let plain =
            |theme: &Theme| format!("{theme:?}").replace("variant: Dark", "").replace("variant: Light", "");
        assert_eq!(plain(&theme), plain(&Theme::builtin(own)));
        for key in ["frame", "title", "popup", "bar", "font", "fonts"] {
            assert!(text.lines().any(|line| line.trim_start().starts_with(&format!("{key} "))), "{key}");
        }
    }
}

#[test]
fn an_empty_file_is_the_dark_theme() {
    assert_eq!(Theme::parse("t", "").expect("nothing is wrong"), Theme::builtin(Variant::Dark));
}

#[test]
fn what_is_given_replaces_what_was_there() {
    let text =
        "base \"light\"\nlabel \"red\" color=\"#c01020\"\nsize { frame 4; font 12; }\nfonts \"Cantarell\"";
    let theme = Theme::parse("t", text).expect("nothing is wrong");
    assert_eq!(theme.label_color(transom_theming::Label::Red).to_string(), "#c01020");
    assert_eq!((theme.frame_width(), theme.font_size(), theme.title_height()), (4, 12, 26));
    assert_eq!(theme.fonts(), ["Cantarell"]);
    assert_eq!(theme.background(), Theme::builtin(Variant::Light).background());
}

/// File, and what is said about it.
const BAD: &[(&str, &str)] = &[
    (
        "label \"blue\"\nlabel \"orange\" color=\"#d63a3f\" pattern=\"#000000\"",
        "my.kdl:2:1: the labels \"red\" and \"orange\" look alike; choose colours further apart",
    ),
    ("base \"blue\"", "my.kdl:1:6: a theme is either \"dark\" or \"light\""),
    ("base dark", "my.kdl:1:6: identifiers cannot be used as arguments"),
    ("base \"dark\"\nbase \"light\"", "my.kdl:2:1: duplicate node `base`, single node expected"),
    ("colour \"red\"", "my.kdl:1:1: unexpected node `colour`"),
    (
        "label \"pink\" color=\"#ff00ff\"",
        "my.kdl:1:7: there is no label of that name; labels are red, orange, yellow, green, blue, purple, grey, black",
    ),
    (
        "// a comment\nlabel \"red\" color=\"red\"",
        "my.kdl:2:19: a colour is written \"#rrggbb\" with hexadecimal digits",
    ),
    (
        "label \"red\" color=\"#12345\"",
        "my.kdl:1:19: a colour is written \"#rrggbb\" with hexadecimal digits",
    ),
    ("label \"red\" colour=\"#123456\"", "my.kdl:1:13: unexpected property `colour`"),
    ("label \"red\"\nlabel \"blue\"\nlabel \"red\"", "my.kdl:3:1: label \"red\" is given twice"),
    ("label color=\"#123456\"", "my.kdl:1:1: additional argument `label` is required"),
    (
        "label \"blue\"\n  label \"orange\" color=\"#d63a3f\"",
        "my.kdl:2:3: the pattern of label \"orange\" cannot be seen on its colour; choose a darker or lighter one",
    ),
    (
        "label \"grey\" color=\"#b9c4cf\"",
        "my.kdl:1:1: the label \"grey\" looks like dom0's own steel; choose a colour further from it",
    ),
    (
        "steel color=\"#3fab5f\"",
        "my.kdl:1:1: the label \"green\" looks like dom0's own steel; choose a colour further from it",
    ),
    (
        "label \"green\" pattern=\"#3fab60\"",
        "my.kdl:1:1: the pattern of label \"green\" cannot be seen on its colour; choose a darker or lighter one",
    ),
    (
        "steel pattern=\"#b9c4cf\"",
        "my.kdl:1:1: the pattern of steel cannot be seen on its colour; choose a darker or lighter one",
    ),
    (
        "neutral {\n  text \"#444444\"\n}",
        "my.kdl:1:1: \"text\" cannot be read on \"panel\": the contrast must be at least 4.5 : 1",
    ),
    (
        "neutral {\n  dim \"#333333\"\n}",
        "my.kdl:1:1: \"dim\" cannot be read on \"panel\": the contrast must be at least 4.5 : 1",
    ),
    ("neutral {\n  shadow \"#333333\"\n}", "my.kdl:2:3: unexpected node `shadow`"),
    ("neutral {\n  text 7\n}", "my.kdl:2:8: expected string scalar, found integer"),
    ("size {\n  frame 1\n}", "my.kdl:2:9: 1 is out of range: 2 to 16 logical pixels"),
    ("size {\n  frame 17\n}", "my.kdl:2:9: 17 is out of range: 2 to 16 logical pixels"),
    ("size {\n  frame \"3\"\n}", "my.kdl:2:9: expected a whole number of logical pixels"),
    ("size {\n  frame 3.5\n}", "my.kdl:2:9: expected a whole number of logical pixels"),
    (
        "size {\n  font 24\n}",
        "my.kdl:1:1: text of 24 px does not fit: \"title\" and \"bar\" must each be at least 32",
    ),
    ("\n\nfonts", "my.kdl:3:1: \"fonts\" needs at least one family name"),
    ("size {", "my.kdl:1:6: unclosed curly braces `{`"),
    ("label \"red", "my.kdl:1:7: unclosed string `\"`"),
    (
        "/* ä */ label \"red\" color=\"\"",
        "my.kdl:1:27: a colour is written \"#rrggbb\" with hexadecimal digits",
    ),
];

#[test]
fn bad_files_are_refused_with_place_and_reason() {
    let mut said = Vec::new();
    for (text, expected) in BAD {
        let error = Theme::parse("my.kdl", text).expect_err(text);
        if error.to_string() != *expected {
            said.push(format!("    ({text:?}, {:?}),", error.to_string()));
        }
        assert!(error.line() >= 1 && error.column() >= 1 && !error.reason().is_empty());
    }
    assert!(said.is_empty(), "these are said otherwise:\n{}", said.join("\n"));
}
