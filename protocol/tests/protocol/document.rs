//! `docs/protocol.md` says what the code says.
//!
//! The page is rendered from `document.md`, from the tables of the crate and, for names and
//! meanings of fields, from the doc comments in its source. With `TRANSOM_BLESS=1` it is written,
//! else compared.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
    fs,
    path::Path,
};

use transom_protocol::{
    MAGIC, VERSION,
    call::{self, CALL_DOWN, CALL_UP},
    limits, message,
    message::{TO_DOM0, TO_QUBE, commit_flags, features},
    network::{self, FROM_NET, TO_NET},
    service::{self, TO_AGENT, TO_QUBED},
    session::{Limits, Rule, SELECTION_SLACK},
    types::{edges, states, tool_axes},
    wire::MessageInfo,
};

const MESSAGES: &str = include_str!("../../src/message/mod.rs");
const LAYOUT: &str = include_str!("../../src/message/layout.rs");
const TYPES: &str = include_str!("../../src/types.rs");
const LIMITS: &str = include_str!("../../src/limits.rs");
const SERVICE: &str = include_str!("../../src/service.rs");
const CALL: &str = include_str!("../../src/call.rs");
const NETWORK: &str = include_str!("../../src/network/message.rs");

/// A struct, an enum or a constant as its source describes it.
struct Item {
    name: String,
    about: String,
    /// Fields as (name, type, about), variants as (name, number, about).
    parts: Vec<(String, String, String)>,
    is_enum: bool,
}

/// Makes markdown of a doc comment: links become names.
fn plain(doc: &str) -> String {
    let mut out = String::new();
    let mut rest = doc;
    while let Some((before, after)) = rest.split_once("[`") {
        let (target, after) = after.split_once("`]").expect("a link has an end");
        out.push_str(before);
        let name = target.rsplit("::").next().unwrap_or(target);
        write!(out, "`{name}`").unwrap();
        // The target of a link with a text of its own.
        rest = match after.strip_prefix('(') {
            Some(link) => link.split_once(')').expect("a link has an end").1,
            None => after,
        };
    }
    out + rest
}

/// What a doc comment of a payload says beyond "See [`Message`]".
fn beyond_see(doc: &str) -> String {
    let Some(mut rest) = doc.strip_prefix("See [`") else { return plain(doc) };
    rest = rest.split_once("`]").unwrap().1;
    if let Some(second) = rest.strip_prefix(" and [`") {
        rest = second.split_once("`]").unwrap().1;
    }
    let rest = plain(rest.trim_start_matches([',', ';', '.', ' ']));
    let mut chars = rest.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The structs and enums of a source file that are written field by field.
fn items(source: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut doc = String::new();
    let mut open = false;
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            if !doc.is_empty() {
                doc.push(' ');
            }
            doc.push_str(text.trim());
            continue;
        }
        let head = ["pub struct ", "pub enum "].iter().find_map(|word| line.strip_prefix(word));
        let name =
            head.and_then(|head| head.strip_suffix(" {")).filter(|name| !name.contains(['$', '<', ':']));
        if let Some(name) = name {
            let is_enum = line.starts_with("pub enum");
            items.push(Item { name: name.into(), about: doc.clone(), parts: Vec::new(), is_enum });
            open = true;
        } else if line == "}" {
            open = false;
        } else if let (true, Some(item)) = (open, items.last_mut()) {
            let line = line.trim_start_matches("pub ").trim_end_matches(',');
            let part = if item.is_enum { line.split_once(" = ") } else { line.split_once(": ") };
            if let Some((name, value)) = part {
                item.parts.push((name.into(), value.into(), plain(&doc)));
            }
        }
        doc.clear();
    }
    items
}

/// The doc comments of the constants of a source file, by name, in order.
fn constants(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut doc = String::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            if !doc.is_empty() {
                doc.push(' ');
            }
            doc.push_str(text.trim());
        } else {
            if let Some((name, _)) = line.strip_prefix("pub const ").and_then(|rest| rest.split_once(": ")) {
                found.push((name.to_owned(), plain(&doc)));
            }
            doc.clear();
        }
    }
    found
}

/// The part of a source file that is one inner module.
fn module<'a>(source: &'a str, name: &str) -> &'a str {
    let from = source.find(&format!("pub mod {name} {{")).expect("the module is there");
    source[from..].split("\n}").next().unwrap()
}

