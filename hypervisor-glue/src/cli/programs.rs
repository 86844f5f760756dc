//! `transom qube programs`: what a qube has listed.

use std::{io, time::Instant};

use serde::Serialize;
use transom_protocol::{
    programs::{Program, ProgramList},
    supervisor::QubeName,
};

use super::{CliError, SOON, write_json};
use crate::client::{Client, ClientError};

/// A program, for other programs.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: &'a str,
    name: &'a str,
    comment: &'a str,
    categories: Vec<&'a str>,
    keywords: Vec<&'a str>,
    /// It has a picture.
    icon: bool,
}

impl<'a> Shown<'a> {
    fn new(program: &'a Program) -> Self {
        let words = |text: &'a str| text.split(';').map(str::trim).filter(|word| !word.is_empty()).collect();
        Self {
            id: &program.id,
            name: &program.name,
            comment: &program.comment,
            categories: words(&program.categories),
            keywords: words(&program.keywords),
            icon: program.icon.is_some(),
        }
    }
}

fn list(client: &mut Client, qube: &QubeName) -> Result<Option<ProgramList>, ClientError> {
    client.programs(qube, Instant::now() + SOON)
}

/// Sees that a qube lists a program, if it is known what it lists: a mistyped id starts no qube.
pub(super) fn check(client: &mut Client, qube: &QubeName, id: &str) -> Result<(), CliError> {
    match list(client, qube)? {
        Some(list) if list.programs().iter().all(|program| program.id != id) => {
            let id = transom_protocol::text::clean(id.as_bytes(), 60);
            Err(CliError::NoProgram(qube.clone(), id))
        }
        _ => Ok(()),
    }
}

/// Shows what it lists.
pub(super) fn show(
    client: &mut Client,
    qube: &QubeName,
    json: bool,
    out: &mut dyn io::Write,
) -> Result<(), CliError> {
    let known = list(client, qube)?;
    let programs: Vec<Shown<'_>> = known.iter().flat_map(ProgramList::programs).map(Shown::new).collect();
    if json {
        return Ok(write_json(&programs, out)?);
    }
    if known.is_none() {
        writeln!(
            out,
            "{qube} has not listed its programs yet: start it once with `transom qube start {qube}`"
        )?;
        return Ok(());
    }
    let width = |texts: Vec<&str>, head: usize| {
        texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).clamp(head, 40)
    };
    let ids = width(programs.iter().map(|program| program.id).collect(), 2);
    let names = width(programs.iter().map(|program| program.name).collect(), 4);
    writeln!(out, "{:ids$}  {:names$}  COMMENT", "ID", "NAME")?;
    for program in &programs {
        let line = format!("{:ids$}  {:names$}  {}", program.id, program.name, program.comment);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
