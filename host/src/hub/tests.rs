//! Who gets what, over real sockets.

mod bounds;
mod compression;
mod formats;
mod support;

use std::time::Duration;

use bytes::Bytes;

use support::{TestHub, client};

use super::*;
use backplane::{PresenceChange, Publication};
use config::{History, Overflow};
use protocol::Member;
use protocol::codes;
use protocol::names::Channel;

fn topic() -> Topic {
    Topic {
        tenant: "acme".into(),
        channel: Channel::parse("room").unwrap(),
    }
}

fn message(text: &str, offset: Option<u64>) -> Envelope {
    message_at(text, offset.map(at))
}

fn in_epoch(epoch: &str, text: &str, offset: u64) -> Envelope {
    let epoch = epoch.into();
    message_at(text, Some(Position { epoch, offset }))
}

fn message_at(text: &str, position: Option<Position>) -> Envelope {
    let from = Member {
        user: None,
        session: "s0".into(),
    };
    let data = Bytes::copy_from_slice(text.as_bytes());
    Envelope::Message(Arc::new(Publication::new(
        topic(),
        "id".into(),
        data,
        position,
        Some(from),
        vec![],
    )))
}

fn settings(overflow: Overflow, history: bool) -> Arc<ChannelSettings> {
    Arc::new(ChannelSettings {
        overflow,
        history: history.then_some(History {
            size: 10,
            ttl: Duration::from_mins(1),
        }),
        ..ChannelSettings::default()
    })
}

fn at(offset: u64) -> Position {
    let epoch = "e".into();
    Position { epoch, offset }
}

#[tokio::test]
async fn holds_until_released_and_skips_what_the_history_brought() {
    let mut ann = client(1, 65_536).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, true), &ann.client, 0);
    for offset in 1..=4 {
        hub.deliver(&[message(&offset.to_string(), Some(offset))]);
    }
    hub.flush();
    assert_eq!(ann.client.waiting_bytes(), 0, "held");
    hub.release(&topic(), 1, Some(at(2)), None);
    hub.deliver(&[message("5", Some(5))]);
    hub.flush();
    assert_eq!(ann.read_until("\"offset\":5").await, ["3", "4", "5"]);
    assert_eq!(hub.take_deliveries(), 3);
}

#[tokio::test]
async fn what_is_revoked_is_neither_delivered_nor_left_waiting() {
    let (mut ann, mut bob) = (client(1, 65_536).await, client(2, 65_536).await);
    let mut hub = TestHub::default();
    for client in [&ann.client, &bob.client] {
        hub.insert(&topic(), &settings(Overflow::Disconnect, false), client, 7);
        hub.release(&topic(), client.id, None, None);
    }
    hub.deliver(&[message("1", None)]);
    hub.flush();
    // One that waits, and then one that comes too late.
    hub.deliver(&[message("2", None)]);
    assert!(hub.revoke(&topic(), 1, codes::CLOSE_PERMISSION_DENIED));
    assert!(
        !hub.revoke(&topic(), 1, codes::CLOSE_PERMISSION_DENIED),
        "it is revoked once"
    );
    hub.deliver(&[message("3", None)]);
    assert_eq!(ann.client.waiting_bytes(), 0);
    assert_eq!(hub.listeners(&topic()), 1);
    let signals = ann.client.take_signals();
    assert_eq!(signals.ended, [(topic().channel, codes::CLOSE_PERMISSION_DENIED)]);
    ann.client.push(wire::text_frame("{\"payload\":9}"));
    ann.client.flush();
    hub.flush();
    assert_eq!(ann.read_until("\"payload\":9").await, ["1", "9"]);
    assert_eq!(bob.read_until("\"payload\":3").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn what_is_revoked_while_it_is_held_is_never_released() {
    let ann = client(1, 65_536).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, true), &ann.client, 0);
    hub.deliver(&[message("1", Some(1))]);
    assert!(hub.revoke(&topic(), 1, codes::CLOSE_PERMISSION_DENIED));
    assert!(hub.is_revoked(&topic(), 1));
    hub.release(&topic(), 1, None, None);
    hub.deliver(&[message("2", Some(2))]);
    assert_eq!(ann.client.waiting_bytes(), 0);
    assert_eq!(hub.topics_at(0..hub.places()).count(), 0, "nobody listens");
    // The same connection may subscribe again.
    hub.remove(&topic(), 1);
    hub.insert(&topic(), &settings(Overflow::Disconnect, true), &ann.client, 1);
    assert!(!hub.is_revoked(&topic(), 1));
}