/// The part of `call.rs` with its limits.
fn limits_of_calls() -> &'static str {
    let (_, rest) = CALL.split_once("pub const CALL_VERSION").expect("the limits follow the version");
    rest.split("/// Names a call").next().unwrap()
}

/// The part of `network/message.rs` with its limits.
fn limits_of_networks() -> &'static str {
    let (_, rest) = NETWORK.split_once("pub const NETWORK_VERSION").expect("the limits follow the version");
    rest.split("wire_type!").next().unwrap()
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = format!("| {} |\n|", head.join(" | "));
    for column in head {
        out.push_str(if ["offset", "size", "number", "value", "most"].contains(column) {
            "---:|"
        } else {
            "---|"
        });
    }
    for row in rows {
        let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        write!(out, "\n| {} |", row.join(" | ").trim_end()).unwrap();
    }
    out
}

/// A number with a comma after every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Form of every message in a source file: `unit`, `fixed T`, `bytes MAX` or `tail T, MAX`.
fn forms(source: &str) -> BTreeMap<u16, String> {
    let rows = source.lines().filter_map(|line| line.trim().strip_prefix("0x"));
    rows.map(|row| {
        let (head, rest) = row.split_once(" (").unwrap();
        let (kind, _) = head.split_once(' ').unwrap();
        let (form, _) = rest.split_once(") \"").unwrap();
        (u16::from_str_radix(kind, 16).unwrap(), form.to_owned())
    })
    .collect()
}

/// The payload's type, if the form has one.
fn payload(form: &str) -> Option<&str> {
    let (form, rest) = form.split_once(' ')?;
    (form != "bytes").then(|| rest.split(',').next().unwrap_or(rest))
}

fn messages(infos: &[MessageInfo], source: &str) -> String {
    let forms = forms(source);
    let rows = infos.iter().map(|info| {
        let form = &forms[&info.kind];
        let payload = match (payload(form), form.starts_with("tail")) {
            (Some(name), true) => format!("`{name}` and tail"),
            (Some(name), false) => format!("`{name}`"),
            (None, _) if form == "unit" => "none".to_owned(),
            (None, _) => "bytes".to_owned(),
        };
        let length = if info.min == info.max {
            grouped(info.min.into())
        } else {
            format!("{} to {}", grouped(info.min.into()), grouped(info.max.into()))
        };
        vec![
            format!("{:#06x}", info.kind),
            format!("`{}`", info.name),
            payload,
            length,
            info.about.to_owned(),
        ]
    });
    table(&["type", "message", "payload", "length", "meaning"], rows)
}

/// Name of a type on the wire and its size.
fn wire_type(name: &str, sizes: &BTreeMap<String, usize>) -> (String, usize) {
    match name {
        "u8" => ("u8".into(), 1),
        "U16" => ("u16".into(), 2),
        "U32" => ("u32".into(), 4),
        "I32" => ("i32".into(), 4),
        "U64" => ("u64".into(), 8),
        "[u8; 8]" => ("8 bytes".into(), 8),
        "[u8; 16]" => ("16 bytes".into(), 16),
        "Flag" => ("flag".into(), 1),
        "Fixed" => ("fixed".into(), 4),
        other => (format!("`{other}`"), *sizes.get(other).unwrap_or_else(|| panic!("size of {other}"))),
    }
}

/// Sizes of all structs and enums; a struct only uses what stands before it.
fn sizes(items: &[Item]) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    // Structs of `types.rs` use enums that stand after them.
    for item in items.iter().filter(|item| item.is_enum) {
        sizes.insert(item.name.clone(), 1);
    }
    for item in items.iter().filter(|item| !item.is_enum) {
        let size = item.parts.iter().map(|(_, kind, _)| wire_type(kind, &sizes).1).sum();
        sizes.insert(item.name.clone(), size);
    }
    sizes
}

fn section(item: &Item, sizes: &BTreeMap<String, usize>) -> String {
    let mut offset = 0;
    let rows: Vec<Vec<String>> = item
        .parts
        .iter()
        .map(|(name, value, about)| {
            if item.is_enum {
                return vec![value.clone(), format!("`{name}`"), about.clone()];
            }
            let (kind, size) = wire_type(value, sizes);
            offset += size;
            vec![(offset - size).to_string(), kind, format!("`{name}`"), about.clone()]
        })
        .collect();
    let about = beyond_see(&item.about);
    let about = if about.is_empty() { String::new() } else { format!("{about}\n\n") };
    if item.is_enum {
        format!("#### {}\n\n{about}{}\n", item.name, table(&["value", "name", "meaning"], rows))
    } else {
        let size = sizes[&item.name];
        let head = format!("{size} byte{}. {about}", if size == 1 { "" } else { "s" });
        format!(
            "#### {}\n\n{}\n\n{}\n",
            item.name,
            head.trim(),
            table(&["offset", "type", "field", "meaning"], rows)
        )
    }
}

