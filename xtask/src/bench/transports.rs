//! `cargo xtask bench transports`: what Server-Sent Events and long polls cost beside a WebSocket of the same broker, and beside
//! nchan, in one run: CPU of a delivery, memory of a client at rest.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::broker;
use super::figure::{self, Bound, Figure};
use super::load::{self, Load, PUBLISHES_PER_SECOND, SUBSCRIBERS};
use super::nginx::Nginx;
use crate::needs;
use crate::workspace::Workspace;

/// Without a history there is no position that an event could tell.
const HISTORY: &str = r#"
[[tenants.channels]]
match = "load:*"
history = { size = 100, ttl_seconds = 60 }
"#;
/// One channel with as long a history. Answers to polls hold all messages that there are, as ours do.
const NCHAN: &str = r"
load_module modules/ngx_nchan_module.so;
worker_processes 1;
daemon off;
pid FOLDER/nginx.pid;
error_log FOLDER/nginx.log;
events { worker_connections 17000; }
worker_rlimit_nofile 17000;
http {
    access_log off;
    keepalive_requests 1000000000;
    server {
        listen ADDRESS;
        location = /publish {
            nchan_publisher websocket;
            nchan_channel_id load;
            nchan_message_buffer_length 100;
            nchan_message_timeout 60s;
        }
        location = /events {
            nchan_subscriber eventsource;
            nchan_channel_id load;
            nchan_subscriber_first_message newest;
        }
        location = /poll {
            nchan_subscriber longpoll;
            nchan_channel_id load;
            nchan_subscriber_first_message newest;
            nchan_longpoll_multipart_response raw;
        }
    }
}
";
/// Each delivery is a request and its answer: no more of them than leave the server's core some rest.
const POLL_RATE: usize = 10;
/// Clients that rest before those whose memory is counted.
const BEFORE: usize = 500;
const EVENTS_KIB: f64 = 6.0;

/// How subscribers come, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    WebSocket,
    /// A stream of one channel: each event tells its position.
    Events,
    /// Of two: positions stand in blocks of their own.
    EventsOfTwo,
    Polls,
    NchanEvents,
    NchanPolls,
}

/// What is measured of each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    Paced,
    Saturated,
    Idle,
}

/// How thoroughly to measure.
struct Thoroughness {
    rounds: usize,
    seconds: f64,
    idle: usize,
}

/// What is compared of two ways.
struct Row {
    key: &'static str,
    scenario: Scenario,
    ours: Way,
    beside: Way,
    bound: Option<Bound>,
}

const ROWS: [Row; 13] = {
    use Scenario::{Idle, Paced, Saturated};
    use Way::{Events, EventsOfTwo, NchanEvents, NchanPolls, Polls, WebSocket};
    const fn row(key: &'static str, scenario: Scenario, ours: Way, beside: Way, bound: Option<Bound>) -> Row {
        Row {
            key,
            scenario,
            ours,
            beside,
            bound,
        }
    }
    const ONE: Option<Bound> = Some(Bound::Times(1.0));
    const AS_WEBSOCKET: Option<Bound> = Some(Bound::Times(1.1));
    [
        row("events_paced", Paced, Events, WebSocket, AS_WEBSOCKET),
        row("events_of_two_paced", Paced, EventsOfTwo, WebSocket, AS_WEBSOCKET),
        row("events_paced_nchan", Paced, Events, NchanEvents, ONE),
        row("polls_paced_nchan", Paced, Polls, NchanPolls, ONE),
        row("events_saturated", Saturated, Events, WebSocket, AS_WEBSOCKET),
        row(
            "events_of_two_saturated",
            Saturated,
            EventsOfTwo,
            WebSocket,
            AS_WEBSOCKET,
        ),
        row("events_saturated_nchan", Saturated, Events, NchanEvents, ONE),
        row("polls_saturated_nchan", Saturated, Polls, NchanPolls, ONE),
        row("events_idle", Idle, Events, WebSocket, Some(Bound::Most(EVENTS_KIB))),
        row("events_idle_nchan", Idle, Events, NchanEvents, None),
        row("polls_idle", Idle, Polls, WebSocket, None),
        row("polls_idle_nchan", Idle, Polls, NchanPolls, None),
        row(
            "events_of_two_idle",
            Idle,
            EventsOfTwo,
            WebSocket,
            Some(Bound::Most(EVENTS_KIB)),
        ),
    ]
};

/// `words`: `--quick`, and names of scenarios; without a name, all of them.
pub(super) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let plan = if words.contains(&"--quick") {
        Thoroughness {
            rounds: 1,
            seconds: 2.0,
            idle: 2_000,
        }
    } else {
        Thoroughness {
            rounds: 3,
            seconds: 5.0,
            idle: 10_000,
        }
    };
    let names: Vec<&str> = words.iter().copied().filter(|word| *word != "--quick").collect();
    if let Some(unknown) = names
        .iter()
        .find(|name| Scenario::ALL.iter().all(|known| known.name() != **name))
    {
        bail!("bench transports takes --quick, paced, saturated and idle, not {unknown}");
    }
    let wanted = |scenario: &Scenario| names.is_empty() || names.contains(&scenario.name());
    let scenarios: Vec<Scenario> = Scenario::ALL.into_iter().filter(wanted).collect();
    needs::ensure(&[needs::TASKSET, needs::NGINX, needs::NCHAN])?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let folder = workspace.target.join("bench/transports");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    load::build(workspace)?;
    let mut runs = Vec::new();
    for scenario in &scenarios {
        // They take turns, so that a machine that becomes slower is so for all of them.
        for round in 1..=plan.rounds {
            for way in Way::ALL {
                println!("{}, round {round} of {}: {}", scenario.name(), plan.rounds, way.name());
                runs.push(measured(workspace, &folder, &plan, way, *scenario)?);
            }
        }
    }
    let rows = ROWS.iter().filter(|row| scenarios.contains(&row.scenario));
    let figures: Vec<Figure> = rows.map(|row| row.figure(&plan, &runs)).collect::<Result<_>>()?;
    println!("\n{}", figure::table(&figures));
    let result = json!({ "figures": figures.iter().map(Figure::to_json).collect::<Vec<Value>>(), "runs": runs });
    let file = folder.join("result.json");
    fs::write(&file, serde_json::to_vec_pretty(&result)?).with_context(|| file.display().to_string())?;
    println!("\nevery round: {}", file.display());
    Ok(())
}