#[tokio::test]
async fn a_line_that_is_cut_off_gets_last_words_alone() {
    let mut ann = client(1, 65_536).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, false), &ann.client, 0);
    hub.release(&topic(), 1, None, None);
    hub.deliver(&[message("1", None)]);
    ann.client.signal_close(codes::SHUTTING_DOWN, Some(5));
    ann.client.cut_off(codes::KICKED, None);
    hub.deliver(&[message("2", None)]);
    ann.client.push(wire::text_frame("{\"payload\":3}"));
    assert_eq!(ann.client.waiting_bytes(), 0);
    assert_eq!(ann.client.take_signals().close, Some((codes::KICKED, None)));
    ann.client.push_closing([wire::text_frame("{\"payload\":4}")], false);
    ann.client.flush();
    assert_eq!(ann.read_until("\"payload\":4").await, ["4"]);
}

#[tokio::test]
async fn echo_false_spares_the_publisher_only() {
    let (mut ann, mut bob) = (client(0, 65_536).await, client(1, 65_536).await);
    let mut hub = TestHub::default();
    for client in [&ann.client, &bob.client] {
        hub.insert(&topic(), &settings(Overflow::Disconnect, false), client, 0);
        hub.release(&topic(), client.id, None, None);
    }
    let Envelope::Message(quiet) = message("1", None) else {
        unreachable!()
    };
    let mut quiet = Arc::into_inner(quiet).unwrap();
    quiet.echo = false;
    hub.deliver(&[Envelope::Message(Arc::new(quiet)), message("2", None)]);
    hub.flush();
    assert_eq!(ann.read_until("\"payload\":2").await, ["2"]);
    assert_eq!(bob.read_until("\"payload\":2").await, ["1", "2"]);
}

#[tokio::test]
async fn a_slow_reader_meets_the_policy_of_the_channel() {
    // Room for one message, and a client that nobody flushes.
    for (overflow, history, closes, ends) in [
        (Overflow::Disconnect, true, true, 0),
        (Overflow::Drop, true, false, 0),
        (Overflow::Drop, false, false, 1),
        (Overflow::Conflate, false, false, 0),
    ] {
        let slow = client(1, 250).await;
        let mut hub = TestHub::default();
        hub.insert(&topic(), &settings(overflow, history), &slow.client, 0);
        hub.release(&topic(), 1, None, None);
        for offset in 1..=3 {
            hub.deliver(&[message("1", history.then_some(offset))]);
        }
        let signals = slow.client.take_signals();
        assert_eq!(signals.close.is_some(), closes, "{overflow:?}");
        assert_eq!(signals.ended.len(), ends, "{overflow:?} history {history}");
    }
}

#[tokio::test]
async fn nobody_is_left_behind() {
    let ann = client(1, 65_536).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, false), &ann.client, 0);
    hub.remove(&topic(), 1);
    assert!(hub.topics.is_empty());
    hub.deliver(&[message("1", None)]);
    hub.flush();
    assert_eq!((ann.client.waiting_bytes(), Rc::strong_count(&ann.client)), (0, 1));
}

#[tokio::test]
async fn what_arrives_together_is_joined_and_nobody_gets_it_twice() {
    let (mut ann, mut bob) = (client(1, 65_536).await, client(2, 65_536).await);
    let mut hub = TestHub::default();
    // Ann has nothing yet; Bob's history brought the first two.
    for (client, after) in [(&ann.client, 0), (&bob.client, 2)] {
        hub.insert(&topic(), &settings(Overflow::Disconnect, true), client, 0);
        hub.release(&topic(), client.id, Some(at(after)), None);
    }
    let turn: Vec<_> = (1..=4)
        .map(|offset| message(&offset.to_string(), Some(offset)))
        .collect();
    hub.deliver(&turn);
    hub.flush();
    assert_eq!(ann.read_until("\"offset\":4").await, ["1", "2", "3", "4"]);
    assert_eq!(bob.read_until("\"offset\":4").await, ["3", "4"]);
    assert_eq!(hub.take_deliveries(), 6);
}

#[tokio::test]
async fn a_turn_that_does_not_fit_is_taken_as_far_as_it_does() {
    let mut slow = client(1, 600).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Drop, true), &slow.client, 0);
    hub.release(&topic(), 1, None, None);
    let turn: Vec<_> = (1..=8)
        .map(|offset| message(&offset.to_string(), Some(offset)))
        .collect();
    hub.deliver(&turn);
    let queued = hub.take_deliveries();
    assert!(0 < queued && queued < 8, "{queued}");
    hub.flush();
    let expected: Vec<_> = (1..=queued).map(|offset| offset.to_string()).collect();
    assert_eq!(slow.read_until(&format!("\"offset\":{queued}")).await, expected);
}