fn sections<'a>(items: impl IntoIterator<Item = &'a Item>, sizes: &BTreeMap<String, usize>) -> String {
    let all: Vec<String> = items.into_iter().map(|item| section(item, sizes)).collect();
    all.join("\n").trim_end().to_owned()
}

/// Joins the values of constants with what their source says; none may be missing.
fn described(source: &str, values: &[(&str, String)], head: &str) -> String {
    let found = constants(source);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        values.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "constants named in this test"
    );
    let rows = found
        .iter()
        .zip(values)
        .map(|((name, about), (_, value))| vec![format!("`{name}`"), value.clone(), about.clone()]);
    table(&["name", head, "meaning"], rows)
}

macro_rules! values {
    ($module:path: $($name:ident)*; $show:expr) => {{
        use $module as from;
        vec![$((stringify!($name), $show(from::$name as u64)),)*]
    }};
}

fn bits() -> String {
    let hex = |bit: u64| format!("{bit:#x}");
    let mut state = values!(states: MAXIMISED FULLSCREEN ACTIVATED RESIZING SUSPENDED; hex);
    state.push(("TILED", states::TILED.map(|bit| format!("{bit:#x}")).join(", ")));
    state.push(("ALL", hex(states::ALL.into())));
    let edge = values!(edges: TOP BOTTOM LEFT RIGHT; hex);
    let axes = values!(tool_axes: PRESSURE DISTANCE TILT ROTATION SLIDER WHEEL ALL; hex);
    let feature = values!(features: NOTIFICATIONS; hex);
    let flag = values!(commit_flags: WANT_FRAME WANT_PRESENTED HOLD INPUT_REGION ALL; hex);
    [
        ("States of `Configure`; an unknown bit is refused.", TYPES, "states", state),
        (
            "Edges of `ResizeRequest`: one, or one of top and bottom with one of left and right.",
            TYPES,
            "edges",
            edge,
        ),
        ("Flags of `Commit`; an unknown bit is refused.", LAYOUT, "commit_flags", flag),
        ("Axes of `ToolEnter`; an unknown bit is refused.", TYPES, "tool_axes", axes),
        ("Features of `Welcome`; an unknown bit is ignored.", LAYOUT, "features", feature),
    ]
    .map(|(title, source, name, values)| {
        format!("{title}\n\n{}", described(module(source, name), &values, "value"))
    })
    .join("\n\n")
}

fn all_limits() -> Vec<(&'static str, String)> {
    values!(limits:
        MAX_DIMENSION MAX_RECTS MAX_TITLE MAX_APP_ID MAX_MIME_TYPES MAX_MIME MAX_CHUNK MAX_RUNS MAX_ALL_RUNS
        MAX_KEYMAP
        MAX_INPUT_TEXT CONTENT_HINTS CONTENT_PURPOSES MAX_DEPTH MAX_BUFFERS_IN_FLIGHT MAX_CONFIGURES_IN_FLIGHT MAX_SELECTION_REQUESTS
        MAX_PINGS MAX_TOUCHES MAX_OUTPUTS MAX_NOTIFICATIONS MAX_SUMMARY MAX_BODY MAX_ACTIONS MAX_ACTION
        MAX_STATUS_ICONS MAX_STATUS_TITLE MAX_REASON MAX_OFFSET;
        grouped)
}

