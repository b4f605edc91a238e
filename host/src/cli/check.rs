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

/// Prints all problems, or the warnings and one line that counts tenants and plugins. All of it goes to stdout, because
/// it is the command's result.
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

/// Plugins are loaded only for a config without problems of its own: before that it is not certain which ones, and how.
fn check(args: &Check) -> Result<Config, Problems> {
    let config = config::load(&args.config)?;
    let problems = broker::check(&config);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems.into())
    }
}
