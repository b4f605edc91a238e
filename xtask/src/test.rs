//! `cargo xtask test`: everything that must pass, in stages. What stands side by side in a stage runs at the same time, each
//! as a process of its own, because compilers have stretches for one core and tests mostly wait. Stops after the first
//! stage that fails; the last line adds up what ran.

mod api;
mod binaries;
mod javascript;
mod python_client;
mod stage;
mod tally;
mod tls;

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::workspace::{PLUGIN_PROFILE, PLUGIN_TARGET, Workspace};
use crate::{autobahn, build, needs, shell, spelling, tidy};
use tally::Tally;

type Step = fn(&Workspace) -> Result<Tally>;

/// Every step by its name; `cargo xtask test NAME…` runs just these.
const STEPS: [(&str, Step); 16] = [
    ("programs", programs),
    ("spelling", spelling),
    ("formatting", formatting),
    ("tidy", tidiness),
    ("clippy", clippy),
    ("documentation", documentation),
    ("build", build),
    ("plugins", plugins),
    ("unit-tests", unit_tests),
    ("wire-tests", wire_tests),
    ("browser-tests", browser_tests),
    ("javascript", javascript::run),
    ("python-client", python_client::run),
    ("admin-api", api::run),
    ("autobahn", autobahn_suite),
    ("tls", tls::run),
];

/// Stages run one after the other, the lanes of a stage side by side, the steps of a lane one after the other.
const STAGES: [&[&[&str]]; 3] = [
    &[&["programs", "spelling", "formatting", "tidy"]],
    &[&["clippy", "documentation", "build"], &["plugins"]],
    &[
        &["wire-tests"],
        &[
            "unit-tests",
            "browser-tests",
            "javascript",
            "python-client",
            "admin-api",
            "autobahn",
            "tls",
        ],
    ],
];

/// Tests of the wire that run at the same time. They wait for processes, Redis and the clock more than they compute.
const WIRE_TESTS_AT_ONCE: usize = 8;

pub(crate) fn run(workspace: &Workspace, names: &[&str]) -> Result<()> {
    let start = Instant::now();
    let (sum, outcome) = match names {
        [] => stage::run_all(&STAGES),
        names => run_steps(workspace, names),
    };
    println!("\nall in {:.0} s\n{sum}", start.elapsed().as_secs_f64());
    outcome
}

/// One step after the other, here. Stops at the first that fails.
fn run_steps(workspace: &Workspace, names: &[&str]) -> (Tally, Result<()>) {
    let mut sum = Tally::default();
    for name in names {
        let Some((title, step)) = STEPS.iter().find(|(title, _)| title == name) else {
            let all: Vec<&str> = STEPS.iter().map(|(title, _)| *title).collect();
            return (
                sum,
                Err(anyhow::anyhow!("no step {name}; there are {}", all.join(", "))),
            );
        };
        println!("\n== {title}");
        let start = Instant::now();
        let outcome = step(workspace).and_then(Tally::checked);
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(tally) => {
                sum += tally;
                println!("== {title}: ok, {seconds:.1} s");
            }
            Err(problem) => {
                println!("== {title}: FAILED after {seconds:.1} s\n{problem:#}");
                sum += tally::failed_in(&problem);
                return (sum, Err(anyhow::anyhow!("{title} failed; no step after it ran")));
            }
        }
    }
    (sum, Ok(()))
}

/// The first step, because it fails soonest on a machine that lacks something.
fn programs(_: &Workspace) -> Result<Tally> {
    needs::ensure(&[
        needs::C_COMPILER,
        needs::CHROMIUM,
        needs::FIREFOX,
        needs::NODE,
        needs::NPM,
        needs::PYTHON,
        needs::PYTHON_VENV,
        needs::REDIS,
        needs::NGINX,
        needs::HAPROXY,
        needs::CADDY,
        needs::OPENSSL,
        needs::GO,
    ])?;
    Ok(Tally::ONE)
}

fn spelling(workspace: &Workspace) -> Result<Tally> {
    spelling::run(workspace)?;
    Ok(Tally::ONE)
}

fn formatting(workspace: &Workspace) -> Result<Tally> {
    shell::run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    Ok(Tally::ONE)
}

