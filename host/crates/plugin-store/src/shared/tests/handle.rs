use std::sync::Arc;
use std::time::{Duration, Instant};

use super::test_store::{TestStore, TestStoreState};
use crate::shared::*;
use crate::{Clock, KvError};
use crate::{Kv, Limiter, WaitBudget};

/// Of a hook with the default deadline.
fn budget() -> WaitBudget {
    WaitBudget::within(Duration::from_millis(5))
}

fn connected() -> (Arc<TestStore>, SharedKv) {
    let (store, link) = linked();
    (store, kv(&link, "acme"))
}

fn linked() -> (Arc<TestStore>, Arc<StoreLink>) {
    let store = TestStore::new(Clock::held());
    let link = Arc::new(StoreLink::default());
    link.connect(store.clone());
    (store, link)
}

fn kv(link: &Arc<StoreLink>, tenant: &str) -> SharedKv {
    SharedKv::new(StoreHandle::new(link.clone(), (tenant.into(), "p".into())))
}

#[test]
fn what_is_not_connected_does_not_answer() {
    let kv = kv(&Arc::default(), "acme");
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

#[test]
fn one_tenants_wait_in_vain_says_nothing_about_anothers() {
    let (store, link) = linked();
    let (hasty, victim) = (kv(&link, "hasty"), kv(&link, "victim"));
    store.be(TestStoreState::Silent);
    for _ in 0..5 {
        assert_eq!(hasty.get("k", &mut budget()), Err(KvError::Unavailable));
    }
    store.be(TestStoreState::Well);
    assert_eq!(victim.get("k", &mut budget()), Ok(None));
    assert_eq!(store.stalls(), 1);
}

#[test]
fn who_may_wait_longer_is_not_kept_from_it_by_who_may_not() {
    let (store, link) = linked();
    let kv = kv(&link, "acme");
    store.be(TestStoreState::Silent);
    let short = || WaitBudget::of(Duration::from_micros(600));
    assert_eq!(kv.get("k", &mut short()), Err(KvError::Unavailable));
    store.be(TestStoreState::Well);
    // The first entry's patience is known to be too short, the other's is not. Its answer is there at once, so both ask
    // again.
    assert_eq!(kv.get("k", &mut WaitBudget::of(Duration::from_secs(5))), Ok(None));
    assert_eq!(kv.get("k", &mut short()), Ok(None));
}

#[test]
fn one_plugins_pending_requests_leave_room_for_the_others() {
    let (store, link) = linked();
    let limiter = |tenant: &str| {
        let handle = StoreHandle::new(link.clone(), (tenant.into(), "p".into()));
        SharedLimiter::new(handle, Clock::held())
    };
    let (attacker, victim) = (limiter("attacker"), limiter("victim"));
    store.be(TestStoreState::Silent);
    // Each asks for a bucket and waits for nothing.
    let mut none = WaitBudget::of(Duration::from_nanos(1));
    none.spend(Duration::from_nanos(1));
    for n in 0..1000 {
        attacker.take(&format!("{n}"), 1.0, 1, 1, &mut none).unwrap().unwrap();
    }
    assert_eq!(store.asked().len(), 256);
    victim.take("ann", 1.0, 1, 1, &mut none).unwrap().unwrap();
    assert_eq!(store.asked().len(), 1);
    store.catch_up();
    attacker.take("after", 1.0, 1, 1, &mut none).unwrap().unwrap();
    assert!(!store.asked().is_empty(), "what is answered is no longer pending");
}
