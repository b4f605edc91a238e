//! `sluicegate config check`: everything that is wrong with a config, without serving it.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::broker;
use crate::config::{self, Problems};

/// `sluicegate config check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The config file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Prints all problems, or one line that says what is there. Both to stdout: they are what was asked for.
pub fn run(args: &Check) -> anyhow::Result<ExitCode> {
    match check(args) {
        Ok(summary) => {
            writeln!(stdout(), "ok: {summary}")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            writeln!(stdout(), "{problems}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Plugins are only loaded for a config that is good in itself: which ones, and how, is not sure before.
fn check(args: &Check) -> Result<String, Problems> {
    let config = config::load(&args.config)?;
    let problems = broker::check(&config);
    if problems.is_empty() {
        Ok(format!(
            "{} tenants, {} plugins",
            config.tenants.len(),
            config.plugins.len()
        ))
    } else {
        Err(problems.into())
    }
}
