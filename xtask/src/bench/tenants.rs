//! `cargo xtask bench tenants`: what a thousand tenants with three plugins each cost, and ten thousand that mostly sleep, each
//! beside what one tenant costs in the same run.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::figure::{self, Bound, Figure};
use super::server::{LOAD_CORE, Server};
use super::{hooks, load};
use crate::workspace::Workspace;
use crate::{needs, shell};

/// The broker may take all cores, as where it runs; loading and first uses take one.
const BROKER_CORES: &str = "0-1";
const TOKENS: &str = include_str!("../../../bench/tokens.json");
/// Channels and subscribers of each for the cost of a delivery, however many tenants they belong to.
const CHANNELS: usize = 1_000;
const SUBSCRIBERS: usize = 10;
const MIB: f64 = 1_024.0;
const START: &str = r#"
[server]
listen = "127.0.0.1:0"
admin_listen = ""
"#;

/// What one broker showed.
struct Shown {
    start_seconds: f64,
    load: Value,
}

pub(super) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let divisor = match words {
        [] => 1,
        // For a look while working.
        ["--quick"] => 10,
        _ => bail!("bench tenants takes --quick, not {}", words.join(" ")),
    };
    needs::ensure(&[needs::TASKSET])?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let folder = workspace.target.join("bench/tenants");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    load::build(workspace)?;
    let stage = Stage { workspace, folder };
    let (many, sleeping) = (1_000 / divisor, 10_000 / divisor);
    // The first start compiles the plugins.
    stage.measure(1, 1, 0)?;
    let one = stage.measure(1, 1, 1)?;
    let used = stage.measure(many, many, many)?;
    let asleep = stage.measure(sleeping, many / 2, 0)?;
    let mut figures = figures(&one, &used, &asleep, (many, sleeping))?;
    figures.extend(hooks::measure(workspace)?);
    println!("\n{}", figure::table(&figures));
    let result = json!({
        "quick": divisor > 1,
        "figures": figures.iter().map(Figure::to_json).collect::<Vec<Value>>(),
        "runs": [&one.load, &used.load, &asleep.load],
    });
    let file = stage.folder.join("result.json");
    fs::write(&file, serde_json::to_vec_pretty(&result)?).with_context(|| file.display().to_string())?;
    println!("\nevery run: {}", file.display());
    Ok(())
}

fn figures(one: &Shown, used: &Shown, asleep: &Shown, (many, sleeping): (usize, usize)) -> Result<Vec<Figure>> {
    let figure = |what: String, key, (ours, reference), beside, unit, bound| Figure {
        what,
        key,
        ours,
        reference,
        beside,
        unit,
        bound: Some(bound),
    };
    let alone = "one tenant";
    let starts = |shown: &Shown| (shown.start_seconds, one.start_seconds);
    let (used_mib, rest_mib) = (used.number("/used_kib")? / MIB, one.number("/used_kib")? / MIB);
    let asleep_kib = (asleep.number("/resident_kib")? - one.number("/resident_kib")?) / (sleeping - 1) as f64;
    let first = |key: &str| {
        Ok::<_, anyhow::Error>((
            asleep.number(&format!("/first/{key}"))?,
            asleep.number(&format!("/again/{key}"))?,
        ))
    };
    let cost = "/cpu_ns_per_delivery";
    Ok(vec![
        figure(
            format!("start with {many} tenants"),
            "start_many",
            starts(used),
            alone,
            "s",
            Bound::Most(5.0),
        ),
        figure(
            format!("memory, {many} tenants used once"),
            "memory_many",
            (used_mib, rest_mib),
            alone,
            "MiB",
            Bound::Most(700.0),
        ),
        figure(
            format!("start with {sleeping} tenants"),
            "start_sleeping",
            starts(asleep),
            alone,
            "s",
            Bound::Most(30.0),
        ),
        figure(
            "memory of a tenant that sleeps".into(),
            "memory_sleeping",
            (asleep_kib, asleep.number("/config_kib")?),
            "its config",
            "KiB",
            Bound::Most(20.0),
        ),
        figure(
            "first use, p50".into(),
            "first_p50",
            first("p50_ms")?,
            "second use",
            "ms",
            Bound::Most(5.0),
        ),
        figure(
            "first use, p99".into(),
            "first_p99",
            first("p99_ms")?,
            "second use",
            "ms",
            Bound::Most(5.0),
        ),
        figure(
            format!("CPU per delivery, {many} tenants"),
            "delivery_many",
            (used.number(cost)? / 1e3, one.number(cost)? / 1e3),
            alone,
            "µs",
            Bound::Times(1.15),
        ),
    ])
}

