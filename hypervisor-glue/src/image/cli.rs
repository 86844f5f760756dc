//! The `transom image …` command.
#![allow(clippy::print_stderr, reason = "this is the command line: progress goes beside the output")]

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Instant,
};

use clap::Subcommand;

use super::{BuildError, DEFAULT_NAME, Image, ImageError, Images, Programs, Recipe, build, replace_agent};
use crate::paths::{self, PathError};

/// Manage what virtual machines boot from.
#[derive(Clone, Debug, Subcommand)]
pub enum ImageCommand {
    /// Make an image
    Build {
        /// Its name
        #[arg(default_value = DEFAULT_NAME)]
        name: String,
        /// Debian's release
        #[arg(long, default_value = "bookworm")]
        suite: String,
        /// The programs in it, as packages separated by commas, instead of the usual ones
        #[arg(long, value_delimiter = ',', value_name = "LIST")]
        packages: Option<Vec<String>>,
        /// More packages
        #[arg(long, value_delimiter = ',', value_name = "LIST")]
        add: Vec<String>,
        /// The package with the kernel
        #[arg(long, default_value = "linux-image-cloud-amd64")]
        kernel: String,
        /// The agent [default: transom-agent beside this program or in PATH]
        #[arg(long, value_name = "PROGRAM")]
        agent: Option<PathBuf>,
    },
    /// Show all images
    List,
    /// Make an image anew from the packages of today
    Update {
        /// Its name
        #[arg(default_value = DEFAULT_NAME)]
        name: String,
        /// Replace the agent only; takes a second
        #[arg(long)]
        agent_only: bool,
        /// The agent [default: transom-agent beside this program or in PATH]
        #[arg(long, value_name = "PROGRAM")]
        agent: Option<PathBuf>,
    },
    /// Delete an image; qubes that are made from it cannot start any more
    Remove {
        /// Its name
        name: String,
    },
}

/// Why a command failed: one line that says what and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An image cannot be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An image cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// There is no place for images.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The terminal is gone.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command on the images of this person.
///
/// # Errors
/// See [`CliError`].
pub fn run(command: ImageCommand) -> Result<(), CliError> {
    let images = Images::new(&paths::data_dir()?);
    let mut out = io::stdout().lock();
    let begin = Instant::now();
    let mut tell = |step: &str| eprintln!("[{:4} s] {step}", begin.elapsed().as_secs());
    match command {
        ImageCommand::Build { name, suite, packages, add, kernel, agent } => {
            let mut recipe =
                Recipe { suite, kernel, packages: packages.unwrap_or(Recipe::default().packages) };
            recipe.packages.extend(add);
            let image = build(&images, &name, &recipe, &Programs::find(agent)?, false, &mut tell)?;
            tell("done");
            describe(&image, &mut out)?;
        }
        ImageCommand::List => {
            let names = images.names()?;
            if names.is_empty() {
                writeln!(out, "There are no images. Make one: transom image build")?;
            }
            for name in names {
                match images.load(&name) {
                    Ok(image) => describe(&image, &mut out)?,
                    Err(error) => writeln!(out, "{name}: {error}")?,
                }
            }
        }
        ImageCommand::Update { name, agent_only: true, agent } => {
            describe(&replace_agent(&images, &name, &Programs::find(agent)?)?, &mut out)?;
        }
        ImageCommand::Update { name, agent_only: false, agent } => {
            let recipe = images.describe(&name)?.manifest.recipe;
            let image = build(&images, &name, &recipe, &Programs::find(agent)?, true, &mut tell)?;
            tell("done");
            describe(&image, &mut out)?;
        }
        ImageCommand::Remove { name } => images.remove(&name)?,
    }
    Ok(())
}

fn describe(image: &Image, out: &mut dyn io::Write) -> io::Result<()> {
    let manifest = &image.manifest;
    let bytes = manifest.bytes.kernel + manifest.bytes.initramfs + manifest.bytes.root;
    let (name, suite, release, agent) =
        (&image.name, &manifest.recipe.suite, &manifest.release, &manifest.agent);
    writeln!(out, "{name}: Debian {suite}, kernel {release}, {agent}, {} MiB", bytes >> 20)?;
    writeln!(out, "  packages: {}", manifest.recipe.packages.join(" "))
}
