//! A circuit breaker: a hook that fails for most of its clients is not asked for a while, on any shard. One client, or
//! some among many, cannot open it: theirs are other calls' good answers (see `suspension.rs` for what becomes of them).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::client::ClientKey;

/// So many clients with a fault each …
const CLIENTS: usize = 5;
/// … of which the first was at least so long ago …
const LEAST: Duration = Duration::from_millis(500);
/// … and at most so long …
const WINDOW: Duration = Duration::from_secs(10);
/// … and no more good answers to anybody since then than there are such clients open the circuit …
const GOOD_PER_CLIENT: u64 = 1;
/// … for so long at first; a failed trial doubles it …
const OPEN_FIRST: Duration = Duration::from_secs(1);
/// … up to this.
const OPEN_LONGEST: Duration = Duration::from_secs(30);
/// Clients that are remembered; of more, those whose faults are the latest.
const REMEMBERED: usize = 64;

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
        /// The clients that faulted lately, in the order of their first faults.
        failing: VecDeque<Failing>,
    },
    Open {
        until: Instant,
        wait: Duration,
        /// Whose trial failed last. It waits twice as long, so that another's call tries first.
        failed: Option<ClientKey>,
    },
    /// One call tries whether the plugin works again. If its end is never reported, there is another trial
    /// after `until`.
    HalfOpen { until: Instant, wait: Duration },
}

