//! `transom qube updates`: what a qube has told of packages that could be newer.

use std::{io, time::Instant};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use transom_protocol::{dom0_services::UpdateList, supervisor::QubeName};

use super::{CliError, SOON, write_json};
use crate::client::Client;

/// What a qube has told, for other programs.
#[derive(Debug, Serialize)]
struct Told<'a> {
    /// In UTC.
    told: String,
    updates: Vec<Shown<'a>>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    package: &'a str,
    old: &'a str,
    new: &'a str,
}

fn shown(list: &UpdateList) -> Vec<Shown<'_>> {
    list.updates()
        .iter()
        .map(|update| Shown { package: &update.package, old: &update.old, new: &update.new })
        .collect()
}

/// Shows what it has told.
pub(super) fn show(
    client: &mut Client,
    qube: &QubeName,
    json: bool,
    out: &mut dyn io::Write,
) -> Result<(), CliError> {
    let known = client.updates(qube, Instant::now() + SOON)?;
    let Some((told, list)) = known else {
        if json {
            writeln!(out, "null")?;
        } else {
            writeln!(out, "{qube} has not told of updates; `transom-updates` in it does so")?;
        }
        return Ok(());
    };
    let told = Timestamp::try_from(told).unwrap_or_default();
    let updates = shown(&list);
    if json {
        return Ok(write_json(&Told { told: told.to_string(), updates }, out)?);
    }
    let when = told.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M");
    let plural = if updates.len() == 1 { "" } else { "s" };
    writeln!(out, "{qube} told of {} update{plural} on {when}", updates.len())?;
    let width = |texts: Vec<&str>| texts.iter().map(|text| text.len()).max().unwrap_or(0).min(40);
    let packages = width(updates.iter().map(|update| update.package).collect());
    let olds = width(updates.iter().map(|update| update.old).collect());
    for Shown { package, old, new } in updates {
        writeln!(out, "{package:packages$}  {old:olds$}  {new}")?;
    }
    Ok(())
}
