//! A build that runs, as its guest's interruptions see it: whether it may go on.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The kernel's weight for a slow build against a shard, as a nice value: a thirtieth (sched(7)).
pub(super) const SLOW_NICE: i32 = 15;

/// How often a guest is interrupted while it is made.
const TURN: Duration = Duration::from_millis(10);
/// What the start of an instance and its `init` may take of the processor, each. The host's constant, whatever the guest
/// took the first time.
pub(super) const ALLOWANCE: Duration = Duration::from_secs(2);
/// What both may take in all, also if others had the processor for most of it.
const LONGEST: Duration = Duration::from_secs(10);

/// What a guest that was interrupted does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes on for so long.
    Next(Duration),
    /// It ends.
    Over,
}

/// A build that runs.
pub(super) struct BuildWatch {
    began: Instant,
    demand: Demand,
    is_slow: AtomicBool,
    is_displaced: AtomicBool,
    /// It ended because it was displaced.
    was_displaced: AtomicBool,
    /// It ended because nobody waits for it any more, or because others had the processor for too long.
    was_broken_off: AtomicBool,
}

/// Tells whether somebody waits for the instance.
pub(super) struct Demand(Option<Weak<DemandToken>>);

/// Whoever has it waits for an instance.
pub(super) struct DemandToken;

// === impl Demand ===

impl Demand {
    pub(super) fn always() -> Self {
        Self(None)
    }

    pub(super) fn of(wanted: Weak<DemandToken>) -> Self {
        Self(Some(wanted))
    }

    fn is_there(&self) -> bool {
        self.0.as_ref().is_none_or(|wanted| wanted.strong_count() > 0)
    }
}

// === impl BuildWatch ===

impl BuildWatch {
    /// A build that begins.
    pub(super) fn new(demand: Demand) -> Self {
        Self {
            began: Instant::now(),
            demand,
            is_slow: AtomicBool::new(false),
            is_displaced: AtomicBool::new(false),
            was_displaced: AtomicBool::new(false),
            was_broken_off: AtomicBool::new(false),
        }
    }

    /// A build on the thread of whoever wants it.
    pub(super) fn alone() -> Self {
        Self::new(Demand::always())
    }

    /// The time until the first interruption.
    pub(super) fn first_turn() -> Duration {
        TURN
    }

    /// Called on the build's own thread when a turn is over.
    pub(super) fn turn(&self) -> Turn {
        if self.is_displaced.load(Ordering::Relaxed) {
            self.was_displaced.store(true, Ordering::Relaxed);
            return Turn::Over;
        }
        if self.began.elapsed() >= LONGEST || !self.demand.is_there() {
            self.was_broken_off.store(true, Ordering::Relaxed);
            return Turn::Over;
        }
        if self.is_slow.swap(false, Ordering::Relaxed) {
            lower_priority(SLOW_NICE);
        }
        Turn::Next(TURN)
    }

    /// It goes on in the slow lane.
    pub(super) fn slow_down(&self) {
        self.is_slow.store(true, Ordering::Relaxed);
    }

    /// It has to end, and will be made again.
    pub(super) fn displace(&self) {
        self.is_displaced.store(true, Ordering::Relaxed);
    }

    pub(super) fn was_displaced(&self) -> bool {
        self.was_displaced.load(Ordering::Relaxed)
    }

    /// Whether the guest was given the time that it may take: then it is its own doing if it did not end.
    pub(super) fn was_whole(&self) -> bool {
        !self.was_displaced() && !self.was_broken_off.load(Ordering::Relaxed)
    }
}

/// Lets the kernel prefer other threads to this one, for good: nobody but root gets a priority back.
pub(super) fn lower_priority(nice: i32) {
    // On Linux it is the priority of a thread. Where it is not changed the builds are as fair among each other.
    rustix::process::setpriority_process(None, nice).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_displaced_build_ends_with_its_turn() {
        let watch = BuildWatch::alone();
        assert_eq!(watch.turn(), Turn::Next(TURN));
        watch.displace();
        assert_eq!(watch.turn(), Turn::Over);
        assert!(watch.was_displaced());
    }

    #[test]
    fn a_build_that_nobody_waits_for_ends_with_its_turn() {
        let wanted = Arc::new(DemandToken);
        let watch = BuildWatch::new(Demand::of(Arc::downgrade(&wanted)));
        assert_eq!(watch.turn(), Turn::Next(TURN));
        drop(wanted);
        assert_eq!(watch.turn(), Turn::Over);
        assert!(!watch.was_whole());
    }
}
