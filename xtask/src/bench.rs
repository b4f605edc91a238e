//! `cargo xtask bench`: what a hook, a chain, a delivery, a connection and a second node cost, each beside its
//! reference in the same run. It fails only for a lost message or a closed connection, never for a slow result: times
//! differ twofold between machines, and a person has to judge ratios.

mod broker;
mod bun;
mod fanout;
mod figure;
mod formats;
mod hooks;
mod load;
mod logins;
mod nginx;
mod nodes;
mod noisy;
mod server;
mod storm;
mod tenants;
mod tls;
mod transports;

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::workspace::Workspace;
use crate::{dist, needs};
use figure::Figure;

/// How thoroughly to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Rounds for each side of each figure; the best counts.
    rounds: usize,
    /// Seconds of publishing in a round.
    seconds: f64,
    /// Connections of the memory figure.
    idle: usize,
    /// Calls of the publish script alone.
    calls: u32,
}

const FULL: Plan = Plan {
    rounds: 3,
    seconds: 5.0,
    idle: 10_000,
    calls: 300_000,
};
/// For a look while working: the first round often is the worst, so there are two.
const QUICK: Plan = Plan {
    rounds: 2,
    seconds: 2.0,
    idle: 2_000,
    calls: 100_000,
};
/// Files that a broker has open beside its connections.
const OTHER_FILES: u64 = 200;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Everything,
    /// Nodes over Redis.
    Nodes,
    /// The static program of a release.
    Static,
}

pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    match *words {
        ["formats", ref words @ ..] => return formats::run(workspace, words),
        ["noisy", ref words @ ..] => return noisy::run(workspace, words),
        ["storm", ref words @ ..] => return storm::run(workspace, words),
        ["tenants", ref words @ ..] => return tenants::run(workspace, words),
        ["tls", ref words @ ..] => return tls::run(workspace, words),
        ["transports", ref words @ ..] => return transports::run(workspace, words),
        _ => {}
    }
    let (mut plan, mut part) = (FULL, Part::Everything);
    for word in words {
        match *word {
            "--quick" => plan = QUICK,
            "--redis" => part = Part::Nodes,
            "--static" => part = Part::Static,
            other => {
                bail!(
                    "bench takes --quick, and --redis or --static, or formats, noisy, storm, tenants, tls or transports, \
                     not {other}"
                )
            }
        }
    }
    needs::ensure(&[needs::TASKSET])?;
    let cores = std::thread::available_parallelism()?.get();
    ensure!(
        cores >= 2,
        "one core for the server and one for the load are needed; here is {cores}"
    );
    allow_files(&plan)?;
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    load::build(workspace)?;

    let mut measured = Measured::default();
    if part == Part::Static {
        let program = dist::program(workspace, &dist::host_target())?;
        measured.add(fanout::measure_static(workspace, &folder, program, &plan)?);
    }
    if part == Part::Everything {
        needs::ensure(&[needs::C_COMPILER, needs::NPM])?;
        let bun = bun::install(&folder)?;
        measured.figures.extend(hooks::measure(workspace)?);
        measured.add(fanout::measure(workspace, &folder, &bun, &plan)?);
        measured.add(logins::measure(workspace, &folder, &plan)?);
    }
    if matches!(part, Part::Everything | Part::Nodes) {
        needs::ensure(&[needs::REDIS, needs::REDIS_BENCHMARK])?;
        measured.add(nodes::measure(workspace, &folder, &plan, cores)?);
    }

    println!("\n{}", figure::table(&measured.figures));
    let result = json!({
        "quick": words.contains(&"--quick"),
        "bun": bun::VERSION,
        "figures": measured.figures.iter().map(Figure::to_json).collect::<Vec<Value>>(),
        "runs": measured.runs,
    });
    // A run of one part does not overwrite the result of the whole run.
    let file = folder.join(match part {
        Part::Everything => "result.json",
        Part::Nodes => "result-redis.json",
        Part::Static => "result-static.json",
    });
    fs::write(&file, serde_json::to_vec_pretty(&result)?).with_context(|| file.display().to_string())?;
    println!("\nevery round: {}", file.display());
    Ok(())
}

/// The figures, and every round behind them.
#[derive(Default)]
struct Measured {
    figures: Vec<Figure>,
    runs: Vec<Value>,
}

impl Measured {
    fn add(&mut self, (figures, runs): (Vec<Figure>, Vec<Value>)) {
        self.figures.extend(figures);
        self.runs.extend(runs);
    }
}

/// Raises the limit of open files for us and all that we start.
fn allow_files(plan: &Plan) -> Result<()> {
    // The broker takes connections up to 90 % of the limit.
    let wanted = plan.idle as u64 * 10 / 9 + OTHER_FILES;
    let granted = rlimit::increase_nofile_limit(u64::MAX)?;
    ensure!(
        granted >= wanted,
        "{wanted} open files are needed and {granted} are allowed: raise the hard limit (ulimit -Hn), or use --quick"
    );
    Ok(())
}