/// A client that faulted. Its further faults within the window count no more.
#[derive(Debug)]
struct Failing {
    client: ClientKey,
    at: Instant,
    /// Good answers of the hook up to then, on all shards.
    good: u64,
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed {
            failing: VecDeque::new(),
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
    pub(super) fn admit(&self, client: impl FnOnce() -> ClientKey, now: impl FnOnce() -> Instant) -> Option<Pass> {
        if !self.tripped.load(Ordering::Relaxed) {
            return Some(Pass::Normal);
        }
        self.admit_trial(client(), now())
    }

    #[cold]
    fn admit_trial(&self, client: ClientKey, now: Instant) -> Option<Pass> {
        let mut circuit = self.circuit.lock();
        let (due, wait) = match *circuit {
            Circuit::Closed { .. } => return Some(Pass::Normal),
            Circuit::Open { until, wait, failed } if failed == Some(client) => (until + wait, wait),
            Circuit::Open { until, wait, .. } | Circuit::HalfOpen { until, wait } => (until, wait),
        };
        if now < due {
            return None;
        }
        *circuit = Circuit::HalfOpen {
            until: now + OPEN_LONGEST,
            wait,
        };
        Some(Pass::Trial)
    }

    /// Whether [`Breaker::admit`] would give leave to somebody.
    pub(super) fn would_admit(&self, now: impl FnOnce() -> Instant) -> bool {
        if !self.tripped.load(Ordering::Relaxed) {
            return true;
        }
        match *self.circuit.lock() {
            Circuit::Closed { .. } => true,
            Circuit::Open { until, .. } | Circuit::HalfOpen { until, .. } => now() >= until,
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

    /// A call of `client` faulted. `good`: how many good answers the hook has given so far, on all shards.
    pub(super) fn fault(&self, pass: Pass, client: ClientKey, good: u64, now: Instant) -> Tripped {
        let mut circuit = self.circuit.lock();
        let (wait, failed) = match (&mut *circuit, pass) {
            (Circuit::HalfOpen { wait, .. }, Pass::Trial) => ((*wait * 2).min(OPEN_LONGEST), Some(client)),
            (Circuit::Closed { failing }, _) => {
                remember(failing, Failing { client, at: now, good });
                if !fails_for_most(failing, good, now) {
                    return Tripped::No;
                }
                (OPEN_FIRST, None)
            }
            // A call that another shard began before the circuit opened: what it says is known.
            (Circuit::Open { .. } | Circuit::HalfOpen { .. }, _) => return Tripped::No,
        };
        *circuit = Circuit::Open {
            until: now + wait,
            wait,
            failed,
        };
        self.tripped.store(true, Ordering::Relaxed);
        Tripped::For(wait)
    }
}

fn remember(failing: &mut VecDeque<Failing>, latest: Failing) {
    while failing
        .front()
        .is_some_and(|first| latest.at.duration_since(first.at) > WINDOW)
    {
        failing.pop_front();
    }
    if failing.iter().any(|known| known.client == latest.client) {
        return;
    }
    if failing.len() == REMEMBERED {
        failing.pop_front();
    }
    failing.push_back(latest);
}

/// Whether, since the first fault of some client in the window, at least half of what the hook did was to fail:
/// clients with a fault on one side, good answers on the other.
fn fails_for_most(failing: &VecDeque<Failing>, good: u64, now: Instant) -> bool {
    failing.iter().enumerate().any(|(before, first)| {
        let clients = failing.len() - before;
        let good_since = good.saturating_sub(first.good);
        let enough = clients >= CLIENTS && now.duration_since(first.at) >= LEAST;
        enough && good_since <= GOOD_PER_CLIENT * clients as u64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn client(number: usize) -> ClientKey {
        ClientKey::numbered(number)
    }

    /// Admits the call of a client that is no part of the test.
    fn admit(breaker: &Breaker, now: Instant) -> Option<Pass> {
        breaker.admit(|| client(99), || now)
    }

    /// Opened at the returned time.
    fn opened(begin: Instant) -> (Breaker, Instant) {
        let breaker = Breaker::default();
        for number in 1..=CLIENTS {
            assert_eq!(breaker.fault(Pass::Normal, client(number), 0, begin), Tripped::No);
        }
        let now = begin + LEAST;
        assert_eq!(breaker.fault(Pass::Normal, client(1), 0, now), Tripped::For(OPEN_FIRST));
        (breaker, now)
    }

    #[test]
    fn what_fails_for_all_is_not_asked_and_one_good_trial_closes_it() {
        let (breaker, now) = opened(Instant::now());
        assert_eq!(admit(&breaker, now), None);
        assert!(!breaker.would_admit(|| now));
        assert!(breaker.would_admit(|| now + SECOND), "asking takes no trial");
        assert_eq!(admit(&breaker, now + SECOND), Some(Pass::Trial));
        assert_eq!(admit(&breaker, now + SECOND), None, "one trial at a time");
        assert!(!breaker.would_admit(|| now + SECOND));
        assert!(breaker.succeed(Pass::Trial));
        assert!(breaker.would_admit(|| now));
        assert_eq!(admit(&breaker, now + SECOND), Some(Pass::Normal));
    }

    #[test]
    fn clients_whose_calls_fail_do_not_open_it_by_themselves() {
        for (clients, faults, good_per_fault, opens) in [
            // However often, and though nobody else calls.
            (1, 1_000, 0, false),
            (CLIENTS - 1, 1_000, 0, false),
            // Among others' good answers, though there are fewer of these than faults in the end.
            (CLIENTS, 1_000, 1, false),
            (REMEMBERED * 2, 1_000, 2, false),
            // Those are hardly any.
            (REMEMBERED, 1_000, 0, true),
        ] {
            let breaker = Breaker::default();
            let mut now = Instant::now();
            let mut good = 0;
            let mut opened = false;
            for number in 0..faults {
                now += Duration::from_millis(20);
                good += good_per_fault;
                opened |= breaker.fault(Pass::Normal, client(number % clients), good, now) != Tripped::No;
            }
            assert_eq!(
                opened, opens,
                "{clients} clients, {good_per_fault} good answers a fault"
            );
        }
    }

    #[test]
    fn good_answers_before_it_broke_do_not_keep_it_closed() {
        let breaker = Breaker::default();
        let begin = Instant::now();
        assert_eq!(breaker.fault(Pass::Normal, client(0), 0, begin), Tripped::No);
        let (mut now, good) = (begin + SECOND * 5, 5_000);
        let mut opened = None;
        for number in 1..=40 {
            now += Duration::from_millis(50);
            if breaker.fault(Pass::Normal, client(number), good, now) != Tripped::No {
                opened.get_or_insert(now);
            }
        }
        let took = opened.expect("open") - (begin + SECOND * 5);
        assert!(took < SECOND, "{took:?}");
    }

    #[test]
    fn faults_far_apart_do_not_open_it() {
        let mut now = Instant::now();
        let breaker = Breaker::default();
        for number in 0..50 {
            assert_eq!(breaker.fault(Pass::Normal, client(number), 0, now), Tripped::No);
            now += SECOND * 3;
        }
    }

    #[test]
    fn failed_trials_double_the_wait_up_to_its_limit() {
        let (breaker, mut now) = opened(Instant::now());
        let mut wait = OPEN_FIRST;
        for seconds in [2, 4, 8, 16, 30, 30] {
            now += wait;
            assert_eq!(admit(&breaker, now), Some(Pass::Trial));
            wait = Duration::from_secs(seconds);
            assert_eq!(breaker.fault(Pass::Trial, client(1), 0, now), Tripped::For(wait));
        }
    }

    #[test]
    fn whose_trial_failed_lets_others_try_first() {
        let (breaker, now) = opened(Instant::now());
        let bad = |now| breaker.admit(|| client(1), || now);
        assert_eq!(bad(now + SECOND), Some(Pass::Trial));
        assert_eq!(
            breaker.fault(Pass::Trial, client(1), 0, now + SECOND),
            Tripped::For(SECOND * 2)
        );
        assert_eq!(bad(now + SECOND * 3), None);
        assert_eq!(admit(&breaker, now + SECOND * 3), Some(Pass::Trial));
        assert_eq!(
            breaker.fault(Pass::Trial, client(99), 0, now + SECOND * 3),
            Tripped::For(SECOND * 4)
        );
        assert_eq!(bad(now + SECOND * 7), Some(Pass::Trial), "another was the last");
    }

    #[test]
    fn a_late_fault_of_another_shard_does_not_lengthen_the_wait() {
        let (breaker, now) = opened(Instant::now());
        assert_eq!(breaker.fault(Pass::Normal, client(2), 0, now), Tripped::No);
        assert_eq!(admit(&breaker, now + SECOND), Some(Pass::Trial));
        assert_eq!(breaker.fault(Pass::Normal, client(2), 0, now + SECOND), Tripped::No);
        assert!(breaker.succeed(Pass::Trial));
    }
}
