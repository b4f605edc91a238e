//! Each promise, broken once by hand: the checker has to find it.

use super::*;
use crate::chaos::history::{Message, Position, What};
use crate::support::usage::Usage;

fn at(epoch: &str, offset: u64) -> Position {
    let epoch = epoch.to_owned();
    Position { epoch, offset }
}

/// The message that [`acked`] is about.
fn message(epoch: &str, offset: u64) -> Message {
    Message {
        id: format!("{epoch}-{offset}"),
        channel: "c".into(),
        at: Some(at(epoch, offset)),
        key: format!("k-{epoch}-{offset}"),
    }
}

fn got(message: Message) -> What {
    What::Received { message }
}

fn subscribed(position: Position, since: Option<Position>, recovered: Option<bool>, messages: Vec<Message>) -> What {
    What::Subscribed {
        channel: "c".into(),
        at: Some(position),
        since,
        recovered,
        messages,
    }
}

fn asked(key: &str) -> What {
    What::Asked {
        channel: "c".into(),
        key: key.into(),
    }
}

fn ack_of(Message { id, channel, at, key }: Message) -> What {
    What::Acked { channel, key, id, at }
}

/// Everything that a publisher does for the message at a position.
fn published(epoch: &str, offset: u64) -> [(&'static str, What); 2] {
    let message = message(epoch, offset);
    [("pub", asked(&message.key)), ("pub", ack_of(message))]
}

fn history(lines: impl IntoIterator<Item = (&'static str, What)>) -> Vec<Event> {
    let lines = (0..).zip(lines);
    lines
        .map(|(at_ms, (who, what))| Event {
            at_ms,
            who: who.into(),
            what,
        })
        .collect()
}

/// The promises that are broken by a history in which 1 to 4 of epoch `e` were published, and then this happened.
fn broken_by(lines: impl IntoIterator<Item = (&'static str, What)>) -> Vec<Promise> {
    let first = (1..=4).flat_map(|offset| published("e", offset));
    promises(&history(first.chain(lines)))
}

fn promises(events: &[Event]) -> Vec<Promise> {
    let mut promises: Vec<_> = check(events).into_iter().map(|violation| violation.promise).collect();
    promises.dedup();
    promises
}

const AWAY: What = What::Away { code: None };

#[test]
fn a_good_history_breaks_nothing() {
    let revoked = What::Revoked { channel: "c".into() };
    let dropped = What::Dropped {
        channel: "c".into(),
        code: 4002,
    };
    let before = [
        ("ann", subscribed(at("e", 0), None, None, vec![])),
        ("ann", got(message("e", 1))),
        ("ann", got(message("e", 2))),
        ("ann", AWAY),
        (
            "ann",
            subscribed(
                at("e", 4),
                Some(at("e", 2)),
                Some(true),
                vec![message("e", 3), message("e", 4)],
            ),
        ),
        ("bob", subscribed(at("e", 4), None, None, vec![])),
        ("bob", revoked),
        ("bob", AWAY),
        ("carl", subscribed(at("e", 1), None, None, vec![])),
        ("carl", dropped),
    ];
    let after = published("e", 5).into_iter().chain([
        ("ann", got(message("e", 5))),
        ("carl", subscribed(at("e", 5), Some(at("e", 1)), Some(false), vec![])),
        (
            "bob",
            subscribed(at("e", 5), Some(at("e", 4)), Some(true), vec![message("e", 5)]),
        ),
    ]);
    assert_eq!(broken_by(before.into_iter().chain(after)), []);
}

#[test]
fn a_hole_in_a_subscription_is_seen() {
    let lines = [
        ("ann", subscribed(at("e", 1), None, None, vec![])),
        ("ann", got(message("e", 2))),
        ("ann", got(message("e", 4))),
    ];
    assert_eq!(broken_by(lines), [Promise::NoHole]);
}

#[test]
fn a_recovery_with_a_hole_is_seen() {
    let recovered = |messages| {
        [
            ("ann", subscribed(at("e", 1), None, None, vec![])),
            ("ann", AWAY),
            ("ann", subscribed(at("e", 4), Some(at("e", 1)), Some(true), messages)),
        ]
    };
    assert_eq!(
        broken_by(recovered(vec![message("e", 2), message("e", 4)])),
        [Promise::NoHole],
        "in the middle"
    );
    assert_eq!(
        broken_by(recovered(vec![message("e", 2), message("e", 3)])),
        [Promise::NoHole, Promise::AckedArrives],
        "at the end, and the last one never comes"
    );
    assert_eq!(
        broken_by(recovered(vec![])),
        [Promise::NoHole, Promise::AckedArrives],
        "all of it"
    );
}

#[test]
fn a_recovery_in_part_is_seen() {
    let part = vec![message("e", 4)];
    let lines = [("ann", subscribed(at("e", 4), Some(at("e", 1)), Some(false), part))];
    assert_eq!(broken_by(lines), [Promise::NoHole]);
}

#[test]
fn offsets_that_do_not_grow_are_seen() {
    let lines = [
        ("ann", subscribed(at("e", 2), None, None, vec![])),
        ("ann", got(message("e", 3))),
        ("ann", got(message("e", 4))),
        ("ann", got(message("e", 3))),
    ];
    assert_eq!(broken_by(lines), [Promise::Increasing]);
}

#[test]
fn an_epoch_that_comes_back_is_seen() {
    let back = published("f", 1).into_iter().chain([
        ("ann", subscribed(at("e", 3), None, None, vec![])),
        ("ann", got(message("e", 4))),
        ("ann", got(message("f", 1))),
        ("ann", got(message("e", 1))),
    ]);
    assert_eq!(broken_by(back), [Promise::Increasing, Promise::AckedArrives]);
}

#[test]
fn an_epoch_may_go_on_but_not_further_on() {
    let goes_on = |offset| {
        published("f", offset).into_iter().chain([
            ("ann", subscribed(at("e", 3), None, None, vec![])),
            ("ann", got(message("e", 4))),
            ("ann", got(message("f", offset))),
        ])
    };
    assert_eq!(broken_by(goes_on(5)), []);
    assert_eq!(broken_by(goes_on(7)), [Promise::NoHole, Promise::Contiguous]);
}

#[test]
fn two_messages_at_one_offset_are_seen() {
    let other = Message {
        id: "another".into(),
        ..message("e", 3)
    };
    let lines = [
        ("ann", subscribed(at("e", 2), None, None, vec![])),
        ("ann", got(other)),
        ("ann", got(message("e", 4))),
    ];
    assert_eq!(broken_by(lines), [Promise::Same]);
    let other_payload = Message {
        key: "k-e-1".into(),
        ..message("e", 3)
    };
    let kept = What::Kept {
        channel: "c".into(),
        at: None,
        messages: vec![other_payload],
    };
    assert!(broken_by([("end", kept)]).contains(&Promise::Same));
}

#[test]
fn an_acknowledged_message_that_does_not_arrive_is_seen() {
    let stays = [
        ("ann", subscribed(at("e", 2), None, None, vec![])),
        ("ann", got(message("e", 3))),
    ];
    assert_eq!(broken_by(stays.clone()), [Promise::AckedArrives]);
    // A client that left and never came back cannot have it.
    assert_eq!(broken_by(stays.clone().into_iter().chain([("ann", AWAY)])), []);
    // An epoch that ends without notice loses the last message.
    let silent = published("f", 1).into_iter().chain([("ann", got(message("f", 1)))]);
    assert_eq!(broken_by(stays.into_iter().chain(silent)), [Promise::AckedArrives]);
}

#[test]
fn a_lost_offset_is_seen_unless_a_publish_was_unanswered() {
    let lines = published("e", 6);
    assert_eq!(broken_by(lines.clone()), [Promise::Contiguous]);
    let unanswered = What::Unanswered {
        channel: "c".into(),
        key: "k".into(),
    };
    let excused = [("pub", asked("k")), ("pub", unanswered)].into_iter().chain(lines);
    assert_eq!(broken_by(excused), []);
}

#[test]
fn a_key_at_two_offsets_is_seen() {
    let again = Message {
        key: "k-e-1".into(),
        ..message("e", 5)
    };
    assert_eq!(
        broken_by([("pub", asked("k-e-1")), ("pub", ack_of(again))]),
        [Promise::OncePerKey]
    );
    let in_another_epoch = Message {
        key: "k-e-1".into(),
        ..message("f", 1)
    };
    assert_eq!(
        broken_by([("pub", asked("k-e-1")), ("pub", ack_of(in_another_epoch))]),
        []
    );
    let plain = |id: &str| Message {
        id: id.into(),
        at: None,
        ..message("e", 1)
    };
    let twice = [
        ("pub", asked("k-e-1")),
        ("pub", ack_of(plain("a"))),
        ("pub", ack_of(plain("b"))),
    ];
    // The second ack belongs to no second publish, which does not matter: the ids differ.
    assert_eq!(broken_by(twice), [Promise::OncePerKey]);
}

#[test]
fn a_message_that_nobody_published_is_seen() {
    let lines = [
        ("ann", subscribed(at("e", 4), None, None, vec![])),
        ("ann", got(message("e", 5))),
    ];
    assert_eq!(broken_by(lines), [Promise::OncePerKey]);
}

#[test]
fn a_message_after_a_revocation_is_seen() {
    let lines = [
        ("ann", subscribed(at("e", 3), None, None, vec![])),
        ("ann", What::Revoked { channel: "c".into() }),
        ("ann", got(message("e", 4))),
    ];
    assert_eq!(broken_by(lines), [Promise::Revoked]);
}

#[test]
fn a_plain_message_that_comes_twice_is_seen() {
    let plain = Message {
        at: None,
        ..message("e", 1)
    };
    let subscribed = What::Subscribed {
        channel: "c".into(),
        at: None,
        since: None,
        recovered: None,
        messages: vec![],
    };
    let once = [("ann", subscribed), ("ann", got(plain.clone()))];
    assert_eq!(broken_by(once.clone()), []);
    assert_eq!(
        broken_by(once.into_iter().chain([("ann", got(plain))])),
        [Promise::Increasing]
    );
}

#[test]
fn a_publish_that_hangs_is_seen() {
    assert_eq!(broken_by([("pub", asked("k"))]), [Promise::Answered], "never answered");
    let hung = What::Hung {
        request: "subscribe".into(),
    };
    assert_eq!(broken_by([("ann", hung)]), [Promise::Answered], "given up");
    let refused = What::Refused {
        channel: "c".into(),
        key: "k".into(),
        code: 4504,
    };
    let mut late = history([("pub", asked("k")), ("pub", refused)]);
    assert_eq!(promises(&late), []);
    late[1].at_ms = 60_000;
    assert_eq!(promises(&late), [Promise::Answered], "a minute late");
}

#[test]
fn what_is_not_given_back_is_seen() {
    let before = Usage {
        threads: 5,
        files: 30,
        resident_kib: 40_000,
    };
    assert_eq!(usage("n", before, before), []);
    let worse = [
        Usage { threads: 50, ..before },
        Usage { files: 300, ..before },
        Usage {
            resident_kib: 400_000,
            ..before
        },
    ];
    for after in worse {
        let found = usage("n", before, after);
        assert_eq!(found.len(), 1, "{after:?}");
        assert_eq!(found[0].promise, Promise::GivenBack);
    }
}
