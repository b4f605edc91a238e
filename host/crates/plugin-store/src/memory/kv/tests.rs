use super::*;
use crate::kv::{KEY_BYTES, VALUE_BYTES};

const SECOND: Duration = Duration::from_secs(1);

fn held() -> (Clock, MemoryKv) {
    let clock = Clock::held();
    (clock.clone(), MemoryKv::new(clock))
}

#[test]
fn what_is_set_is_got_until_it_is_deleted() {
    let (_, kv) = held();
    assert_eq!(kv.get_now("a"), Ok(None));
    kv.set_now("a", b"1", None).unwrap();
    kv.set_now("a", b"22", None).unwrap();
    assert_eq!(kv.get_now("a"), Ok(Some(b"22".to_vec())));
    kv.delete_now("a").unwrap();
    kv.delete_now("a").unwrap();
    assert_eq!(kv.get_now("a"), Ok(None));
    assert_eq!(kv.keys.load(Ordering::Relaxed), 0);
    assert_eq!(kv.bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn values_expire() {
    let (clock, kv) = held();
    kv.set_now("a", b"1", Some(SECOND)).unwrap();
    clock.advance(Duration::from_millis(999));
    assert!(kv.get_now("a").unwrap().is_some());
    clock.advance(Duration::from_millis(1));
    assert_eq!(kv.get_now("a"), Ok(None));
    kv.set_now("a", b"1", Some(Duration::MAX)).unwrap();
    assert!(kv.get_now("a").unwrap().is_some());
}

#[test]
fn a_counter_lives_from_its_first_increment() {
    let (clock, kv) = held();
    assert_eq!(kv.increment_now("n", 2, Some(SECOND)), Ok(2));
    clock.advance(SECOND / 2);
    assert_eq!(kv.increment_now("n", 3, Some(SECOND)), Ok(5));
    assert_eq!(kv.get_now("n"), Ok(Some(b"5".to_vec())));
    clock.advance(SECOND / 2);
    assert_eq!(kv.increment_now("n", -1, None), Ok(-1));
    assert_eq!(
        kv.increment_now("n", i64::MIN, None),
        Ok(i64::MIN),
        "it stops at the end of its range"
    );
    kv.set_now("n", b"5", None).unwrap();
    assert_eq!(kv.increment_now("n", 1, None), Err(KvError::NotANumber));
}

#[test]
fn keys_and_values_have_limits() {
    let (_, kv) = held();
    let long = "k".repeat(KEY_BYTES + 1);
    assert_eq!(kv.get_now(""), Err(KvError::TooLarge));
    assert_eq!(kv.set_now(&long, b"", None), Err(KvError::TooLarge));
    assert_eq!(kv.increment_now(&long, 1, None), Err(KvError::TooLarge));
    assert_eq!(kv.set_now("a", &vec![0; VALUE_BYTES + 1], None), Err(KvError::TooLarge));
    kv.set_now(&long[1..], &vec![0; VALUE_BYTES], None).unwrap();
}

#[test]
fn a_full_store_refuses_keys_and_takes_updates() {
    let (_, kv) = held();
    for n in 0..KEYS {
        kv.set_now(&format!("{n}"), b"1", None).unwrap();
    }
    assert_eq!(kv.set_now("one-more", b"1", None), Err(KvError::Full));
    assert_eq!(kv.increment_now("one-more", 1, None), Err(KvError::Full));
    kv.set_now("0", b"22", None).unwrap();
    kv.delete_now("1").unwrap();
    kv.set_now("one-more", b"1", None).unwrap();
}

#[test]
fn a_store_is_full_by_its_bytes_too() {
    let (_, kv) = held();
    let value = vec![0; VALUE_BYTES];
    let mut kept = 0;
    while kv.set_now(&format!("{kept:08}"), &value, None).is_ok() {
        kept += 1;
    }
    assert_eq!(kept, BYTES / (VALUE_BYTES + 8));
    let before = kv.bytes.load(Ordering::Relaxed);
    assert_eq!(kv.set_now("another", &value, None), Err(KvError::Full));
    assert_eq!(kv.bytes.load(Ordering::Relaxed), before);
}

#[test]
fn expired_entries_make_room() {
    let (clock, kv) = held();
    for n in 0..KEYS {
        kv.increment_now(&format!("{n}"), 1, Some(SECOND)).unwrap();
    }
    assert_eq!(kv.increment_now("one-more", 1, None), Err(KvError::Full));
    clock.advance(SECOND);
    assert_eq!(kv.increment_now("one-more", 1, None), Ok(1));
    for n in 1..KEYS {
        kv.set_now(&format!("new-{n}"), b"1", None).unwrap();
    }
    assert_eq!(kv.set_now("another", b"1", None), Err(KvError::Full));
    assert_eq!(kv.keys.load(Ordering::Relaxed), KEYS);
}

#[test]
fn a_full_store_is_not_searched_for_what_is_over() {
    let (clock, kv) = held();
    for n in 0..KEYS {
        let ttl = (n % 2 == 0).then_some(SECOND);
        kv.set_now(&format!("{n}"), b"1", ttl).unwrap();
    }
    let visits = || kv.visits.load(Ordering::Relaxed);
    for n in 0..100 {
        assert_eq!(kv.set_now(&format!("more-{n}"), b"1", None), Err(KvError::Full));
    }
    assert!(visits() <= 100 * LOCKS, "{} looked at", visits());
    clock.advance(SECOND);
    for n in 0..KEYS / 2 {
        kv.set_now(&format!("more-{n}"), b"1", None).unwrap();
    }
    assert_eq!(kv.set_now("one-more", b"1", None), Err(KvError::Full));
    assert!(visits() <= 200 * LOCKS + KEYS * 2, "{} looked at", visits());
    for shard in &kv.shards {
        assert!(shard.lock().ends.is_empty(), "nothing is left of what is over");
    }
}

#[test]
fn ends_follow_their_entries() {
    let (clock, kv) = held();
    let ends = || kv.shards.iter().map(|shard| shard.lock().ends.len()).sum::<usize>();
    kv.set_now("a", b"1", Some(SECOND)).unwrap();
    kv.set_now("a", b"2", Some(SECOND)).unwrap();
    assert_eq!(ends(), 1);
    clock.advance(SECOND / 2);
    kv.set_now("a", b"3", Some(SECOND)).unwrap();
    assert_eq!(ends(), 1);
    kv.set_now("a", b"4", None).unwrap();
    assert_eq!(ends(), 0);
    kv.increment_now("n", 1, Some(SECOND)).unwrap();
    assert_eq!(ends(), 1);
    kv.delete_now("n").unwrap();
    assert_eq!(ends(), 0);
}
