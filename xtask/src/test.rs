//! `cargo xtask test`: everything that must pass, one step after the other. Stops at the first failure; the last
//! line adds up what ran.

mod tally;

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::workspace::{PLUGIN_TARGET, Workspace};
use crate::{build, needs, shell, spelling, tidy};
use tally::Tally;

type Step = fn(&Workspace) -> Result<Tally>;

const STEPS: [(&str, Step); 10] = [
    ("programs", programs),
    ("spelling", spelling),
    ("formatting", formatting),
    ("clippy", clippy),
    ("documentation", documentation),
    ("plugins", plugins),
    ("unit tests", unit_tests),
    ("wire tests", wire_tests),
    ("browser tests", browser_tests),
    ("tidy", tidiness),
];

pub fn run(workspace: &Workspace) -> Result<()> {
    let all = Instant::now();
    let mut sum = Tally::default();
    for (number, (title, step)) in STEPS.iter().enumerate() {
        println!("\n== {}/{} {title}", number + 1, STEPS.len());
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
                println!("\n{sum}");
                bail!("{title} failed; nothing after it ran");
            }
        }
    }
    println!("\nall in {:.0} s\n{sum}", all.elapsed().as_secs_f64());
    Ok(())
}

/// First, because installing is what fails soonest on a machine that lacks something.
fn programs(_: &Workspace) -> Result<Tally> {
    needs::ensure(&[
        needs::C_COMPILER,
        needs::CHROMIUM,
        needs::NODE,
        needs::NPM,
        needs::PYTHON,
        needs::PYTHON_VENV,
        needs::REDIS,
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
    tidy::run(workspace)?;
    Ok(Tally::ONE)
}

fn clippy(workspace: &Workspace) -> Result<Tally> {
    let deny = ["--", "-D", "warnings"];
    shell::run(
        workspace
            .cargo()
            .args(["clippy", "--workspace", "--all-targets"])
            .args(deny),
    )?;
    build::add_target(PLUGIN_TARGET)?;
    let mut components = workspace.cargo();
    components
        .args(["clippy", "--release", "--target", PLUGIN_TARGET])
        .args(workspace.plugin_arguments())
        .args(deny);
    shell::run(&mut components)?;
    Ok(Tally::ONE + Tally::ONE)
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

fn plugins(workspace: &Workspace) -> Result<Tally> {
    build::plugins(workspace)?;
    Ok(Tally {
        passed: workspace.plugins.len(),
        failed: 0,
    })
}

fn unit_tests(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace"]);
    if let Some(wire_tests) = &workspace.wire_tests {
        cargo.args(["--exclude", wire_tests]);
    }
    count(with_broker(workspace, "debug", &mut cargo))
}

/// The tests in `tests/`: one binary that speaks the wire to a real broker.
fn wire_tests(workspace: &Workspace) -> Result<Tally> {
    let package = workspace.wire_tests.as_ref().context("no package in tests/")?;
    shell::run(workspace.cargo().args(["build", "-p", "sluicegate"]))?;
    count(with_broker(
        workspace,
        "debug",
        workspace.cargo().args(["test", "-p", package]),
    ))
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

/// Tells tests where this build of the broker and the plugins are.
pub fn with_broker<'a>(workspace: &Workspace, profile: &str, command: &'a mut Command) -> &'a mut Command {
    command
        .env("SLUICEGATE_BIN", workspace.broker(profile))
        .env("SLUICEGATE_PLUGINS", workspace.plugin_folder())
}

/// Runs a test runner and adds up the results that it prints.
pub fn count(command: &mut Command) -> Result<Tally> {
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
