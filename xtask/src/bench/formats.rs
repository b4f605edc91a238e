//! `cargo xtask bench formats`: what a delivery costs in MessagePack beside one in JSON, and in a channel of both, in one run. One
//! broker has the subscribers of all of them, and of JSON twice, each in a channel of its own; they publish in turns of half a
//! second, every second round in turned order. What counts is the median of the rounds' ratios: a machine that becomes slower is so for
//! both sides of a ratio. JSON beside itself shows how far ratios can be trusted.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::load::{self, Load, PUBLISHES_PER_SECOND, SUBSCRIBERS};
use super::{broker, figure};
use crate::needs;
use crate::workspace::Workspace;

/// The formats as the load generator calls them. With the last one every other subscriber has MessagePack.
const JSON: &str = "json";
const MESSAGE_PACK: &str = "message-pack";
const MIXED: &str = "mixed";
/// What a round has. The second broker has it in another order.
const ROUND: [&str; 4] = [JSON, MESSAGE_PACK, MIXED, JSON];
/// Long enough for a kernel that counts CPU in hundredths of a second, short enough for a machine that changes.
const TURN_SECONDS: f64 = 0.5;
const SCENARIOS: [&str; 2] = ["paced", "saturated"];

/// How many times JSON a delivery in MessagePack may cost.
const MESSAGE_PACK_MOST: f64 = 1.0;
/// How many times the mean of both alone a delivery in a channel of both may cost: the encodings are two instead of one, for a
/// thousand deliveries.
const MIXED_MOST: f64 = 1.05;

/// How thoroughly to measure.
struct Thoroughness {
    brokers: usize,
    /// Of each broker.
    rounds: usize,
}

/// CPU of a delivery in a round, in nanoseconds.
struct Costs {
    json: [f64; 2],
    message_pack: f64,
    mixed: f64,
}

/// What is compared in each round of a scenario.
struct Pairs {
    what: String,
    ours: Vec<f64>,
    beside: Vec<f64>,
    /// How many times that it may be; none where it is only shown.
    most: Option<f64>,
}

/// `words`: `--quick`, and names of scenarios; without a name, all of them.
pub(super) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let mut plan = Thoroughness { brokers: 2, rounds: 12 };
    let mut scenarios = Vec::new();
    for word in words {
        match *word {
            "--quick" => plan = Thoroughness { brokers: 1, rounds: 6 },
            name if SCENARIOS.contains(&name) => scenarios.push(name),
            unknown => bail!("bench formats takes --quick, paced and saturated, not {unknown}"),
        }
    }
    if scenarios.is_empty() {
        scenarios.extend(SCENARIOS);
    }
    needs::ensure(&[needs::TASKSET])?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let folder = workspace.target.join("bench/formats");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    load::build(workspace)?;
    let config = broker::config(workspace, folder.join("broker.toml"), &[], "")?;
    let token = broker::token(&workspace.broker("release"), &config)?;
    let (mut pairs, mut runs) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        let mut costs = Vec::new();
        for broker in 0..plan.brokers {
            let mut formats = ROUND;
            formats.rotate_left(broker);
            println!(
                "{scenario}, broker {} of {}: {}",
                broker + 1,
                plan.brokers,
                formats.join(", ")
            );
            let mut run = on_one_broker(workspace, &config, &token, formats, scenario, plan.rounds)?;
            let turns = run["turns"].as_array().context("the load generator tells no turns")?;
            for round in turns.chunks(ROUND.len()) {
                costs.push(Costs::of(round)?);
            }
            run["scenario"] = scenario.into();
            runs.push(run);
        }
        pairs.extend(compared(scenario, &costs));
    }
    println!("\n{}", table(&pairs));
    let result = json!({ "figures": pairs.iter().map(Pairs::to_json).collect::<Vec<Value>>(), "runs": runs });
    let file = folder.join("result.json");
    fs::write(&file, serde_json::to_vec_pretty(&result)?).with_context(|| file.display().to_string())?;
    println!("\nevery round: {}", file.display());
    Ok(())
}

fn on_one_broker(
    workspace: &Workspace,
    config: &Path,
    token: &str,
    formats: [&str; ROUND.len()],
    scenario: &str,
    rounds: usize,
) -> Result<Value> {
    let server = broker::start(workspace, config)?;
    let load = Load {
        target: "sluicegate",
        address: &server.address,
        pids: &[server.id()],
        token,
    };
    let publishing = match scenario {
        "paced" => load::paced(PUBLISHES_PER_SECOND, TURN_SECONDS),
        _ => load::saturated(TURN_SECONDS),
    };
    let arguments = format!("--format {} --turns {rounds} {publishing}", formats.join(","));
    load.run(workspace, arguments.split_whitespace())
        .with_context(|| format!("the server's log is beside {}", config.display()))
}

