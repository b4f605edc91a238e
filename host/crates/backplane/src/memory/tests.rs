//! The conformance suite, and what only this backplane promises: how it waits and how it forgets.

use super::*;
use crate::conformance::{Bench, member, options, suite, topic, with_history};
use crate::{Interest, Presence};

fn bench(inbox: usize) -> (Bench, Arc<MemoryBackplane>) {
    let (senders, inboxes) = (0..2).map(|_| mpsc::channel(inbox)).unzip();
    let memory = MemoryBackplane::new(senders);
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
        Interest::join(&bench.backplane, &plain, &Arc::default(), 0)
            .await
            .unwrap(),
    );
    assert_eq!(channels(&memory), 0, "no history, nobody there: gone at once");
    let settings = with_history(10);
    bench.publish(&kept, "1", options(&settings)).await;
    let presence = Presence::enter(&bench.backplane, &kept, &settings, member("s"))
        .await
        .unwrap();
    let sweeper = tokio::spawn(memory.clone().sweep());
    tokio::time::advance(settings.history.as_ref().unwrap().ttl * 2).await;
    tokio::task::yield_now().await;
    assert_eq!(channels(&memory), 1, "someone is present");
    drop(presence);
    tokio::time::advance(SWEEP_EVERY).await;
    tokio::task::yield_now().await;
    assert_eq!(channels(&memory), 0);
    sweeper.abort();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_no_room_takes_no_offset() {
    let (mut bench, memory) = bench(1);
    let (topic, settings) = (topic("full"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, 0).await.unwrap();
    bench.publish(&topic, "1", options(&settings)).await;
    let message = |text: &'static str| Message {
        topic: topic.clone(),
        data: bytes::Bytes::from_static(text.as_bytes()),
        tags: Vec::new(),
    };
    assert_eq!(memory.try_publish(&mut Some(message("2")), &options(&settings)), Err(0));
    // Nothing was accepted: the next one that is has the next offset.
    assert_eq!(bench.waiting(0), ["1"]);
    let third = bench.publish(&topic, "3", options(&settings)).await;
    assert_eq!(third.position.unwrap().offset, 2);
    assert_eq!(bench.waiting(0), ["3"]);
}

#[tokio::test(start_paused = true)]
async fn a_publish_whose_answer_nobody_asks_for_keeps_its_turn_and_holds_no_room() {
    let (mut bench, _memory) = bench(1);
    let (topic, other, settings) = (
        topic("full"),
        super::super::conformance::topic("other"),
        with_history(10),
    );
    let _seats = [
        Interest::join(&bench.backplane, &topic, &settings, 0).await.unwrap(),
        Interest::join(&bench.backplane, &other, &settings, 0).await.unwrap(),
    ];
    let unasked = [1, 2, 3].map(|n| bench.ask(&topic, &n.to_string(), options(&settings)));
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.extend(bench.waiting(0));
        tokio::task::yield_now().await;
    }
    assert_eq!(seen, ["1", "2", "3"], "each took its turn by itself");
    bench.publish(&other, "4", options(&settings)).await;
    assert_eq!(bench.waiting(0), ["4"], "there is room for others");
    for (n, answer) in unasked.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap().position.unwrap().offset, n as u64 + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_or_for_nobody_is_not_published() {
    let (mut bench, _memory) = bench(1);
    let (topic, settings) = (topic("stuck"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, 0).await.unwrap();
    bench.publish(&topic, "1", options(&settings)).await;
    let late = bench.ask(&topic, "late", options(&settings));
    drop(bench.ask(&topic, "gone", options(&settings)));
    assert!(late.await.is_err());
    assert_eq!(bench.waiting(0), ["1"]);
    let next = bench.publish(&topic, "2", options(&settings)).await;
    assert_eq!(next.position.unwrap().offset, 2);
    assert_eq!(bench.waiting(0), ["2"]);
}
