//! Limits log lines that clients can cause at will: one a second, with the number of those left out.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Between two lines of one kind.
const APART_MS: u64 = 1000;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Limits one kind of line.
#[derive(Default)]
pub struct LogThrottle {
    /// When the next line may be written, in milliseconds since the process began.
    next_ms: AtomicU64,
    left_out: AtomicU64,
}

impl LogThrottle {
    pub const fn new() -> Self {
        Self {
            next_ms: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// Returns nothing if no line may be written now; else the number of lines left out since the last one.
    pub fn allow(&self) -> Option<u64> {
        self.allow_at(u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn allow_at(&self, now_ms: u64) -> Option<u64> {
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let is_first = now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(next_ms, now_ms + APART_MS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_first {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[test]
fn one_line_a_second_tells_of_all() {
    let throttle = LogThrottle::new();
    assert_eq!(throttle.allow_at(5), Some(0));
    for now_ms in 6..506 {
        assert_eq!(throttle.allow_at(now_ms), None);
    }
    assert_eq!(throttle.allow_at(1005), Some(500));
    assert_eq!(throttle.allow_at(1006), None);
    assert_eq!(throttle.allow_at(9000), Some(1));
}
