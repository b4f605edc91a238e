//! The conformance suite, and what only this backplane promises: how it waits and how it forgets.

mod ceiling;
mod limits;

use std::sync::Arc;

use futures_util::FutureExt;

use super::MemoryBackplane;
use super::state::SWEEP_EVERY;
use crate::conformance::{ANY, Bench, member, options, suite, topic, with_history};
use crate::pending_bytes::PENDING_BYTES;
use crate::{Backplane, BackplaneMetrics, HistoryRange, Inbox, PublishOptions};
use crate::{Interest, Presence};
use protocol::names::Topic;

fn bench(inbox: usize) -> (Bench, Arc<MemoryBackplane>) {
    let (senders, inboxes) = (0..2).map(|_| Inbox::with_places(inbox)).unzip();
    let memory = MemoryBackplane::new(senders, BackplaneMetrics::unregistered());
    tokio::spawn(memory.clone().run());
    let bench = Bench {
        backplane: memory.clone(),
        inboxes,
    };
    (bench, memory)
}

fn channels(memory: &MemoryBackplane) -> usize {
    memory.stripes.iter().map(|stripe| stripe.lock().len()).sum()
}

#[tokio::test]
async fn keeps_the_contract() {
    suite(bench(64).0).await;
}

#[tokio::test(start_paused = true)]
async fn messages_and_keys_run_out_by_their_times() {
    let (bench, _) = bench(64);
    let (topic, settings) = (topic("ttl"), with_history(10));
    let keyed = PublishOptions {
        key: Some("k".into()),
        ..options(&settings)
    };
    let first = bench.publish(&topic, "1", keyed.clone()).await;
    tokio::time::advance(settings.history.as_ref().unwrap().ttl).await;
    let page = bench
        .backplane
        .history(&topic, &settings, HistoryRange::default())
        .await
        .unwrap();
    assert!(page.messages.is_empty());
    assert_eq!(Some(page.newest), first.position, "what is gone still counts");
    assert!(bench.publish(&topic, "2", keyed.clone()).await.duplicate);
    tokio::time::advance(settings.idempotency).await;
    assert!(!bench.publish(&topic, "3", keyed).await.duplicate);
}

