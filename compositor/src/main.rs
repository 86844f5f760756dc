//! The `transom` command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    transom::cli::main(transom::cli::Cli::parse())
}