fn render() -> String {
    let (layout, types, service_items) = (items(LAYOUT), items(TYPES), items(SERVICE));
    let both: Vec<Item> = items(TYPES).into_iter().chain(items(LAYOUT)).collect();
    let window_sizes = sizes(&both);
    let service_sizes = sizes(&service_items);
    let call_items = items(CALL);
    let call_items: Vec<Item> = call_items.into_iter().filter(|item| !item.is_enum).collect();
    let call_sizes = sizes(&call_items);

    let network_items: Vec<Item> = items(NETWORK).into_iter().filter(|item| !item.is_enum).collect();
    let network_sizes = sizes(&network_items);

    let welcome = Limits::default();
    let row = |name: &str, most: u64| vec![name.to_owned(), grouped(most)];
    let rules = Rule::ALL
        .iter()
        .map(|rule| vec![(*rule as u16).to_string(), format!("`{rule:?}`"), rule.to_string()]);
    let service_limits = values!(service:
        MAX_COMMAND MAX_ARGUMENTS MAX_REASON MAX_LISTED MAX_PROGRAM_ID MAX_PROGRAM_NAME MAX_PROGRAM_WORDS
        ICON_SIDE ICON_BYTES MAX_PROGRAM_TEXT; grouped);
    let call_limits = values!(call: MAX_SERVICE MAX_ARGUMENT MAX_DESCRIPTION MAX_DATA; grouped);

    let network_limits = values!(network: MAX_SETUP MAX_RULES MAX_CLIENTS MAX_REASON; grouped);

    let mut page = include_str!("document.md").to_owned();
    let mut put = |name: &str, value: &dyn Display| {
        let name = format!("{{{{{name}}}}}");
        assert!(page.contains(&name), "{name} is not in the template");
        page = page.replace(&name, &value.to_string());
    };
    put("version", &VERSION);
    put("magic", &str::from_utf8(&MAGIC).unwrap());
    put("SELECTION_SLACK", &grouped(SELECTION_SLACK));
    put("messages to-dom0", &messages(TO_DOM0, MESSAGES));
    put("messages to-qube", &messages(TO_QUBE, MESSAGES));
    put("messages to-qubed", &messages(TO_QUBED, SERVICE));
    put("messages to-agent", &messages(TO_AGENT, SERVICE));
    put("messages call-up", &messages(CALL_UP, CALL));
    put("messages call-down", &messages(CALL_DOWN, CALL));
    put("messages from-net", &messages(FROM_NET, NETWORK));
    put("messages to-net", &messages(TO_NET, NETWORK));
    put("payloads window", &sections(&layout, &window_sizes));
    put("payloads service", &sections(&service_items, &service_sizes));
    put("payloads call", &sections(&call_items, &call_sizes));
    put("payloads network", &sections(&network_items, &network_sizes));
    put("types", &sections(&types, &window_sizes));
    put("bits", &bits());
    put("rules", &table(&["number", "rule", "meaning"], rules));
    put("limits", &described(LIMITS, &all_limits(), "most"));
    put("service limits", &described(SERVICE, &service_limits, "most"));
    put("call limits", &described(limits_of_calls(), &call_limits, "most"));
    put("network limits", &described(limits_of_networks(), &network_limits, "most"));
    put(
        "welcome limits",
        &table(
            &["what", "most"],
            [
                row("windows, of every kind together", welcome.windows.into()),
                row("grants", welcome.grants.into()),
                row("bytes in all grants together", welcome.grant_bytes),
                row("bytes of one selection", welcome.selection_bytes.into()),
            ],
        ),
    );
    // The one constant that a field's meaning refers to.
    page = page.replace("`MAGIC`.", &format!("`{}`.", str::from_utf8(&MAGIC).unwrap()));
    for (name, value) in all_limits() {
        page = page.replace(&format!("{{{{{name}}}}}"), &value);
    }
    assert!(!page.contains("{{"), "a placeholder is left");
    page
}

/// The sizes that the document is made with are those of the compiler.
#[test]
fn sizes_in_the_document_are_true() {
    let window: Vec<Item> = items(TYPES).into_iter().chain(items(LAYOUT)).collect();
    for (infos, source, items) in [
        ([TO_DOM0, TO_QUBE], MESSAGES, &window),
        ([TO_QUBED, TO_AGENT], SERVICE, &items(SERVICE)),
        ([CALL_UP, CALL_DOWN], CALL, &items(CALL)),
        ([FROM_NET, TO_NET], NETWORK, &items(NETWORK)),
    ] {
        let (forms, sizes) = (forms(source), sizes(items));
        for info in infos.into_iter().flatten() {
            let size = payload(&forms[&info.kind]).map_or(0, |name| sizes[name]);
            assert_eq!(size, info.min as usize, "{}", info.name);
        }
    }
    assert_eq!(sizes(&window)["PageRun"], size_of::<message::PageRun>());
}

#[test]
fn the_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let page = render();
    if std::env::var_os("TRANSOM_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, page).unwrap();
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let first = page.lines().zip(there.lines()).position(|(a, b)| a != b);
    assert!(
        page == there,
        "docs/protocol.md is not what the code says, from line {}; run this test with TRANSOM_BLESS=1",
        first.unwrap_or_else(|| page.lines().count().min(there.lines().count())) + 1,
    );
}
