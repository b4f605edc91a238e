//! What a history gives, whatever it is asked.

use super::bench::{ANY, Bench, options, topic, with_history};
use crate::{HistoryRange, Interest};
use protocol::Position;

pub(super) async fn history_keeps_the_newest(bench: &mut Bench) {
    let (topic, settings) = (topic("history"), with_history(3));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 1)
        .await
        .unwrap();
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
        assert_eq!(
            at.epoch, empty.newest.epoch,
            "an empty channel keeps the epoch that it told its subscribers"
        );
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

pub(super) async fn recovery_is_whole_or_says_so(bench: &mut Bench) {
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

/// Every number that a client can send has an answer, and it is the same everywhere.
pub(super) async fn every_position_has_an_answer(bench: &mut Bench) {
    // Empty, with all that was ever said, and without its beginning.
    for (name, said, size) in [("none", 0_u64, 3), ("all", 3, 10), ("late", 5, 3)] {
        let (topic, settings) = (topic(&format!("ends-{name}")), with_history(size));
        let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 1)
            .await
            .unwrap();
        for n in 1..=said {
            bench.publish(&topic, &n.to_string(), options(&settings)).await;
        }
        let all = bench.backplane.history(&topic, &settings, HistoryRange::default());
        let own = all.await.unwrap().newest.epoch;
        let kept = Kept {
            oldest: (said + 1).saturating_sub(size as u64).max(1),
            newest: said,
        };
        let offsets = [0, 1, 2, 3, said, said + 1, said + 2]
            .into_iter()
            .chain([99_999_999_999_998, 99_999_999_999_999, 100_000_000_000_000])
            .chain([(1 << 53) - 1, 1 << 53, (1 << 53) + 1])
            .chain([(1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX]);
        let limits = [None, Some(0), Some(1), Some(2), Some(1 << 53), Some(usize::MAX)];
        let turns = limits.iter().flat_map(|limit| [(*limit, false), (*limit, true)]);
        for (limit, reverse) in turns {
            for (offset, epoch) in offsets
                .clone()
                .flat_map(|offset| [(offset, &*own), (offset, "another")])
            {
                let range = HistoryRange {
                    since: Some(Position::at(epoch, offset)),
                    limit,
                    reverse,
                    bytes: None,
                };
                let expected = kept.expected(epoch == &*own, offset, limit, reverse);
                let given = bench.history(&topic, &settings, range.clone()).await;
                assert_eq!(given, expected, "{name}: {range:?}");
            }
        }
    }
}

/// Nobody has joined: whoever reads may come back with what it was told.
pub(super) async fn what_an_unused_channel_tells_hides_no_message(bench: &mut Bench) {
    let (topic, settings) = (topic("unused"), with_history(10));
    let all = HistoryRange::default();
    let told = bench.backplane.history(&topic, &settings, all).await.unwrap();
    assert_eq!((told.newest.offset, told.whole), (0, true));
    for n in 1..=3 {
        bench.publish(&topic, &n.to_string(), options(&settings)).await;
    }
    let since = HistoryRange {
        since: Some(told.newest),
        ..HistoryRange::default()
    };
    assert_eq!(bench.history(&topic, &settings, since).await, (3, vec![1, 2, 3], true));
}

/// The offsets that a history keeps.
struct Kept {
    oldest: u64,
    newest: u64,
}

impl Kept {
    /// What PROTOCOL.md says: where the history stands, the offsets that are given, whether they are whole.
    fn expected(&self, own_epoch: bool, since: u64, limit: Option<usize>, reverse: bool) -> (u64, Vec<u64>, bool) {
        let reached = own_epoch && since <= self.newest;
        let whole = reached && since + 1 >= self.oldest;
        let kept = self.oldest..=self.newest;
        let limit = limit.unwrap_or(usize::MAX);
        let offsets = match reverse {
            _ if !own_epoch => Vec::new(),
            true => kept.rev().filter(|offset| *offset < since).take(limit).collect(),
            false => kept.filter(|offset| *offset > since).take(limit).collect(),
        };
        (self.newest, offsets, whole)
    }
}
