use std::sync::Arc;
use std::time::Duration;

use super::test_store::{TestStore, TestStoreState};
use crate::Clock;
use crate::limiter::{BUCKETS, LOCKS, TakeError};
use crate::shared::*;
use crate::{Limiter, WaitBudget};

fn budget() -> WaitBudget {
    WaitBudget::within(Duration::from_millis(5))
}

fn node(clock: &Clock, store: &Arc<TestStore>) -> SharedLimiter {
    let link = Arc::new(StoreLink::default());
    link.connect(store.clone());
    SharedLimiter::new(StoreHandle::new(link, ("acme".into(), "p".into())), clock.clone())
}

fn held() -> (Clock, Arc<TestStore>, SharedLimiter) {
    let clock = Clock::held();
    let store = TestStore::new(clock.clone());
    let limiter = node(&clock, &store);
    (clock, store, limiter)
}

fn take(limiter: &SharedLimiter, key: &str, per_second: f64, burst: u32, cost: u32) -> Result<(), u64> {
    limiter.take(key, per_second, burst, cost, &mut budget()).unwrap()
}

#[test]
fn two_nodes_have_one_bucket() {
    let (clock, store, a) = held();
    let b = node(&clock, &store);
    for _ in 0..5 {
        assert_eq!(take(&a, "ann", 5.0, 10, 1), Ok(()));
        assert_eq!(take(&b, "ann", 5.0, 10, 1), Ok(()));
    }
    assert_eq!(take(&a, "ann", 5.0, 10, 1), Err(200));
    assert_eq!(take(&b, "ann", 5.0, 10, 1), Err(200));
    assert_eq!(take(&b, "bob", 5.0, 10, 1), Ok(()), "each key has its own");
    clock.advance(Duration::from_millis(200));
    assert_eq!(take(&b, "ann", 5.0, 10, 1), Ok(()));
    assert_eq!(take(&a, "ann", 5.0, 10, 1), Err(200));
}

#[test]
fn a_cost_over_the_burst_never_passes() {
    let (_, store, limiter) = held();
    assert_eq!(take(&limiter, "ann", 5.0, 10, 11), Err(u64::MAX));
    assert_eq!(store.asked(), []);
    assert_eq!(take(&limiter, "ann", 0.0, 2, 2), Ok(()));
    assert_eq!(take(&limiter, "ann", 0.0, 2, 1), Err(u64::MAX));
}

#[test]
fn questions_without_an_answer_are_errors() {
    let (_, _, limiter) = held();
    for rate in [-1.0, f64::NAN, f64::INFINITY] {
        let taken = limiter.take("a", rate, 1, 1, &mut budget());
        assert!(matches!(taken, Err(TakeError::Rate(_))), "{rate}");
    }
    let taken = limiter.take(&"a".repeat(257), 1.0, 1, 1, &mut budget());
    assert_eq!(taken, Err(TakeError::Key(257)));
}

#[test]
fn without_a_store_each_node_has_the_whole_limit_and_settles_later() {
    let (_, store, limiter) = held();
    for mood in [TestStoreState::Down, TestStoreState::Broken] {
        store.be(mood);
        let key = format!("{mood:?}");
        for _ in 0..10 {
            assert_eq!(take(&limiter, &key, 1.0, 10, 1), Ok(()));
        }
        assert_eq!(take(&limiter, &key, 1.0, 10, 1), Err(1000));
        store.be(TestStoreState::Well);
    }
    store.asked();
    let (clock, store, limiter) = held();
    store.be(TestStoreState::Down);
    for _ in 0..6 {
        take(&limiter, "ann", 1.0, 10, 1).unwrap();
    }
    store.be(TestStoreState::Well);
    clock.advance(Duration::from_millis(300));
    limiter.sweep();
    let other = node(&clock, &store);
    let passed = (0..20).filter(|_| take(&other, "ann", 1.0, 10, 1).is_ok()).count();
    assert_eq!(passed, 4);
}

#[test]
fn a_flood_of_keys_takes_no_more_than_its_room_and_holds_no_tokens() {
    let (_, store, limiter) = held();
    for n in 0..LOCKS * BUCKETS * 2 {
        for _ in 0..4 {
            take(&limiter, &format!("key-{n}"), 1.0, 100, 1).unwrap();
        }
    }
    assert!(limiter.len() <= LOCKS * BUCKETS);
    let came_back = |request: &StoreRequest| matches!(request, StoreRequest::Lease { terms, .. } if terms.settle < 0.0);
    let given_back = store.asked().iter().filter(|request| came_back(request)).count();
    assert!(given_back >= LOCKS * BUCKETS / 2, "{given_back}");
}

#[test]
fn what_need_not_be_known_is_forgotten() {
    let (clock, _, limiter) = held();
    for n in 0..100 {
        for _ in 0..4 {
            take(&limiter, &format!("key-{n}"), 10.0, 100, 1).unwrap();
        }
    }
    clock.advance(Duration::from_millis(200));
    limiter.sweep();
    assert_eq!(limiter.len(), 100, "their leases are given back");
    clock.advance(Duration::from_secs(1));
    limiter.sweep();
    assert_eq!(limiter.len(), 0);
}
