//! `sluicegate serve`: run the broker.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::broker;

/// `sluicegate serve`
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The config file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How log lines on stderr look; `RUST_LOG` sets the level.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Serve the demo page at `/`, and tokens for it to everyone who asks: on a loopback address only.
    #[arg(long)]
    demo: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Runs until a signal ends it.
pub(super) fn run(args: &Serve) -> Result<()> {
    start_log(args.log_format);
    let config = config::load(&args.config)?;
    Ok(broker::run(config, args.demo)?)
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => log.json().init(),
    }
}
