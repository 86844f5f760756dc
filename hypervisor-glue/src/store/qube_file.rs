//! `qube.kdl`: reading and writing.

use std::{
    fmt::Write as _,
    panic::catch_unwind,
    path::{Path, PathBuf},
    str::FromStr,
};

use miette::Diagnostic as _;
use transom_protocol::{
    programs::is_program_id,
    supervisor::{self, BackendChoice, LabelName, MAX_ARGUMENTS, MAX_COMMAND, QubeName},
};

use super::{Accelerator, Disposables, Limits, MAX_READY, MachineConfig, PciAddress, QubeConfig, network};

/// Why a qube's file cannot be used: file, line and reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {reason}", .path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// The file as it is written.
#[derive(Debug, knus::Decode)]
struct QubeFile {
    #[knus(child, unwrap(argument, str))]
    label: LabelName,
    #[knus(child, unwrap(argument, str))]
    template: Option<Template>,
    #[knus(child, unwrap(argument))]
    backend: Option<BackendName>,
    #[knus(child, unwrap(argument, str))]
    network: Option<QubeName>,
    #[knus(child)]
    uplink: Option<network::UplinkNode>,
    #[knus(child)]
    firewall: Option<network::FirewallNode>,
    #[knus(child)]
    vpn: Option<network::VpnNode>,
    #[knus(children(name = "autostart"))]
    autostart: Vec<Program>,
    #[knus(child)]
    start_with_desktop: bool,
    #[knus(child)]
    limits: Option<LimitsNode>,
    #[knus(child)]
    machine: Option<MachineNode>,
    #[knus(child)]
    environment: Option<Environment>,
    #[knus(child)]
    disposables: Option<DisposablesNode>,
}

#[derive(Debug, knus::DecodeScalar)]
enum BackendName {
    Auto,
    Sandbox,
    Kvm,
    Qemu,
}

/// Program and arguments.
#[derive(Debug, knus::Decode)]
struct Program {
    #[knus(arguments, str)]
    argv: Vec<Argument>,
}

#[derive(Debug, Default, knus::Decode)]
struct LimitsNode {
    #[knus(child, unwrap(argument, str))]
    memory: Option<Bytes>,
    #[knus(child, unwrap(argument))]
    tasks: Option<u32>,
    #[knus(child, unwrap(argument))]
    cpu_percent: Option<u32>,
    #[knus(child)]
    nested_sandboxes: bool,
}

#[derive(Debug, Default, knus::Decode)]
struct MachineNode {
    #[knus(child, unwrap(argument, str))]
    memory: Option<Bytes>,
    #[knus(child, unwrap(argument))]
    vcpus: Option<u8>,
    #[knus(child, unwrap(argument, str))]
    volume: Option<Bytes>,
    #[knus(child, unwrap(argument))]
    encryption: Option<Switch>,
    #[knus(child, unwrap(argument))]
    accelerator: Option<AcceleratorName>,
    #[knus(children(name = "device"))]
    devices: Vec<DeviceNode>,
}

/// `device "0000:00:14.0"`.
#[derive(Debug, knus::Decode)]
struct DeviceNode {
    #[knus(argument, str)]
    address: PciAddress,
}

#[derive(Debug, Default, knus::Decode)]
struct DisposablesNode {
    #[knus(child, unwrap(argument))]
    ready: Option<u8>,
    #[knus(child)]
    warm: Option<Program>,
    #[knus(children(name = "open"))]
    open: Vec<OpenNode>,
}

/// `open "foot" "--maximized"`, or `open id="foot"` for a program of the qube's list.
#[derive(Debug, knus::Decode)]
struct OpenNode {
    #[knus(arguments, str)]
    argv: Vec<Argument>,
    #[knus(property)]
    id: Option<String>,
}

#[derive(Debug, PartialEq, Eq, knus::DecodeScalar)]
enum Switch {
    On,
    Off,
}

#[derive(Debug, knus::DecodeScalar)]
enum AcceleratorName {
    Tcg,
    Kvm,
}

