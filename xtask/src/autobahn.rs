//! The Autobahn test suite against the echo example of the crate `wire`: the published suite, which knows nothing of us.
//! Strict: a case is as the RFC asks, or it has failed.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::python;
use crate::running::Running;
use crate::workspace::Workspace;

const AGENT: &str = "wire";
/// A client is killed after this.
const LIMIT: Duration = Duration::from_mins(20);

/// What one client runs; the clients run side by side.
#[derive(Clone, Copy)]
struct Part {
    name: &'static str,
    cases: &'static [&'static str],
    /// How many these are, those left out aside: a suite that silently runs fewer has not passed.
    count: usize,
    /// Groups of which the cases with a thousand messages of 128 KiB are left out.
    without_large: &'static [&'static str],
}

/// Everything: 1 to 10, and compression in 12 and 13. There is no 11, and 8 is empty. About 7 minutes of two cores.
const ALL: [Part; 2] = [
    Part {
        name: "framing",
        cases: &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.*"],
        count: 391,
        without_large: &[],
    },
    Part {
        name: "compression",
        cases: &["13.*"],
        count: 126,
        without_large: &[],
    },
];

/// What each change has to pass. 12 and 13 send the same sizes in each of their groups: of the largest, the first group does.
const OFTEN: [Part; 2] = [
    Part {
        count: 371,
        without_large: &["12.2", "12.3", "12.4", "12.5"],
        ..ALL[0]
    },
    Part {
        count: 91,
        without_large: &["13.1", "13.2", "13.3", "13.4", "13.5", "13.6", "13.7"],
        ..ALL[1]
    },
];
/// The cases of a group of 12 and 13 with messages of 128 KiB.
const LARGE: [u8; 5] = [10, 15, 16, 17, 18];

/// `cargo xtask autobahn`: all cases.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    // As `cargo xtask test` builds it.
    crate::shell::run(cargo.args(["build", "--workspace", "--examples"]))?;
    let passed = run_parts(workspace, &ALL)?;
    println!("{passed} cases, all as the RFC asks");
    Ok(())
}

/// Those that each change has to pass. The example has to be built. Returns how many they are.
pub(crate) fn run_often(workspace: &Workspace) -> Result<usize> {
    run_parts(workspace, &OFTEN)
}

fn run_parts(workspace: &Workspace, parts: &[Part]) -> Result<usize> {
    let tools = python::environment_2_7(workspace, "autobahn", include_str!("autobahn/requirements.txt"))?;
    let folder = workspace.target.join("autobahn");
    if folder.exists() {
        // Reports of a run before are not to be taken for reports of this one.
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    fs::write(
        folder.join("fuzzing_client.py"),
        include_str!("autobahn/fuzzing_client.py"),
    )?;
    let mut command = Command::new(workspace.target.join("debug/examples/echo"));
    let mut echo = Running::start(command.stdout(Stdio::piped()), &folder.join("echo.log"))?;
    let url = format!("ws://{}", echo.printed("listening on ws://")?);

    let mut clients = Vec::new();
    for part in parts {
        let spec = folder.join(format!("{}.json", part.name));
        fs::write(&spec, part.spec(&url, &folder).to_string())?;
        let mut command = Command::new(tools.join("python"));
        command
            .arg(folder.join("fuzzing_client.py"))
            .arg(&spec)
            .stdout(File::create(folder.join(format!("{}.log", part.name)))?);
        clients.push(Running::start(
            &mut command,
            &folder.join(format!("{}.err", part.name)),
        )?);
    }
    for client in &mut clients {
        ensure!(client.ends_within(LIMIT)?, "a client failed: see {}", folder.display());
    }
    ensure!(echo.is_running()?, "the example ended: see {}", folder.display());
    let mut passed = 0;
    let mut findings = Vec::new();
    for part in parts {
        let index = folder.join(part.name).join("index.json");
        let text = fs::read_to_string(&index).with_context(|| index.display().to_string())?;
        let report: Value = serde_json::from_str(&text).with_context(|| index.display().to_string())?;
        passed += part.judge(&report, &mut findings)?;
    }
    if !findings.is_empty() {
        bail!(
            "not as the RFC asks, with reports in {}:\n{}",
            folder.display(),
            findings.join("\n")
        );
    }
    Ok(passed)
}

impl Part {
    fn spec(&self, url: &str, folder: &Path) -> Value {
        let groups = self.without_large.iter();
        let left_out: Vec<String> = groups
            .flat_map(|group| LARGE.map(|number| format!("{group}.{number}")))
            .collect();
        json!({
            "outdir": folder.join(self.name),
            "servers": [{ "agent": AGENT, "url": url }],
            "cases": self.cases,
            "exclude-cases": left_out,
            "exclude-agent-cases": {},
        })
    }

    /// Adds what is not as it should be, and returns how many cases there were.
    fn judge(&self, report: &Value, findings: &mut Vec<String>) -> Result<usize> {
        let cases = report.pointer(&format!("/{AGENT}")).and_then(Value::as_object);
        let cases = cases.with_context(|| format!("no report of {}", self.name))?;
        ensure!(
            cases.len() == self.count,
            "{} cases of {} ran, not {}",
            cases.len(),
            self.name,
            self.count
        );
        for (case, result) in cases {
            let said = |what: &str| result[what].as_str().unwrap_or("nothing").to_owned();
            let (behavior, close) = (said("behavior"), said("behaviorClose"));
            // What the RFC leaves open, the suite only reports.
            let is_good = |said: &str| matches!(said, "OK" | "INFORMATIONAL");
            if !is_good(&behavior) || !is_good(&close) {
                findings.push(format!("case {case}: {behavior}, and its close {close}"));
            }
        }
        Ok(cases.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(results: &[(&str, &str, &str)]) -> (Result<usize>, usize) {
        let part = Part { count: 2, ..ALL[0] };
        let cases = results.iter().map(|(case, behavior, close)| {
            let result = json!({ "behavior": behavior, "behaviorClose": close });
            ((*case).to_owned(), result)
        });
        let report = json!({ AGENT: Value::Object(cases.collect()) });
        let mut findings = Vec::new();
        let passed = part.judge(&report, &mut findings);
        (passed, findings.len())
    }

    #[test]
    fn only_a_whole_run_of_good_cases_passes() {
        let good = ("1.1.1", "OK", "OK");
        let (passed, findings) = judge(&[good, ("7.1.6", "INFORMATIONAL", "INFORMATIONAL")]);
        assert_eq!((passed.unwrap(), findings), (2, 0));
        for bad in ["NON-STRICT", "FAILED", "UNIMPLEMENTED", "WRONG CODE", "UNCLEAN", ""] {
            assert_eq!(judge(&[good, ("1.1.2", bad, "OK")]).1, 1, "{bad}");
            assert_eq!(judge(&[good, ("1.1.2", "OK", bad)]).1, 1, "{bad}");
        }
        assert!(judge(&[good]).0.is_err());
        assert!(ALL[0].judge(&json!({}), &mut Vec::new()).is_err());
    }

    #[test]
    fn only_what_is_large_is_left_out() {
        for (all, often) in ALL.iter().zip(&OFTEN) {
            let left_out = often.without_large.len() * LARGE.len();
            assert_eq!(all.count, often.count + left_out);
            let spec = often.spec("ws://x", Path::new("/"));
            assert_eq!(spec["exclude-cases"].as_array().unwrap().len(), left_out);
            assert_eq!(all.spec("ws://x", Path::new("/"))["cases"], spec["cases"]);
        }
    }
}
