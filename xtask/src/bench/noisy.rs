//! `cargo xtask bench noisy`: what one tenant's attack does to another tenant on the same shard. One row an attack: the victim's
//! acknowledgements in a quiet half and beside the attacker, on one broker.

mod attacks;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::load;
use super::server::{LOAD_CORE, SERVER_CORE, Server};
use crate::shell;
use crate::workspace::Workspace;
use attacks::{ATTACKS, Attack, Bound, REPEATED, Runs};

/// The broker may take all cores: what it does beside its shard is part of what a victim meets. Only the shard's thread stays
/// on its own, or the kernel sometimes puts it where the load runs, and the victim waits for the attacker's own work.
const BROKER_CORES: &str = "0-1";
const QUICK_SECONDS: f64 = 3.0;
const FULL_SECONDS: f64 = 10.0;
/// Between the victim's publishes.
const EVERY_MS: u64 = 3;
/// The part of a quiet run's p99 that two quiet runs differ by anyhow: below this a ratio says nothing.
const LEAST_P99_MS: f64 = 0.5;

/// `words`: `--quick`, and names of attacks; without a name, all of them.
pub(super) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let seconds = if words.contains(&"--quick") {
        QUICK_SECONDS
    } else {
        FULL_SECONDS
    };
    let names: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--")).collect();
    if let Some(unknown) = names
        .iter()
        .find(|name| ATTACKS.iter().all(|attack| attack.name != **name))
    {
        let known: Vec<_> = ATTACKS.iter().map(|attack| attack.name).collect();
        bail!("there is no attack {unknown:?}; there are {}", known.join(", "));
    }
    let folder = workspace.target.join("bench/noisy");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    load::build(workspace)?;
    let mut rows = vec![HEADS.map(str::to_owned)];
    let mut results = Vec::new();
    for attack in ATTACKS
        .iter()
        .filter(|attack| names.is_empty() || names.contains(&attack.name))
    {
        println!("{}", attack.name);
        let result = measure(workspace, &folder, attack, seconds).with_context(|| attack.name.to_owned())?;
        rows.push(row(attack, &result)?);
        results.push(json!({ "attack": attack.name, "result": result }));
    }
    println!("\n{}", super::figure::aligned(&rows));
    let file = folder.join("result.json");
    fs::write(&file, serde_json::to_vec_pretty(&results)?).with_context(|| file.display().to_string())?;
    println!("\nwhat the attackers heard: {}", file.display());
    Ok(())
}

const HEADS: [&str; 8] = [
    "attack",
    "quiet p50 / p99 / max ms",
    "attacked p50 / p99 / max ms",
    "p99 at most",
    "",
    "errors",
    "MiB before, after",
    "the attacker heard",
];

fn measure(workspace: &Workspace, folder: &Path, attack: &Attack, seconds: f64) -> Result<Value> {
    let config = config(workspace, folder, attack)?;
    let script = folder.join(format!("{}.json", attack.name));
    fs::write(&script, (attack.script)().to_string()).with_context(|| script.display().to_string())?;
    let log = folder.join(format!("{}.log", attack.name));
    let arguments = [Path::new("serve"), Path::new("--config"), &config];
    let server = Server::start(&workspace.broker("release"), &arguments, &log, BROKER_CORES)?;
    server.keep_shards_on(SERVER_CORE)?;
    let before = resident_mib(&server)?;
    let printed = shell::output(
        Command::new("taskset")
            .args(["--cpu-list", LOAD_CORE])
            .arg(workspace.target.join("release/noisy"))
            .arg(&script)
            .args(["--address", &server.address])
            .args(["--every-ms", &EVERY_MS.to_string(), "--seconds", &seconds.to_string()]),
    )?;
    let mut result: Value = serde_json::from_str(printed.trim()).context("noisy printed no result")?;
    result["mib_before"] = json!(before);
    result["mib_after"] = json!(resident_mib(&server)?);
    Ok(result)
}

/// Writes the config of both tenants, with the guests that it names beside it.
fn config(workspace: &Workspace, folder: &Path, attack: &Attack) -> Result<PathBuf> {
    let mut plugins = guest(workspace, folder, "publish-allow", 1)?;
    match attack.runs {
        Runs::Guest(name, times) => plugins += &guest(workspace, folder, name, times)?,
        Runs::Plugin(name) => plugins += &plugin(name, &workspace.plugin_folder().join(format!("{name}.wasm"))),
        Runs::Nothing => {}
    }
    let text = format!("{plugins}\n{}\n{}\n", attacks::COMMON, attack.tenant);
    let path = folder.join(format!("{}.toml", attack.name));
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Writes a guest with its repeatable line so many times, and gives the config's entry for it.
fn guest(workspace: &Workspace, folder: &Path, name: &str, times: usize) -> Result<String> {
    let source = workspace.root.join(format!("tests/guests/{name}.wat"));
    let text = fs::read_to_string(&source).with_context(|| source.display().to_string())?;
    let bytes = wat::parse_str(repeated(&text, times)).with_context(|| source.display().to_string())?;
    let file = folder.join(format!("{name}.wasm"));
    fs::write(&file, bytes).with_context(|| file.display().to_string())?;
    Ok(plugin(name, &file))
}

fn plugin(name: &str, file: &Path) -> String {
    format!("[plugins.{name}]\nfile = {:?}\n", file.display().to_string())
}

/// `text` with its repeatable line so many times.
fn repeated(text: &str, times: usize) -> String {
    let line = |line: &str| match line.ends_with(REPEATED) {
        true => format!("{line}\n").repeat(times),
        false => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn row(attack: &Attack, result: &Value) -> Result<[String; 8]> {
    let number = |half: &str, key: &str| {
        let found = result[half][key].as_f64();
        found.with_context(|| format!("no {key} of the {half} half in {result}"))
    };
    let half = |half: &str| {
        let [p50, p99, max] = ["p50_ms", "p99_ms", "max_ms"].map(|key| number(half, key));
        anyhow::Ok(format!("{:.3} / {:.3} / {:.3}", p50?, p99?, max?))
    };
    let quiet = number("quiet", "p99_ms")?;
    let most = match attack.bound {
        Bound::Faults => (quiet * 2.0).max(LEAST_P99_MS),
        Bound::SlowHooks { deadline_ms } => quiet + deadline_ms + 3.0,
    };
    let errors = [&result["quiet"]["errors"], &result["noisy"]["errors"]];
    let errors = errors.iter().filter_map(|errors| errors.as_object()).flatten();
    let errors: Vec<String> = errors.map(|(code, times)| format!("{code} × {times}")).collect();
    let kept = number("noisy", "p99_ms")? <= most && errors.is_empty();
    let heard = result["attacker"].as_object().into_iter().flatten();
    let heard: Vec<String> = heard.map(|(what, times)| format!("{what} × {times}")).collect();
    Ok([
        attack.name.to_owned(),
        half("quiet")?,
        half("noisy")?,
        format!("{most:.3}"),
        if kept { "ok" } else { "OVER" }.to_owned(),
        errors.join(", "),
        format!("{}, {}", result["mib_before"], result["mib_after"]),
        heard.join(", "),
    ])
}

fn resident_mib(server: &Server) -> Result<u64> {
    let file = format!("/proc/{}/status", server.id());
    let status = fs::read_to_string(&file).with_context(|| file.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    ensure!(kib.is_some(), "{file} has no VmRSS");
    Ok(kib.unwrap_or_default() / 1024)
}
