//! The arithmetic of a lease: tokens that the shared bucket gave this node in advance, so that most checks need
//! no round trip. Knows no clock, no lock and no store.
//!
//! A node spends what it has, and asks for more before that is used up. What the bucket said it had left is
//! remembered: while it cannot have enough, refusals are given without asking; while it does not answer, it is
//! the node's own bucket. What was spent without asking is a debt that the next request settles.

use std::time::{Duration, Instant};

use crate::limiter::{ROUNDING, wait_ms};

/// A lease is for so much of what this node was lately asked for.
const LEASE: Duration = Duration::from_millis(50);
/// A bucket that ran dry is asked again when it has regained so much of its rate.
const GRAIN: Duration = Duration::from_millis(25);
/// A node holds no more than this part of a bucket in advance; buckets too small to have it are asked each time.
const PART: f64 = 8.0;
/// A bucket may have more than it can have regained, because another node gave some back.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A lease that nobody used for so long is given back.
const IDLE: Duration = Duration::from_millis(200);

/// What a bucket is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaseTerms {
    /// Tokens it regains a second.
    pub per_second: f64,
    /// Tokens it holds at most.
    pub burst: f64,
    /// Tokens that were spent without asking; if negative, tokens that are given back.
    pub settle: f64,
    /// Less than this is not taken.
    pub need: f64,
    /// More than this is not wanted.
    pub want: f64,
}

/// One bucket as this node has it.
pub(super) struct Lease {
    per_second: f64,
    burst: f64,
    /// Tokens that are this node's.
    left: f64,
    /// What the bucket had left, and when.
    level: f64,
    at: Instant,
    /// It had less than was wanted.
    scarce: bool,
    /// Tokens spent without asking.
    debt: f64,
    /// What it is being asked for.
    asked: Option<LeaseTerms>,
    /// What was asked of this node since it last asked the bucket, and how much it wanted then.
    offered: f64,
    since: Instant,
    wanted: f64,
    used: Instant,
}

/// What comes of a check.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// It passes; and more may have to be asked for, without waiting.
    Taken(Option<LeaseTerms>),
    /// It does not, for so many milliseconds.
    Refused(u64),
    /// The bucket has to be asked.
    Ask(LeaseTerms),
    /// The bucket is being asked.
    Wait,
}

// === impl Lease ===

impl Lease {
    /// A bucket that nothing is known of.
    pub(super) fn new(now: Instant, per_second: f64, burst: f64) -> Self {
        Self {
            per_second,
            burst,
            left: 0.0,
            level: burst,
            at: now,
            scarce: false,
            debt: 0.0,
            asked: None,
            offered: 0.0,
            since: now,
            wanted: 0.5,
            used: now,
        }
    }

    /// A check comes, by these rules.
    pub(super) fn offer(&mut self, now: Instant, per_second: f64, burst: f64, cost: f64) {
        self.per_second = per_second;
        self.burst = burst;
        self.offered += cost;
        self.used = now;
    }

    /// What comes of a check for `cost` tokens.
    pub(super) fn step(&mut self, now: Instant, cost: f64) -> Step {
        if self.left + ROUNDING >= cost {
            self.left = (self.left - cost).max(0.0);
            let low = self.asked.is_none() && self.left < self.wanted / 2.0 && self.is_leased();
            let more = low && self.may_ask(now, 1.0);
            return Step::Taken(more.then(|| self.ask(now, 1.0)));
        }
        if self.asked.is_some() {
            return Step::Wait;
        }
        let need = cost - self.left;
        if self.may_ask(now, need) {
            Step::Ask(self.ask(now, need))
        } else {
            Step::Refused(self.refuse(now, cost))
        }
    }

    /// Milliseconds until `cost` tokens may be had.
    pub(super) fn refuse(&self, now: Instant, cost: f64) -> u64 {
        let enough = self.enough(cost - self.left);
        wait_ms(enough, self.level(now), self.per_second, self.burst)
    }

    /// Takes from what the bucket is thought to have, because it does not answer.
    pub(super) fn take_alone(&mut self, now: Instant, cost: f64) -> Result<(), u64> {
        let need = (cost - self.left).max(0.0);
        let level = self.level(now);
        if level + ROUNDING < need {
            return Err(wait_ms(need, level, self.per_second, self.burst));
        }
        self.left -= cost - need;
        self.level = (level - need).max(0.0);
        self.at = now;
        self.debt = (self.debt + need).min(self.burst);
        Ok(())
    }

