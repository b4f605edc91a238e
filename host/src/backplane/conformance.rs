//! The contract of a backplane as a suite: every implementation runs it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::mpsc;

use super::{Backplane, Envelope, HistoryRange, Interest, Presence, PublishOptions, Published, Reply};
use crate::chain::{Caller, Chain, Defaults, Outcome};
use crate::config::{ChannelSettings, History};
use crate::protocol::Position;
use crate::protocol::names::{Channel, Topic};
use crate::protocol::write::Member;

/// A backplane for two shards, and what each of them is sent.
pub(super) struct Bench {
    pub backplane: Arc<dyn Backplane>,
    pub inboxes: Vec<mpsc::Receiver<Envelope>>,
}

pub(super) fn topic(name: &str) -> Topic {
    Topic {
        tenant: "acme".into(),
        channel: Channel::parse(name).unwrap(),
    }
}

pub(super) fn with_history(size: usize) -> Arc<ChannelSettings> {
    Arc::new(ChannelSettings {
        history: Some(History {
            size,
            ttl: Duration::from_mins(1),
        }),
        presence: true,
        join_leave: true,
        ..ChannelSettings::default()
    })
}

pub(super) fn member(session: &str) -> Member {
    Member {
        user: Some("ann".into()),
        session: session.into(),
    }
}

impl Bench {
    /// Publishes as the chain would let it.
    pub async fn publish(&self, topic: &Topic, data: &str, options: PublishOptions) -> Published {
        self.ask(topic, data, options).await.unwrap()
    }

    /// The same, for who waits in another way.
    pub fn ask(&self, topic: &Topic, data: &str, options: PublishOptions) -> Reply<'static, Published> {
        let defaults = Defaults {
            anonymous: true,
            allow: true,
            message_bytes: 1024,
        };
        let caller = Caller::new("s".into(), topic.tenant.clone(), [127, 0, 0, 1].into(), "websocket");
        let mut chain = Chain::new(Vec::new(), defaults);
        let data = Bytes::copy_from_slice(data.as_bytes());
        let Ok(Outcome::Pass(permit)) = chain.publish(&Arc::new(caller), &topic.channel, data, true) else {
            panic!("an open chain passes everything");
        };
        self.backplane.clone().publish(permit, options)
    }

    /// What shard `index` was sent so far, as text: the data of messages, `join`s and `leave`s.
    pub async fn received(&mut self, index: usize) -> Vec<String> {
        // What comes after everything else that was sent before.
        let barrier = topic("barrier");
        let settings = Arc::default();
        let seat = Interest::join(&self.backplane, &barrier, &settings, index)
            .await
            .unwrap();
        self.publish(&barrier, "barrier", options(&settings)).await;
        let mut received = Vec::new();
        loop {
            let envelope = self.next(index).await;
            if *envelope.topic() == barrier {
                break;
            }
            received.push(text(&envelope));
        }
        drop(seat);
        received
    }

    async fn next(&mut self, index: usize) -> Envelope {
        let envelope = tokio::time::timeout(Duration::from_secs(5), self.inboxes[index].recv()).await;
        envelope.expect("something comes").expect("the inbox is open")
    }

    /// What lies in the inbox of shard `index` now.
    pub fn waiting(&mut self, index: usize) -> Vec<String> {
        let inbox = &mut self.inboxes[index];
        std::iter::from_fn(|| inbox.try_recv().ok())
            .map(|envelope| text(&envelope))
            .collect()
    }

    async fn history(&self, topic: &Topic, settings: &ChannelSettings, range: HistoryRange) -> (u64, Vec<u64>, bool) {
        let page = self.backplane.history(topic, settings, range).await.unwrap();
        let offsets = page.messages.iter().map(|m| m.position.as_ref().unwrap().offset);
        (page.newest.offset, offsets.collect(), page.whole)
    }
}

fn text(envelope: &Envelope) -> String {
    match envelope {
        Envelope::Message(publication) => String::from_utf8(publication.data.to_vec()).unwrap(),
        Envelope::Presence(change) => {
            let joined = change.frame.windows(6).any(|word| word == b"\"join\"");
            format!("{} {}", if joined { "join" } else { "leave" }, change.member.session)
        }
        Envelope::Lost(topic) => format!("lost {topic}"),
    }
}

pub(super) fn options(settings: &Arc<ChannelSettings>) -> PublishOptions {
    PublishOptions {
        from: None,
        key: None,
        ephemeral: false,
        echo: true,
        settings: settings.clone(),
    }
}

/// Runs the whole suite.
pub(super) async fn suite(mut bench: Bench) {
    a_shard_is_reached_between_join_and_leave(&mut bench).await;
    offsets_count_up_by_one_and_order_is_the_same_everywhere(&mut bench).await;
    if bench.backplane.takes_turns() {
        what_is_said_in_one_breath_keeps_its_order(&mut bench).await;
    }
    tenants_do_not_meet(&mut bench).await;
    history_keeps_the_newest(&mut bench).await;
    recovery_is_whole_or_says_so(&mut bench).await;
    a_key_is_published_once(&mut bench).await;
    ephemeral_takes_no_history(&mut bench).await;
    presence_is_told_once(&mut bench).await;
}

async fn a_shard_is_reached_between_join_and_leave(bench: &mut Bench) {
    let (topic, settings) = (topic("join"), Arc::default());
    bench.publish(&topic, "0", options(&settings)).await;
    let first = Interest::join(&bench.backplane, &topic, &settings, 1).await.unwrap();
    let second = Interest::join(&bench.backplane, &topic, &settings, 1).await.unwrap();
    bench.publish(&topic, "1", options(&settings)).await;
    drop(first);
    bench.publish(&topic, "2", options(&settings)).await;
    assert_eq!(bench.received(1).await, ["1", "2"]);
    drop(second);
    bench.publish(&topic, "3", options(&settings)).await;
    assert!(bench.received(1).await.is_empty(), "nobody is there any more");
    assert!(bench.received(0).await.is_empty(), "nobody joined there");
}

