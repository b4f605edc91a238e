//! `sluicegate config show`: what of a config is in force, without its secrets.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::broker::PluginSchemas;
use config::{ConfigReader, Problems};

/// `sluicegate config show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The config file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Prints the config, or all problems. A plugin that cannot be loaded is no problem: its settings are masked.
pub(super) fn run(args: &Show) -> anyhow::Result<ExitCode> {
    match show(args) {
        Ok(text) => {
            write!(stdout(), "{text}")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            writeln!(stdout(), "{problems}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn show(args: &Show) -> Result<String, Problems> {
    let mut reader = ConfigReader::new(&args.config).showing();
    let config = reader.read()?;
    let schemas = PluginSchemas::load(&config);
    let problems = schemas.problems(&config);
    if problems.is_empty() {
        Ok(reader.shown(&|plugin| schemas.settings_of(plugin)))
    } else {
        Err(problems.into())
    }
}