/// What the rounds of a scenario show.
fn compared(scenario: &str, rounds: &[Costs]) -> [Pairs; 3] {
    let pace = match scenario {
        "paced" => format!("{PUBLISHES_PER_SECOND} a second"),
        other => other.to_owned(),
    };
    let pairs = |what: &str, pair: fn(&Costs) -> (f64, f64), most| {
        let (ours, beside) = rounds.iter().map(pair).unzip();
        Pairs {
            what: format!("{pace}: {what}"),
            ours,
            beside,
            most,
        }
    };
    [
        pairs(
            "MessagePack beside JSON",
            |costs| (costs.message_pack, costs.json()),
            Some(MESSAGE_PACK_MOST),
        ),
        pairs(
            "half of each beside their mean",
            |costs| (costs.mixed, f64::midpoint(costs.json(), costs.message_pack)),
            Some(MIXED_MOST),
        ),
        pairs("JSON beside itself", |costs| (costs.json[1], costs.json[0]), None),
    ]
}

// === impl Costs ===

impl Costs {
    /// Of the runs of one round.
    fn of(runs: &[Value]) -> Result<Self> {
        let cost = |format: &str, nth: usize| {
            let run = runs.iter().filter(|run| run["format"] == format).nth(nth);
            let cost = run.and_then(|run| run["cpu_ns_per_delivery"].as_f64());
            cost.with_context(|| format!("a round without costs of {format}"))
        };
        Ok(Self {
            json: [cost(JSON, 0)?, cost(JSON, 1)?],
            message_pack: cost(MESSAGE_PACK, 0)?,
            mixed: cost(MIXED, 0)?,
        })
    }

    fn json(&self) -> f64 {
        f64::midpoint(self.json[0], self.json[1])
    }
}

// === impl Pairs ===

impl Pairs {
    /// The ratio of each round, the least first.
    fn ratios(&self) -> Vec<f64> {
        let ratios = self.ours.iter().zip(&self.beside).map(|(ours, beside)| ours / beside);
        sorted(ratios.collect())
    }

    fn verdict(&self) -> &'static str {
        match self.most {
            None => "",
            Some(most) if median(self.ratios()) <= most => "ok",
            Some(_) => "OVER",
        }
    }

    fn cells(&self) -> [String; 7] {
        let ratios = self.ratios();
        [
            self.what.clone(),
            format!("{:.3} µs", median(self.ours.clone()) * 1e-3),
            format!("{:.3} µs", median(self.beside.clone()) * 1e-3),
            format!("{:.3}", median(ratios.clone())),
            format!("{:.3} to {:.3}", ratios[0], ratios[ratios.len() - 1]),
            self.most.map_or_else(String::new, |most| format!("at most {most}")),
            self.verdict().to_owned(),
        ]
    }

    fn to_json(&self) -> Value {
        json!({
            "what": self.what,
            "ours_ns": self.ours,
            "beside_ns": self.beside,
            "ratios": self.ratios(),
            "ratio": median(self.ratios()),
            "most": self.most,
            "verdict": self.verdict(),
        })
    }
}

fn table(pairs: &[Pairs]) -> String {
    let what = format!("CPU per delivery, 1 to {SUBSCRIBERS}, medians");
    let heads = [what.as_str(), "ours", "beside", "ratio", "of all rounds", "bound", ""].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heads).chain(pairs.iter().map(Pairs::cells)).collect();
    figure::aligned(&rows)
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// There is at least one.
fn median(values: Vec<f64>) -> f64 {
    let sorted = sorted(values);
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[half - 1], sorted[half])
    } else {
        sorted[half]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(costs: [f64; 4]) -> Costs {
        let run = |(format, cost)| json!({ "format": format, "cpu_ns_per_delivery": cost });
        Costs::of(&ROUND.into_iter().zip(costs).map(run).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn each_round_is_compared_with_itself() {
        // The machine becomes slower, and somebody disturbs one run or the other.
        let rounds = [
            [96.0, 75.0, 87.5, 104.0],
            [192.0, 150.0, 175.0, 208.0],
            [384.0, 800.0, 600.0, 416.0],
            [768.0, 400.0, 700.0, 832.0],
        ];
        let [message_pack, mixed, json] = compared("paced", &rounds.map(round));
        assert_eq!(message_pack.ratios(), [0.5, 0.75, 0.75, 2.0]);
        assert_eq!(
            [message_pack.verdict(), mixed.verdict(), json.verdict()],
            ["ok", "ok", ""]
        );
        let [message_pack, mixed, json] = compared("saturated", &[round([100.0, 101.0, 105.0, 100.0])]);
        assert_eq!([message_pack.verdict(), mixed.verdict()], ["OVER", "ok"]);
        assert_eq!(json.ratios(), [1.0]);
        let table = table(&[message_pack, mixed]);
        assert!(table.contains("1.010  1.010 to 1.010"), "{table}");
    }

    #[test]
    fn a_round_without_a_cost_is_an_error() {
        let runs = ROUND.map(|format| json!({ "format": format, "cpu_ns_per_delivery": 1.0 }));
        assert!(Costs::of(&runs).is_ok());
        for missing in 0..runs.len() {
            let mut runs = runs.clone();
            runs[missing]["cpu_ns_per_delivery"] = Value::Null;
            assert!(Costs::of(&runs).is_err(), "{missing}");
        }
    }
}
