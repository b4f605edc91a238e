//! `sluicegate serve`: run the broker.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::broker::{self, Launch};
use crate::handover::{Invocation, Predecessor};
use crate::observe::{BrokerLog, LogFormat};
use crate::systemd::{Environment, ServiceManager, passed_sockets};
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
    let environment = Environment::here();
    // Before everything that opens a file.
    let by_manager = passed_sockets(&environment)?;
    let (predecessor, sockets) = match Predecessor::here().context("nothing can be taken over")? {
        Some((predecessor, sockets)) => (Some(predecessor), sockets),
        None => (None, by_manager),
    };
    let invocation = Invocation::here().context("the program's own path is not known")?;
    let manager = ServiceManager::of(&environment).context("NOTIFY_SOCKET cannot be used")?;
    let log = BrokerLog::start(format).context("the log cannot be written")?;
    let mut reader = ConfigReader::new(&args.config);
    let config = reader.read()?;
    let launch = Launch {
        demo: args.demo,
        log,
        invocation,
        predecessor,
        sockets,
        manager,
        environment,
    };
    Ok(broker::run(config, reader, launch)?)
}
