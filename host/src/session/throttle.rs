//! What the broker refuses with 4429: requests over a rate, and those that waited too long for their turn. `ping` and
//! `unsubscribe` are never refused: they ask no plugin, and the second one makes room.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::context::Context;
use super::rate_limit::RateLimit;
use super::refusal::Refusal;
use protocol::{Body, codes};

/// How long what a connection asks may wait for turns in all, before it is refused.
const TURN_PATIENCE: Duration = Duration::from_secs(5);
/// When to come back after a wait that was too long: after as long a one, but not later than this.
const COME_BACK: Duration = Duration::from_secs(30);

impl Context {
    /// Whether a request may be carried out now.
    pub(super) fn admit(&self, request: &Body) -> Result<(), Refusal> {
        if matches!(request, Body::Ping | Body::Unsubscribe(_)) {
            return Ok(());
        }
        let metrics = &self.tenant.metrics;
        let waited = self.share.waited();
        if waited > TURN_PATIENCE {
            metrics.throttled_by_turn.inc();
            return Err(later(
                "the tenant has too much to do at the moment",
                waited.min(COME_BACK),
            ));
        }
        match request {
            // It has a rate of its own.
            Body::Publish(_) => Ok(()),
            Body::Connect(_) if self.tenant.share.has_many_departed() => {
                metrics.throttled_by_departed.inc();
                Err(later(
                    "too many connections of the tenant end at the moment",
                    TURN_PATIENCE,
                ))
            }
            _ => self.take_request(),
        }
    }

    /// Takes one request from the connection's rate.
    pub(super) fn take_request(&self) -> Result<(), Refusal> {
        self.take(&self.request_rate, "this connection asks faster than it may")
    }

    /// Takes one publish from the connection's rate.
    pub(super) fn take_publish(&self) -> Result<(), Refusal> {
        self.take(&self.publish_rate, "this connection publishes faster than it may")
    }

    fn take(&self, limit: &RefCell<Option<RateLimit>>, message: &'static str) -> Result<(), Refusal> {
        let mut limit = limit.borrow_mut();
        let Some(limit) = limit.as_mut() else { return Ok(()) };
        limit.take(Instant::now()).map_err(|wait| {
            self.tenant.metrics.throttled_by_rate.inc();
            later(message, wait)
        })
    }
}

fn later(message: &'static str, wait: Duration) -> Refusal {
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    Refusal::retry_after(codes::RATE_LIMITED, message, wait)
}
