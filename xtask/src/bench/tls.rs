//! `cargo xtask bench tls`: what TLS costs beside plain connections, and beside nginx in front of them, in one run: memory of
//! an idle connection, CPU of a login with its handshake, CPU of a delivery. Of nginx and the broker behind it, the sum.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::broker;
use super::figure::{self, Bound, Figure};
use super::load::{self, Load, PUBLISHES_PER_SECOND, SUBSCRIBERS};
use super::nginx::Nginx;
use crate::workspace::Workspace;
use crate::{needs, shell};

const TOKENS: &str = include_str!("../../../bench/tokens.json");
/// What follows the server's settings in the broker's config.
const AFTER_SERVER: &str = "[backplane]\n";
const NGINX: &str = r#"
worker_processes 1;
daemon off;
pid FOLDER/nginx.pid;
error_log FOLDER/nginx.log;
events { worker_connections 17000; }
worker_rlimit_nofile 17000;
http {
    access_log off;
    server {
        listen ADDRESS ssl;
        ssl_certificate FOLDER/cert.pem;
        ssl_certificate_key FOLDER/key.pem;
        location / {
            proxy_pass http://BROKER;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
            proxy_read_timeout 1h;
        }
    }
}
"#;
const KIB_OVER_PLAIN: f64 = 12.0;

/// In which way the clients come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Tls,
    Nginx,
}

/// How thoroughly to measure.
struct Thoroughness {
    rounds: usize,
    seconds: f64,
    /// nginx has two files open for each.
    idle: usize,
}

pub(super) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let plan = match words {
        [] => Thoroughness {
            rounds: 3,
            seconds: 5.0,
            idle: 8_000,
        },
        // For a look while working.
        ["--quick"] => Thoroughness {
            rounds: 1,
            seconds: 2.0,
            idle: 2_000,
        },
        _ => bail!("bench tls takes --quick, not {}", words.join(" ")),
    };
    needs::ensure(&[needs::TASKSET, needs::NGINX, needs::OPENSSL])?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let folder = workspace.target.join("bench/tls");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    load::build(workspace)?;
    certificate(&folder)?;
    let mut runs = Vec::new();
    // They take turns, so that a machine that becomes slower is so for all of them.
    for round in 1..=plan.rounds {
        for way in [Way::Plain, Way::Tls, Way::Nginx] {
            println!("{way:?}, round {round} of {}", plan.rounds);
            let idle = format!("--connections {}", plan.idle);
            let paced = load::paced(PUBLISHES_PER_SECOND, plan.seconds);
            for (scenario, load) in [("idle", idle), ("paced", paced)] {
                let mut run = load_on(workspace, &folder, way, &load)?;
                run["scenario"] = scenario.into();
                run["way"] = format!("{way:?}").into();
                runs.push(run);
            }
        }
    }
    let figures = figures(&plan, &runs)?;
    println!("\n{}", figure::table(&figures));
    let result = json!({ "figures": figures.iter().map(Figure::to_json).collect::<Vec<Value>>(), "runs": runs });
    let file = folder.join("result.json");
    fs::write(&file, serde_json::to_vec_pretty(&result)?).with_context(|| file.display().to_string())?;
    println!("\nevery round: {}", file.display());
    Ok(())
}

fn figures(plan: &Thoroughness, runs: &[Value]) -> Result<Vec<Figure>> {
    // Each way's best round counts: noise only ever adds.
    let best = |way: Way, scenario: &str, key: &str| {
        let of = runs
            .iter()
            .filter(|run| run["way"] == format!("{way:?}") && run["scenario"] == scenario);
        of.filter_map(|run| run[key].as_f64())
            .reduce(f64::min)
            .with_context(|| format!("no {key} of {way:?} in {scenario}"))
    };
    let mut figures = Vec::new();
    for (beside, name, bounds, keys) in [
        (
            Way::Plain,
            "plain",
            [Some(Bound::Above(KIB_OVER_PLAIN)), None, None],
            ["memory_over_plain", "login_over_plain", "delivery_over_plain"],
        ),
        (
            Way::Nginx,
            "nginx in front",
            [Some(Bound::Times(1.0)); 3],
            ["memory_beside_nginx", "login_beside_nginx", "delivery_beside_nginx"],
        ),
    ] {
        let rows = [
            (
                format!("memory per idle TLS connection, {} of them", plan.idle),
                "idle",
                "kib_per_connection_in_all",
                1.0,
                "KiB",
            ),
            (
                "CPU of a login with its TLS handshake".to_owned(),
                "idle",
                "connect_cpu_us_in_all",
                1.0,
                "µs",
            ),
            (
                format!("CPU per delivery over TLS, 1 to {SUBSCRIBERS}, {PUBLISHES_PER_SECOND} a second"),
                "paced",
                "cpu_ns_per_delivery_in_all",
                1e-3,
                "µs",
            ),
        ];
        for (((what, scenario, value, scale, unit), bound), key) in rows.into_iter().zip(bounds).zip(keys) {
            figures.push(Figure {
                what,
                key,
                ours: best(Way::Tls, scenario, value)? * scale,
                reference: best(beside, scenario, value)? * scale,
                beside: name,
                unit,
                bound,
            });
        }
    }
    Ok(figures)
}

fn load_on(workspace: &Workspace, folder: &Path, way: Way, arguments: &str) -> Result<Value> {
    let tokens: Vec<Value> = serde_json::from_str(TOKENS)?;
    let token = tokens
        .first()
        .and_then(|token| token["token"].as_str())
        .context("no token")?;
    let config = config(workspace, folder, way)?;
    let server = broker::start(workspace, &config)?;
    let nginx = match way {
        Way::Nginx => Some(Nginx::start(folder, &NGINX.replace("BROKER", &server.address))?),
        Way::Plain | Way::Tls => None,
    };
    let mut pids = vec![server.id()];
    pids.extend(nginx.as_ref().map(|nginx| nginx.worker));
    let load = Load {
        target: "sluicegate",
        address: nginx.as_ref().map_or(&server.address, |nginx| &nginx.address),
        pids: &pids,
        token,
    };
    let mut arguments: Vec<OsString> = arguments.split_whitespace().map(OsString::from).collect();
    if way != Way::Plain {
        arguments.extend(["--ca".into(), folder.join("cert.pem").into()]);
    }
    load.run(workspace, arguments)
        .with_context(|| format!("the server's log is beside {}", config.display()))
}

/// The broker's config for clients that come in this way.
fn config(workspace: &Workspace, folder: &Path, way: Way) -> Result<PathBuf> {
    // The certificate is beside the config's own file.
    let tls = "[server.tls]\ncertificates = [{ cert = \"cert.pem\", key = \"key.pem\" }]\n";
    let with_tls = format!("{tls}\n{AFTER_SERVER}");
    let changes = match way {
        Way::Tls => &[(AFTER_SERVER, with_tls.as_str())][..],
        Way::Plain | Way::Nginx => &[],
    };
    broker::config(workspace, folder.join("broker.toml"), changes, "")
}

/// A certificate for `localhost` that vouches for itself, with a P-256 key.
fn certificate(folder: &Path) -> Result<()> {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30 -subj /CN=localhost \
                 -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    let mut command = Command::new("openssl");
    command.args(words.split_whitespace());
    command
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"));
    shell::output(&mut command).map(drop)
}
