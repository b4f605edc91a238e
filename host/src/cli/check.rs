//! `sluicegate config check`: everything that is wrong with a config, without serving it.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::broker;
use config::{self, Config, Problems};

/// `sluicegate config check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The config file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Prints all problems, or what is likely not meant and one line that says what is there. All to stdout: it is what
/// was asked for.
pub(super) fn run(args: &Check) -> anyhow::Result<ExitCode> {
    match check(args) {
        Ok(config) => {
            for warning in &config.warnings {
                writeln!(stdout(), "warning: {warning}")?;
            }
            let (tenants, plugins) = (config.tenants.len(), config.plugins.len());
            writeln!(stdout(), "ok: {tenants} tenants, {plugins} plugins")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            writeln!(stdout(), "{problems}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Plugins are only loaded for a config that is good in itself: which ones, and how, is not sure before.
fn check(args: &Check) -> Result<Config, Problems> {
    let config = config::load(&args.config)?;
    let problems = broker::check(&config);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems.into())
    }
}