    pub(super) fn answered(&mut self, now: Instant, given: f64, rest: f64) {
        let want = self.asked.take().map_or(0.0, |asked| asked.want);
        self.left += given;
        // What came too late for the one who waited pays for what he took meanwhile.
        let paid = self.left.min(self.debt);
        self.left -= paid;
        self.debt -= paid;
        self.level = (rest - self.debt).max(0.0);
        self.at = now;
        self.scarce = given + ROUNDING < want;
    }

    /// The bucket did not answer. What was asked may have happened; then those tokens are lost, and come back
    /// with time.
    pub(super) fn failed(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.debt = (self.debt + asked.settle.max(0.0)).min(self.burst);
        }
    }

    /// The bucket was not even asked.
    pub(super) fn unsent(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.left += (-asked.settle).max(0.0);
            self.debt = (self.debt + asked.settle.max(0.0)).min(self.burst);
        }
    }

    /// What a node that does not use its lease gives back, and settles.
    pub(super) fn give_back(&mut self, now: Instant) -> Option<LeaseTerms> {
        if self.asked.is_some() || !self.is_idle(now) || (self.left == 0.0 && self.debt == 0.0) {
            return None;
        }
        self.wanted = 0.5;
        let left = std::mem::take(&mut self.left);
        Some(self.send_off(0.0, 0.0, -left))
    }

    /// What a lease gives back and settles that has to go.
    pub(super) fn give_up(mut self) -> Option<LeaseTerms> {
        let left = std::mem::take(&mut self.left);
        let terms = self.send_off(0.0, 0.0, -left);
        (terms.settle != 0.0).then_some(terms)
    }

    /// How full its bucket is, from 0 to 1; less, if it is being asked.
    pub(super) fn fullness(&self, now: Instant) -> f64 {
        let asked = if self.asked.is_some() { 1.0 } else { 0.0 };
        self.level(now) / self.burst.max(1.0) - asked
    }

    /// Whether nothing would be lost by forgetting it.
    pub(super) fn is_forgettable(&self, now: Instant) -> bool {
        let holds_nothing = self.asked.is_none() && self.left == 0.0 && self.debt == 0.0;
        holds_nothing && self.is_idle(now) && self.level(now) >= self.burst
    }

    /// Whether the bucket is being asked.
    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    fn is_idle(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= IDLE
    }

    fn ask(&mut self, now: Instant, need: f64) -> LeaseTerms {
        let passed = now.saturating_duration_since(self.since).as_secs_f64().max(1e-3);
        let demand = self.offered / passed * LEASE.as_secs_f64();
        // At most twice what it was: a first message does not make a customer.
        self.wanted = demand.min(self.wanted * 2.0).min(self.burst / PART).floor().max(1.0);
        self.offered = 0.0;
        self.since = now;
        let want = if self.is_leased() { self.wanted.max(need) } else { need };
        self.send_off(need, want, 0.0)
    }

    fn send_off(&mut self, need: f64, want: f64, settle: f64) -> LeaseTerms {
        let terms = LeaseTerms {
            per_second: self.per_second,
            burst: self.burst,
            settle: settle + std::mem::take(&mut self.debt),
            need,
            want,
        };
        self.asked = Some(terms);
        terms
    }

    /// Whether tokens are had in advance. A bucket that never refills would not get back what a node lost.
    fn is_leased(&self) -> bool {
        self.burst >= PART * 2.0 && self.per_second > 0.0
    }

    /// Whether the bucket may have what is needed.
    fn may_ask(&self, now: Instant, need: f64) -> bool {
        self.level(now) + ROUNDING >= self.enough(need) || now.saturating_duration_since(self.at) >= LOOK_AGAIN
    }

    /// What it is worth asking for: of a bucket that ran dry, more than the next token, for which all nodes wait.
    fn enough(&self, need: f64) -> f64 {
        if self.scarce && self.is_leased() {
            let grain = (self.per_second * GRAIN.as_secs_f64()).min(self.burst / PART);
            need.max(grain)
        } else {
            need
        }
    }

    /// What the bucket has now, if nobody else took any.
    fn level(&self, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        (self.level + seconds * self.per_second).min(self.burst)
    }
}
