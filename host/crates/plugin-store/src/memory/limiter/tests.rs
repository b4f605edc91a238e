use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::limiter::TakeError;

fn held() -> (Clock, MemoryLimiter) {
    let clock = Clock::held();
    (clock.clone(), MemoryLimiter::new(clock))
}

fn take(limiter: &MemoryLimiter, key: &str, per_second: f64, burst: u32, cost: u32) -> Result<(), u64> {
    limiter.take_now(key, per_second, burst, cost).unwrap()
}

#[test]
fn a_bucket_gives_its_burst_and_then_its_rate() {
    let (clock, limiter) = held();
    for _ in 0..10 {
        assert_eq!(take(&limiter, "ann", 5.0, 10, 1), Ok(()));
    }
    assert_eq!(take(&limiter, "ann", 5.0, 10, 1), Err(200));
    assert_eq!(take(&limiter, "bob", 5.0, 10, 1), Ok(()), "each key has its own");
    clock.advance(Duration::from_millis(199));
    assert_eq!(take(&limiter, "ann", 5.0, 10, 1), Err(1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(take(&limiter, "ann", 5.0, 10, 1), Ok(()));
    clock.advance(Duration::from_hours(1));
    assert_eq!(
        take(&limiter, "ann", 5.0, 10, 11),
        Err(u64::MAX),
        "never more than the burst"
    );
    assert_eq!(take(&limiter, "ann", 5.0, 10, 10), Ok(()));
}

#[test]
fn a_refusal_takes_nothing() {
    let (clock, limiter) = held();
    assert_eq!(take(&limiter, "ann", 1.0, 3, 2), Ok(()));
    for _ in 0..100 {
        assert_eq!(take(&limiter, "ann", 1.0, 3, 2), Err(1_000));
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(take(&limiter, "ann", 1.0, 3, 2), Ok(()));
}

#[test]
fn a_bucket_that_does_not_refill_gives_its_burst_once() {
    let (clock, limiter) = held();
    assert_eq!(take(&limiter, "ann", 0.0, 2, 2), Ok(()));
    clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(take(&limiter, "ann", 0.0, 2, 1), Err(u64::MAX));
}

#[test]
fn questions_without_an_answer_are_errors() {
    let (_, limiter) = held();
    for rate in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(
            matches!(limiter.take_now("a", rate, 1, 1), Err(TakeError::Rate(_))),
            "{rate}"
        );
    }
    assert_eq!(limiter.take_now(&"a".repeat(257), 1.0, 1, 1), Err(TakeError::Key(257)));
}

#[test]
fn a_flood_of_keys_takes_no_more_than_its_room() {
    let (_, limiter) = held();
    for n in 0..LOCKS * BUCKETS * 2 {
        assert_eq!(take(&limiter, &format!("key-{n}"), 1.0, 2, 1), Ok(()));
    }
    let held: usize = limiter.shards.iter().map(|shard| shard.lock().len()).sum();
    assert!(held <= LOCKS * BUCKETS);
}

#[test]
fn a_new_bucket_in_a_full_limiter_looks_at_a_few_others_whatever_their_rate() {
    for rate in [0.0, 1e-9, 1.0, 1e9] {
        let (_, limiter) = held();
        for n in 0..LOCKS * BUCKETS * 4 {
            take(&limiter, &format!("key-{n}"), rate, 2, 1).unwrap();
        }
        let visits: usize = limiter.shards.iter().map(|shard| shard.lock().visits).sum();
        assert!(visits <= LOCKS * BUCKETS * 4 * SAMPLE * 2, "{visits} at {rate}/s");
    }
}

#[test]
fn buckets_that_are_full_again_make_room_first() {
    let (clock, limiter) = held();
    for n in 0..LOCKS * BUCKETS * 2 {
        take(&limiter, &format!("old-{n}"), 1.0, 2, 1).unwrap();
    }
    clock.advance(Duration::from_secs(10));
    take(&limiter, "ann", 0.001, 1, 1).unwrap();
    for n in 0..LOCKS * BUCKETS / 2 {
        take(&limiter, &format!("new-{n}"), 1.0, 2, 1).unwrap();
    }
    assert!(
        take(&limiter, "ann", 0.001, 1, 1).is_err(),
        "an empty bucket is kept while there are full ones"
    );
}

proptest! {
    /// Over any run of takes no more is given than the burst and what the rate brought, and a wait that
    /// was promised is enough.
    #[test]
    fn never_more_than_burst_and_rate(
        per_second in 0.1f64..500.0,
        burst in 1u32..50,
        steps in prop::collection::vec((0u64..2_000, 1u32..5), 1..200),
    ) {
        let (clock, limiter) = held();
        let mut given = 0.0;
        let mut passed = Duration::ZERO;
        for (millis, cost) in steps {
            let step = Duration::from_millis(millis);
            clock.advance(step);
            passed += step;
            match take(&limiter, "k", per_second, burst, cost) {
                Ok(()) => given += f64::from(cost),
                Err(u64::MAX) => prop_assert!(cost > burst),
                Err(wait) => {
                    let wait = Duration::from_millis(wait);
                    clock.advance(wait);
                    passed += wait;
                    prop_assert_eq!(take(&limiter, "k", per_second, burst, cost), Ok(()));
                    given += f64::from(cost);
                }
            }
            let most = f64::from(burst) + per_second * passed.as_secs_f64();
            prop_assert!(given <= most + 1e-3, "{given} of {most}");
        }
    }
}