/// Where brokers are started.
struct Stage<'w> {
    workspace: &'w Workspace,
    folder: PathBuf,
}

// === impl Shown ===

impl Shown {
    fn number(&self, pointer: &str) -> Result<f64> {
        let found = self.load.pointer(pointer).and_then(Value::as_f64);
        found.with_context(|| format!("no {pointer} in {}", self.load))
    }
}

// === impl Stage ===

impl Stage<'_> {
    /// Starts a broker with so many tenants, uses some of them, and publishes to the active ones.
    fn measure(&self, tenants: usize, uses: usize, active: usize) -> Result<Shown> {
        println!("{tenants} tenants, of which {uses} are used");
        let config = self.folder.join(format!("{tenants}.toml"));
        let (head, each) = self.config(tenants)?;
        fs::write(&config, head + &each).with_context(|| config.display().to_string())?;
        let log = self.folder.join(format!("{tenants}.log"));
        let arguments = [Path::new("serve"), Path::new("--config"), &config];
        let begin = Instant::now();
        let server = Server::start(&self.workspace.broker("release"), &arguments, &log, BROKER_CORES)?;
        let start_seconds = begin.elapsed().as_secs_f64();
        let mut load = Command::new("taskset");
        load.args(["--cpu-list", LOAD_CORE])
            .arg(self.workspace.target.join("release/tenants"))
            .args(["--address", &server.address, "--pid", &server.id().to_string()])
            .args([
                "--token",
                &token()?,
                "--uses",
                &uses.to_string(),
                "--active",
                &active.to_string(),
            ])
            .args([
                "--channels",
                &CHANNELS.to_string(),
                "--subscribers",
                &SUBSCRIBERS.to_string(),
            ]);
        let printed = shell::output(&mut load)?;
        let mut load: Value = serde_json::from_str(printed.trim()).context("tenants printed no result")?;
        load["start_seconds"] = json!(start_seconds);
        load["config_kib"] = json!(each.len() as f64 / tenants as f64 / 1_024.0);
        Ok(Shown { start_seconds, load })
    }

    /// The head of a config, and its tenants. No two have the same settings: nothing is shared that tenants of different
    /// customers would not share.
    fn config(&self, tenants: usize) -> Result<(String, String)> {
        let mut head = START.to_owned();
        for plugin in ["authorize", "transform", "abuse_filter"] {
            let file = self.workspace.plugin_folder().join(format!("{plugin}.wasm"));
            writeln!(head, "[plugins.{plugin}]\nfile = {:?}", file.display().to_string())?;
        }
        let key = &tokens()?[0]["key"];
        let secret = key["secret"].as_str().context("the first key has a secret")?;
        let mut each = String::new();
        for number in 0..tenants {
            write!(
                each,
                r#"
[[tenants]]
name = "t{number}"
limits = {{ connections = 20000, connections_per_user = 20000, publish_per_second = 0 }}
[[tenants.chain]]
plugin = "authorize"
config = {{ keys = [{{ alg = "HS256", secret = "{secret}" }}], leeway_seconds = {number}, rules = [{{ channels = "load:*", allow = ["subscribe", "publish"] }}] }}
[[tenants.chain]]
plugin = "abuse_filter"
grants = ["kv", "limiter"]
config = {{ per_user = {{ rate = 1000000, burst = {burst} }} }}
[[tenants.chain]]
plugin = "transform"
config = {{ rules = [{{ channels = "load:*", mask = ["/card{number}"] }}] }}
"#,
                burst = 1_000_000 + number
            )?;
        }
        Ok((head, each))
    }
}

fn tokens() -> Result<Value> {
    Ok(serde_json::from_str(TOKENS)?)
}

fn token() -> Result<String> {
    let tokens = tokens()?;
    let token = tokens[0]["token"].as_str().context("the first has a token")?;
    Ok(token.to_owned())
}
