//! The admin API against its document: Schemathesis, a contract fuzzer, sends a broker requests that the document allows
//! and requests that it does not allow, and checks each answer. The seed is fixed.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::tally::Tally;
use crate::running::Running;
use crate::workspace::Workspace;
use crate::{demo, python};

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
    ensure!(broker.is_running()?, "the broker ended while it was called");
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
