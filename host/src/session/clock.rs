//! A session's times: its heartbeat, and everything of it that runs out. Knows when, not what then.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{Ending, Session};
use crate::hub::Line;
use crate::observe::Metrics;
use crate::protocol::codes;
use crate::wire;

/// Heartbeats vary by this part of their time, so that connections opened together drift apart.
const JITTER: f64 = 0.1;

/// The times of one session.
pub(super) struct Clock {
    /// Between two heartbeats of this session: the node's, jittered.
    ping: Duration,
    next_ping: Instant,
    heard: Instant,
    /// Until when `connect` has to come; none once it came.
    connect_by: Option<Instant>,
    /// When the identity runs out.
    expires: Option<Instant>,
    /// The alarm that is set.
    alarm: Option<Instant>,
    /// What this session's outbox adds to the node's gauge.
    metered: Cell<usize>,
}

impl Clock {
    pub fn new(ping: Duration, connect_timeout: Duration) -> Self {
        let now = Instant::now();
        let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        let ping = ping.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
        Self {
            ping,
            next_ping: now + ping,
            heard: now,
            connect_by: Some(now + connect_timeout),
            expires: None,
            alarm: None,
            metered: Cell::new(0),
        }
    }

    /// Something came from the client.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// `connect` came.
    pub fn connected(&mut self) {
        self.connect_by = None;
    }

    /// The identity holds until then, in milliseconds since the Unix epoch.
    pub fn expire_at(&mut self, epoch_ms: Option<u64>) {
        self.expires = epoch_ms.map(at_epoch_ms);
    }

    /// Keeps the node's gauge true to this session's outbox.
    pub fn meter_outbox(&self, line: &Line, metrics: &Metrics) {
        let waiting = line.waiting_bytes();
        let before = self.metered.replace(waiting);
        if waiting != before {
            let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
            metrics.outbox_bytes.add(signed(waiting) - signed(before));
        }
    }

    fn silent_at(&self) -> Instant {
        self.heard + self.ping * 2
    }
}

impl Session {
    /// Asks the shard to be called at the next of this session's times.
    pub(super) fn set_alarm(&mut self) {
        let clock = &self.clock;
        let subscriptions = self.subscriptions.values().filter_map(|s| s.expires);
        let times = [clock.connect_by, clock.expires, Some(clock.silent_at())];
        let next = times
            .into_iter()
            .flatten()
            .chain(subscriptions)
            .fold(clock.next_ping, Instant::min);
        if clock.alarm != Some(next) {
            self.shard.alarms.set(&self.line, clock.alarm, next);
            self.clock.alarm = Some(next);
        }
    }

    pub(super) fn clear_alarm(&mut self) {
        if let Some(at) = self.clock.alarm.take() {
            self.shard.alarms.clear(self.line.id, at);
        }
    }

    /// The alarm rang: does what is due.
    pub(super) fn tick(&mut self) -> Option<Ending> {
        self.clock.alarm = None;
        let now = Instant::now();
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.clock.connect_by) {
            return Some(Ending::close(codes::CONNECT_TIMEOUT));
        }
        if due(self.clock.expires) {
            return Some(Ending::close(codes::EXPIRED));
        }
        if self.clock.silent_at() <= now {
            return Some(Ending::close(codes::NO_HEARTBEAT));
        }
        let over: Vec<_> = self
            .subscriptions
            .iter()
            .filter(|(_, s)| due(s.expires))
            .map(|(c, _)| c.clone())
            .collect();
        for channel in over {
            self.end_subscription(&channel, codes::EXPIRED);
        }
        if self.clock.next_ping <= now {
            self.line.push(wire::ping_frame(b""));
            self.clock.next_ping = now + self.clock.ping;
        }
        self.set_alarm();
        None
    }
}

/// The moment of a time on the wall, by the clock of now.
pub(super) fn at_epoch_ms(epoch_ms: u64) -> Instant {
    let wall = UNIX_EPOCH + Duration::from_millis(epoch_ms);
    let left = wall.duration_since(SystemTime::now()).unwrap_or_default();
    // A far future that the clock cannot hold is as good as never: a year is looked at again.
    let year = Duration::from_hours(365 * 24);
    Instant::now() + left.min(year)
}
