//! The admin API against its document: Schemathesis, a contract fuzzer, sends a broker requests that the document allows
//! and requests that it does not allow, and checks each answer. The seed is fixed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::tally::Tally;
use crate::workspace::Workspace;
use crate::{demo, python, shell};

/// The key of which `sluicegate.toml` has the hash.
const KEY: &str = "sga_a-key-that-only-the-fuzzer-knows-0123456789";
const USERS: [&str; 3] = ["ann", "bob", "räume"];
/// The fuzzer is killed after this; it takes less than a minute where nothing else runs.
const LIMIT: Duration = Duration::from_mins(5);
/// Fewer calls mean that the fuzzer could not do its work.
const CALLS_AT_LEAST: u64 = 1000;

/// Calls a debug build of the broker; each endpoint counts as a test.
pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    let tools = python::environment(workspace, "schemathesis", include_str!("api/requirements.txt"))?;
    let folder = workspace.target.join("api-contract");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let config = folder.join("sluicegate.toml");
    let plugins = workspace.plugin_folder();
    let text = include_str!("api/sluicegate.toml").replace("PLUGINS", &plugins.display().to_string());
    fs::write(&config, text)?;
    fs::write(folder.join("schemathesis.toml"), include_str!("api/schemathesis.toml"))?;
    fs::write(folder.join("hooks.py"), include_str!("api/hooks.py"))?;
    fs::write(folder.join("listeners.py"), include_str!("api/listeners.py"))?;

    let program = workspace.broker("debug");
    let mut command = Command::new(&program);
    command.args(["serve", "--config"]).arg(&config).stdout(Stdio::piped());
    let mut broker = Running::start(&mut command, &folder.join("broker.log"))?;
    let admin = broker.printed("admin on http://")?;
    let address = broker.printed("listening on http://")?;
    let mut command = Command::new(tools.join("python"));
    command
        .arg(folder.join("listeners.py"))
        .arg(address)
        .stdout(Stdio::piped());
    for user in USERS {
        command.arg(demo::token(&program, &config, "acme", user)?);
    }
    let mut listeners = Running::start(&mut command, &folder.join("listeners.log"))?;
    listeners.printed("connected")?;

    let mut command = Command::new(tools.join("schemathesis"));
    command
        .args(["--config-file", "schemathesis.toml", "run", "--checks", "all"])
        .args(["--report", "json", "--report-json-path", "report.json"])
        .arg(format!("http://{admin}/api/v1/openapi.json"))
        .env("SLUICEGATE_ADMIN_KEY", KEY)
        .current_dir(&folder);
    let log = folder.join("fuzzer.log");
    let mut fuzzer = Running::start(command.stdout(File::create(&log)?), &folder.join("fuzzer.err"))?;
    let success = fuzzer.ends_within(LIMIT)?;
    if !success {
        print!("{}", fs::read_to_string(&log)?);
        bail!(
            "the admin API and its document differ: the calls stand above, and in {}",
            log.display()
        );
    }
    let report: Value = serde_json::from_str(&fs::read_to_string(folder.join("report.json"))?)?;
    let tally = judge(&report)?;
    ensure!(
        broker.child.try_wait()?.is_none(),
        "the broker ended while it was called"
    );
    Ok(tally)
}

/// Whether the fuzzer made enough calls.
fn judge(report: &Value) -> Result<Tally> {
    let number = |pointer: &str| {
        report
            .pointer(pointer)
            .and_then(Value::as_u64)
            .context(pointer.to_owned())
    };
    let (calls, endpoints) = (number("/test_cases/generated")?, number("/operations/total")?);
    println!("{calls} calls of {endpoints} endpoints");
    for finding in ["/test_cases/with_failures", "/test_cases/errored"] {
        ensure!(number(finding)? == 0, "the fuzzer's report says {finding}");
    }
    ensure!(
        calls >= CALLS_AT_LEAST,
        "at least {CALLS_AT_LEAST} calls were to be made"
    );
    ensure!(
        number("/operations/tested")? == endpoints,
        "some endpoints were not called"
    );
    Ok(Tally {
        passed: usize::try_from(endpoints)?,
        failed: 0,
    })
}

/// A program that is killed when dropped.
struct Running {
    child: Child,
    /// Kept open: a program that prints more must not find a broken pipe.
    stdout: Option<BufReader<ChildStdout>>,
    what: String,
}

impl Running {
    fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let what = shell::describe(command);
        let log = File::create(log).with_context(|| log.display().to_string())?;
        let mut child = command
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| what.clone())?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Self { child, stdout, what })
    }

    /// The rest of the next line that begins like this.
    fn printed(&mut self, begin: &str) -> Result<String> {
        let stdout = self.stdout.as_mut().context("stdout is not read")?;
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            if let Some(rest) = line.trim().strip_prefix(begin) {
                return Ok(rest.to_owned());
            }
            line.clear();
        }
        bail!("{} ended before it printed {begin:?}", self.what)
    }

    /// Waits for its end; whether it succeeded.
    fn ends_within(&mut self, limit: Duration) -> Result<bool> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("{} took more than {limit:?}", self.what)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A process that has ended already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(calls: u64, failures: u64, tested: u64) -> Value {
        json!({
            "test_cases": { "generated": calls, "with_failures": failures, "errored": 0 },
            "operations": { "total": 12, "tested": tested },
        })
    }

    #[test]
    fn only_a_whole_run_without_findings_passes() {
        assert_eq!(judge(&report(1500, 0, 12)).unwrap().passed, 12);
        for (what, calls, failures, tested) in [
            ("finding", 1500, 1, 12),
            ("too few", 9, 0, 12),
            ("left out", 1500, 0, 11),
        ] {
            assert!(judge(&report(calls, failures, tested)).is_err(), "{what}");
        }
        assert!(judge(&json!({})).is_err());
    }
}