#[tokio::test(start_paused = true)]
async fn forgets_channels_that_nobody_needs() {
    let (bench, memory) = bench(64);
    let (plain, kept) = (topic("plain"), topic("kept"));
    drop(
        Interest::join(&bench.backplane, &plain, &Arc::default(), &ANY, 0)
            .await
            .unwrap(),
    );
    assert_eq!(channels(&memory), 0, "no history, nobody there: gone at once");
    let settings = with_history(10);
    bench.publish(&kept, "1", options(&settings)).await;
    let presence = Presence::enter(&bench.backplane, &kept, &settings, member("s"))
        .await
        .unwrap();
    tokio::time::advance(settings.history.as_ref().unwrap().ttl * 2).await;
    tokio::task::yield_now().await;
    assert_eq!(channels(&memory), 1, "someone is present");
    drop(presence);
    tokio::time::advance(SWEEP_EVERY).await;
    tokio::task::yield_now().await;
    assert_eq!(channels(&memory), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_no_room_takes_no_offset() {
    let (mut bench, _) = bench(1);
    let (topic, settings) = (topic("full"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    bench.publish(&topic, "1", options(&settings)).await;
    let mut second = bench.ask(&topic, "2", options(&settings));
    assert!(second.as_mut().now_or_never().is_none());
    drop(second);
    assert_eq!(bench.waiting(0), ["1"]);
    let third = bench.publish(&topic, "3", options(&settings)).await;
    assert_eq!(third.position.unwrap().offset, 2, "nothing was accepted before it");
    assert_eq!(bench.received_one(0).await, "3");
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_nobody_polls_holds_up_nobody() {
    let (mut bench, memory) = bench(1);
    let (ours, theirs, settings) = (topic("ours"), topic("theirs"), with_history(10));
    let _seats = [
        Interest::join(&bench.backplane, &ours, &settings, &ANY, 0)
            .await
            .unwrap(),
        Interest::join(&bench.backplane, &theirs, &settings, &ANY, 0)
            .await
            .unwrap(),
    ];
    bench.publish(&ours, "1", options(&settings)).await;
    let unpolled: Vec<_> = ["2", "3"].map(|n| bench.ask(&ours, n, options(&settings))).into();
    let other = tokio::spawn(bench.ask(&theirs, "theirs", options(&settings)));
    let mut received = Vec::new();
    for _ in 0..4 {
        received.push(bench.received_one(0).await);
    }
    received.retain(|text| text != "theirs");
    assert_eq!(received, ["1", "2", "3"]);
    assert!(other.await.unwrap().is_ok());
    for reply in unpolled {
        assert!(reply.await.is_ok(), "it was accepted all the same");
    }
    assert_eq!(memory.pending_bytes.left(), PENDING_BYTES);
}

#[tokio::test(start_paused = true)]
async fn joins_and_leaves_that_find_an_inbox_full_keep_their_order() {
    let (mut bench, memory) = bench(1);
    let (topic, settings) = (topic("ghost"), with_history(10));
    let backplane = bench.backplane.clone();
    let enter = || Box::pin(Presence::enter(&backplane, &topic, &settings, member("s1")));
    let _seat = Interest::join(&backplane, &topic, &settings, &ANY, 0).await.unwrap();
    let present = enter().await.unwrap();
    assert_eq!(bench.received_one(0).await, "join s1");
    bench.publish(&topic, "1", options(&settings)).await;
    drop(present);
    assert_eq!(bench.waiting(0), ["1"]);
    // There is room now, but the leave was first; and a join waits for its turn, so that leaves do not pile up.
    let mut back = enter();
    assert!(back.as_mut().now_or_never().is_none());
    assert_eq!(bench.received_one(0).await, "leave s1");
    assert_eq!(bench.received_one(0).await, "join s1");
    let _back = back.await.unwrap();
    assert_eq!(memory.members(&topic).await.unwrap().members, [member("s1")]);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_in_time_fails_and_leaves_nothing() {
    let (mut bench, memory) = bench(1);
    let (topic, settings) = (topic("stuck"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    bench.publish(&topic, "1", options(&settings)).await;
    let second = bench.ask(&topic, "2", options(&settings));
    assert!(
        Presence::enter(&bench.backplane, &topic, &settings, member("s1"))
            .await
            .is_err()
    );
    assert!(second.await.is_err());
    assert!(memory.members(&topic).await.unwrap().members.is_empty());
    assert_eq!(memory.pending_bytes.left(), PENDING_BYTES);
    assert_eq!(bench.waiting(0), ["1"]);
    let third = bench.publish(&topic, "3", options(&settings)).await;
    assert_eq!(third.position.unwrap().offset, 2);
    assert_eq!(bench.received_one(0).await, "3");
}

#[tokio::test]
async fn no_more_waits_than_there_is_room_for() {
    let (bench, memory) = bench(1);
    let (topic, settings) = (topic("heavy"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    bench.publish(&topic, "1", options(&settings)).await;
    let _all = memory.pending_bytes.reserve(&topic.tenant, PENDING_BYTES);
    let refused = bench.ask(&topic, "2", options(&settings)).now_or_never();
    assert!(refused.is_some_and(|reply| reply.is_err()), "at once");
}

#[tokio::test]
async fn a_tenant_whose_messages_no_shard_has_delivered_holds_up_no_other_one() {
    let (bench, _) = bench(4);
    let plain = Arc::default();
    let of = |tenant: &str, name: &str| Topic {
        tenant: tenant.into(),
        ..topic(name)
    };
    let (quiet, mut seats) = (of("quiet", "c"), Vec::new());
    for topic in [&of("flood", "a"), &of("flood", "b"), &quiet] {
        seats.push(Interest::join(&bench.backplane, topic, &plain, &ANY, 0).await.unwrap());
    }
    let mut waiting = Vec::new();
    for n in 0..20 {
        let name = if n % 2 == 0 { "a" } else { "b" };
        waiting.push(bench.ask(&of("flood", name), "1", options(&plain)));
    }
    let done = waiting
        .iter_mut()
        .filter_map(|publish| publish.as_mut().now_or_never())
        .count();
    assert_eq!(done, 4, "the others wait for room");
    for _ in 0..4 {
        let publish = bench.ask(&quiet, "2", options(&plain)).now_or_never();
        assert!(publish.expect("it waits for nobody").is_ok());
    }
}
