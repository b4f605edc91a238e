//! Log lines that clients can cause as often as they like: one a second, and how many there would have been.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Between two lines.
const APART_MS: u64 = 1000;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Decides for one kind of line.
#[derive(Default)]
pub struct Seldom {
    /// When the next line may come, in milliseconds of the process.
    next_ms: AtomicU64,
    kept_back: AtomicU64,
}

impl Seldom {
    /// For a `static`.
    pub const fn new() -> Self {
        Self {
            next_ms: AtomicU64::new(0),
            kept_back: AtomicU64::new(0),
        }
    }

    /// Whether a line may be written now: then how many were not, since the last one that was.
    pub fn now(&self) -> Option<u64> {
        self.at(u64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn at(&self, now_ms: u64) -> Option<u64> {
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let is_first = now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(next_ms, now_ms + APART_MS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_first {
            return Some(self.kept_back.swap(0, Ordering::Relaxed));
        }
        self.kept_back.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[test]
fn one_line_a_second_tells_of_all() {
    let seldom = Seldom::new();
    assert_eq!(seldom.at(5), Some(0));
    for now_ms in 6..506 {
        assert_eq!(seldom.at(now_ms), None);
    }
    assert_eq!(seldom.at(1005), Some(500));
    assert_eq!(seldom.at(1006), None);
    assert_eq!(seldom.at(9000), Some(1));
}
