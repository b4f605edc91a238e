//! `cargo xtask chaos`: the random run of the wire tests, for a given time. A seed replays a run.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::Workspace;
use crate::{needs, shell, test};

/// The test that is the run. If it goes by another name one day, "no test ran" fails the command.
const TEST: &str = "chaos::long::every_promise_is_kept_whatever_happens";
/// Where that test reads its settings.
const SETTINGS: &str = "SLUICEGATE_CHAOS";
const TOPOLOGIES: [&str; 3] = ["single", "sentinel", "cluster"];

#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    minutes: u64,
    seed: u64,
    topology: String,
    release: bool,
}

pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let arguments = parse(words, random_seed()?)?;
    needs::ensure(&[needs::C_COMPILER, needs::REDIS])?;
    let profile = if arguments.release { "release" } else { "debug" };
    let mut build = workspace.cargo();
    match arguments.release {
        true => build.args(["build", "--release", "-p", "sluicegate"]),
        // Of the whole workspace, as for the tests: with the features of one package, dependencies are compiled again.
        false => build.args(["build", "--workspace", "--bin", "sluicegate"]),
    };
    shell::run(&mut build)?;
    let settings = format!(
        "minutes={} seed={} topology={}",
        arguments.minutes, arguments.seed, arguments.topology
    );
    println!("chaos: {settings}, {profile} broker");
    let mut cargo = workspace.cargo();
    cargo
        .args([
            "test",
            "--workspace",
            "--test",
            "wire",
            "--",
            "--exact",
            TEST,
            "--nocapture",
        ])
        .env(SETTINGS, &settings);
    let tally = test::count(test::with_broker(workspace, profile, &mut cargo))?;
    tally.checked().map(drop)
}

fn parse(words: &[&str], seed: u64) -> Result<Arguments> {
    let mut arguments = Arguments {
        minutes: 10,
        seed,
        topology: TOPOLOGIES[0].to_owned(),
        release: false,
    };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut value = || words.next().copied().with_context(|| format!("{word} needs a value"));
        match word {
            "--minutes" => arguments.minutes = value()?.parse().context("--minutes")?,
            "--seed" => arguments.seed = value()?.parse().context("--seed")?,
            "--topology" => value()?.clone_into(&mut arguments.topology),
            "--release" => arguments.release = true,
            _ => bail!("unknown: {word}. Usage: cargo xtask chaos [--minutes N] [--seed S] [--topology T] [--release]"),
        }
    }
    ensure!(
        TOPOLOGIES.contains(&arguments.topology.as_str()),
        "--topology is one of {}",
        TOPOLOGIES.join(", ")
    );
    ensure!(arguments.minutes > 0, "--minutes is at least 1");
    Ok(arguments)
}

/// Another seed each time. It is printed, so that the run can be repeated.
fn random_seed() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::from(since.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let all = parse(
            &["--minutes", "3", "--seed", "7", "--topology", "cluster", "--release"],
            1,
        )
        .unwrap();
        let expected = Arguments {
            minutes: 3,
            seed: 7,
            topology: "cluster".to_owned(),
            release: true,
        };
        assert_eq!(all, expected);
        assert_eq!(parse(&[], 5).unwrap().seed, 5);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for words in [
            &["--minutes"][..],
            &["--minutes", "0"],
            &["--seed", "x"],
            &["--topology", "ring"],
            &["--fast"],
        ] {
            assert!(parse(words, 1).is_err(), "{words:?}");
        }
    }
}
