//! Numbers on their way through Lua and into the ids of Redis.

use super::*;

async fn set(backplane: &RedisBackplane, topic: &Topic, field: &str, value: impl redis_client::ToRedisArgs) {
    let inner = &backplane.0;
    let place = inner.table.names.place(topic);
    let mut set = redis_client::cmd("HSET");
    set.arg(&place).arg(field).arg(value);
    inner.topology.run(place.as_bytes(), &set).await.unwrap();
}

async fn offsets(backplane: &RedisBackplane, topic: &Topic, range: HistoryRange) -> Vec<u64> {
    let page = backplane.history(topic, &with_history(10), range).await.unwrap();
    let offsets = page.messages.iter().map(|m| m.position.as_ref().unwrap().offset);
    offsets.collect()
}

#[tokio::test]
async fn offsets_are_counted_on_where_lua_would_write_an_exponent() {
    let server = TestServer::start();
    let (redis, bench) = benched(&server).await;
    let (topic, settings) = (topic("far"), with_history(10));
    bench.publish(&topic, "1", options(&settings)).await;
    set(&redis, &topic, "offset", 99_999_999_999_998_u64).await;
    let mut positions = Vec::new();
    for n in 2..5 {
        let published = bench.publish(&topic, &n.to_string(), options(&settings)).await;
        positions.push(published.position.unwrap());
    }
    let far = [99_999_999_999_999, 100_000_000_000_000, 100_000_000_000_001];
    assert_eq!(positions.iter().map(|at| at.offset).collect::<Vec<_>>(), far);
    let since = |at: &Position, reverse| HistoryRange {
        since: Some(at.clone()),
        reverse,
        ..HistoryRange::default()
    };
    assert_eq!(offsets(&redis, &topic, HistoryRange::default()).await, far);
    assert_eq!(offsets(&redis, &topic, since(&positions[1], false)).await, far[2..]);
    assert_eq!(offsets(&redis, &topic, since(&positions[1], true)).await, far[..1]);
}

#[tokio::test]
async fn before_a_place_that_an_earlier_epoch_never_reached_is_all_of_that_epoch() {
    let server = TestServer::start();
    let (redis, bench) = benched(&server).await;
    let (topic, settings) = (topic("epochs"), with_history(10));
    let mut epochs = Vec::new();
    for n in 1..=5 {
        if n == 4 {
            set(&redis, &topic, "run", "another server").await;
        }
        let published = bench.publish(&topic, &n.to_string(), options(&settings)).await;
        epochs.push(published.position.unwrap().epoch);
    }
    let (first, second) = (&epochs[0], &epochs[4]);
    assert_ne!(first, second);
    for (epoch, offset, limit, expected) in [
        (first, 3, None, vec![2, 1]),
        (first, 4, None, vec![3, 2, 1]),
        (first, u64::MAX, None, vec![3, 2, 1]),
        (first, u64::MAX, Some(1), vec![3]),
        (second, 5, Some(2), vec![4, 3]),
        (second, u64::MAX, None, vec![5, 4, 3, 2, 1]),
    ] {
        let range = HistoryRange {
            since: Some(Position::at(epoch, offset)),
            limit,
            reverse: true,
            bytes: None,
        };
        assert_eq!(offsets(&redis, &topic, range).await, expected, "{offset}");
    }
}
