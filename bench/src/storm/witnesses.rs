//! Clients that were there before the storm: one of them publishes at a steady pace, and all of them must get every message.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use bench::latency::Latencies;
use serde_json::json;

use crate::client::{Missed, Stage};
use crate::wave::Wave;

/// Between two messages.
const EVERY: Duration = Duration::from_millis(10);
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The witnesses, connected to all nodes evenly.
pub(crate) struct Witnesses<'a> {
    wave: Wave<'a>,
    channel: &'a str,
    published: u64,
    received: u64,
    due: Instant,
    latencies: Latencies,
}

// === impl Witnesses ===

impl<'a> Witnesses<'a> {
    /// Connects and subscribes them. `at` is the one channel of theirs.
    pub(crate) fn connect(servers: &[SocketAddr], token: &'a str, at: &'a [Missed], count: usize) -> Result<Self> {
        let mut wave = Wave::new(token, at)?;
        wave.open(servers, 0, count)?;
        wave.make(&[Stage::Upgraded, Stage::Connected, Stage::Recovered], || Ok(()))?;
        Ok(Self {
            wave,
            channel: &at.first().context("the witnesses have no channel")?.channel,
            published: 0,
            received: 0,
            due: Instant::now(),
            latencies: Latencies::new(),
        })
    }

    /// What they do besides: publish if it is time, and take what came. It fails if one of them was dropped.
    pub(crate) fn go_on(&mut self) -> Result<()> {
        if Instant::now() >= self.due {
            self.due = Instant::now() + EVERY;
            let first = self.wave.clients().first_mut().context("no witness")?;
            first.publish(self.channel, &json!({ "sent": now_us()? }))?;
            self.published += 1;
        }
        self.take()
    }

    /// Waits until each has every message. Returns what their messages took, and begins to count anew.
    pub(crate) fn settle(&mut self) -> Result<Latencies> {
        let begin = Instant::now();
        let all = self.published * u64::try_from(self.wave.clients().len())?;
        while self.received < all {
            let missing = all - self.received;
            ensure!(
                begin.elapsed() < PATIENCE,
                "{missing} of {all} messages never came to the witnesses"
            );
            self.take()?;
        }
        (self.published, self.received) = (0, 0);
        Ok(std::mem::take(&mut self.latencies))
    }

    fn take(&mut self) -> Result<()> {
        self.wave.listen()?;
        let now = now_us()?;
        for client in self.wave.clients() {
            for message in client.take_pushed() {
                let sent = message["payload"]["sent"].as_u64().context("a message of nobody's")?;
                self.latencies.record(now.saturating_sub(sent) * 1_000);
                self.received += 1;
            }
        }
        Ok(())
    }
}

fn now_us() -> Result<u64> {
    Ok(u64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros(),
    )?)
}
