use std::sync::Arc;
use std::time::{Duration, Instant};

use address_block::AddressBlock;
use proptest::prelude::*;

use super::{AddressDoor, AddressLimits, ArrivalRate, Arrivals, DoorRefusal, LagWatch, UserDoor};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn block(text: &str) -> AddressBlock {
    text.parse().unwrap()
}

/// One of many addresses.
fn other(n: u32) -> AddressBlock {
    std::net::IpAddr::from((0x0a00_0000 + n).to_be_bytes()).into()
}

fn door(connections: u32, handshakes: u32, failures: u32) -> AddressDoor {
    let limit = |number: u32| (number > 0).then_some(number);
    AddressDoor::new(AddressLimits {
        connections: limit(connections),
        handshakes_per_second: limit(handshakes),
        failures_per_minute: limit(failures),
    })
}

#[test]
fn a_rate_gives_a_burst_and_then_the_rate() {
    let start = Instant::now();
    for (rate, burst, apart) in [
        (ArrivalRate::per_second(5).unwrap(), 10, 200 * MS),
        (ArrivalRate::per_minute(6).unwrap(), 6, 10 * SECOND),
        (ArrivalRate::per_minute(1).unwrap(), 1, 60 * SECOND),
    ] {
        let mut arrivals = Arrivals::default();
        assert_eq!((0..50).filter(|_| arrivals.count(rate, start).is_ok()).count(), burst);
        assert_eq!(arrivals.count(rate, start), Err(apart));
        assert!(arrivals.count(rate, start + apart.saturating_sub(MS)).is_err());
        assert!(arrivals.count(rate, start + apart).is_ok());
        assert_eq!(arrivals.count(rate, start + apart), Err(apart));
        // A long rest gives no more than the burst.
        let later = start + Duration::from_hours(1);
        assert_eq!((0..50).filter(|_| arrivals.count(rate, later).is_ok()).count(), burst);
    }
    assert_eq!(ArrivalRate::per_second(0), None);
    assert_eq!(ArrivalRate::per_minute(0), None);
}

#[test]
fn an_address_has_so_many_connections_and_another_its_own() {
    let (mut door, now) = (door(2, 0, 0), Instant::now());
    let (ann, bob) = (block("192.0.2.1"), block("192.0.2.2"));
    assert_eq!(door.arrive(ann, now), Ok(()));
    assert_eq!(door.arrive(ann, now), Ok(()));
    assert_eq!(door.arrive(ann, now), Err(DoorRefusal::Connections));
    assert_eq!(door.arrive(bob, now), Ok(()));
    // An accepted handshake is a connection all the same.
    door.settle(ann, now);
    assert_eq!(door.arrive(ann, now), Err(DoorRefusal::Connections));
    door.leave(ann, now);
    assert_eq!(door.arrive(ann, now), Ok(()));
    assert_eq!(door.arrive(ann, now), Err(DoorRefusal::Connections));
}

#[test]
fn ipv6_is_counted_by_its_64() {
    let (mut door, now) = (door(1, 0, 0), Instant::now());
    assert_eq!(door.arrive(block("2001:db8::1"), now), Ok(()));
    assert_eq!(door.arrive(block("2001:db8::2"), now), Err(DoorRefusal::Connections));
    assert_eq!(door.arrive(block("2001:db8:0:1::1"), now), Ok(()));
    assert_eq!(door.arrive(block("::ffff:192.0.2.1"), now), Ok(()));
    assert_eq!(door.arrive(block("192.0.2.1"), now), Err(DoorRefusal::Connections));
}

#[test]
fn an_address_comes_so_often() {
    let (mut door, now, ann) = (door(0, 2, 0), Instant::now(), block("192.0.2.1"));
    for _ in 0..4 {
        assert_eq!(door.arrive(ann, now), Ok(()));
        door.settle(ann, now);
        door.leave(ann, now);
    }
    assert_eq!(door.arrive(ann, now), Err(DoorRefusal::TooOften(500 * MS)));
    assert_eq!(door.arrive(ann, now + 500 * MS), Ok(()));
}

#[test]
fn so_many_handshakes_of_an_address_are_under_way() {
    let (mut door, start, ann) = (door(0, 1, 0), Instant::now(), block("192.0.2.1"));
    for second in 0..5 {
        assert_eq!(door.arrive(ann, start + second * SECOND), Ok(()));
    }
    let later = start + 9 * SECOND;
    assert_eq!(door.arrive(ann, later), Err(DoorRefusal::UnderWay));
    door.settle(ann, later);
    assert_eq!(door.arrive(ann, later), Ok(()));
}

#[test]
fn who_fails_too_often_is_refused_for_longer_and_longer() {
    let (mut door, mut now, ann) = (door(0, 0, 2), Instant::now(), block("192.0.2.1"));
    for _ in 0..2 {
        door.fail(ann, now);
        assert_eq!(door.penalty(ann, now), None);
        assert_eq!(door.arrive(ann, now), Ok(()));
    }
    for seconds in [1, 2, 4, 8, 16] {
        door.fail(ann, now);
        let length = Duration::from_secs(seconds);
        assert_eq!(door.penalty(ann, now), Some(length));
        assert_eq!(door.arrive(ann, now), Err(DoorRefusal::Failures(length)));
        // What was under way when it began does not make it longer.
        door.fail(ann, now);
        assert_eq!(door.penalty(ann, now), Some(length));
        assert_eq!(door.penalty(block("192.0.2.2"), now), None);
        now += length;
        assert_eq!(door.penalty(ann, now), None);
    }
    // Whoever goes on is refused for 10 minutes each time.
    for _ in 0..20 {
        door.fail(ann, now);
        door.fail(ann, now);
        door.fail(ann, now);
        now += door.penalty(ann, now).unwrap();
    }
    for _ in 0..3 {
        door.fail(ann, now);
    }
    assert_eq!(door.penalty(ann, now), Some(10 * MINUTE));
    // Whoever stops begins anew.
    now += 21 * MINUTE;
    for _ in 0..3 {
        door.fail(ann, now);
    }
    assert_eq!(door.penalty(ann, now), Some(SECOND));
}

