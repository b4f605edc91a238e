//! What a plugin's `limiter` is, wherever its token buckets are kept, and the arithmetic that all of them share.

use sluicegate_contract::limits::LIMITER_KEY_BYTES as KEY_BYTES;
use thiserror::Error;

use crate::wait_budget::WaitBudget;

/// Locks of a limiter, so that host shards seldom wait for each other.
pub(crate) const LOCKS: usize = 16;
/// Buckets under one lock, and in one part of a shared store. Beyond that, one that is nearest to full goes: whoever
/// floods the limiter with keys frees the buckets that were idle longest.
pub(crate) const BUCKETS: usize = if cfg!(test) { 64 } else { 4_096 };
/// How many buckets are looked at when one has to go.
pub(crate) const SAMPLE: usize = 16;
/// Tokens that rounding may have taken. A wait that was promised must be enough.
pub(crate) const ROUNDING: f64 = 1e-6;

/// The token buckets of one plugin in one tenant.
pub trait Limiter: Send + Sync {
    /// Takes `cost` tokens from the bucket `key`. Refused: the milliseconds after which it would succeed, or
    /// `u64::MAX` if it never will. `budget` is how long the calling hook may still wait for other nodes.
    fn take(&self, key: &str, per_second: f64, burst: u32, cost: u32, budget: &mut WaitBudget) -> Take;

    /// Gives back to the other nodes what nobody here uses.
    fn sweep(&self) {}
}

/// What came of a take.
pub type Take = Result<Result<(), u64>, TakeError>;

/// A take that no bucket can answer.
#[derive(Debug, PartialEq, Error)]
pub enum TakeError {
    /// The key's length in bytes.
    #[error("a limiter's key has at most {KEY_BYTES} bytes, not {0}")]
    Key(usize),
    /// The rate that was asked for, in tokens a second.
    #[error("a bucket's rate is a number from 0 up, not {0}")]
    Rate(f64),
}

pub(crate) fn check(key: &str, per_second: f64) -> Result<(), TakeError> {
    if key.len() > KEY_BYTES {
        return Err(TakeError::Key(key.len()));
    }
    if !(per_second.is_finite() && per_second >= 0.0) {
        return Err(TakeError::Rate(per_second));
    }
    Ok(())
}

/// Milliseconds until a bucket with `tokens` has `cost`.
pub(crate) fn wait_ms(cost: f64, tokens: f64, per_second: f64, burst: f64) -> u64 {
    if cost > burst || per_second == 0.0 {
        return u64::MAX;
    }
    let wait = (cost - tokens) / per_second * 1e3;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and a cast from a float saturates"
    )]
    let wait = (wait - ROUNDING).ceil() as u64;
    // 0 would read as "now".
    wait.max(1)
}
