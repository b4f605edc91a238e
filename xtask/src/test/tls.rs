//! TLS by those who did not write it: sslyze scans both listeners of a broker, and a client with Go's own TLS speaks to one.
//! OpenSSL is among the tests of the wire.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::tally::Tally;
use crate::running::Running;
use crate::workspace::Workspace;
use crate::{needs, python, shell};

const NAME: &str = "acme.example";
/// A scan is ended after this; it takes seconds where nothing else runs.
const LIMIT: Duration = Duration::from_mins(3);
/// The kinds of keys that a certificate may have, each as `openssl req` is told. The first listener has the first.
const KEYS: [(&str, &[&str]); 2] = [
    ("ecdsa", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("rsa", &["-newkey", "rsa:2048"]),
];
/// What a scan is to look at; the report has a section for each.
const SECTIONS: [&str; 12] = [
    "--sslv2",
    "--sslv3",
    "--tlsv1",
    "--tlsv1_1",
    "--tlsv1_2",
    "--tlsv1_3",
    "--reneg",
    "--robot",
    "--heartbleed",
    "--openssl_ccs",
    "--compression",
    "--early_data",
];
/// All that may be negotiated: forward secrecy and authenticated encryption.
const SUITES: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    needs::ensure(&[needs::OPENSSL, needs::GO])?;
    let tools = python::environment(workspace, "sslyze", include_str!("tls/requirements.txt"))?;
    let folder = workspace.target.join("tls");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let client = go_client(workspace, &folder)?;
    for (name, key) in KEYS {
        certificate(&folder, name, key)?;
    }
    let config = folder.join("sluicegate.toml");
    fs::write(&config, include_str!("tls/sluicegate.toml"))?;

    let mut command = Command::new(workspace.broker("debug"));
    command.args(["serve", "--config"]).arg(&config).stdout(Stdio::piped());
    let mut broker = Running::start(&mut command, &folder.join("broker.log"))?;
    let admin = broker.printed("admin on https://")?;
    let address = broker.printed("listening on https://")?;

    let mut tally = Tally::default();
    let mut command = Command::new(client);
    command.args([&address, NAME]).arg(folder.join("ecdsa.pem"));
    let said = shell::output(&mut command)?;
    tally.passed += said.lines().filter(|line| line.starts_with("ok: ")).count();

    let report = folder.join("report.json");
    let mut command = Command::new(tools.join("sslyze"));
    command
        .args(SECTIONS)
        .args(["--quiet", "--mozilla_config", "disable"])
        .arg("--json_out")
        .arg(&report)
        .args([&address, &admin])
        .stdout(Stdio::null());
    let mut scan = Running::start(&mut command, &folder.join("sslyze.log"))?;
    let success = scan.ends_within(LIMIT)?;
    ensure!(success, "sslyze failed: see {}", folder.join("sslyze.log").display());
    let report: Value = serde_json::from_str(&fs::read_to_string(&report)?)?;
    tally.passed += judge(&report, KEYS.len())?;
    ensure!(broker.is_running()?, "the broker ended while it was scanned");
    Ok(tally)
}

/// Builds the client of `tests/go`, from the standard library alone.
fn go_client(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let program = folder.join("client");
    let mut go = Command::new("go");
    go.args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(workspace.root.join("tests/go"))
        .env("GOCACHE", workspace.target.join("tools/go-build"))
        .env("GOFLAGS", "-mod=mod")
        .env("GOPROXY", "off")
        .env("GOTOOLCHAIN", "local");
    shell::run(&mut go)?;
    Ok(program)
}

/// Writes `NAME.pem` and `NAME.key`, a certificate that is its own authority.
fn certificate(folder: &Path, name: &str, key: &[&str]) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=test"])
        .args(["-addext", &format!("subjectAltName=DNS:{NAME}")])
        .args(key)
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(folder.join(format!("{name}.pem")))
        .stderr(Stdio::null());
    shell::run(&mut openssl)
}

/// Adds up the sections of a report in which everything is as it should be, of so many listeners.
fn judge(report: &Value, listeners: usize) -> Result<usize> {
    let results = report["server_scan_results"].as_array().context("no results")?;
    ensure!(results.len() == listeners, "{} listeners were scanned", results.len());
    let mut passed = 0;
    let mut findings = Vec::new();
    for result in results {
        let port = &result["server_location"]["port"];
        for section in &sections() {
            match section.look(&result["scan_result"]) {
                Ok(()) => passed += 1,
                Err(finding) => findings.push(format!("port {port}, {}: {finding:#}", section.name)),
            }
        }
    }
    if !findings.is_empty() {
        bail!("sslyze finds:\n{}", findings.join("\n"));
    }
    Ok(passed)
}

/// A section of the report, and what it has to say.
struct Section {
    name: &'static str,
    check: fn(&Value) -> Result<()>,
}

fn sections() -> [Section; 12] {
    let section = |name, check| Section { name, check };
    [
        section("ssl_2_0_cipher_suites", no_suite),
        section("ssl_3_0_cipher_suites", no_suite),
        section("tls_1_0_cipher_suites", no_suite),
        section("tls_1_1_cipher_suites", no_suite),
        section("tls_1_2_cipher_suites", good_suites),
        section("tls_1_3_cipher_suites", good_suites),
        section("session_renegotiation", |result| {
            is(result, "supports_secure_renegotiation", true)?;
            is(result, "is_vulnerable_to_client_renegotiation_dos", false)
        }),
        section("robot", |result| {
            let said = result["robot_result"].as_str().unwrap_or("nothing");
            ensure!(said.starts_with("NOT_VULNERABLE_"), "it says {said}");
            Ok(())
        }),
        section("heartbleed", |result| is(result, "is_vulnerable_to_heartbleed", false)),
        section("openssl_ccs_injection", |result| {
            is(result, "is_vulnerable_to_ccs_injection", false)
        }),
        section("tls_compression", |result| is(result, "supports_compression", false)),
        section("tls_1_3_early_data", |result| is(result, "supports_early_data", false)),
    ]
}

