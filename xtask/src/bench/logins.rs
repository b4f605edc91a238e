//! What a login costs by the algorithm of its token, beside one by HS256: the broker's CPU from the upgrade to the first
//! subscription. And the verifications alone, beside HMAC.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::figure::{Bound, Figure};
use super::load::Load;
use super::{Plan, broker, hooks};
use crate::workspace::Workspace;

/// A key and a token of each algorithm, the first of them the reference.
const TOKENS: &str = include_str!("../../../bench/tokens.json");
/// The one key, as written in the broker's config.
const KEY: &str = "alg = \"HS256\"\nsecret = \"a-secret-that-guards-nothing-but-a-benchmark\"\n";

const REFERENCE: &str = "HS256";
/// What the others are asked: a login by them at most so many times one by HS256, a verification at most so many µs.
const ASKED: [(&str, &str, &str, f64, Option<f64>); 3] = [
    ("RS256", "login_rs256", "verify_rs256", 2.0, Some(60.0)),
    ("ES256", "login_es256", "verify_es256", 2.5, Some(150.0)),
    ("EdDSA", "login_eddsa", "verify_eddsa", 2.5, None),
];

pub(super) fn measure(workspace: &Workspace, folder: &Path, plan: &Plan) -> Result<(Vec<Figure>, Vec<Value>)> {
    let tokens: Vec<Value> = serde_json::from_str(TOKENS)?;
    let mut runs: Vec<Value> = Vec::new();
    // They take turns, so that a machine that becomes slower is so for all of them.
    for round in 1..=plan.rounds {
        for each in &tokens {
            let alg = each["alg"].as_str().context("a token without alg")?;
            println!("logins, round {round} of {}: {alg}", plan.rounds);
            let mut run = logins(workspace, folder, each, plan.idle)?;
            run["scenario"] = "logins".into();
            run["alg"] = alg.into();
            runs.push(run);
        }
    }
    let login = |alg: &str| {
        let of_alg = runs.iter().filter(|run| run["alg"] == alg);
        let values = of_alg.filter_map(|run| run["connect_cpu_us"].as_f64());
        values.reduce(f64::min).with_context(|| format!("no login by {alg}"))
    };
    let alone = hooks::bench(workspace, "login")?;
    let verification = |alg: &str| {
        let nanoseconds = alone["verify_ns"][alg].as_f64();
        nanoseconds
            .map(|ns| ns / 1000.0)
            .with_context(|| format!("no {alg} in {alone}"))
    };
    let mut figures = Vec::new();
    for (alg, login_key, verify_key, times, most) in ASKED {
        figures.push(Figure {
            what: format!("CPU of a login by {alg}"),
            key: login_key,
            ours: login(alg)?,
            reference: login(REFERENCE)?,
            beside: REFERENCE,
            unit: "µs",
            bound: Some(Bound::Times(times)),
        });
        figures.push(Figure {
            what: format!("verifying {alg} for a plugin"),
            key: verify_key,
            ours: verification(alg)?,
            reference: verification(REFERENCE)?,
            beside: REFERENCE,
            unit: "µs",
            bound: most.map(Bound::Most),
        });
    }
    Ok((figures, runs))
}

/// So many logins with one token, on a fresh broker.
fn logins(workspace: &Workspace, folder: &Path, token: &Value, connections: usize) -> Result<Value> {
    let key = token["key"].as_object().context("a token without its key")?;
    let lines = key.iter().map(|(name, value)| format!("{name} = {value}\n"));
    let file = folder.join("logins.toml");
    let config = broker::config(workspace, file, &[(KEY, &lines.collect::<String>())], "")?;
    let server = broker::start(workspace, &config)?;
    let load = Load {
        target: "sluicegate",
        address: &server.address,
        pids: &[server.id()],
        token: token["token"].as_str().context("no token")?,
    };
    load.run(workspace, ["--connections", &connections.to_string()])
        .with_context(|| format!("{}: the server's log is beside {}", token["alg"], config.display()))
}
