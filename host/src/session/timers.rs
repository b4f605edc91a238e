//! The timers of a connection: one alarm of its shard, set for the next of its deadlines.

use tokio::io::Interest;
use tokio::time::Instant;

use super::connection::Session;
use protocol::codes::{self, CloseCode};

impl Session {
    /// Sets the alarm for the next deadline of this connection.
    pub(super) fn set_alarm(&mut self) {
        let next = self.liveness.next();
        let others = [self.context.next_expiry(), self.context.client.mark_due()];
        let next = others.into_iter().flatten().fold(next, Instant::min);
        if self.alarm != Some(next) {
            self.context.shard.alarms.set(&self.context.client, self.alarm, next);
            self.alarm = Some(next);
        }
    }

    /// Sets it earlier where the hub brought a stream of events something to mark.
    pub(super) fn set_earlier_alarm(&mut self) {
        let due = self.context.client.mark_due();
        if due.is_some_and(|due| self.alarm.is_some_and(|alarm| due < alarm)) {
            self.set_alarm();
        }
    }

    /// Handles the alarm. Returns the code to close with, if the connection has to end.
    pub(super) fn tick(&mut self) -> Option<CloseCode> {
        self.alarm = None;
        let now = Instant::now();
        if let Some(until) = self.context.client.polled_until.get() {
            self.liveness.polled(until);
        }
        if !self.pending.is_empty() || self.context.is_waiting_for_turn() {
            self.liveness.held_up(now);
        }
        if !self.readiness().is_some_and(Interest::is_readable) {
            self.liveness.message_not_read();
        }
        let unfinished = self.input.unfinished().unwrap_or_default();
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
            let client = &self.context.client;
            if let Some(heartbeat) = client.framing.heartbeat() {
                client.push(heartbeat);
                self.liveness.pinged(client.waiting_bytes());
            }
        }
        // What is due to be marked is marked with what is written.
        self.context.client.flush();
        self.set_alarm();
        None
    }
}
