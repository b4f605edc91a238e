//! Who gets what, and in which order.

use std::sync::Arc;

use super::bench::{ANY, Bench, options, text, topic, with_history};
use crate::{HistoryRange, Interest, PublishOptions};
use protocol::names::Topic;

pub(super) async fn a_shard_is_reached_between_join_and_leave(bench: &mut Bench) {
    let (topic, settings) = (topic("join"), Arc::default());
    bench.publish(&topic, "0", options(&settings)).await;
    let first = Interest::join(&bench.backplane, &topic, &settings, &ANY, 1)
        .await
        .unwrap();
    let second = Interest::join(&bench.backplane, &topic, &settings, &ANY, 1)
        .await
        .unwrap();
    bench.publish(&topic, "1", options(&settings)).await;
    drop(first);
    bench.publish(&topic, "2", options(&settings)).await;
    assert_eq!(bench.received(1).await, ["1", "2"]);
    drop(second);
    bench.publish(&topic, "3", options(&settings)).await;
    assert!(bench.received(1).await.is_empty(), "nobody is there any more");
    assert!(bench.received(0).await.is_empty(), "nobody joined there");
}

pub(super) async fn offsets_count_up_by_one_and_order_is_the_same_everywhere(bench: &mut Bench) {
    let (topic, settings) = (topic("order"), with_history(10));
    let _seats = [
        Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
            .await
            .unwrap(),
        Interest::join(&bench.backplane, &topic, &settings, &ANY, 1)
            .await
            .unwrap(),
    ];
    let mut positions = Vec::new();
    for n in 1..=5 {
        let published = bench.publish(&topic, &n.to_string(), options(&settings)).await;
        positions.push(published.position.unwrap());
    }
    assert_eq!(positions.iter().map(|p| p.offset).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(positions.windows(2).all(|pair| pair[0].epoch == pair[1].epoch));
    let expected = ["1", "2", "3", "4", "5"];
    assert_eq!(bench.received(0).await, expected);
    assert_eq!(bench.received(1).await, expected);
}

pub(crate) async fn what_is_said_in_one_breath_keeps_its_order(bench: &mut Bench) {
    let (topic, settings) = (topic("breath"), with_history(500));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    let said: Vec<_> = (1..=300).map(|n| n.to_string()).collect();
    let asked: Vec<_> = said.iter().map(|n| bench.ask(&topic, n, options(&settings))).collect();
    // Turns are taken when it is published, whoever asks for an answer first.
    let late: Vec<_> = asked.into_iter().rev().map(tokio::spawn).collect();
    let mut received = Vec::new();
    while received.len() < said.len() {
        received.push(text(&bench.next(0).await));
    }
    assert_eq!(received, said);
    let mut last = 0;
    for answer in late.into_iter().rev() {
        let offset = answer.await.unwrap().unwrap().position.unwrap().offset;
        assert!(offset > last);
        last = offset;
    }
}

pub(super) async fn tenants_do_not_meet(bench: &mut Bench) {
    let settings = with_history(10);
    let ours = topic("shared");
    let theirs = Topic {
        tenant: "other".into(),
        ..ours.clone()
    };
    let _seat = Interest::join(&bench.backplane, &ours, &settings, &ANY, 0)
        .await
        .unwrap();
    bench.publish(&theirs, "secret", options(&settings)).await;
    assert!(bench.received(0).await.is_empty());
    assert_eq!(
        bench.history(&ours, &settings, HistoryRange::default()).await,
        (0, vec![], true)
    );
}

pub(super) async fn a_key_is_published_once(bench: &mut Bench) {
    let (topic, settings) = (topic("keys"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    let keyed = PublishOptions {
        key: Some("k".into()),
        ..options(&settings)
    };
    let first = bench.publish(&topic, "1", keyed.clone()).await;
    let again = bench.publish(&topic, "2", keyed).await;
    assert_eq!((first.duplicate, again.duplicate), (false, true));
    assert_eq!((&first.id, &first.position), (&again.id, &again.position));
    assert_eq!(bench.received(0).await, ["1"]);
}

pub(super) async fn ephemeral_takes_no_history(bench: &mut Bench) {
    let (topic, settings) = (topic("ephemeral"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    let ephemeral = PublishOptions {
        ephemeral: true,
        ..options(&settings)
    };
    assert_eq!(bench.publish(&topic, "typing", ephemeral).await.position, None);
    assert_eq!(bench.received(0).await, ["typing"]);
    assert_eq!(
        bench.history(&topic, &settings, HistoryRange::default()).await,
        (0, vec![], true)
    );
}
