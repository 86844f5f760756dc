//! Settings of a qube that are changed by a choice, and what it uses now.

use std::{io, time::Instant};

use clap::Args;
use transom_protocol::supervisor::{
    Changes, LabelName, QubeInfo, QubeName, QubeUsage, ReplyBody, RequestBody,
};

use super::{CliError, SOON};
use crate::{
    client::{Client, ClientError, unexpected},
    store::parse_bytes,
};

/// What is to be changed.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Changed {
    /// How far you trust it
    #[arg(long, short)]
    label: Option<LabelName>,
    /// Its memory, such as 2GiB; of a sandbox the most that it may use, or `none`
    #[arg(long, value_parser = amount_or_none)]
    memory: Option<u64>,
    /// Size of its private volume, such as 16GiB; it can only grow
    #[arg(long, value_parser = amount)]
    volume: Option<u64>,
    /// Whether it starts with the desktop
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    start_with_desktop: Option<bool>,
}

fn amount(text: &str) -> Result<u64, &'static str> {
    parse_bytes(text)
}

fn amount_or_none(text: &str) -> Result<u64, &'static str> {
    if text == "none" { Ok(0) } else { parse_bytes(text) }
}

fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("use yes or no"),
    }
}

/// Changes a qube's settings.
pub(super) fn set(client: &mut Client, qube: QubeName, changed: Changed) -> Result<(), CliError> {
    let Changed { label, memory, volume, start_with_desktop } = changed;
    if let Some(label) = label.as_ref().filter(|label| !label.is_built_in()) {
        return Err(CliError::Label(label.clone()));
    }
    let changes = Changes { label, memory, volume, start_with_desktop };
    client.call(RequestBody::Set { qube, changes }, Instant::now() + SOON)?;
    Ok(())
}

/// What a qube uses now.
pub(super) fn usage(client: &mut Client, qube: &QubeInfo) -> Result<Option<QubeUsage>, ClientError> {
    let body = RequestBody::Usage { qubes: vec![qube.name.clone()] };
    match client.call(body, Instant::now() + SOON)? {
        ReplyBody::Usage { usage } => Ok(usage.into_iter().next()),
        other => Err(unexpected(&other)),
    }
}

/// Prints both.
pub(super) fn show(qube: &QubeInfo, used: Option<&QubeUsage>, out: &mut dyn io::Write) -> io::Result<()> {
    let settings = &qube.settings;
    let now = used.and_then(|used| used.memory).map(|bytes| format!(", {} in use", mib(bytes)));
    let memory = settings.memory.map_or_else(|| "no limit".to_owned(), mib);
    writeln!(out, "memory:   {memory}{}", now.unwrap_or_default())?;
    let least = if used.is_some_and(|used| used.more) { "more than " } else { "" };
    let disk = used.and_then(|used| used.disk).map(|bytes| {
        let shared = used.and_then(|used| used.shared);
        let shared = shared.map(|bytes| format!(", {} shared with clones", mib(bytes))).unwrap_or_default();
        format!("{least}{} on the disk{shared}", mib(bytes))
    });
    match (settings.volume, disk) {
        (Some(size), Some(disk)) => writeln!(out, "volume:   {}, {disk}", mib(size))?,
        (Some(size), None) => writeln!(out, "volume:   {}, nothing on the disk yet", mib(size))?,
        (None, Some(disk)) => writeln!(out, "home:     {disk}")?,
        (None, None) => {}
    }
    if let Some(network) = &settings.network {
        writeln!(out, "network:  {network}")?;
    }
    if let Some(updates) = used.and_then(|used| used.updates).filter(|updates| *updates > 0) {
        writeln!(out, "updates:  {updates}, it says; `transom qube updates {}` lists them", qube.name)?;
    }
    if settings.start_with_desktop {
        writeln!(out, "starts:   with the desktop")?;
    }
    Ok(())
}

/// An amount for people.
fn mib(bytes: u64) -> String {
    match bytes {
        0..0x100_0000 => format!("{} KiB", bytes >> 10),
        0x100_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}
