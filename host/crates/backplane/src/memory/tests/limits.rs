//! What a tenant may have in memory: attacks, and that nothing is left of them.

use std::sync::Arc;

use super::*;
use crate::conformance::allowance;
use crate::memory::channel::ChannelState;
use crate::{Allowance, ChannelLimit, MemoryUse, Rejection};
use protocol::Position;
use protocol::names::Topic;

const MIB: usize = 1_048_576;

/// What is shown of the tests' tenant: open channels, and bytes of histories and keys.
pub(super) fn gauges(memory: &MemoryBackplane) -> (usize, usize) {
    let footprint = memory.tenants.metrics().footprints.of(&"acme".into());
    let kept = footprint.bytes(MemoryUse::Histories) + footprint.bytes(MemoryUse::Keys);
    (footprint.open_channels(), kept)
}

/// The bytes that the tenant's channels keep, counted one by one.
pub(super) fn counted(memory: &MemoryBackplane) -> usize {
    let stripes = memory.stripes.iter().map(|stripe| {
        let channels = stripe.lock();
        channels.values().map(ChannelState::kept_bytes).sum::<usize>()
    });
    stripes.sum()
}

pub(super) fn by(user: &str, settings: &Arc<config::ChannelSettings>) -> PublishOptions {
    PublishOptions {
        allowance: allowance(user, 100_000, MIB),
        ..options(settings)
    }
}

fn keyed(key: String, options: PublishOptions) -> PublishOptions {
    PublishOptions {
        key: Some(key.into()),
        ..options
    }
}

pub(super) async fn since(bench: &Bench, topic: &Topic, position: Position) -> (u64, Vec<u64>, bool) {
    let range = HistoryRange {
        since: Some(position),
        ..HistoryRange::default()
    };
    bench.history(topic, &with_history(100), range).await
}

#[tokio::test]
async fn reading_opens_nothing_and_what_it_tells_is_good_once_the_channel_is_used() {
    let (bench, memory) = bench(64);
    let settings = with_history(100);
    for n in 0..10_000 {
        let topic = topic(&format!("random-{n}"));
        let page = bench.backplane.history(&topic, &settings, HistoryRange::default());
        assert_eq!(page.await.unwrap().newest.offset, 0);
        assert!(bench.backplane.members(&topic).await.unwrap().members.is_empty());
    }
    assert_eq!((channels(&memory), gauges(&memory)), (0, (0, 0)));
    let topic = topic("random-7");
    let told = bench.backplane.history(&topic, &settings, HistoryRange::default());
    let told = told.await.unwrap().newest;
    assert_eq!(since(&bench, &topic, told.clone()).await, (0, vec![], true));
    assert!(!since(&bench, &topic, Position::at(&told.epoch, 1)).await.2);
    bench.publish(&topic, "1", options(&settings)).await;
    let second = bench.publish(&topic, "2", options(&settings)).await.position.unwrap();
    assert_eq!((&second.epoch, second.offset), (&told.epoch, 2));
    assert_eq!(since(&bench, &topic, told).await, (2, vec![1, 2], true));
}

#[tokio::test(start_paused = true)]
async fn no_position_of_a_forgotten_channel_counts_in_its_next_life() {
    let (bench, memory) = bench(64);
    let (topic, settings) = (topic("lives"), with_history(100));
    let unused = bench.backplane.history(&topic, &settings, HistoryRange::default());
    let mut told = vec![unused.await.unwrap().newest];
    for life in 0..5 {
        let first = bench.publish(&topic, "1", options(&settings)).await.position.unwrap();
        assert_eq!(first.offset, 1);
        let is_known = since(&bench, &topic, told[0].clone()).await.2;
        assert_eq!(is_known, life == 0, "messages of an earlier life are gone");
        for earlier in &told[1..] {
            assert!(
                !since(&bench, &topic, earlier.clone()).await.2,
                "{earlier:?} in life {life}"
            );
        }
        told.push(first);
        tokio::time::advance(settings.history.as_ref().unwrap().ttl + SWEEP_EVERY).await;
        tokio::task::yield_now().await;
        assert_eq!((channels(&memory), gauges(&memory)), (0, (0, 0)));
    }
}

