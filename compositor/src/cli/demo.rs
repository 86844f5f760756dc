//! `transom demo`: three qubes on one desktop.
//!
//! With a display it opens a nested desktop to use. Without one a scripted person uses a headless
//! desktop through the real input path, and leaves a picture after each step and a report.
//!
//! The qubes are virtual machines where the processor runs them and there is an image, or where
//! `--vm` asks for it; else sandboxes.

mod inside;
mod person;
mod script;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use transom_hypervisor::{
    client::{Client, Launch, ensure_running},
    image::{DEFAULT_NAME, Images},
    kvm, paths,
    supervisor::{Backend, BackendChoice, ErrorKind, LabelName, QubeName, QubeState, RequestBody},
};

use super::session;

/// See the module's text.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where pictures, report, and the demo's qubes go.
    #[arg(long, default_value = "target/demo")]
    out: PathBuf,
    /// Run the scripted person even where there is a display.
    #[arg(long)]
    scripted: bool,
    /// Each qube is a virtual machine, in software where the processor cannot run it.
    #[arg(long)]
    vm: bool,
    /// The folder with the image of virtual machines [default: your own images]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Who draws; pictures are exact only with pixman.
    #[arg(long, value_enum, default_value = "pixman")]
    renderer: crate::render::canvas::RendererKind,
}

/// The qubes of the demo: name, label.
const QUBES: [(&str, &str); 3] = [("work", "blue"), ("personal", "green"), ("untrusted", "red")];

/// Slowness of three machines in software on a small computer.
const EMULATED: u32 = 6;

/// Settings of the demo: what may be pasted where.
const CONFIG: &str = r#"
clipboard {
    ask from="work" to="untrusted"
    deny from="untrusted" to="work"
}
"#;

pub(super) fn run(demo: &Demo) -> Result<(), String> {
    session::start_logging();
    std::fs::create_dir_all(&demo.out).map_err(|e| format!("{}: {e}", demo.out.display()))?;
    let out = demo.out.canonicalize().map_err(|e| e.to_string())?;
    let has_display =
        ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|v| std::env::var_os(v).is_some_and(|v| !v.is_empty()));
    // A supervisor of its own: the demo touches nobody's qubes.
    let runtime = tempfile::Builder::new()
        .prefix("transom-demo-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempdir()
        .map_err(|e| e.to_string())?;
    let launch = Launch {
        runtime_dir: Some(runtime.path().to_owned()),
        data_dir: Some(out.join("data")),
        ..Launch::default()
    };
    let data = out.join("data");
    let _ = std::fs::remove_dir_all(&data);
    let template = template(demo, &data)?;
    let mut supervisor = ensure_running(&launch).map_err(|e| e.to_string())?;
    let outcome = prepare(&mut supervisor, template).and_then(|()| {
        let slow = slowness(&mut supervisor)?;
        if has_display && !demo.scripted {
            interactive(&mut supervisor, runtime.path(), slow)
        } else {
            script::run(&launch, &out, demo.renderer, slow)
        }
    });
    for (name, _) in QUBES {
        if let Ok(qube) = QubeName::new(name) {
            let _ = supervisor.call(RequestBody::Kill { qube }, soon(10));
        }
    }
    stop_supervisor(runtime.path());
    outcome
}

fn soon(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// The template of the qubes, if they are to be virtual machines. Its image is made known in the
/// demo's own data.
fn template(demo: &Demo, data: &Path) -> Result<Option<&'static str>, String> {
    let images = match &demo.images {
        Some(images) => images.canonicalize().map_err(|e| format!("{}: {e}", images.display()))?,
        None => paths::data_dir().map_err(|e| e.to_string())?.join("images"),
    };
    if images.is_dir() {
        let made = std::fs::create_dir_all(data)
            .and_then(|()| std::os::unix::fs::symlink(&images, data.join("images")));
        made.map_err(|e| format!("{}: {e}", data.display()))?;
    }
    // Whoever asks for machines hears from qubed what is missing.
    let can = || kvm::check().is_ok() && Images::new(data).load(DEFAULT_NAME).is_ok();
    Ok((demo.vm || can()).then_some(DEFAULT_NAME))
}

/// How much longer programs may take than on this computer's own processor.
fn slowness(supervisor: &mut Client) -> Result<u32, String> {
    let qubes = supervisor.list(soon(10)).map_err(|e| e.to_string())?;
    Ok(if qubes.iter().any(|qube| qube.backend == Backend::Qemu) { EMULATED } else { 1 })
}

/// Creates and starts the qubes.
fn prepare(supervisor: &mut Client, template: Option<&str>) -> Result<(), String> {
    let start = if template.is_some() { 240 } else { 30 };
    for (name, label) in QUBES {
        let qube = QubeName::new(name).map_err(|e| e.to_string())?;
        let label = LabelName::new(label).map_err(|e| e.to_string())?;
        let template = template.map(str::to_owned);
        let backend = BackendChoice::Auto;
        // What they store ends with the demo: nobody is asked for a passphrase.
        let create = RequestBody::Create { name: qube.clone(), label, template, backend, plain: true };
        match supervisor.call(create, soon(10)) {
            Ok(_) => {}
            Err(transom_hypervisor::client::ClientError::Refused(e)) if e.kind == ErrorKind::Exists => {}
            Err(error) => return Err(error.to_string()),
        }
        supervisor.call(RequestBody::Start { qube }, soon(start)).map_err(|e| format!("{name}: {e}"))?;
    }
    let up = supervisor.list(soon(10)).map_err(|e| e.to_string())?;
    match up.iter().find(|q| q.state != QubeState::Running) {
        None => Ok(()),
        Some(qube) => Err(format!("{} did not start", qube.name)),
    }
}

/// Programs of each qube.
fn programs(qube: &str) -> Vec<Vec<String>> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    vec![
        words(&format!("foot --title={qube}-terminal --window-size-pixels=580x300")),
        words("mousepad /home/user/notes.txt"),
        words("xcalc"),
    ]
}

fn run_programs(supervisor: &mut Client, slow: u32) -> Result<(), String> {
    for (name, _) in QUBES {
        let qube = QubeName::new(name).map_err(|e| e.to_string())?;
        for argv in programs(name) {
            let body = RequestBody::Run { qube: qube.clone(), argv: argv.clone() };
            let answer = supervisor.call(body, soon(20 * u64::from(slow)));
            answer.map_err(|e| format!("{name}: {}: {e}", argv[0]))?;
        }
    }
    Ok(())
}

/// A nested desktop to use, in a process of its own.
fn interactive(supervisor: &mut Client, runtime: &Path, slow: u32) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let config = runtime.join("demo.kdl");
    std::fs::write(&config, CONFIG).map_err(|e| e.to_string())?;
    let mut desktop = std::process::Command::new(program)
        .args(["nested", "--config"])
        .arg(&config)
        .env(paths::RUNTIME_DIR_VAR, runtime)
        .spawn()
        .map_err(|e| e.to_string())?;
    run_programs(supervisor, slow)?;
    let status = desktop.wait().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("the nested desktop ended with {status}")) }
}

/// Ends the demo's own supervisor.
fn stop_supervisor(runtime: &Path) {
    if let Err(error) = transom_hypervisor::client::stop(&runtime.join(paths::SOCKET_NAME)) {
        tracing::warn!(%error, "the demo's supervisor is still there");
    }
}
