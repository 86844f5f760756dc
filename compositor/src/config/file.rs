//! The form of the config file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use knus::{
    DecodeScalar,
    ast::{Literal, TypeName},
    decode::Context,
    errors::DecodeError,
    span::{Span, Spanned},
};
use transom_theming::Variant;

use super::{
    Config, ConfigError, CursorSize, IdleConfig, IdleInhibit, KeyboardConfig, LayoutScope,
    NotificationConfig, QubeConfig, ThemeConfig, arrangement,
    bindings::{Action, Chord},
    cards::CardName,
    device_nodes::InputNode,
    gestures::{GestureName, SwitchEvent},
    night_node::{self, NightNode},
    outputs, window_rules,
};
use crate::trust::{
    clipboard::ClipboardConfig,
    policy::{Decision, Policy, Rule, Who},
};

/// Deepest chain of files that include each other, and most files.
const MOST_INCLUDES: usize = 8;
const MOST_FILES: usize = 64;

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct File {
    #[knus(children(name = "include"))]
    includes: Vec<IncludeNode>,
    #[knus(child)]
    keyboard: Option<KeyboardNode>,
    #[knus(child)]
    input: Option<InputNode>,
    #[knus(child)]
    clipboard: Option<ClipboardNode>,
    #[knus(child)]
    drag: Option<DragNode>,
    #[knus(child)]
    theme: Option<ThemeNode>,
    #[knus(child)]
    idle: Option<IdleNode>,
    #[knus(child)]
    night_colour: Option<NightNode>,
    #[knus(child)]
    notifications: Option<NotificationsNode>,
    #[knus(children(name = "bind"))]
    binds: Vec<BindNode>,
    #[knus(children(name = "unbind"))]
    unbinds: Vec<UnbindNode>,
    #[knus(children(name = "switch"))]
    switches: Vec<SwitchNode>,
    #[knus(children(name = "qube"))]
    qubes: Vec<QubeNode>,
    #[knus(child)]
    card: Option<CardNode>,
    #[knus(child, unwrap(argument))]
    workspaces: Option<arrangement::ScreensName>,
    #[knus(child, unwrap(argument))]
    arrange: Option<arrangement::Name>,
    #[knus(child)]
    columns: Option<arrangement::ColumnsNode>,
    #[knus(children(name = "workspace"))]
    single_workspaces: Vec<arrangement::WorkspaceNode>,
    #[knus(children(name = "window"))]
    windows: Vec<window_rules::WindowNode>,
    #[knus(children(name = "output"))]
    outputs: Vec<outputs::OutputNode>,
    #[knus(child, unwrap(argument))]
    bar: Option<bool>,
    #[knus(child, unwrap(argument))]
    animations: Option<bool>,
    #[knus(child, unwrap(argument))]
    cursor_size: Option<Number<24, 96>>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct IncludeNode {
    #[knus(span)]
    span: Span,
    #[knus(argument)]
    path: String,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct KeyboardNode {
    #[knus(span)]
    span: Span,
    #[knus(child, unwrap(argument))]
    rules: Option<String>,
    #[knus(child, unwrap(argument))]
    model: Option<String>,
    #[knus(child, unwrap(argument))]
    layout: Option<String>,
    #[knus(child, unwrap(argument))]
    variant: Option<String>,
    #[knus(child, unwrap(argument))]
    options: Option<String>,
    #[knus(child, unwrap(argument))]
    layout_scope: Option<LayoutScope>,
    #[knus(child, unwrap(argument))]
    repeat_delay: Option<Number<100, 5_000>>,
    #[knus(child, unwrap(argument))]
    repeat_rate: Option<Number<0, 200>>,
    #[knus(child, unwrap(argument))]
    sticky_keys: Option<bool>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct ClipboardNode {
    #[knus(children)]
    settings: Vec<ClipboardSetting>,
}

/// One after the other, as the order of rules counts.
#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
enum ClipboardSetting {
    Allow(Pair),
    Ask(Pair),
    Deny(Pair),
    Otherwise(#[knus(argument, str)] DecisionName),
    MaxMib(#[knus(argument)] Number<1, 1_024>),
    TransferSeconds(#[knus(argument)] Number<1, 60>),
    WipeSeconds(#[knus(argument)] Number<1, 3_600>),
    PromptSeconds(#[knus(argument)] Number<1, 600>),
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct DragNode {
    #[knus(children)]
    settings: Vec<DragSetting>,
}

/// As [`ClipboardSetting`].
#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
enum DragSetting {
    Allow(Pair),
    Ask(Pair),
    Deny(Pair),
    Otherwise(#[knus(argument, str)] DecisionName),
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct Pair {
    #[knus(property)]
    from: String,
    #[knus(property)]
    to: String,
}

#[derive(Clone, Copy, Debug)]
struct DecisionName(Decision);

impl std::str::FromStr for DecisionName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "allow" => Ok(Self(Decision::Allow)),
            "ask" => Ok(Self(Decision::Ask)),
            "deny" => Ok(Self(Decision::Deny)),
            _ => Err("a rule is \"allow\", \"ask\" or \"deny\""),
        }
    }
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct ThemeNode {
    #[knus(argument, str)]
    variant: Variant,
    #[knus(property)]
    file: Option<String>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct BindNode {
    #[knus(span)]
    span: Span,
    #[knus(argument)]
    chord: String,
    #[knus(arguments)]
    action: Vec<String>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct UnbindNode {
    #[knus(span)]
    span: Span,
    #[knus(argument)]
    chord: String,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct SwitchNode {
    #[knus(span)]
    span: Span,
    #[knus(argument)]
    event: SwitchEvent,
    #[knus(arguments)]
    action: Vec<String>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct CardNode {
    #[knus(argument, str)]
    first: CardName,
    #[knus(arguments, str)]
    others: Vec<CardName>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct QubeNode {
    #[knus(argument)]
    name: String,
    #[knus(child, unwrap(argument))]
    windows: Option<Number<1, 65_536>>,
    #[knus(child, unwrap(argument))]
    memory_mib: Option<Number<1, 1_048_576>>,
    #[knus(child, unwrap(argument, str))]
    idle_inhibit: Option<InhibitName>,
    #[knus(child, unwrap(argument))]
    notifications: Option<bool>,
    #[knus(child, unwrap(argument))]
    status_icons: Option<bool>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct NotificationsNode {
    #[knus(child, unwrap(argument))]
    low_seconds: Option<Number<1, 3_600>>,
    #[knus(child, unwrap(argument))]
    normal_seconds: Option<Number<1, 3_600>>,
    #[knus(child, unwrap(argument))]
    do_not_disturb: Option<bool>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct IdleNode {
    #[knus(child, unwrap(argument, str))]
    lock: Option<TimeSpan>,
    #[knus(child, unwrap(argument, str))]
    screens_off: Option<TimeSpan>,
    #[knus(child, unwrap(argument, str))]
    inhibit_at_most: Option<TimeSpan>,
}

/// `"90s"`, `"10m"`, `"4h"`; `None`: `"never"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeSpan(pub(super) Option<Duration>);

impl std::str::FromStr for TimeSpan {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str =
            "a time is written as in \"90s\", \"10m\" or \"4h\", at most a week; or \"never\"";
        if text == "never" {
            return Ok(Self(None));
        }
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(WRONG)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(WRONG),
        };
        let number: u32 = number.parse().ok().filter(|n| (1..=604_800).contains(n)).ok_or(WRONG)?;
        let seconds = u64::from(number) * unit;
        if seconds > 604_800 { Err(WRONG) } else { Ok(Self(Some(Duration::from_secs(seconds)))) }
    }
}

#[derive(Clone, Copy, Debug)]
struct InhibitName(IdleInhibit);

impl std::str::FromStr for InhibitName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "never" => Ok(Self(IdleInhibit::Never)),
            "limited" => Ok(Self(IdleInhibit::Limited)),
            "always" => Ok(Self(IdleInhibit::Always)),
            _ => Err("a qube keeps the screens on \"never\", \"limited\" or \"always\""),
        }
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug)]
pub(super) struct Number<const MIN: u32, const MAX: u32>(pub(super) u32);

impl<const MIN: u32, const MAX: u32> DecodeScalar<Span> for Number<MIN, MAX> {
    fn type_check(type_name: &Option<Spanned<TypeName, Span>>, ctx: &mut Context<Span>) {
        u32::type_check(type_name, ctx);
    }

    fn raw_decode(
        value: &Spanned<Literal, Span>,
        ctx: &mut Context<Span>,
    ) -> Result<Self, DecodeError<Span>> {
        let number = u32::raw_decode(value, ctx)?;
        if !(MIN..=MAX).contains(&number) {
            return Err(DecodeError::conversion(value, format!("{number} is out of range: {MIN} to {MAX}")));
        }
        Ok(Self(number))
    }
}

/// Settings, and the files that they were read from.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) config: Config,
    pub(super) files: Vec<PathBuf>,
}

impl Read {
    /// Takes up a file: first what it includes, then its own settings, which go before.
    pub(super) fn take(&mut self, file_name: &str, text: &str) -> Result<(), ConfigError> {
        self.take_at(file_name, text, 0)
    }

    fn take_at(&mut self, file_name: &str, text: &str, depth: usize) -> Result<(), ConfigError> {
        let file: File =
            knus::parse(file_name, text).map_err(|error| ConfigError::from_knus(file_name, text, &error))?;
        for node in &file.includes {
            let wrong = |reason: &str| ConfigError::in_span(file_name, text, &node.span, reason);
            let path = included(file_name, &node.path);
            self.files.push(path.clone());
            if depth >= MOST_INCLUDES || self.files.len() > MOST_FILES {
                return Err(wrong("files include each other in a circle, or there are too many"));
            }
            let other = std::fs::read_to_string(&path)
                .map_err(|error| wrong(&format!("{} cannot be read: {error}", path.display())))?;
            self.take_at(&path.display().to_string(), &other, depth + 1)?;
        }
        take_up(&mut self.config, file, file_name, text)
    }
}

/// Where an included file is: beside the one that names it, if it is not said in full.
fn included(file_name: &str, path: &str) -> PathBuf {
    let home = path.strip_prefix("~/").zip(std::env::var_os("HOME"));
    match home {
        Some((rest, home)) => PathBuf::from(home).join(rest),
        None => Path::new(file_name).parent().unwrap_or(Path::new("")).join(path),
    }
}

fn take_up(config: &mut Config, file: File, file_name: &str, text: &str) -> Result<(), ConfigError> {
    let wrong = |span: &Span, reason: &str| ConfigError::in_span(file_name, text, span, reason);
    if let Some(node) = file.keyboard {
        let span = node.span;
        keyboard(node, &mut config.keyboard);
        // Where XKB has no data at all, no file is to blame.
        let known = |config: &KeyboardConfig| crate::input::keyboard::check(config);
        known(&config.keyboard)
            .or_else(|reason| known(&KeyboardConfig::default()).map_or(Ok(()), |()| Err(reason)))
            .map_err(|reason| wrong(&span, &reason))?;
    }
    if let Some(node) = file.input {
        config.devices = node.into();
    }
    if let Some(node) = file.clipboard {
        clipboard(node, &mut config.clipboard);
    }
    if let Some(node) = file.drag {
        drag(node, &mut config.drag);
    }
    if let Some(node) = file.theme {
        config.theme = ThemeConfig { variant: node.variant, file: node.file.map(Into::into) };
    }
    if let Some(node) = file.idle {
        idle(node, &mut config.idle);
    }
    if let Some(node) = file.notifications {
        notifications(node, &mut config.notifications);
    }
    if let Some(node) = file.card {
        config.cards = [vec![node.first], node.others].concat();
    }
    config.arrange.take_up(file.workspaces, file.arrange, file.columns, file.single_workspaces);
    config.no_animations = file.animations.map_or(config.no_animations, |on| !on);
    config.cursor = file.cursor_size.map_or(config.cursor, |size| CursorSize(size.0));
    config.no_bar = file.bar.map_or(config.no_bar, |bar| !bar);
    if let Some(node) = file.night_colour {
        let span = node.span;
        config.night = night_node::night(node).map_err(|reason| wrong(&span, &reason))?;
    }
    // The first that fits holds.
    let mut outputs = Vec::new();
    for node in file.outputs {
        let span = node.span;
        outputs.push(outputs::output(node).map_err(|reason| wrong(&span, reason))?);
    }
    config.outputs.splice(0..0, outputs);
    for node in &file.unbinds {
        let there = if let Some(gesture) = GestureName::parse(&node.chord) {
            config.gestures.unbind(gesture.map_err(|reason| wrong(&node.span, &reason))?)
        } else {
            let chord = Chord::parse(&node.chord).map_err(|reason| wrong(&node.span, &reason))?;
            config.keyboard.bindings.unbind(chord)
        };
        if !there {
            return Err(wrong(&node.span, &format!("\"{}\" does nothing", node.chord)));
        }
    }
    for node in &file.binds {
        let action = || Action::parse(&node.action).map_err(|reason| wrong(&node.span, &reason));
        if let Some(gesture) = GestureName::parse(&node.chord) {
            let gesture = gesture.map_err(|reason| wrong(&node.span, &reason))?;
            config.gestures.bind(gesture, action()?);
        } else {
            let chord = Chord::parse(&node.chord).map_err(|reason| wrong(&node.span, &reason))?;
            config.keyboard.bindings.bind(chord, action()?);
        }
    }
    for node in &file.switches {
        let action = Action::parse(&node.action).map_err(|reason| wrong(&node.span, &reason))?;
        config.switches.bind(node.event, action);
    }
    for node in file.windows {
        let span = node.span;
        config.windows.push(window_rules::rule(node).map_err(|reason| wrong(&span, reason))?);
    }
    for node in file.qubes {
        config.qubes.push(QubeConfig {
            name: node.name,
            windows: node.windows.map(|n| n.0),
            memory_mib: node.memory_mib.map(|n| n.0),
            idle_inhibit: node.idle_inhibit.map(|name| name.0),
            notifications: node.notifications,
            status_icons: node.status_icons,
        });
    }
    Ok(())
}

fn keyboard(node: KeyboardNode, config: &mut KeyboardConfig) {
    let set = |place: &mut String, value: Option<String>| {
        if let Some(value) = value {
            *place = value;
        }
    };
    set(&mut config.rules, node.rules);
    set(&mut config.model, node.model);
    set(&mut config.layout, node.layout);
    set(&mut config.variant, node.variant);
    set(&mut config.options, node.options);
    config.sticky = node.sticky_keys.unwrap_or(config.sticky);
    config.layout_scope = node.layout_scope.unwrap_or(config.layout_scope);
    if let Some(delay) = node.repeat_delay {
        config.repeat_delay = Duration::from_millis(delay.0.into());
    }
    if let Some(rate) = node.repeat_rate {
        config.repeat_interval = (rate.0 > 0).then(|| Duration::from_millis(u64::from(1_000 / rate.0)));
    }
}

fn idle(node: IdleNode, config: &mut IdleConfig) {
    config.lock = node.lock.map_or(config.lock, |span| span.0);
    config.screens_off = node.screens_off.map_or(config.screens_off, |span| span.0);
    config.inhibit_at_most =
        node.inhibit_at_most.map_or(config.inhibit_at_most, |span| span.0.unwrap_or_default());
}

fn notifications(node: NotificationsNode, config: &mut NotificationConfig) {
    let seconds = |n: Number<1, 3_600>| Duration::from_secs(n.0.into());
    config.low = node.low_seconds.map_or(config.low, seconds);
    config.normal = node.normal_seconds.map_or(config.normal, seconds);
    config.quiet = node.do_not_disturb.unwrap_or(config.quiet);
}

fn clipboard(node: ClipboardNode, config: &mut ClipboardConfig) {
    // The first rule that fits decides: a file's own stand before those of what it includes.
    let mut rules = Vec::new();
    let seconds = |n: u32| Duration::from_secs(n.into());
    for setting in node.settings {
        let (decision, pair) = match setting {
            ClipboardSetting::Allow(pair) => (Decision::Allow, pair),
            ClipboardSetting::Ask(pair) => (Decision::Ask, pair),
            ClipboardSetting::Deny(pair) => (Decision::Deny, pair),
            ClipboardSetting::Otherwise(name) => {
                config.policy.fallback = name.0;
                continue;
            }
            ClipboardSetting::MaxMib(n) => {
                config.max_bytes = (n.0 as usize) << 20;
                continue;
            }
            ClipboardSetting::TransferSeconds(n) => {
                config.transfer_timeout = seconds(n.0);
                continue;
            }
            ClipboardSetting::WipeSeconds(n) => {
                config.wipe_after = seconds(n.0);
                continue;
            }
            ClipboardSetting::PromptSeconds(n) => {
                config.prompt_timeout = seconds(n.0);
                continue;
            }
        };
        rules.push(Rule { from: Who::new(&pair.from), to: Who::new(&pair.to), decision });
    }
    config.policy.rules.splice(0..0, rules);
}

fn drag(node: DragNode, policy: &mut Policy) {
    let mut rules = Vec::new();
    for setting in node.settings {
        let (decision, pair) = match setting {
            DragSetting::Allow(pair) => (Decision::Allow, pair),
            DragSetting::Ask(pair) => (Decision::Ask, pair),
            DragSetting::Deny(pair) => (Decision::Deny, pair),
            DragSetting::Otherwise(name) => {
                policy.fallback = name.0;
                continue;
            }
        };
        rules.push(Rule { from: Who::new(&pair.from), to: Who::new(&pair.to), decision });
    }
    policy.rules.splice(0..0, rules);
}
