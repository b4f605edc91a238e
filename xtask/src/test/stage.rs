//! Steps side by side: each lane is a process of its own, `xtask test STEP…`. The first lane's output is shown at once;
//! that of the others follows when they have ended.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::process::{Child, Command};

use anyhow::{Context, Result, anyhow};

use super::tally::{self, Tally};
use crate::shell;

type Lanes<'a> = &'a [&'a [&'a str]];

/// Every stage until one fails.
pub(super) fn run_all(stages: &[Lanes<'_>]) -> (Tally, Result<()>) {
    let mut sum = Tally::default();
    for (number, lanes) in stages.iter().enumerate() {
        let steps: Vec<String> = lanes.iter().map(|lane| lane.join(", ")).collect();
        println!("\n==== stage {}/{}: {}", number + 1, stages.len(), steps.join(" | "));
        let (tally, failed) = run(lanes);
        sum += tally;
        if !failed.is_empty() {
            let problem = anyhow!("{}; nothing after this stage ran", failed.join("; "));
            return (sum, Err(problem));
        }
    }
    (sum, Ok(()))
}

/// Runs all lanes to their ends. Returns the failures, by lane.
fn run(lanes: Lanes<'_>) -> (Tally, Vec<String>) {
    let Some((shown, others)) = lanes.split_first() else {
        return (Tally::default(), Vec::new());
    };
    let beside: Vec<_> = others.iter().map(|lane| (*lane, Beside::start(lane))).collect();
    let mut outcomes = vec![(*shown, in_sight(shown))];
    for (lane, started) in beside {
        outcomes.push((lane, started.and_then(Beside::wait)));
    }
    let mut sum = Tally::default();
    let mut failed = Vec::new();
    for (lane, outcome) in outcomes {
        let problem = match outcome {
            Ok((tally, success)) => {
                sum += tally;
                // A lane that died without a last line has not passed.
                (!success || tally.checked().is_err()).then(|| "failed".to_owned())
            }
            Err(problem) => Some(format!("{problem:#}")),
        };
        if let Some(problem) = problem {
            sum.failed = sum.failed.max(1);
            failed.push(format!("{}: {problem}", lane.join(", ")));
        }
    }
    (sum, failed)
}

/// This program again. Not by its path: the step `build` may have put another one there meanwhile.
fn command(lane: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("test").args(lane);
    command
}

fn in_sight(lane: &[&str]) -> Result<(Tally, bool)> {
    let mut last = Tally::default();
    let success = shell::relay(&mut command(lane), |line| last = tally::closing(line).unwrap_or(last))?;
    Ok((last, success))
}

/// A lane whose output waits in a file.
struct Beside {
    child: Child,
    output: File,
}

// === impl Beside ===

impl Beside {
    fn start(lane: &[&str]) -> Result<Self> {
        let mut command = command(lane);
        let path = std::env::temp_dir().join(format!("sluicegate-{}-{}", std::process::id(), lane.join("-")));
        let output = File::options()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        // The open file is enough. Removed now, it is never left behind.
        fs::remove_file(&path)?;
        let child = command
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .spawn()
            .with_context(|| shell::describe(&command))?;
        Ok(Self { child, output })
    }

    fn wait(mut self) -> Result<(Tally, bool)> {
        let success = self.child.wait()?.success();
        self.output.rewind()?;
        let mut bytes = Vec::new();
        self.output.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        io::Write::write_all(&mut io::stdout(), text.as_bytes())?;
        Ok((text.lines().rev().find_map(tally::closing).unwrap_or_default(), success))
    }
}