#[derive(Debug, knus::Decode)]
struct Environment {
    #[knus(children)]
    variables: Vec<Variable>,
}

#[derive(Debug, knus::Decode)]
struct Variable {
    #[knus(node_name)]
    name: String,
    #[knus(argument, str)]
    value: Argument,
}

/// Text without zero bytes.
#[derive(Debug)]
struct Argument(String);

impl FromStr for Argument {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('\0') { Err("a zero byte in a text") } else { Ok(Self(text.to_owned())) }
    }
}

/// The name of a template: a file name without surprises.
#[derive(Debug)]
struct Template(String);

impl FromStr for Template {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_template(text) { Ok(Self(text.to_owned())) } else { Err("not the name of a template") }
    }
}

/// True for the name of a template.
pub(crate) fn is_template(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// An amount such as `"512MiB"`.
#[derive(Debug)]
struct Bytes(u64);

impl FromStr for Bytes {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HOW: &str = "an amount of memory is written like \"512MiB\" or \"2GiB\"";
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit: u64 = match unit.trim_start() {
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return Err(HOW),
        };
        let number: u64 = number.parse().map_err(|_| HOW)?;
        number.checked_mul(unit).map(Bytes).ok_or(HOW)
    }
}

/// Reads an amount such as `512MiB`, in bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, &'static str> {
    text.parse().map(|Bytes(bytes)| bytes)
}