#[tokio::test(start_paused = true)]
async fn who_left_last_may_come_back_for_as_long_as_a_message_is_kept() {
    let (bench, memory) = bench(64);
    let (topic, settings) = (topic("quiet"), with_history(10));
    let ttl = settings.history.as_ref().unwrap().ttl;
    let interest = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    let position = bench.publish(&topic, "1", options(&settings)).await.position.unwrap();
    tokio::time::advance(10 * ttl).await;
    tokio::task::yield_now().await;
    assert_eq!(gauges(&memory), (1, 0), "the message is over its time, read or not");
    drop(interest);
    tokio::time::advance(ttl / 2).await;
    assert_eq!(since(&bench, &topic, position.clone()).await, (1, vec![], true));
    // Reading keeps it no longer.
    tokio::time::advance(ttl / 2 + SWEEP_EVERY).await;
    tokio::task::yield_now().await;
    assert_eq!(gauges(&memory), (0, 0));
    assert!(!since(&bench, &topic, position).await.2);
}

#[tokio::test]
async fn a_publish_opens_a_channel_only_if_something_is_kept() {
    let (bench, memory) = bench(64);
    let (plain, kept) = (Arc::default(), with_history(10));
    let may_have = |options: PublishOptions| PublishOptions {
        allowance: allowance("ann", 4, MIB),
        ..options
    };
    let ephemeral = PublishOptions {
        ephemeral: true,
        ..options(&kept)
    };
    for n in 0..1000 {
        bench
            .publish(&topic(&format!("p{n}")), "1", may_have(options(&plain)))
            .await;
        bench
            .publish(&topic(&format!("e{n}")), "1", may_have(ephemeral.clone()))
            .await;
    }
    assert_eq!(gauges(&memory).0, 0);
    bench.publish(&topic("a"), "1", may_have(options(&kept))).await;
    bench
        .publish(&topic("b"), "1", may_have(keyed("k".into(), options(&plain))))
        .await;
    assert_eq!(gauges(&memory).0, 2);
    let third = bench.ask(&topic("c"), "1", may_have(options(&kept))).await;
    assert_eq!(third, Err(Rejection::Limit(ChannelLimit::OfUser(2))));
    for _ in 0..2 {
        bench.publish(&topic("a"), "2", may_have(options(&kept))).await;
    }
    assert_eq!((gauges(&memory).0, channels(&memory)), (2, 2));
}

#[tokio::test]
async fn over_the_limit_the_history_that_was_published_to_longest_ago_is_shortened_first() {
    let (bench, memory) = bench(64);
    let settings = with_history(100);
    let data = "x".repeat(10_000);
    let mut first = Vec::new();
    // More users than two, so that none of them is over its part.
    for n in 0..200 {
        let options = by(&format!("u{}", n % 5), &settings);
        let at = bench
            .publish(&topic(&format!("c{n}")), &data, options)
            .await
            .position
            .unwrap();
        first.push(at);
        let (_, bytes) = gauges(&memory);
        assert!(bytes <= MIB, "{bytes} after {n}");
        assert_eq!(counted(&memory), bytes);
    }
    let mut kept = Vec::new();
    for (n, at) in first.into_iter().enumerate() {
        let before = Position { offset: 0, ..at };
        kept.push(since(&bench, &topic(&format!("c{n}")), before).await.2);
    }
    let gone = kept.iter().take_while(|kept| !**kept).count();
    assert!((100..180).contains(&gone), "{gone}");
    assert!(
        kept[gone..].iter().all(|kept| *kept),
        "the oldest went, and no other: {kept:?}"
    );
}