async fn offsets_count_up_by_one_and_order_is_the_same_everywhere(bench: &mut Bench) {
    let (topic, settings) = (topic("order"), with_history(10));
    let _seats = [
        Interest::join(&bench.backplane, &topic, &settings, 0).await.unwrap(),
        Interest::join(&bench.backplane, &topic, &settings, 1).await.unwrap(),
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

pub(super) async fn what_is_said_in_one_breath_keeps_its_order(bench: &mut Bench) {
    let (topic, settings) = (topic("breath"), with_history(500));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, 0).await.unwrap();
    let said: Vec<_> = (1..=300).map(|n| n.to_string()).collect();
    let mut asked: Vec<_> = said.iter().map(|n| bench.ask(&topic, n, options(&settings))).collect();
    // Turns are decided when they are first asked for, whoever waits first.
    let early: Vec<_> = asked.iter_mut().map(|answer| answer.as_mut().now_or_never()).collect();
    let late = asked.into_iter().zip(early).rev().map(|(answer, early)| {
        tokio::spawn(async move {
            match early {
                Some(answered) => answered,
                None => answer.await,
            }
        })
    });
    let late: Vec<_> = late.collect();
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

async fn tenants_do_not_meet(bench: &mut Bench) {
    let settings = with_history(10);
    let ours = topic("shared");
    let theirs = Topic {
        tenant: "other".into(),
        ..ours.clone()
    };
    let _seat = Interest::join(&bench.backplane, &ours, &settings, 0).await.unwrap();
    bench.publish(&theirs, "secret", options(&settings)).await;
    assert!(bench.received(0).await.is_empty());
    assert_eq!(
        bench.history(&ours, &settings, HistoryRange::default()).await,
        (0, vec![], true)
    );
}

async fn history_keeps_the_newest(bench: &mut Bench) {
    let (topic, settings) = (topic("history"), with_history(3));
    let empty = bench
        .backplane
        .history(&topic, &settings, HistoryRange::default())
        .await
        .unwrap();
    assert_eq!((empty.newest.offset, empty.newest.epoch.is_empty()), (0, false));
    for n in 1..=5 {
        let at = bench
            .publish(&topic, &n.to_string(), options(&settings))
            .await
            .position
            .unwrap();
        assert_eq!(at.epoch, empty.newest.epoch, "an empty channel keeps the epoch it told");
    }
    assert_eq!(
        bench.history(&topic, &settings, HistoryRange::default()).await,
        (5, vec![3, 4, 5], true)
    );
    let limited = HistoryRange {
        limit: Some(2),
        ..HistoryRange::default()
    };
    assert_eq!(bench.history(&topic, &settings, limited.clone()).await.1, [3, 4]);
    let reversed = HistoryRange {
        reverse: true,
        ..limited
    };
    assert_eq!(bench.history(&topic, &settings, reversed).await.1, [5, 4]);
}

async fn recovery_is_whole_or_says_so(bench: &mut Bench) {
    let (topic, settings) = (topic("recovery"), with_history(3));
    let mut epoch = None;
    for n in 1..=5 {
        let published = bench.publish(&topic, &n.to_string(), options(&settings)).await;
        epoch = published.position.map(|position| position.epoch);
    }
    let since = |offset| HistoryRange {
        since: Some(Position {
            epoch: epoch.clone().unwrap(),
            offset,
        }),
        ..HistoryRange::default()
    };
    assert_eq!(bench.history(&topic, &settings, since(5)).await, (5, vec![], true));
    assert_eq!(
        bench.history(&topic, &settings, since(2)).await,
        (5, vec![3, 4, 5], true)
    );
    let whole = |offset| {
        let range = since(offset);
        let (bench, topic, settings) = (&*bench, &topic, &settings);
        async move { bench.history(topic, settings, range).await.2 }
    };
    assert!(!whole(1).await, "message 2 is gone");
    assert!(!whole(6).await, "message 6 never was");
    assert!(!whole(u64::MAX).await);
    let elsewhere = HistoryRange {
        since: Some(Position {
            epoch: "another".into(),
            offset: 5,
        }),
        ..HistoryRange::default()
    };
    assert_eq!(bench.history(&topic, &settings, elsewhere).await, (5, vec![], false));
}

async fn a_key_is_published_once(bench: &mut Bench) {
    let (topic, settings) = (topic("keys"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, 0).await.unwrap();
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

async fn ephemeral_takes_no_history(bench: &mut Bench) {
    let (topic, settings) = (topic("ephemeral"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, 0).await.unwrap();
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

async fn presence_is_told_once(bench: &mut Bench) {
    let (topic, settings) = (topic("presence"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, 0).await.unwrap();
    let enter = |session| Presence::enter(&bench.backplane, &topic, &settings, member(session));
    let (one, two) = (enter("s1").await.unwrap(), enter("s2").await.unwrap());
    let mut members = bench.backplane.members(&topic).await.unwrap();
    members.sort_by(|a, b| a.session.cmp(&b.session));
    assert_eq!(members, [member("s1"), member("s2")]);
    drop(one);
    bench.backplane.close().await.unwrap();
    assert_eq!(bench.backplane.members(&topic).await.unwrap(), [member("s2")]);
    drop(two);
    bench.backplane.exit(&topic, &settings, &member("s2"));
    bench.backplane.close().await.unwrap();
    assert_eq!(bench.received(0).await, ["join s1", "join s2", "leave s1", "leave s2"]);
}
