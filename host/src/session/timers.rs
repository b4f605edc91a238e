//! The timers of a connection: one alarm of its shard, set for the next of its deadlines.

use tokio::io::Interest;
use tokio::time::Instant;

use super::connection::Session;
use protocol::codes::{self, CloseCode};
use wire;

impl Session {
    /// Sets the alarm for the next deadline of this connection.
    pub(super) fn set_alarm(&mut self) {
        let next = self.liveness.next();
        let next = self.context.next_expiry().map_or(next, |expiry| next.min(expiry));
        if self.alarm != Some(next) {
            self.context.shard.alarms.set(&self.context.client, self.alarm, next);
            self.alarm = Some(next);
        }
    }

    /// Handles the alarm. Returns the code to close with, if the connection has to end.
    pub(super) fn tick(&mut self) -> Option<CloseCode> {
        self.alarm = None;
        let now = Instant::now();
        if !self.pending.is_empty() || self.context.is_waiting_for_turn() {
            self.liveness.held_up(now);
        }
        if !self.readiness().is_some_and(Interest::is_readable) {
            self.liveness.message_not_read();
        }
        let unfinished = self.decoder.unfinished().unwrap_or_default();
        if let Some(code) = self.liveness.overdue(now, unfinished) {
            return Some(code);
        }
        if self.context.has_expired(now) {
            return Some(codes::EXPIRED);
        }
        for channel in self.context.expired_subscriptions(now) {
            self.end_subscription(&channel, codes::EXPIRED);
        }
        if self.liveness.take_ping(now) {
            self.context.client.push(wire::ping_frame(b""));
            self.liveness.pinged(self.context.client.waiting_bytes());
        }
        self.set_alarm();
        None
    }
}