#[tokio::test]
async fn a_user_who_floods_shortens_what_he_published_to_himself() {
    let (bench, memory) = bench(64);
    let settings = with_history(100);
    let mut positions = Vec::new();
    for n in 0..100 {
        let topic = topic(&format!("ann-{n}"));
        let at = bench
            .publish(&topic, "small", by("ann", &settings))
            .await
            .position
            .unwrap();
        positions.push((topic, Position { offset: 0, ..at }));
    }
    let data = "x".repeat(50_000);
    let mut last = None;
    for n in 0..500 {
        // Many channels of his own, and one that ann opened.
        let topic = if n % 2 == 0 {
            topic(&format!("m-{n}"))
        } else {
            topic("ann-0")
        };
        last = bench
            .publish(&topic, &data, by("mallory", &settings))
            .await
            .position
            .map(|at| (topic, at));
        let (_, bytes) = gauges(&memory);
        assert!(bytes <= MIB * 7 / 10, "he has half of it at most: {bytes}");
    }
    for (topic, before) in &positions[1..] {
        assert!(since(&bench, topic, before.clone()).await.2, "{topic}");
    }
    let (topic, last) = last.unwrap();
    let before = Position {
        offset: last.offset - 1,
        ..last
    };
    assert!(since(&bench, &topic, before).await.2, "his newest message is kept");
}

#[tokio::test(start_paused = true)]
async fn keys_are_bytes_too_and_one_user_has_a_part_of_them() {
    let (bench, memory) = bench(64);
    let settings: Arc<config::ChannelSettings> = Arc::default();
    let key = |n: usize| format!("{n:0>256}");
    let publish = |user: &'static str, n: usize| {
        let options = keyed(key(n), by(user, &settings));
        bench.ask(&topic(&format!("keys-{}", n % 10)), "1", options)
    };
    let mut n = 0;
    while publish("mallory", n).await.is_ok() {
        n += 1;
        assert!(gauges(&memory).1 <= MIB / 2);
    }
    assert!(n > 400, "{n}");
    assert_eq!(
        publish("mallory", n).await,
        Err(Rejection::Limit(ChannelLimit::KeysOfUser))
    );
    assert!(
        publish("mallory", 0).await.unwrap().duplicate,
        "nothing was forgotten early"
    );
    assert!(publish("ann", n).await.is_ok(), "others may still use keys");
    assert_eq!(counted(&memory), gauges(&memory).1);
    tokio::time::advance(settings.idempotency + SWEEP_EVERY).await;
    tokio::task::yield_now().await;
    assert_eq!(gauges(&memory), (0, 0));
    assert!(publish("mallory", n).await.is_ok());
}

#[tokio::test]
async fn a_limit_that_a_reload_lowered_is_kept_soon() {
    let (bench, memory) = bench(64);
    let settings = with_history(10_000);
    let with = |bytes| PublishOptions {
        allowance: Allowance {
            history_bytes: bytes,
            ..ANY
        },
        ..options(&settings)
    };
    for n in 0..5000 {
        bench
            .publish(&topic(&format!("c{}", n % 10)), "1", with(100 * MIB))
            .await;
    }
    assert!(gauges(&memory).1 > 3 * MIB);
    for _ in 0..10 {
        bench.publish(&topic("c1"), "1", with(MIB)).await;
    }
    assert!(gauges(&memory).1 <= MIB, "{:?}", gauges(&memory));
}

#[tokio::test]
async fn a_history_counts_what_compression_may_take() {
    let mut kept = Vec::new();
    for compression in [false, true] {
        let (bench, memory) = bench(64);
        let mut options = by("ann", &with_history(100));
        options.allowance.compression = compression;
        bench.publish(&topic("a"), &"a".repeat(10_000), options).await;
        kept.push(counted(&memory));
        assert_eq!(gauges(&memory).1, counted(&memory));
    }
    assert_eq!(kept[1] - kept[0], 10_000, "the data once more");
}
