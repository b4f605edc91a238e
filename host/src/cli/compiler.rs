//! `sluicegate compiler`: the process in which the broker has plugins compiled. Not for people.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use sandbox::WorkerLimits;

/// `sluicegate compiler`
#[derive(Debug, Args)]
pub(super) struct CompilerArgs {
    /// Seconds of processor time for each task
    seconds: u64,
    /// MiB of memory
    mib: u64,
}

/// Does what comes on stdin, until it ends.
pub(super) fn run(args: &CompilerArgs) -> anyhow::Result<ExitCode> {
    sandbox::run_worker(WorkerLimits {
        time: Duration::from_secs(args.seconds),
        memory_bytes: args.mib.saturating_mul(1_048_576),
    })?;
    Ok(ExitCode::SUCCESS)
}
