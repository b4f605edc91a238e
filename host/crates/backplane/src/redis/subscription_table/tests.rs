//! What has to be said to Redis, and what a loss costs.

use super::*;
use crate::MemoryUse;
use crate::conformance::topic;

fn table() -> SubscriptionTable {
    SubscriptionTable::new(
        KeyNames::new("sg", 256),
        2,
        Duration::from_secs(30),
        BackplaneMetrics::unregistered(),
    )
}

fn names(round: &Round) -> (usize, usize) {
    let count = |sizes: Vec<usize>| sizes.into_iter().sum();
    (
        count(round.subscribe.iter().map(Vec::len).collect()),
        count(round.unsubscribe.iter().map(Vec::len).collect()),
    )
}

#[test]
fn the_first_in_subscribes_and_the_last_out_unsubscribes() {
    let table = table();
    let (topic, settings) = (topic("a"), Arc::default());
    let JoinWait::When(mut first) = table.join(&topic, &settings, &Allowance::UNLIMITED, 0).unwrap() else {
        panic!("not confirmed yet")
    };
    let round = table.next_round(1, false, |_| true);
    assert_eq!(names(&round), (1, 0));
    assert!(first.try_recv().is_err());
    table.confirm(1, &round.subscribe[0]);
    assert!(first.try_recv().is_ok());
    assert!(matches!(
        table.join(&topic, &settings, &Allowance::UNLIMITED, 1).unwrap(),
        JoinWait::Now
    ));
    table.leave(&topic, 0);
    assert_eq!(names(&table.next_round(1, false, |_| true)), (0, 0), "one is left");
    table.leave(&topic, 1);
    assert_eq!(names(&table.next_round(1, false, |_| true)), (0, 1));
    assert!(table.list().is_empty());
}

#[test]
fn leaving_and_coming_back_in_between_needs_no_command() {
    let table = table();
    let (topic, settings) = (topic("a"), Arc::default());
    table.join(&topic, &settings, &Allowance::UNLIMITED, 0).unwrap();
    let round = table.next_round(1, false, |_| true);
    table.confirm(1, &round.subscribe[0]);
    table.leave(&topic, 0);
    assert!(matches!(
        table.join(&topic, &settings, &Allowance::UNLIMITED, 0).unwrap(),
        JoinWait::Now
    ));
    assert_eq!(names(&table.next_round(1, false, |_| true)), (0, 0));
}

#[test]
fn a_confirmation_of_an_earlier_life_counts_for_nothing() {
    let table = table();
    let (topic, settings) = (topic("a"), Arc::default());
    table.join(&topic, &settings, &Allowance::UNLIMITED, 0).unwrap();
    let late = table.next_round(1, false, |_| true);
    table.leave(&topic, 0);
    table.next_round(1, false, |_| true);
    let JoinWait::When(mut when) = table.join(&topic, &settings, &Allowance::UNLIMITED, 0).unwrap() else {
        panic!("subscribed to what was forgotten")
    };
    table.confirm(1, &late.subscribe[0]);
    assert!(when.try_recv().is_err());
}

#[test]
fn a_storm_is_few_commands() {
    let many = || {
        let table = table();
        for n in 0..10_000 {
            table
                .join(&topic(&n.to_string()), &Arc::default(), &Allowance::UNLIMITED, 0)
                .unwrap();
        }
        table
    };
    let round = many().next_round(1, false, |_| true);
    assert_eq!(round.subscribe.len(), 10_000_usize.div_ceil(BATCH));
    let table = many();
    let round = table.next_round(1, true, |_| true);
    assert_eq!(round.subscribe.len(), 256, "one for each partition");
    let partition = |(name, _): &Wanted| table.with(name, |cursor| cursor.partition).unwrap();
    for command in &round.subscribe {
        assert!(command.len() <= BATCH);
        assert!(command.iter().all(|one| partition(one) == partition(&command[0])));
    }
}

#[test]
fn a_slot_that_is_lost_costs_its_own_partition() {
    let table = table();
    let settings = Arc::default();
    for n in 0..1000 {
        table
            .join(&topic(&n.to_string()), &settings, &Allowance::UNLIMITED, 0)
            .unwrap();
    }
    for command in table.next_round(1, true, |_| true).subscribe {
        table.confirm(1, &command);
    }
    let lost = table.names.partition(&topic("7"));
    let slots = HashSet::from([table.names.slot(&topic("7"))]);
    table.lose_slots(1, &slots);
    let round = table.next_round(1, true, |_| true);
    assert_eq!((round.subscribe.len(), round.unsubscribe.len()), (1, 0));
    for (name, _) in &round.subscribe[0] {
        assert_eq!(table.with(name, |cursor| cursor.partition), Some(lost));
    }
}

#[test]
fn a_lost_connection_is_made_up_for() {
    let table = table();
    let (topic, settings) = (topic("a"), Arc::default());
    table.join(&topic, &settings, &Allowance::UNLIMITED, 0).unwrap();
    let round = table.next_round(1, false, |_| true);
    assert!(table.confirm(1, &round.subscribe[0]).is_empty());
    let newest = Position {
        epoch: "e".into(),
        offset: 3,
    };
    table.learn(&topic, &newest);
    table.lose(1);
    let round = table.next_round(2, false, |_| true);
    assert_eq!(names(&round), (1, 0));
    assert_eq!(
        table.confirm(2, &round.subscribe[0]).len(),
        1,
        "something may be missing"
    );
}

#[test]
fn at_the_ceiling_of_its_tenants_memory_nobody_joins_and_those_who_did_stay() {
    let table = table();
    let footprint = table.metrics.footprints.of(&topic("a").tenant);
    let allowance = Allowance {
        memory_bytes: 100_000,
        ..Allowance::UNLIMITED
    };
    let join = |name: &str| table.join(&topic(name), &Arc::default(), &allowance, 0).map(drop);
    join("a").unwrap();
    footprint.add(MemoryUse::Outboxes, 100_000);
    let refused = Err(ChannelLimit::MemoryOfTenant(100_000));
    assert_eq!((join("a"), join("b")), (refused, refused));
    assert_eq!(
        table.admit(&topic("a").tenant, &allowance),
        refused,
        "no message either"
    );
    assert!(table.is_wanted(&topic("a")) && !table.is_wanted(&topic("b")));
    footprint.sub(MemoryUse::Outboxes, 100_000);
    join("b").unwrap();
    assert_eq!(footprint.open_channels(), 2);
}
