//! Recovery: a subscribe with `since`, and its ack.

use super::{Client, Value, json};

/// A subscribe with `since` at a position.
pub(crate) fn since(channel: &str, epoch: &Value, offset: u64) -> Value {
    json!({ "channel": channel, "since": { "epoch": epoch, "offset": offset } })
}

/// The offsets of the messages in an ack; none if it has no messages.
pub(crate) fn offsets(ack: &Value) -> Vec<u64> {
    let messages = ack["messages"].as_array().into_iter().flatten();
    messages.map(|m| m["offset"].as_u64().expect("an offset")).collect()
}

/// Has `ann` publish without a pause while a second client comes and recovers from the beginning: what it gets must
/// have no hole and no double.
pub(crate) async fn recovers_amid_a_stream(mut ann: Client, bob: impl Future<Output = Client>, channel: &str) {
    const COUNT: u64 = 400;
    let epoch = ann.subscribe_with(json!({ "channel": channel })).await["epoch"].clone();
    for n in 1..=COUNT / 4 {
        ann.to(channel).publish(n).await;
    }
    let streaming = async {
        for n in COUNT / 4 + 1..=COUNT {
            ann.send("publish", json!({ "channel": channel, "data": n })).await;
        }
    };
    let recovering = async {
        let mut bob = bob.await;
        let ack = bob.subscribe_with(since(channel, &epoch, 0)).await;
        assert_eq!(ack["recovered"], true, "{}", ack["offset"]);
        let mut seen = offsets(&ack);
        while seen.last() != Some(&COUNT) {
            seen.push(bob.message().await["offset"].as_u64().expect("an offset"));
        }
        seen
    };
    let ((), seen) = tokio::join!(streaming, recovering);
    assert_eq!(seen, (1..=COUNT).collect::<Vec<_>>());
}

/// Asks for the history of a channel with five messages, of which it keeps three, from positions at all their ends.
pub(crate) async fn every_position_has_an_answer(ann: &mut Client, channel: &str) {
    let epoch = ann.subscribe_with(json!({ "channel": channel })).await["epoch"].clone();
    for n in 1..=5 {
        ann.to(channel).publish(n).await;
    }
    ann.unsubscribe(channel).await;
    let never: [u64; 8] = [
        6,
        99_999_999_999_999,
        (1 << 53) - 1,
        1 << 53,
        (1 << 53) + 1,
        (1 << 63) - 1,
        1 << 63,
        u64::MAX,
    ];
    let reached = [(0, vec![], None), (1, vec![], None)]
        .into_iter()
        .chain([(2, vec![], Some(vec![3, 4, 5])), (5, vec![4, 3], Some(vec![]))]);
    let never = never.map(|offset| (offset, vec![5, 4, 3], None));
    for (offset, backwards, forwards) in reached.chain(never) {
        let asked = |reverse| {
            let mut asked = since(channel, &epoch, offset);
            asked["reverse"] = json!(reverse);
            asked
        };
        assert_eq!(offsets(&ann.ask("history", asked(true)).await), backwards, "{offset}");
        let recovered = ann.subscribe_with(since(channel, &epoch, offset)).await;
        ann.unsubscribe(channel).await;
        assert_eq!(recovered["recovered"], forwards.is_some(), "{offset}: {recovered}");
        match forwards {
            Some(forwards) => {
                assert_eq!(offsets(&ann.ask("history", asked(false)).await), forwards, "{offset}");
                assert_eq!(offsets(&recovered), forwards, "{offset}");
            }
            None => {
                ann.fails("history", asked(false), 4416).await;
            }
        }
    }
}
