//! A circuit breaker: after repeated faults a hook is not asked for a while, on any shard.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// This many faults …
const FAULTS: usize = 5;
/// … within this time open the circuit …
const WINDOW: Duration = Duration::from_secs(10);
/// … for so long at first; a failed trial doubles it …
const OPEN_FIRST: Duration = Duration::from_secs(1);
/// … up to this.
const OPEN_LONGEST: Duration = Duration::from_secs(30);

/// One hook of one binding, shared by all its slots.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// False while closed, so that a healthy call takes no lock.
    tripped: AtomicBool,
    circuit: Mutex<Circuit>,
}

#[derive(Debug)]
enum Circuit {
    Closed {
        faults: VecDeque<Instant>,
    },
    Open {
        until: Instant,
        wait: Duration,
    },
    /// One call tries whether the plugin works again. If its end is never reported, there is another trial
    /// after `until`.
    HalfOpen {
        until: Instant,
        wait: Duration,
    },
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed {
            faults: VecDeque::with_capacity(FAULTS),
        }
    }
}

/// Leave to call once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Normal,
    Trial,
}

/// What a fault did to the circuit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tripped {
    No,
    /// It opened, for so long.
    For(Duration),
}

// === impl Breaker ===

impl Breaker {
    /// Leave to call, unless the circuit is open. A trial must be told how it ended.
    pub(super) fn admit(&self, now: impl FnOnce() -> Instant) -> Option<Pass> {
        if !self.tripped.load(Ordering::Relaxed) {
            return Some(Pass::Normal);
        }
        let now = now();
        let mut circuit = self.circuit.lock();
        match *circuit {
            Circuit::Closed { .. } => Some(Pass::Normal),
            Circuit::Open { until, wait } | Circuit::HalfOpen { until, wait } if now >= until => {
                *circuit = Circuit::HalfOpen {
                    until: now + OPEN_LONGEST,
                    wait,
                };
                Some(Pass::Trial)
            }
            Circuit::Open { .. } | Circuit::HalfOpen { .. } => None,
        }
    }

    /// The call went well; a trial that does closes the circuit. True if it did.
    pub(super) fn succeed(&self, pass: Pass) -> bool {
        if pass == Pass::Normal {
            return false;
        }
        *self.circuit.lock() = Circuit::default();
        self.tripped.store(false, Ordering::Relaxed);
        true
    }

    pub(super) fn fault(&self, pass: Pass, now: Instant) -> Tripped {
        let mut circuit = self.circuit.lock();
        let wait = match (&mut *circuit, pass) {
            (Circuit::HalfOpen { wait, .. }, Pass::Trial) => (*wait * 2).min(OPEN_LONGEST),
            (Circuit::Closed { faults }, _) => {
                while faults.front().is_some_and(|at| now.duration_since(*at) > WINDOW) {
                    faults.pop_front();
                }
                faults.push_back(now);
                if faults.len() < FAULTS {
                    return Tripped::No;
                }
                OPEN_FIRST
            }
            // A call that another shard began before the circuit opened: what it says is known.
            (Circuit::Open { .. } | Circuit::HalfOpen { .. }, _) => return Tripped::No,
        };
        *circuit = Circuit::Open {
            until: now + wait,
            wait,
        };
        self.tripped.store(true, Ordering::Relaxed);
        Tripped::For(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::default();
        for _ in 1..FAULTS {
            assert_eq!(breaker.fault(Pass::Normal, now), Tripped::No);
        }
        assert_eq!(breaker.fault(Pass::Normal, now), Tripped::For(OPEN_FIRST));
        breaker
    }

    #[test]
    fn repeated_faults_open_it_and_one_good_trial_closes_it() {
        let now = Instant::now();
        let breaker = opened(now);
        assert_eq!(breaker.admit(|| now), None);
        assert_eq!(breaker.admit(|| now + SECOND), Some(Pass::Trial));
        assert_eq!(breaker.admit(|| now + SECOND), None, "one trial at a time");
        assert!(breaker.succeed(Pass::Trial));
        assert_eq!(breaker.admit(|| now + SECOND), Some(Pass::Normal));
    }

    #[test]
    fn faults_far_apart_do_not_open_it() {
        let mut now = Instant::now();
        let breaker = Breaker::default();
        for _ in 0..50 {
            assert_eq!(breaker.fault(Pass::Normal, now), Tripped::No);
            now += SECOND * 3;
        }
    }

    #[test]
    fn failed_trials_double_the_wait_up_to_its_limit() {
        let mut now = Instant::now();
        let breaker = opened(now);
        let mut wait = OPEN_FIRST;
        for seconds in [2, 4, 8, 16, 30, 30] {
            now += wait;
            assert_eq!(breaker.admit(|| now), Some(Pass::Trial));
            wait = Duration::from_secs(seconds);
            assert_eq!(breaker.fault(Pass::Trial, now), Tripped::For(wait));
        }
    }

    #[test]
    fn a_late_fault_of_another_shard_does_not_lengthen_the_wait() {
        let now = Instant::now();
        let breaker = opened(now);
        assert_eq!(breaker.fault(Pass::Normal, now), Tripped::No);
        assert_eq!(breaker.admit(|| now + SECOND), Some(Pass::Trial));
        assert_eq!(breaker.fault(Pass::Normal, now + SECOND), Tripped::No);
        assert!(breaker.succeed(Pass::Trial));
    }
}
