//! `sluicegate serve`: run the broker.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::broker;
use crate::observe::{BrokerLog, LogFormat};
use config::ConfigReader;

/// `sluicegate serve`
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The config file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How log lines on stderr look; `RUST_LOG` sets the level.
    #[arg(long, value_enum, default_value_t = LineFormat::Text)]
    log_format: LineFormat,
    /// Serve the demo page at `/`, and tokens for it to everyone who asks: on a loopback address only.
    #[arg(long)]
    demo: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LineFormat {
    Text,
    Json,
}

/// Runs until a signal ends it.
pub(super) fn run(args: &Serve) -> Result<()> {
    let format = match args.log_format {
        LineFormat::Text => LogFormat::Text {
            colour: std::io::IsTerminal::is_terminal(&std::io::stderr()),
        },
        LineFormat::Json => LogFormat::Json,
    };
    let log = BrokerLog::start(format).context("the log cannot be written")?;
    let mut reader = ConfigReader::new(&args.config);
    let config = reader.read()?;
    Ok(broker::run(config, reader, args.demo, log)?)
}
