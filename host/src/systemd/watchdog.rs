//! Tells the service manager that the broker is well, for as long as each of its threads makes progress.
//!
//! A task of each thread's own event loop counts. A loop that hangs counts nothing, and while one does, nothing
//! is said: after `WatchdogSec` systemd ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::environment::Environment;
use super::manager::ServiceManager;

/// Counts of a thread within the time that the manager waits. It is told after half of that time; a thread that hung for a moment
/// then has the other half to go on.
const COUNTS: u32 = 8;
/// Between two counts at least, whatever the manager asks for.
const LEAST: Duration = Duration::from_millis(1);

/// Watches threads.
#[derive(Debug)]
pub(crate) struct Watchdog {
    /// The time that the manager waits.
    limit: Duration,
    threads: Vec<WatchedThread>,
}

#[derive(Debug)]
struct WatchedThread {
    name: String,
    counted: Arc<AtomicU64>,
    /// At the time when the manager was told last.
    told: u64,
}

/// The counter of one thread.
#[derive(Debug)]
pub(crate) struct ThreadProgress {
    counted: Arc<AtomicU64>,
    every: Duration,
}

/// What there is to do after a look.
#[derive(Debug, PartialEq, Eq)]
enum WatchdogLook {
    /// It is too early.
    Wait,
    /// All threads made progress.
    Tell,
    /// These threads made none.
    Stalled(Vec<String>),
}

// === impl Watchdog ===

impl Watchdog {
    /// None: the manager waits for nothing.
    pub(crate) fn of(environment: &Environment) -> Option<Self> {
        environment.watchdog.map(Self::new)
    }

    fn new(limit: Duration) -> Self {
        Self {
            limit,
            threads: Vec::new(),
        }
    }

    /// The counter of one more thread.
    pub(crate) fn watch(&mut self, name: String) -> ThreadProgress {
        let counted = Arc::default();
        self.threads.push(WatchedThread {
            name,
            counted: Arc::clone(&counted),
            told: 0,
        });
        ThreadProgress {
            counted,
            every: self.every(),
        }
    }

    fn every(&self) -> Duration {
        (self.limit / COUNTS).max(LEAST)
    }

    /// Looks for ever.
    pub(crate) async fn run(mut self, manager: ServiceManager) {
        let mut ticks = interval(self.every());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Instant::now();
        let mut stalled = Vec::new();
        loop {
            ticks.tick().await;
            match self.look(told.elapsed()) {
                WatchdogLook::Tell => {
                    manager.is_well();
                    told = Instant::now();
                    stalled.clear();
                }
                WatchdogLook::Stalled(threads) if threads != stalled => {
                    let limit = self.limit;
                    tracing::warn!(
                        ?threads,
                        ?limit,
                        "threads make no progress: the watchdog hears nothing until they do"
                    );
                    stalled = threads;
                }
                WatchdogLook::Wait | WatchdogLook::Stalled(_) => {}
            }
        }
    }

    /// `since` is how long ago the manager was told.
    fn look(&mut self, since: Duration) -> WatchdogLook {
        if since < self.limit / 2 {
            return WatchdogLook::Wait;
        }
        let stalled = self.threads.iter().filter(|thread| thread.is_stalled());
        let stalled: Vec<String> = stalled.map(|thread| thread.name.clone()).collect();
        if !stalled.is_empty() {
            return WatchdogLook::Stalled(stalled);
        }
        for thread in &mut self.threads {
            thread.told = thread.counted.load(Ordering::Relaxed);
        }
        WatchdogLook::Tell
    }
}

// === impl WatchedThread ===

impl WatchedThread {
    fn is_stalled(&self) -> bool {
        self.counted.load(Ordering::Relaxed) == self.told
    }
}

// === impl ThreadProgress ===

impl ThreadProgress {
    /// Counts for ever, on the event loop that polls it.
    pub(crate) async fn count(self) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.counted.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_after_half_of_the_time_and_only_if_every_thread_made_progress() {
        let mut watchdog = Watchdog::new(Duration::from_secs(8));
        let (one, other) = (watchdog.watch("one".into()), watchdog.watch("other".into()));
        let count = |thread: &ThreadProgress| thread.counted.fetch_add(1, Ordering::Relaxed);
        let seconds = Duration::from_secs;
        assert_eq!(watchdog.look(seconds(3)), WatchdogLook::Wait);
        assert_eq!(
            watchdog.look(seconds(4)),
            WatchdogLook::Stalled(vec!["one".into(), "other".into()])
        );
        count(&one);
        assert_eq!(watchdog.look(seconds(4)), WatchdogLook::Stalled(vec!["other".into()]));
        count(&other);
        assert_eq!(watchdog.look(seconds(3)), WatchdogLook::Wait);
        assert_eq!(watchdog.look(seconds(7)), WatchdogLook::Tell);
        // What was counted before does not count again.
        count(&other);
        assert_eq!(watchdog.look(seconds(4)), WatchdogLook::Stalled(vec!["one".into()]));
        assert_eq!(one.every, seconds(1));
    }
}
