//! The form of the config file.

use std::time::Duration;

use knus::{
    DecodeScalar,
    ast::{Literal, TypeName},
    decode::Context,
    errors::DecodeError,
    span::{Span, Spanned},
};
use transom_theming::Variant;

use super::{
    Config, ConfigError, IdleConfig, IdleInhibit, KeyboardConfig, LayoutScope, NightConfig,
    NotificationConfig, QubeConfig, ThemeConfig, arrangement,
    bindings::{Action, Chord},
    bound::Bound,
    cards::CardName,
    device_nodes::InputNode,
    devices::DeviceConfig,
    gestures::{GestureName, Gestures, SwitchEvent},
    night_node::{self, NightNode},
    outputs,
};
use crate::trust::{
    clipboard::ClipboardConfig,
    policy::{Decision, Rule, Who},
};

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct File {
    #[knus(child)]
    keyboard: Option<KeyboardNode>,
    #[knus(child)]
    input: Option<InputNode>,
    #[knus(child)]
    clipboard: Option<ClipboardNode>,
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
    arrange: Option<arrangement::Name>,
    #[knus(child)]
    columns: Option<arrangement::ColumnsNode>,
    #[knus(children(name = "workspace"))]
    workspaces: Vec<arrangement::WorkspaceNode>,
    #[knus(children(name = "output"))]
    outputs: Vec<outputs::OutputNode>,
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

pub(super) fn parse(file_name: &str, text: &str) -> Result<Config, ConfigError> {
    let file: File =
        knus::parse(file_name, text).map_err(|error| ConfigError::from_knus(file_name, text, &error))?;
    let wrong = |span: &Span, reason: &str| ConfigError::in_span(file_name, text, span, reason);
    let keyboard_at = file.keyboard.as_ref().map(|node| node.span);
    let mut config = Config {
        keyboard: file.keyboard.map_or_else(KeyboardConfig::default, keyboard),
        devices: file.input.map_or_else(DeviceConfig::default, Into::into),
        clipboard: file.clipboard.map_or_else(ClipboardConfig::default, clipboard),
        theme: file.theme.map_or_else(ThemeConfig::default, |node| ThemeConfig {
            variant: node.variant,
            file: node.file.map(Into::into),
        }),
        idle: file.idle.map_or_else(IdleConfig::default, idle),
        night: NightConfig::default(),
        notifications: file.notifications.map_or_else(NotificationConfig::default, notifications),
        gestures: Gestures::default(),
        switches: Bound::default(),
        qubes: Vec::new(),
        cards: file.card.map_or_else(Vec::new, |node| [vec![node.first], node.others].concat()),
        arrange: arrangement::arrange(file.arrange, file.columns, file.workspaces),
        outputs: Vec::new(),
    };
    if let Some(node) = file.night_colour {
        let span = node.span;
        config.night = night_node::night(node).map_err(|reason| wrong(&span, &reason))?;
    }
    for node in file.outputs {
        let span = node.span;
        config.outputs.push(outputs::output(node).map_err(|reason| wrong(&span, reason))?);
    }
    if let Some(span) = keyboard_at {
        // Where XKB has no data at all, no file is to blame.
        let known = |config: &KeyboardConfig| crate::input::keyboard::check(config);
        known(&config.keyboard)
            .or_else(|reason| known(&KeyboardConfig::default()).map_or(Ok(()), |()| Err(reason)))
            .map_err(|reason| wrong(&span, &reason))?;
    }
    for node in &file.unbinds {
        let there = if let Some(gesture) = GestureName::parse(&node.chord) {
            config.gestures.unbind(gesture.map_err(|reason| wrong(&node.span, &reason))?)
        } else {
            let chord = Chord::parse(&node.chord).map_err(|reason| wrong(&node.span, &reason))?;
            config.keyboard.bindings.unbind(chord)
        };
        if !there {
            return Err(wrong(&node.span, &format!("\"{}\" does nothing by default", node.chord)));
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
    Ok(config)
}

fn keyboard(node: KeyboardNode) -> KeyboardConfig {
    let mut config = KeyboardConfig::default();
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
    config.layout_scope = node.layout_scope.unwrap_or(config.layout_scope);
    if let Some(delay) = node.repeat_delay {
        config.repeat_delay = Duration::from_millis(delay.0.into());
    }
    if let Some(rate) = node.repeat_rate {
        config.repeat_interval = (rate.0 > 0).then(|| Duration::from_millis(u64::from(1_000 / rate.0)));
    }
    config
}

fn idle(node: IdleNode) -> IdleConfig {
    let default = IdleConfig::default();
    IdleConfig {
        lock: node.lock.map_or(default.lock, |span| span.0),
        screens_off: node.screens_off.map_or(default.screens_off, |span| span.0),
        inhibit_at_most: node
            .inhibit_at_most
            .map_or(default.inhibit_at_most, |span| span.0.unwrap_or_default()),
    }
}

fn notifications(node: NotificationsNode) -> NotificationConfig {
    let default = NotificationConfig::default();
    let seconds = |n: Number<1, 3_600>| Duration::from_secs(n.0.into());
    NotificationConfig {
        low: node.low_seconds.map_or(default.low, seconds),
        normal: node.normal_seconds.map_or(default.normal, seconds),
        quiet: node.do_not_disturb.unwrap_or(default.quiet),
    }
}

fn clipboard(node: ClipboardNode) -> ClipboardConfig {
    let mut config = ClipboardConfig::default();
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
        config.policy.rules.push(Rule { from: Who::new(&pair.from), to: Who::new(&pair.to), decision });
    }
    config
}
