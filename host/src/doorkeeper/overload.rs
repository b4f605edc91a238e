//! Whether there is time and memory for more clients. Those who are connected notice nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use config::DoorSettings;
use door::LagWatch;
use parking_lot::Mutex;
use tokio::sync::watch;

/// How often a shard looks whether it is late.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often the process's memory is looked at.
const MEASURE_EVERY: Duration = Duration::from_millis(500);

/// Whether the event loop of one shard is late.
#[derive(Default)]
pub struct ShardLag(Mutex<LagWatch>);

// === impl ShardLag ===

impl ShardLag {
    /// Whether it was late a moment ago.
    pub(super) fn is_late(&self) -> bool {
        self.0.lock().is_late(Instant::now())
    }

    /// Looks again and again while there is a bound, on the shard's own thread. Without one it sleeps.
    pub(super) async fn watch(&self, mut settings: watch::Receiver<DoorSettings>) {
        loop {
            let bound = settings.borrow_and_update().shed_lag;
            let due = tokio::time::Instant::now() + LOOK_EVERY;
            tokio::select! {
                changed = settings.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep_until(due), if bound.is_some() => {
                    let bound = bound.unwrap_or(Duration::MAX);
                    self.0.lock().looked(due.into_std(), Instant::now(), bound);
                }
            }
        }
    }
}

/// Whether the process has more memory than it should.
#[derive(Default)]
pub(super) struct MemoryWatch {
    is_short: AtomicBool,
}

// === impl MemoryWatch ===

impl MemoryWatch {
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// Looks again and again while there is a bound. Without one it sleeps.
    pub(super) async fn watch(&self, mut settings: watch::Receiver<DoorSettings>) {
        loop {
            let bound = settings.borrow_and_update().shed_memory_bytes;
            let is_short = bound.is_some_and(|bound| resident_bytes().is_some_and(|bytes| bytes > bound));
            if self.is_short.swap(is_short, Ordering::Relaxed) != is_short {
                tracing::warn!(is_short, bound, "resident memory passed server.door.shed_memory_mib");
            }
            tokio::select! {
                changed = settings.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep(MEASURE_EVERY), if bound.is_some() => {}
            }
        }
    }
}

/// The process's resident memory (`proc_pid_status(5)`). None: the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

#[test]
fn the_system_tells_how_much_memory_is_resident() {
    assert!(resident_bytes().unwrap() > 1_048_576);
}