#[test]
fn without_limits_nothing_is_remembered_of_who_left() {
    let (mut door, now) = (door(0, 0, 0), Instant::now());
    for n in 0..100 {
        assert_eq!(door.arrive(other(n), now), Ok(()));
        door.fail(other(n), now);
        door.settle(other(n), now);
        door.leave(other(n), now);
    }
    assert_eq!(door.remembered(), 0);
}

#[test]
fn limits_change_and_what_was_counted_stays() {
    let (mut door, now, ann) = (door(0, 0, 0), Instant::now(), block("192.0.2.1"));
    assert_eq!(door.arrive(ann, now), Ok(()));
    door.set(AddressLimits {
        connections: Some(1),
        ..AddressLimits::default()
    });
    assert_eq!(door.arrive(ann, now), Err(DoorRefusal::Connections));
    door.leave(ann, now);
    assert_eq!(door.arrive(ann, now), Ok(()));
}

#[test]
fn nobody_is_rid_of_a_count_by_letting_others_come() {
    let (mut door, now, ann) = (door(0, 1, 1), Instant::now(), block("192.0.2.1"));
    door.fail(ann, now);
    door.fail(ann, now);
    assert!(door.penalty(ann, now).is_some());
    // More addresses than are remembered, each with a count that is over sooner.
    for n in 0..200_000 {
        assert_eq!(door.arrive(other(n), now), Ok(()));
        door.settle(other(n), now);
        door.leave(other(n), now);
    }
    assert!(door.penalty(ann, now).is_some());
    assert_eq!(door.remembered(), 65_536);
    // Once they are over, they are gone.
    let later = now + 2 * SECOND;
    for n in 0..20_000 {
        assert_eq!(door.arrive(other(n), later), Ok(()));
        door.leave(other(n), later);
        door.settle(other(n), later);
    }
    assert!(door.remembered() < 25_000, "{}", door.remembered());
}

#[test]
fn who_is_connected_is_not_forgotten() {
    let (mut door, now) = (door(1, 0, 1), Instant::now());
    for n in 0..70_000 {
        assert_eq!(door.arrive(other(n), now), Ok(()));
    }
    for n in 0..70_000 {
        assert_eq!(door.arrive(other(n), now), Err(DoorRefusal::Connections));
    }
}

#[test]
fn a_user_connects_so_often_and_another_too() {
    let (mut users, now, rate) = (UserDoor::default(), Instant::now(), ArrivalRate::per_second(1).unwrap());
    let (ann, bob): (Arc<str>, Arc<str>) = ("ann".into(), "bob".into());
    assert_eq!(users.connect(&ann, rate, now), Ok(()));
    assert_eq!(users.connect(&ann, rate, now), Ok(()));
    assert_eq!(users.connect(&ann, rate, now), Err(SECOND));
    assert_eq!(users.connect(&bob, rate, now), Ok(()));
    assert_eq!(users.connect(&ann, rate, now + SECOND), Ok(()));
}

#[test]
fn a_thread_that_was_late_counts_as_late_for_a_second() {
    let (mut lag, start) = (LagWatch::default(), Instant::now());
    assert!(!lag.is_late(start));
    lag.looked(start, start + 50 * MS, 50 * MS);
    assert!(!lag.is_late(start + 50 * MS));
    lag.looked(start, start + 51 * MS, 50 * MS);
    assert!(lag.is_late(start + 51 * MS));
    lag.looked(start + 100 * MS, start + 100 * MS, 50 * MS);
    assert!(lag.is_late(start + 1_050 * MS));
    assert!(!lag.is_late(start + 1_051 * MS));
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u32),
    Leave(u32),
    Fail(u32),
    Wait(u64),
}

proptest! {
    /// Whatever happens in whatever order, nobody has more connections than the limit, and nobody who has none and waited is refused.
    #[test]
    fn the_limits_hold_in_every_order(steps in prop::collection::vec(prop_oneof![
        4 => (0..4u32).prop_map(Step::Arrive),
        3 => (0..4u32).prop_map(Step::Leave),
        2 => (0..4u32).prop_map(Step::Fail),
        2 => (0..3_000u64).prop_map(Step::Wait),
    ], 0..200)) {
        let (mut door, mut now) = (door(3, 5, 2), Instant::now());
        let mut open = [0u32; 4];
        for step in steps {
            match step {
                Step::Arrive(n) => {
                    if door.arrive(other(n), now).is_ok() {
                        open[n as usize] += 1;
                    }
                    prop_assert!(open[n as usize] <= 3);
                }
                Step::Leave(n) => {
                    if open[n as usize] > 0 {
                        open[n as usize] -= 1;
                        door.settle(other(n), now);
                        door.leave(other(n), now);
                    }
                }
                Step::Fail(n) => door.fail(other(n), now),
                Step::Wait(ms) => now += Duration::from_millis(ms),
            }
        }
        let later = now + Duration::from_mins(30);
        for (n, open) in (0..).zip(open) {
            prop_assert_eq!(door.arrive(other(n), later).is_ok(), open < 3);
        }
    }
}