/// Reads a qube's file; `path` is for errors only.
pub fn parse(path: &Path, text: &str) -> Result<QubeConfig, FileError> {
    let bad = |line, reason| FileError { path: path.to_owned(), line, reason };
    // The parser has panics in corners of its error messages. They must not end qubed.
    let parsed = catch_unwind(|| knus::parse::<QubeFile>(path.to_string_lossy(), text));
    let file = match parsed {
        Ok(Ok(file)) => file,
        Ok(Err(error)) => {
            let (line, reason) = first_error(&error, text);
            return Err(bad(line, reason));
        }
        Err(_) => return Err(bad(1, "not a KDL document".to_owned())),
    };
    let at_node = |(node, reason): (&'static str, String)| bad(line_of_node(text, node), reason);
    let config = QubeConfig {
        label: file.label,
        template: file.template.map(|template| template.0),
        backend: match file.backend {
            None | Some(BackendName::Auto) => BackendChoice::Auto,
            Some(BackendName::Sandbox) => BackendChoice::Sandbox,
            Some(BackendName::Kvm) => BackendChoice::Kvm,
            Some(BackendName::Qemu) => BackendChoice::Qemu,
        },
        autostart: file.autostart.into_iter().map(Program::words).collect(),
        start_with_desktop: file.start_with_desktop,
        network: file.network,
        uplink: file.uplink.map(network::uplink).transpose().map_err(at_node)?,
        firewall: file.firewall.map(network::firewall).transpose().map_err(at_node)?,
        vpn: file.vpn.map(network::vpn).transpose().map_err(at_node)?,
        limits: limits(file.limits.unwrap_or_default()),
        machine: machine(file.machine.unwrap_or_default()),
        environment: file
            .environment
            .into_iter()
            .flat_map(|node| node.variables)
            .map(|variable| (variable.name, variable.value.0))
            .collect(),
        disposables: disposables(file.disposables.unwrap_or_default()).map_err(at_node)?,
    };
    check(&config).and_then(|()| network::check(&config)).map_err(at_node)?;
    Ok(config)
}

impl Program {
    fn words(self) -> Vec<String> {
        self.argv.into_iter().map(|argument| argument.0).collect()
    }
}

fn disposables(node: DisposablesNode) -> Result<Disposables, (&'static str, String)> {
    Ok(Disposables {
        ready: node.ready.unwrap_or(0),
        warm: node.warm.map(Program::words).unwrap_or_default(),
        open: node.open.into_iter().map(OpenNode::program).collect::<Result<_, _>>()?,
    })
}

impl OpenNode {
    fn program(self) -> Result<supervisor::Program, (&'static str, String)> {
        let argv: Vec<String> = self.argv.into_iter().map(|argument| argument.0).collect();
        match self.id {
            None => Ok(supervisor::Program::Command { argv }),
            Some(_) if !argv.is_empty() => {
                Err(("open", "open names a command line or the id of a program, not both".to_owned()))
            }
            Some(id) if is_program_id(&id) => Ok(supervisor::Program::Listed { id }),
            Some(_) => Err(("open", "that is not the id of a program".to_owned())),
        }
    }
}

fn limits(node: LimitsNode) -> Limits {
    Limits {
        memory: node.memory.map(|memory| memory.0),
        tasks: node.tasks.unwrap_or(Limits::default().tasks),
        cpu_percent: node.cpu_percent,
        nested_sandboxes: node.nested_sandboxes,
    }
}

fn machine(node: MachineNode) -> MachineConfig {
    let default = MachineConfig::default();
    MachineConfig {
        memory: node.memory.map_or(default.memory, |bytes| bytes.0),
        vcpus: node.vcpus.unwrap_or(default.vcpus),
        volume: node.volume.map_or(default.volume, |bytes| bytes.0),
        encryption: node.encryption != Some(Switch::Off),
        accelerator: node.accelerator.map(|name| match name {
            AcceleratorName::Tcg => Accelerator::Tcg,
            AcceleratorName::Kvm => Accelerator::Kvm,
        }),
        devices: node.devices.into_iter().map(|node| node.address).collect(),
    }
}

/// What the form does not say: name of the node and reason.
fn check(config: &QubeConfig) -> Result<(), (&'static str, String)> {
    let warm = &config.disposables.warm;
    let warm = (!warm.is_empty()).then_some(("warm", warm));
    let open = config.disposables.open.iter().filter_map(|program| match program {
        supervisor::Program::Command { argv } => Some(("open", argv)),
        supervisor::Program::Listed { .. } => None,
    });
    for (node, argv) in config.autostart.iter().map(|argv| ("autostart", argv)).chain(warm).chain(open) {
        let bytes: usize = argv.iter().map(|argument| argument.len() + 1).sum();
        if argv.first().is_none_or(String::is_empty) {
            return Err((node, format!("{node} needs the name of a program")));
        }
        // Room for what is put before it.
        if argv.len() > MAX_ARGUMENTS - 8 || bytes > MAX_COMMAND - 100 {
            return Err((node, "the command line is too long".to_owned()));
        }
    }
    let bad_variable = config.environment.iter().find(|(name, _)| {
        name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    if let Some((name, _)) = bad_variable {
        let name: String = name.escape_debug().take(40).collect();
        return Err(("environment", format!("{name} is not the name of a variable")));
    }
    if config.limits.tasks < 16 {
        return Err(("tasks", "a qube needs at least 16 tasks".to_owned()));
    }
    if config.limits.memory.is_some_and(|bytes| bytes < 64 << 20) {
        return Err(("memory", "a qube needs at least 64MiB of memory".to_owned()));
    }
    if config.limits.cpu_percent == Some(0) {
        return Err(("cpu-percent", "a qube needs processor time".to_owned()));
    }
    if usize::from(config.disposables.ready) + config.disposables.open.len() > usize::from(MAX_READY) {
        return Err(("disposables", format!("at most {MAX_READY} disposables can be kept ready")));
    }
    let machine = &config.machine;
    if !(128 << 20..=64 << 30).contains(&machine.memory) || !machine.memory.is_multiple_of(1 << 20) {
        let reason = "a virtual machine has 128MiB to 64GiB of memory, in whole MiB";
        return Err(("memory", reason.to_owned()));
    }
    if !(1..=32).contains(&machine.vcpus) {
        return Err(("vcpus", "a virtual machine has 1 to 32 processors".to_owned()));
    }
    if !(64 << 20..=16 << 40).contains(&machine.volume) || !machine.volume.is_multiple_of(1 << 20) {
        let reason = "a private volume has 64MiB to 16TiB, in whole MiB";
        return Err(("volume", reason.to_owned()));
    }
    Ok(())
}

/// The line of the first node of this name, from 1.
fn line_of_node(text: &str, node: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(node)).map_or(1, |line| line + 1)
}

/// The first thing that the parser found wrong: line from 1, and reason.
pub(crate) fn first_error(error: &knus::Error, text: &str) -> (usize, String) {
    let first = error.related().into_iter().flatten().next();
    let Some(first) = first else { return (1, error.to_string()) };
    let label = first.labels().into_iter().flatten().next();
    let line = label.as_ref().map_or(1, |label| {
        // The parser counts bytes, and the end may be anywhere.
        text.bytes().take(label.offset()).fold(1, |line, byte| line + usize::from(byte == b'\n'))
    });
    let mut reason = first.to_string();
    if reason.is_empty() {
        reason = label.and_then(|label| label.label().map(str::to_owned)).unwrap_or_default();
    }
    // One line, whatever was in the file.
    (line, transom_protocol::text::clean(reason.as_bytes(), 200))
}

/// Writes a qube's file.
pub fn write(config: &QubeConfig) -> String {
    let mut out = String::from("// A qube. Edit it while the qube is halted.\n");
    let mut node = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    node(format!("label {}", quoted(config.label.as_str())));
    if let Some(template) = &config.template {
        node(format!("template {}", quoted(template)));
    }
    let backend = match config.backend {
        BackendChoice::Auto => "auto",
        BackendChoice::Sandbox => "sandbox",
        BackendChoice::Kvm => "kvm",
        BackendChoice::Qemu => "qemu",
    };
    node(format!("backend {}", quoted(backend)));
    network::write(config).into_iter().for_each(&mut node);
    if config.start_with_desktop {
        node("start-with-desktop".to_owned());
    }
    for argv in &config.autostart {
        node(format!("autostart {}", line(argv)));
    }
    let default = Limits::default();
    let limits = &config.limits;
    if *limits != default {
        node("limits {".to_owned());
        if let Some(bytes) = limits.memory {
            node(format!("    memory \"{}KiB\"", bytes >> 10));
        }
        if limits.tasks != default.tasks {
            node(format!("    tasks {}", limits.tasks));
        }
        if let Some(percent) = limits.cpu_percent {
            node(format!("    cpu-percent {percent}"));
        }
        if limits.nested_sandboxes {
            node("    nested-sandboxes".to_owned());
        }
        node("}".to_owned());
    }
    let (machine, default) = (&config.machine, MachineConfig::default());
    if *machine != default {
        node("machine {".to_owned());
        if machine.memory != default.memory {
            node(format!("    memory \"{}MiB\"", machine.memory >> 20));
        }
        if machine.vcpus != default.vcpus {
            node(format!("    vcpus {}", machine.vcpus));
        }
        if machine.volume != default.volume {
            node(format!("    volume \"{}MiB\"", machine.volume >> 20));
        }
        if !machine.encryption {
            node("    encryption \"off\"".to_owned());
        }
        if let Some(accelerator) = machine.accelerator {
            let name = match accelerator {
                Accelerator::Tcg => "tcg",
                Accelerator::Kvm => "kvm",
            };
            node(format!("    accelerator \"{name}\""));
        }
        for device in &machine.devices {
            node(format!("    device \"{device}\""));
        }
        node("}".to_owned());
    }
    if !config.environment.is_empty() {
        node("environment {".to_owned());
        for (name, value) in &config.environment {
            node(format!("    {name} {}", quoted(value)));
        }
        node("}".to_owned());
    }
    if config.disposables != Disposables::default() {
        node(format!("disposables {{\n    ready {}", config.disposables.ready));
        if !config.disposables.warm.is_empty() {
            node(format!("    warm {}", line(&config.disposables.warm)));
        }
        for program in &config.disposables.open {
            node(match program {
                supervisor::Program::Command { argv } => format!("    open {}", line(argv)),
                supervisor::Program::Listed { id } => format!("    open id={}", quoted(id)),
            });
        }
        node("}".to_owned());
    }
    out
}

/// A command line.
fn line(argv: &[String]) -> String {
    argv.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ")
}

/// A KDL string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