#[tokio::test]
async fn of_another_epoch_nothing_is_had_already() {
    let mut ann = client(1, 65_536).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, true), &ann.client, 0);
    let elsewhere = Position {
        epoch: "before".into(),
        offset: 57,
    };
    hub.release(&topic(), 1, Some(elsewhere), None);
    hub.deliver(&[message("1", Some(1)), message("2", Some(2))]);
    hub.flush();
    assert_eq!(ann.read_until("\"offset\":2").await, ["1", "2"]);
}

#[tokio::test]
async fn who_listens_is_told_that_messages_are_lost() {
    let ann = client(1, 65_536).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, true), &ann.client, 0);
    hub.release(&topic(), 1, None, None);
    hub.deliver(&[Envelope::Lost(topic()), message("1", Some(1))]);
    hub.flush();
    let ended = ann.client.take_signals().ended;
    assert_eq!(ended, [(topic().channel, codes::INSUFFICIENT_STATE)]);
    assert_eq!(ann.client.waiting_bytes(), 0, "and gets nothing more");
}

#[tokio::test]
async fn what_was_held_of_an_epoch_that_is_over_is_not_told_any_more() {
    let mut ann = client(1, 65_536).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, true), &ann.client, 0);
    let old = |offset| in_epoch("over", "9", offset);
    hub.deliver(&[old(361), old(362), message("1", Some(1)), message("2", Some(2))]);
    hub.release(&topic(), 1, Some(at(1)), None);
    hub.flush();
    assert_eq!(ann.read_until("\"offset\":2").await, ["2"]);
}

#[tokio::test]
async fn what_cannot_be_told_from_old_ends_the_subscription() {
    let ann = client(1, 65_536).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, true), &ann.client, 0);
    hub.release(&topic(), 1, Some(at(1)), None);
    hub.deliver(&[in_epoch("another", "9", 362)]);
    hub.flush();
    let ended = ann.client.take_signals().ended;
    assert_eq!(ended, [(topic().channel, codes::INSUFFICIENT_STATE)]);
    assert_eq!(ann.client.waiting_bytes(), 0);
}

fn moved(session: &str, joined: bool, version: u64) -> Envelope {
    let member = Member {
        user: None,
        session: session.into(),
    };
    let change = PresenceChange::new(topic(), member, joined, version);
    Envelope::Presence(Arc::new(change))
}

#[tokio::test]
async fn joins_and_leaves_that_the_snapshot_shows_are_not_told_again() {
    // What is held, the version of the snapshot, what comes after the release, and what is told.
    let came = |version| moved("bob", true, version);
    let went = |version| moved("bob", false, version);
    let back = |version| moved("bob, elsewhere", true, version);
    for (held, snapshot, live, told) in [
        (vec![came(1)], Some(1), vec![], vec![]),
        (vec![came(1)], Some(0), vec![], vec!["join bob"]),
        // It was published before the snapshot was read, and comes late.
        (vec![], Some(2), vec![came(1), went(2), came(3)], vec!["join bob"]),
        (vec![came(1), went(2)], Some(1), vec![], vec!["leave bob"]),
        (
            vec![came(1), went(2), came(3)],
            Some(1),
            vec![],
            vec!["leave bob", "join bob"],
        ),
        (vec![came(1), went(2), came(3)], Some(2), vec![], vec!["join bob"]),
        (
            vec![came(1), went(2), came(3)],
            Some(3),
            vec![went(4)],
            vec!["leave bob"],
        ),
        (
            vec![went(2), back(3)],
            Some(1),
            vec![],
            vec!["leave bob", "join bob, elsewhere"],
        ),
        // Without a snapshot: what comes from now on.
        (vec![came(1)], None, vec![went(2)], vec!["leave bob"]),
    ] {
        let mut ann = client(1, 65_536).await;
        let mut hub = TestHub::default();
        hub.insert(&topic(), &settings(Overflow::Disconnect, false), &ann.client, 0);
        for change in held {
            hub.deliver(&[change]);
        }
        hub.release(&topic(), 1, None, snapshot);
        for change in live {
            hub.deliver(&[change]);
        }
        hub.deliver(&[message("\"end\"", None)]);
        hub.flush();
        assert_eq!(ann.read_changes_until("\"end\"").await, told, "{snapshot:?}");
    }
}
