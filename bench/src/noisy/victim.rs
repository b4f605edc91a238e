//! The tenant that only does its work.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bench::latency::Latencies;
use serde_json::{Value, json};

use bench::client::{Client, Said};

/// An acknowledgement that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// Publishes one message after the other.
pub(crate) struct Victim {
    client: Client,
    every: Duration,
    number: u64,
}

/// What it met.
pub(crate) struct Experience {
    latencies: Latencies,
    publishes: u64,
    /// By code.
    errors: BTreeMap<String, u64>,
}

// === impl Victim ===

impl Victim {
    pub(crate) fn connect(address: SocketAddr, path: &str, every_ms: u64) -> Result<Self> {
        let mut client = Client::open(address, path)?;
        client.say(&[json!({ "type": "connect", "id": 0, "payload": { "version": 1 } }).to_string()])?;
        let mut victim = Self {
            client,
            every: Duration::from_millis(every_ms),
            number: 0,
        };
        match victim.reply()? {
            Ok(()) => Ok(victim),
            Err(code) => bail!("the victim's connect is refused: {code}"),
        }
    }

    /// Publishes at its pace. A publish that is late begins at once, and the next is due one pace after it: what would have been
    /// published meanwhile is not caught up on.
    pub(crate) fn publish_for(&mut self, time: Duration) -> Result<Experience> {
        let mut met = Experience {
            latencies: Latencies::new(),
            publishes: 0,
            errors: BTreeMap::new(),
        };
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.number += 1;
            let payload = json!({ "channel": "work", "data": { "n": self.number } });
            let publish = json!({ "type": "publish", "id": self.number, "payload": payload });
            let begin = Instant::now();
            self.client.say(&[publish.to_string()])?;
            if let Err(code) = self.reply()? {
                *met.errors.entry(code).or_default() += 1;
            }
            let took = begin.elapsed();
            met.latencies.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            met.publishes += 1;
            thread::sleep(self.every.saturating_sub(took));
        }
        Ok(met)
    }

    /// The reply to the last request: fine, or an error's code.
    fn reply(&mut self) -> Result<Result<(), String>> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.client.hear(until)? {
                Said::Envelope(envelope) if envelope["id"] != json!(self.number) => {}
                Said::Envelope(envelope) if envelope["type"] == "ack" => return Ok(Ok(())),
                Said::Envelope(envelope) => return Ok(Err(envelope["payload"]["code"].to_string())),
                Said::Closed(code) => bail!("the victim was closed with {code:?}"),
                Said::Nothing => bail!("no reply within {PATIENCE:?}"),
            }
        }
    }
}

// === impl Experience ===

impl Experience {
    pub(crate) fn to_json(&self) -> Value {
        let ms = |part| (self.latencies.quantile_ms(part) * 1000.0).round() / 1000.0;
        json!({
            "publishes": self.publishes,
            "p50_ms": ms(0.5),
            "p99_ms": ms(0.99),
            "max_ms": ms(1.0),
            "errors": self.errors,
        })
    }
}
