use std::sync::Arc;
use std::time::{Duration, Instant};

use super::test_store::{TestStore, TestStoreState};
use crate::shared::*;
use crate::{Clock, KvError};
use crate::{Kv, WaitBudget};

/// Of a hook with the default deadline.
fn budget() -> WaitBudget {
    WaitBudget::within(Duration::from_millis(5))
}

fn connected() -> (Arc<TestStore>, SharedKv) {
    let store = TestStore::new(Clock::held());
    let line = Arc::new(StoreHandle::default());
    line.connect(store.clone());
    (store, SharedKv::new(line, ("acme".into(), "p".into())))
}

#[test]
fn what_is_not_connected_does_not_answer() {
    let kv = SharedKv::new(Arc::default(), ("acme".into(), "p".into()));
    assert_eq!(kv.get("k", &mut budget()), Err(KvError::Unavailable));
}

#[test]
fn limits_are_kept_without_asking() {
    let (store, kv) = connected();
    let long = "k".repeat(257);
    assert_eq!(kv.get("", &mut budget()), Err(KvError::TooLarge));
    assert_eq!(kv.get(&long, &mut budget()), Err(KvError::TooLarge));
    assert_eq!(kv.delete(&long, &mut budget()), Err(KvError::TooLarge));
    assert_eq!(kv.increment(&long, 1, None, &mut budget()), Err(KvError::TooLarge));
    let large = vec![0; 64 * 1024 + 1];
    assert_eq!(kv.set("k", &large, None, &mut budget()), Err(KvError::TooLarge));
    assert_eq!(store.asked(), []);
}

#[test]
fn a_failure_is_told_and_costs_no_wait() {
    let (store, kv) = connected();
    for mood in [TestStoreState::Down, TestStoreState::Broken] {
        store.be(mood);
        let mut budget = budget();
        assert_eq!(kv.get("k", &mut budget), Err(KvError::Unavailable));
        assert!(!budget.left().is_zero(), "{mood:?}");
    }
    store.be(TestStoreState::Well);
    assert_eq!(kv.get("k", &mut budget()), Ok(None));
}

#[test]
fn a_call_waits_no_longer_than_its_patience_over_all_its_questions() {
    let (store, kv) = connected();
    store.be(TestStoreState::Silent);
    let mut budget = budget();
    assert_eq!(kv.get("k", &mut budget), Err(KvError::Unavailable));
    assert!(budget.left().is_zero());
    store.be(TestStoreState::Well);
    store.asked();
    assert_eq!(kv.get("k", &mut budget), Err(KvError::Unavailable));
    assert_eq!(store.asked(), []);
}

#[test]
fn after_one_wait_in_vain_nobody_asks_until_a_probe_is_answered_in_time() {
    let (store, kv) = connected();
    store.be(TestStoreState::Silent);
    assert_eq!(kv.get("k", &mut budget()), Err(KvError::Unavailable));
    let fresh = budget();
    let mut later = fresh;
    assert_eq!(kv.get("k", &mut later), Err(KvError::Unavailable));
    assert_eq!(later.left(), fresh.left(), "the second did not wait");
    assert_eq!(store.stalls(), 1);
    assert_eq!(store.asked(), [StoreRequest::Get("k".into()), StoreRequest::Probe]);
    std::thread::sleep(fresh.left());
    store.catch_up();
    assert_eq!(
        kv.get("k", &mut budget()),
        Err(KvError::Unavailable),
        "too late to be worth waiting for"
    );
    store.be(TestStoreState::Well);
    let start = Instant::now();
    while kv.get("k", &mut budget()).is_err() {
        assert!(start.elapsed() < Duration::from_secs(5), "a probe closes the fuse");
        std::thread::yield_now();
    }
}

#[test]
fn patience_is_a_part_of_the_deadline_and_bounded() {
    assert_eq!(budget().left(), Duration::from_millis(3));
    assert_eq!(
        WaitBudget::within(Duration::from_secs(9)).left(),
        Duration::from_millis(100)
    );
}
