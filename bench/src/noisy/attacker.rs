//! The tenant that does what it can: a script of envelopes, said by a few connections again and again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use bench::client::{Client, Said};

/// How long replies to a burst are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before a connection that was refused or closed comes back.
const COME_BACK: Duration = Duration::from_millis(20);

/// A script.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attack {
    /// The path by which the attacker's tenant is reached; `{n}` is the connection's number.
    #[serde(default = "default_path")]
    path: String,
    /// Connections at once, a thread each.
    #[serde(default = "one")]
    connections: u64,
    /// The payload of `connect`, beside the version.
    #[serde(default)]
    connect: Map<String, Value>,
    /// What is said in one write, again and again. Without, connections are made and ended.
    #[serde(default)]
    burst: Vec<Line>,
    /// Milliseconds between the end of a burst and the next.
    #[serde(default)]
    pause_ms: u64,
    /// Whether it reads what is said to it. Who does not read begins anew after the pause.
    #[serde(default = "yes")]
    reads: bool,
    /// Whether the connection is reset after each burst.
    #[serde(default)]
    resets: bool,
}

/// Requests of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "type")]
    request: String,
    /// `{n}` in its text is another number each time.
    #[serde(default)]
    payload: Value,
    /// How often.
    #[serde(default = "one")]
    times: u64,
}

fn default_path() -> String {
    "/t/attacker/ws".to_owned()
}

fn one() -> u64 {
    1
}

fn yes() -> bool {
    true
}

/// How often it heard what: `ack`, an error's code, `close CODE`, `refused`.
type Heard = BTreeMap<String, u64>;

/// Attackers at work.
pub(crate) struct Attackers(Vec<JoinHandle<Heard>>);

// === impl Attackers ===

impl Attackers {
    pub(crate) fn start(attack: &Attack, address: SocketAddr, stop: &Arc<AtomicBool>) -> Self {
        let threads = (0..attack.connections).map(|number| {
            let (attack, stop) = (attack.clone(), stop.clone());
            thread::spawn(move || {
                let mut heard = Heard::new();
                let path = attack.path.replace("{n}", &number.to_string());
                while !stop.load(Ordering::Relaxed) {
                    if attack.once(address, &path, &stop, &mut heard).is_err() {
                        *heard.entry("refused".to_owned()).or_default() += 1;
                    }
                    thread::sleep(COME_BACK);
                }
                heard
            })
        });
        Self(threads.collect())
    }

    pub(crate) fn stop(self, stop: &AtomicBool) -> Value {
        stop.store(true, Ordering::Relaxed);
        let mut all = Heard::new();
        for heard in self.0.into_iter().filter_map(|thread| thread.join().ok()) {
            for (what, times) in heard {
                *all.entry(what).or_default() += times;
            }
        }
        json!(all)
    }
}

// === impl Attack ===

impl Attack {
    /// One connection, from its beginning to its end.
    fn once(&self, address: SocketAddr, path: &str, stop: &AtomicBool, heard: &mut Heard) -> Result<()> {
        let mut client = Client::open(address, path)?;
        let mut connect = self.connect.clone();
        connect.insert("version".to_owned(), json!(1));
        let connect = json!({ "type": "connect", "id": 0, "payload": connect }).to_string();
        client.say(&[numbered(&connect)])?;
        if self.reads && !hear(&mut client, 1, heard)? {
            return Ok(());
        }
        if self.burst.is_empty() {
            return Ok(());
        }
        while !stop.load(Ordering::Relaxed) {
            let envelopes = self.envelopes();
            client.say(&envelopes)?;
            if self.reads && !self.resets && !hear(&mut client, envelopes.len(), heard)? {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(self.pause_ms));
            if self.resets {
                return client.reset();
            }
            if !self.reads {
                return Ok(());
            }
        }
        Ok(())
    }

    fn envelopes(&self) -> Vec<String> {
        let line = |line: &Line| {
            let text = json!({ "type": line.request, "id": 1, "payload": line.payload }).to_string();
            (0..line.times).map(|_| numbered(&text)).collect::<Vec<_>>()
        };
        self.burst.iter().flat_map(line).collect()
    }
}

/// Waits for so many replies. False: the connection is over.
fn hear(client: &mut Client, replies: usize, heard: &mut Heard) -> Result<bool> {
    let until = Instant::now() + PATIENCE;
    let mut left = replies;
    while left > 0 {
        let what = match client.hear(until)? {
            Said::Nothing => return Ok(true),
            Said::Envelope(envelope) if envelope["type"] == "ack" => "ack".to_owned(),
            Said::Envelope(envelope) if envelope["type"] == "error" => envelope["payload"]["code"].to_string(),
            // Messages and other pushes are no replies.
            Said::Envelope(_) => continue,
            Said::Closed(code) => {
                let code = code.map_or_else(|| "without a code".to_owned(), |code| code.to_string());
                *heard.entry(format!("close {code}")).or_default() += 1;
                return Ok(false);
            }
        };
        *heard.entry(what).or_default() += 1;
        left -= 1;
    }
    Ok(true)
}

/// `text` with another number in place of each `{n}`.
fn numbered(text: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    if !text.contains("{n}") {
        return text.to_owned();
    }
    text.replace("{n}", &NUMBER.fetch_add(1, Ordering::Relaxed).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_what_it_is_told_to() {
        let script = json!({
            "burst": [
                { "type": "history", "payload": { "channel": "c{n}" }, "times": 3 },
                { "type": "ping" },
            ],
            "reads": false,
        });
        let attack: Attack = serde_json::from_value(script).unwrap();
        let envelopes = attack.envelopes();
        assert_eq!(envelopes.len(), 4);
        assert_ne!(envelopes[0], envelopes[1]);
        assert!(envelopes[3].contains("ping"));
        assert!(!attack.reads && attack.connections == 1);
        assert!(serde_json::from_value::<Attack>(json!({ "bursts": [] })).is_err());
    }
}
