//! The time of day, on the broker's clock or on a test's. Knows no time zones.

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    crate::broker::now_ms()
}
