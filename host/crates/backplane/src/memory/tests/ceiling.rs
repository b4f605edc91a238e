//! The ceiling over all that a node keeps for a tenant: what gives way, what is refused, and that both are told.

use std::sync::Arc;

use super::limits::{by, counted, gauges, since};
use super::*;
use crate::{Account, Allowance, ChannelLimit, MemoryUse, Rejection, TenantFootprint};
use protocol::Position;

const MIB: usize = 1_048_576;
const REFUSED: Rejection = Rejection::Limit(ChannelLimit::MemoryOfTenant(MIB));

fn footprint(memory: &MemoryBackplane) -> Arc<TenantFootprint> {
    memory.tenants.metrics().footprints.of(&"acme".into())
}

fn all_bytes(footprint: &TenantFootprint) -> usize {
    MemoryUse::ALL.iter().map(|what| footprint.bytes(*what)).sum()
}

/// What `user` may have below a ceiling of 1 MiB, where the limit of histories is far.
fn below(user: &str, settings: &Arc<config::ChannelSettings>) -> PublishOptions {
    let options = by(user, settings);
    PublishOptions {
        allowance: Allowance {
            history_bytes: 100 * MIB,
            memory_bytes: MIB,
            ..options.allowance
        },
        ..options
    }
}

#[tokio::test]
async fn histories_give_way_to_all_else_the_oldest_first_and_who_asks_for_them_is_told() {
    let (bench, memory) = bench(64);
    let (settings, footprint) = (with_history(100), footprint(&memory));
    let mut first = Vec::new();
    let publish = async |n: usize| {
        let options = below(&format!("u{}", n % 5), &settings);
        let published = bench
            .publish(&topic(&format!("c{n}")), &"x".repeat(5_000), options)
            .await;
        assert!(all_bytes(&footprint) <= MIB, "{footprint:?} after {n}");
        published.position.unwrap()
    };
    for n in 0..80 {
        first.push(publish(n).await);
    }
    // Clients do not read: 200 KiB, which no history may have any more.
    footprint.add(MemoryUse::Outboxes, 200 * 1024);
    first.push(publish(80).await);
    assert_eq!(counted(&memory), gauges(&memory).1);
    let mut kept = Vec::new();
    for (n, at) in first.into_iter().enumerate() {
        let before = Position { offset: 0, ..at };
        kept.push(since(&bench, &topic(&format!("c{n}")), before).await.2);
    }
    let gone = kept.iter().take_while(|kept| !**kept).count();
    assert!((1..60).contains(&gone), "{gone}");
    assert!(
        kept[gone..].iter().all(|kept| *kept),
        "the oldest went, and no other: {kept:?}"
    );
}

#[tokio::test]
async fn where_nothing_can_give_way_messages_and_subscriptions_are_refused_until_there_is_room() {
    let (bench, memory) = bench(64);
    let (settings, footprint) = (with_history(100), footprint(&memory));
    let (open, new) = (topic("open"), topic("new"));
    let allowance = below("ann", &settings).allowance;
    let join = async |topic| {
        Interest::join(&bench.backplane, topic, &settings, &allowance, 0)
            .await
            .map(drop)
    };
    let seat = Interest::join(&bench.backplane, &open, &settings, &allowance, 0)
        .await
        .unwrap();
    bench.publish(&open, "1", below("ann", &settings)).await;
    footprint.add(MemoryUse::Outboxes, MIB);
    let before = channels(&memory);
    let ephemeral = PublishOptions {
        ephemeral: true,
        ..below("ann", &settings)
    };
    let operator = PublishOptions {
        allowance: Allowance {
            account: Account::Operator,
            ..allowance.clone()
        },
        ..below("ann", &settings)
    };
    for options in [below("ann", &settings), ephemeral, operator] {
        assert_eq!(bench.ask(&open, "2", options).await, Err(REFUSED));
    }
    assert_eq!(bench.ask(&new, "2", below("ann", &settings)).await, Err(REFUSED));
    assert_eq!(join(&open).await, Err(REFUSED), "also where others are");
    assert_eq!(join(&new).await, Err(REFUSED));
    assert_eq!(footprint.refused(), 6);
    assert_eq!(
        (channels(&memory), counted(&memory)),
        (before, gauges(&memory).1),
        "nothing is left of them"
    );
    // Reading, and leaving, go on; so does another tenant.
    assert_eq!(bench.history(&open, &settings, HistoryRange::default()).await.0, 1);
    let other = protocol::names::Topic {
        tenant: "other".into(),
        ..new.clone()
    };
    bench.publish(&other, "1", below("ann", &settings)).await;
    footprint.sub(MemoryUse::Outboxes, MIB);
    bench.publish(&open, "3", below("ann", &settings)).await;
    join(&new).await.unwrap();
    drop(seat);
}