// === impl Section ===

impl Section {
    fn look(&self, results: &Value) -> Result<()> {
        let section = &results[self.name];
        let status = section["status"].as_str().unwrap_or("missing");
        ensure!(status == "COMPLETED", "it is {status}: {}", section["error_trace"]);
        (self.check)(&section["result"])
    }
}

fn is(result: &Value, what: &str, expected: bool) -> Result<()> {
    ensure!(result[what] == expected, "{what} is {}", result[what]);
    Ok(())
}

fn accepted(result: &Value) -> Result<Vec<&str>> {
    let suites = result["accepted_cipher_suites"]
        .as_array()
        .context("no list of suites")?;
    let names = suites.iter().map(|suite| suite["cipher_suite"]["name"].as_str());
    names.collect::<Option<_>>().context("a suite without a name")
}

fn no_suite(result: &Value) -> Result<()> {
    let suites = accepted(result)?;
    ensure!(suites.is_empty(), "accepted: {}", suites.join(", "));
    Ok(())
}

fn good_suites(result: &Value) -> Result<()> {
    let suites = accepted(result)?;
    ensure!(!suites.is_empty(), "nothing is accepted");
    let others: Vec<&str> = suites.into_iter().filter(|name| !SUITES.contains(name)).collect();
    ensure!(others.is_empty(), "accepted: {}", others.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn suites(names: &[&str]) -> Value {
        let suites: Vec<Value> = names
            .iter()
            .map(|name| json!({ "cipher_suite": { "name": name } }))
            .collect();
        json!({ "status": "COMPLETED", "result": { "accepted_cipher_suites": suites } })
    }

    fn good() -> Value {
        let flag = |what: &str| json!({ "status": "COMPLETED", "result": { what: false } });
        json!({
            "ssl_2_0_cipher_suites": suites(&[]),
            "ssl_3_0_cipher_suites": suites(&[]),
            "tls_1_0_cipher_suites": suites(&[]),
            "tls_1_1_cipher_suites": suites(&[]),
            "tls_1_2_cipher_suites": suites(&[SUITES[3]]),
            "tls_1_3_cipher_suites": suites(&[SUITES[0], SUITES[1]]),
            "session_renegotiation": { "status": "COMPLETED", "result": {
                "supports_secure_renegotiation": true, "is_vulnerable_to_client_renegotiation_dos": false,
            } },
            "robot": { "status": "COMPLETED", "result": { "robot_result": "NOT_VULNERABLE_RSA_NOT_SUPPORTED" } },
            "heartbleed": flag("is_vulnerable_to_heartbleed"),
            "openssl_ccs_injection": flag("is_vulnerable_to_ccs_injection"),
            "tls_compression": flag("supports_compression"),
            "tls_1_3_early_data": flag("supports_early_data"),
        })
    }

    fn report(results: &[Value]) -> Value {
        let results = results
            .iter()
            .map(|result| json!({ "server_location": { "port": 1 }, "scan_result": result }));
        json!({ "server_scan_results": results.collect::<Vec<_>>() })
    }

    #[test]
    fn only_a_whole_report_without_findings_passes() {
        let sections = sections().len();
        assert_eq!(judge(&report(&[good(), good()]), 2).unwrap(), 2 * sections);
        assert!(judge(&report(&[good()]), 2).is_err());
        assert!(judge(&json!({}), 0).is_err());
        for section in super::sections() {
            let mut missing = good();
            missing[section.name] = Value::Null;
            assert!(judge(&report(&[missing]), 1).is_err(), "{}", section.name);
            let mut failed = good();
            failed[section.name]["status"] = "ERROR".into();
            assert!(judge(&report(&[failed]), 1).is_err(), "{}", section.name);
        }
        for (section, what, finding) in [
            ("session_renegotiation", "supports_secure_renegotiation", json!(false)),
            (
                "session_renegotiation",
                "is_vulnerable_to_client_renegotiation_dos",
                json!(true),
            ),
            ("robot", "robot_result", json!("VULNERABLE_WEAK_ORACLE")),
            ("robot", "robot_result", json!("UNKNOWN_INCONSISTENT_RESULTS")),
            ("heartbleed", "is_vulnerable_to_heartbleed", json!(true)),
            ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", json!(true)),
            ("tls_compression", "supports_compression", json!(true)),
            ("tls_1_3_early_data", "supports_early_data", json!(true)),
        ] {
            let mut found = good();
            found[section]["result"][what] = finding;
            assert!(judge(&report(&[found]), 1).is_err(), "{section}");
        }
        for (section, names) in [
            ("tls_1_0_cipher_suites", &[SUITES[3]][..]),
            ("tls_1_2_cipher_suites", &[SUITES[3], "TLS_RSA_WITH_AES_128_GCM_SHA256"]),
            ("tls_1_2_cipher_suites", &[]),
        ] {
            let mut found = good();
            found[section] = suites(names);
            assert!(judge(&report(&[found]), 1).is_err(), "{section}");
        }
    }
}