fn measured(workspace: &Workspace, folder: &Path, plan: &Thoroughness, way: Way, scenario: Scenario) -> Result<Value> {
    let (server, nginx, address, pid, token);
    if way.is_nchan() {
        nginx = Nginx::start(folder, NCHAN)?;
        (address, pid, token) = (&nginx.address, nginx.worker, String::new());
    } else {
        let config = broker::config(workspace, folder.join("broker.toml"), &[], HISTORY)?;
        server = broker::start(workspace, &config)?;
        token = broker::token(&workspace.broker("release"), &config)?;
        (address, pid) = (&server.address, server.id());
    }
    let load = Load {
        target: way.target(),
        address,
        pids: &[pid],
        token: &token,
    };
    let mut run = load
        .run(workspace, scenario.load(plan, way).split_whitespace())
        .with_context(|| format!("the server's log is in {}", folder.display()))?;
    run["way"] = way.name().into();
    run["scenario"] = scenario.name().into();
    Ok(run)
}

// === impl Way ===

impl Way {
    const ALL: [Self; 6] = [
        Self::WebSocket,
        Self::Events,
        Self::EventsOfTwo,
        Self::NchanEvents,
        Self::Polls,
        Self::NchanPolls,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "WebSocket",
            Self::Events => "SSE",
            Self::EventsOfTwo => "SSE of two channels",
            Self::Polls => "long-poll",
            Self::NchanEvents => "nchan's SSE",
            Self::NchanPolls => "nchan's long-poll",
        }
    }

    /// How the load generator speaks to it: a file of `bench/targets`.
    fn target(self) -> &'static str {
        match self {
            Self::WebSocket => "sluicegate",
            Self::Events => "sluicegate-events",
            Self::EventsOfTwo => "sluicegate-events-of-two",
            Self::Polls => "sluicegate-poll",
            Self::NchanEvents => "nchan-events",
            Self::NchanPolls => "nchan-poll",
        }
    }

    fn is_nchan(self) -> bool {
        matches!(self, Self::NchanEvents | Self::NchanPolls)
    }

    fn polls(self) -> bool {
        matches!(self, Self::Polls | Self::NchanPolls)
    }

    /// How many clients rest: one that polls takes two places of the node, of its session and of its connection.
    fn resting(self, plan: &Thoroughness) -> usize {
        if self.polls() { plan.idle * 4 / 5 } else { plan.idle }
    }

    fn rate(self) -> usize {
        if self.polls() { POLL_RATE } else { PUBLISHES_PER_SECOND }
    }
}

// === impl Scenario ===

impl Scenario {
    const ALL: [Self; 3] = [Self::Paced, Self::Saturated, Self::Idle];

    fn name(self) -> &'static str {
        match self {
            Self::Paced => "paced",
            Self::Saturated => "saturated",
            Self::Idle => "idle",
        }
    }

    /// The load generator's arguments.
    fn load(self, plan: &Thoroughness, way: Way) -> String {
        match self {
            Self::Paced => load::paced(way.rate(), plan.seconds),
            Self::Saturated => load::saturated(plan.seconds),
            Self::Idle => format!("--before {BEFORE} --connections {}", way.resting(plan)),
        }
    }
}

// === impl Row ===

impl Row {
    fn figure(&self, plan: &Thoroughness, runs: &[Value]) -> Result<Figure> {
        let (value, scale, unit) = match self.scenario {
            Scenario::Paced | Scenario::Saturated => ("cpu_ns_per_delivery", 1e-3, "µs"),
            Scenario::Idle => ("kib_per_connection", 1.0, "KiB"),
        };
        // Each way's best round counts: noise only ever adds.
        let best = |way: Way| {
            let of = runs
                .iter()
                .filter(|run| run["way"] == way.name() && run["scenario"] == self.scenario.name());
            of.filter_map(|run| run[value].as_f64())
                .reduce(f64::min)
                .with_context(|| format!("no {value} of {}", way.name()))
        };
        let name = self.ours.name();
        let what = match self.scenario {
            Scenario::Paced => format!(
                "{name}: CPU per delivery, 1 to {SUBSCRIBERS}, {} a second",
                self.ours.rate()
            ),
            Scenario::Saturated => format!("{name}: CPU per delivery, 1 to {SUBSCRIBERS}, saturated"),
            Scenario::Idle => format!(
                "{name}: memory of a client at rest, {} of them",
                self.ours.resting(plan)
            ),
        };
        Ok(Figure {
            what,
            key: self.key,
            ours: best(self.ours)? * scale,
            reference: best(self.beside)? * scale,
            beside: self.beside.name(),
            unit,
            bound: self.bound,
        })
    }
}