#[tokio::test(start_paused = true)]
async fn histories_are_shortened_soon_also_where_nobody_publishes() {
    let (bench, memory) = bench(64);
    let (settings, footprint) = (with_history(100), footprint(&memory));
    for n in 0..20 {
        bench
            .publish(&topic(&format!("c{n}")), &"x".repeat(9_000), below("ann", &settings))
            .await;
    }
    assert!(footprint.bytes(MemoryUse::Histories) > 300_000);
    let (open, allowance) = (topic("c1"), below("ann", &settings).allowance);
    let _seat = Interest::join(&bench.backplane, &open, &settings, &allowance, 0)
        .await
        .unwrap();
    let _presence = Presence::enter(&bench.backplane, &open, &settings, member("s1"))
        .await
        .unwrap();
    footprint.add(MemoryUse::Caches, MIB - 100_000);
    tokio::time::advance(SWEEP_EVERY).await;
    tokio::task::yield_now().await;
    assert!(footprint.bytes(MemoryUse::Histories) < 100_000, "{footprint:?}");
}

#[tokio::test]
async fn one_user_has_a_part_of_what_is_below_the_ceiling() {
    let (bench, memory) = bench(64);
    let (settings, footprint) = (with_history(100), footprint(&memory));
    let kept = bench
        .publish(&topic("of-ann"), "small", below("ann", &settings))
        .await
        .position
        .unwrap();
    for n in 0..200 {
        bench
            .publish(
                &topic(&format!("m{}", n % 9)),
                &"x".repeat(20_000),
                below("mallory", &settings),
            )
            .await;
        assert!(
            footprint.bytes(MemoryUse::Histories) <= MIB / 2 + 60_000,
            "{footprint:?}"
        );
    }
    assert!(since(&bench, &topic("of-ann"), Position { offset: 0, ..kept }).await.2);
    let plain: Arc<config::ChannelSettings> = Arc::default();
    let mut keys = 0;
    let refused = loop {
        let options = PublishOptions {
            key: Some(format!("{keys:0>256}").into()),
            ..below("mallory", &plain)
        };
        if let Err(refused) = bench.ask(&topic("keys"), "1", options).await {
            break refused;
        }
        keys += 1;
    };
    assert_eq!(refused, Rejection::Limit(ChannelLimit::MemoryOfUser));
    assert!(
        keys > 100 && footprint.bytes(MemoryUse::Keys) <= MIB / 2,
        "{keys}: {footprint:?}"
    );
    assert!(all_bytes(&footprint) <= MIB, "{footprint:?}");
}

/// What is checked and what is taken are not one step, and several shards publish at the same time.
#[tokio::test]
async fn publishers_on_many_threads_and_clients_that_stop_reading_keep_the_count_exact() {
    let (_bench, memory) = bench(64);
    let (settings, footprint) = (with_history(100), footprint(&memory));
    let most_over = std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..4)
            .map(|thread| {
                let (memory, settings, footprint) = (memory.clone(), settings.clone(), footprint.clone());
                scope.spawn(move || {
                    let bench = Bench {
                        backplane: memory,
                        inboxes: Vec::new(),
                    };
                    let mut over = 0;
                    for n in 0..500 {
                        footprint.add(MemoryUse::Outboxes, 50_000);
                        let topic = topic(&format!("c{}", (n * 7 + thread) % 40));
                        let options = below(&format!("u{thread}"), &settings);
                        let asked = bench.ask(&topic, &"x".repeat(2_000), options);
                        assert!(matches!(
                            asked.now_or_never().unwrap(),
                            Ok(_) | Err(Rejection::Limit(_))
                        ));
                        over = over.max(all_bytes(&footprint).saturating_sub(MIB));
                        footprint.sub(MemoryUse::Outboxes, 50_000);
                    }
                    over
                })
            })
            .collect();
        publishers.into_iter().map(|publisher| publisher.join().unwrap()).max()
    });
    // Each of four may have been between its check and its step.
    assert!(most_over.unwrap() <= 4 * (50_000 + 2 * 2_000 + 4_096), "{most_over:?}");
    let last = Bench {
        backplane: memory.clone(),
        inboxes: Vec::new(),
    };
    assert!(
        last.ask(&topic("c1"), "1", below("u1", &settings))
            .now_or_never()
            .unwrap()
            .is_ok()
    );
    assert!(all_bytes(&footprint) <= MIB, "{footprint:?}");
    assert_eq!(counted(&memory), gauges(&memory).1);
}
