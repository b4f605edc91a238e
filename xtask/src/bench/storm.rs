//! `cargo xtask bench storm`: 15,000 clients that come back at once to one node, and to two of three nodes when the third was
//! killed. What the storm takes stands beside the sum of its parts, each made singly by as many clients in the same run. It
//! fails if a client is refused, misses a message, or was connected before and is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::figure::{self, Bound, Figure};
use super::load;
use super::nodes::Store;
use super::server::{LOAD_CORE, SERVER_CORE, Server};
use crate::workspace::Workspace;
use crate::{needs, shell};

const CONFIG: &str = include_str!("storm.toml");
const TOKENS: &str = include_str!("../../../bench/tokens.json");
/// The algorithms of the tokens, and the figures of one node and of two.
const LOGINS: [(&str, &str, &str); 3] = [
    ("HS256", "storm_hs256", "storm_hs256_nodes"),
    ("RS256", "storm_rs256", "storm_rs256_nodes"),
    ("ES256", "storm_es256", "storm_es256_nodes"),
];
/// What a storm may take, as a multiple of the sum of its parts.
const ASKED: f64 = 1.25;
/// Three nodes, Redis and the load share what there is.
const ALL_CORES: &str = "0-1";

struct Stage<'a> {
    workspace: &'a Workspace,
    folder: PathBuf,
    clients: usize,
}

pub(super) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let clients = match words {
        [] => 15_000,
        // For a look while working.
        ["--quick"] => 3_000,
        _ => bail!("bench storm takes --quick, not {}", words.join(" ")),
    };
    needs::ensure(&[needs::TASKSET, needs::REDIS])?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let folder = workspace.target.join("bench/storm");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    load::build(workspace)?;
    let stage = Stage {
        workspace,
        folder,
        clients,
    };
    let tokens: Vec<Value> = serde_json::from_str(TOKENS)?;
    let (mut figures, mut runs) = (Vec::new(), Vec::new());
    for (alg, key, nodes_key) in LOGINS {
        let token = tokens.iter().find(|token| token["alg"] == alg);
        let token = token.with_context(|| format!("no token by {alg}"))?;
        for (nodes, key) in [("one node", key), ("two of three nodes", nodes_key)] {
            println!("{clients} clients to {nodes} by {alg}");
            let run = if nodes == "one node" {
                stage.one(token)?
            } else {
                stage.two_of_three(token)?
            };
            println!("{run}");
            figures.push(figure(clients, nodes, alg, key, &run)?);
            runs.push(json!({ "alg": alg, "nodes": nodes, "result": run }));
        }
    }
    println!("\n{}", figure::table(&figures));
    let result = json!({
        "clients": clients,
        "figures": figures.iter().map(Figure::to_json).collect::<Vec<Value>>(),
        "runs": runs,
    });
    let file = stage.folder.join("result.json");
    fs::write(&file, serde_json::to_vec_pretty(&result)?).with_context(|| file.display().to_string())?;
    println!("\nevery run: {}", file.display());
    Ok(())
}

fn figure(clients: usize, nodes: &str, alg: &str, key: &'static str, run: &Value) -> Result<Figure> {
    let number = |key: &str| run[key].as_f64().with_context(|| format!("no {key} in {run}"));
    Ok(Figure {
        what: format!("{clients} clients at once to {nodes}, {alg}"),
        key,
        ours: number("storm_seconds")?,
        reference: number("singly_seconds")?,
        beside: "its parts singly",
        unit: "s",
        bound: Some(Bound::Times(ASKED)),
    })
}

impl Stage<'_> {
    fn one(&self, token: &Value) -> Result<Value> {
        let node = self.node("alone", token, "", SERVER_CORE)?;
        self.storm(LOAD_CORE, token, &[&node], None)
    }

    fn two_of_three(&self, token: &Value) -> Result<Value> {
        let store = Store::start(&self.folder, ALL_CORES, false)?;
        let backplane = format!("[backplane]\nkind = \"redis\"\nurl = \"redis://{}/0\"\n", store.address);
        let node = |name| self.node(name, token, &backplane, ALL_CORES);
        let (first, second, lost) = (node("first")?, node("second")?, node("lost")?);
        self.storm(ALL_CORES, token, &[&first, &second], Some(&lost))
    }

    fn node(&self, name: &str, token: &Value, more: &str, cores: &str) -> Result<Server> {
        let key = token["key"].as_object().context("a token without its key")?;
        let key: Vec<String> = key.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let plugins = self.workspace.plugin_folder().display().to_string();
        let text = CONFIG
            .replace("NODE", name)
            .replace("PLUGINS", &plugins)
            .replace("KEY\n", &key.concat());
        let config = self.folder.join(format!("{name}.toml"));
        fs::write(&config, text + more).with_context(|| config.display().to_string())?;
        let log = self.folder.join(format!("{name}.log"));
        let arguments = [Path::new("serve"), Path::new("--config"), &config];
        Server::start(&self.workspace.broker("release"), &arguments, &log, cores)
    }

    fn storm(&self, cores: &str, token: &Value, nodes: &[&Server], lost: Option<&Server>) -> Result<Value> {
        let mut command = Command::new("taskset");
        command
            .args(["--cpu-list", cores])
            .arg(self.workspace.target.join("release/storm"))
            .args(["--token", token["token"].as_str().context("no token")?])
            .args(["--clients", &self.clients.to_string()]);
        for node in nodes {
            command.args(["--address", &node.address]);
        }
        if let Some(lost) = lost {
            command.args(["--lost-address", &lost.address, "--lost-pid", &lost.id().to_string()]);
        }
        let printed =
            shell::output(&mut command).with_context(|| format!("the logs are in {}", self.folder.display()))?;
        let result: Value = serde_json::from_str(&printed).context("the storm's result")?;
        ensure!(
            result["clients"] == json!(self.clients),
            "not all clients came: {result}"
        );
        Ok(result)
    }
}