fn tidiness(workspace: &Workspace) -> Result<Tally> {
    tidy::run(workspace, &[])?;
    Ok(Tally::ONE)
}

const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

fn clippy(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = workspace.cargo();
    cargo.args(["clippy", "--workspace", "--all-targets"]);
    shell::run(cargo.args(DENY_WARNINGS))?;
    Ok(Tally::ONE)
}

fn documentation(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = workspace.cargo();
    shell::run(
        cargo
            .args(["doc", "--no-deps", "--workspace"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    Ok(Tally::ONE)
}

/// All tests and the programs that they start, in one build: a build of other packages would compile dependencies
/// again, with other features.
fn build(workspace: &Workspace) -> Result<Tally> {
    binaries::build(workspace)?;
    Ok(Tally::ONE)
}

fn plugins(workspace: &Workspace) -> Result<Tally> {
    build::add_target(PLUGIN_TARGET)?;
    let mut cargo = workspace.cargo();
    cargo
        .args(["clippy", "--profile", PLUGIN_PROFILE, "--target", PLUGIN_TARGET])
        .args(workspace.plugin_arguments());
    shell::run(cargo.args(DENY_WARNINGS))?;
    build::plugins(workspace)?;
    Ok(Tally {
        passed: workspace.plugins.len() + 1,
        failed: 0,
    })
}

/// All tests but those in `tests/`, and the examples in the documentation.
fn unit_tests(workspace: &Workspace) -> Result<Tally> {
    let mut sum = Tally::default();
    for binary in binaries::build(workspace)? {
        if Some(&binary.package) != workspace.wire_tests.as_ref() {
            sum += count(with_broker(workspace, "debug", &mut binary.command()))?;
        }
    }
    let mut cargo = workspace.cargo();
    sum += count(cargo.args(["test", "--workspace", "--doc"]))?;
    Ok(sum)
}

/// The tests in `tests/`: one binary that speaks the wire to a real broker.
fn wire_tests(workspace: &Workspace) -> Result<Tally> {
    let package = workspace.wire_tests.as_ref().context("no package in tests/")?;
    let binaries = binaries::build(workspace)?;
    let Some(binary) = binaries.into_iter().find(|binary| binary.package == *package) else {
        bail!("no test binary of {package}");
    };
    let mut command = binary.command();
    command.args(["--test-threads", &WIRE_TESTS_AT_ONCE.to_string()]);
    count(with_broker(workspace, "debug", &mut command))
}

/// The demo page in a real browser against a real broker.
fn browser_tests(workspace: &Workspace) -> Result<Tally> {
    let folder = workspace.root.join("tests/browser");
    shell::run(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&folder),
    )?;
    let mut npm = Command::new("npm");
    npm.args(["test", "--silent"])
        .current_dir(&folder)
        .env("SLUICEGATE_SCREENSHOTS", workspace.target.join("screenshots"));
    count(with_broker(workspace, "debug", &mut npm))
}

/// A published conformance suite against the example of the crate `wire`.
fn autobahn_suite(workspace: &Workspace) -> Result<Tally> {
    let passed = autobahn::run_often(workspace)?;
    Ok(Tally { passed, failed: 0 })
}

/// Tells tests where this build of the broker and the plugins are.
pub(crate) fn with_broker<'a>(workspace: &Workspace, profile: &str, command: &'a mut Command) -> &'a mut Command {
    command
        .env("SLUICEGATE_BIN", workspace.broker(profile))
        .env("SLUICEGATE_PLUGINS", workspace.plugin_folder())
}

/// Runs a test runner and adds up the results that it prints.
pub(crate) fn count(command: &mut Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let success = shell::relay(command, |line| tally.read(line))?;
    match success {
        true => Ok(tally),
        false => Err(tally::Failed {
            tally,
            what: shell::describe(command),
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_stands_in_one_stage() {
        let staged: Vec<&str> = STAGES.iter().copied().flatten().copied().flatten().copied().collect();
        let steps: Vec<&str> = STEPS.iter().map(|(title, _)| *title).collect();
        let mut sorted = staged.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), staged.len(), "a step stands in two stages");
        assert!(steps.iter().all(|step| staged.contains(step)), "{steps:?} {staged:?}");
        assert_eq!(steps.len(), staged.len());
    }
}
