//! Token buckets, the plugin's own within its tenant, shared by all its instances. Needs the grant
//! `limiter`.

/// The bucket held too little; nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty {
    /// Milliseconds until the same take would succeed. `None`: never, because the cost is over the burst
    /// or the bucket does not refill.
    pub retry_after_ms: Option<u64>,
}

/// Takes `cost` tokens from the bucket `key`, which holds at most `burst` and regains `per_second`.
///
/// # Errors
/// [`Empty`] when the bucket holds less than `cost`.
pub fn take(key: &str, per_second: f64, burst: u32, cost: u32) -> Result<(), Empty> {
    crate::broker::limiter_take(key, per_second, burst, cost).map_err(|ms| Empty {
        retry_after_ms: (ms != u64::MAX).then_some(ms),
    })
}
