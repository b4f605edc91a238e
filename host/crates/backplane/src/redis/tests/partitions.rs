//! The number of partitions is one for all nodes of a prefix.

use super::*;

#[tokio::test]
async fn another_number_of_partitions_is_said_and_never_mixed() {
    let server = TestServer::start();
    let (right, _inboxes) = connected(&server).await;
    let (other, _control) = start(
        server.settings(),
        &RedisSettings {
            partitions: 64,
            ..settings()
        },
        "other",
        Vec::new(),
    );
    let bench = |backplane: RedisBackplane| Bench {
        backplane: Arc::new(backplane),
        inboxes: Vec::new(),
    };
    let other = bench(other);
    let said = async |words: &str| {
        while !other.backplane.hindrance().is_some_and(|why| why.contains(words)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    said("the prefix has 256 partitions in Redis, this node 64").await;
    let (topic, settings) = (topic("mixed"), with_history(10));
    assert!(other.ask(&topic, "x", options(&settings)).await.is_err());
    assert!(
        other
            .backplane
            .history(&topic, &settings, HistoryRange::default())
            .await
            .is_err()
    );
    assert!(right.is_up());
    // Forgotten by Redis: whoever has the right number says it again, before the other says its own.
    right.0.topology.run(b"", &redis_client::cmd("FLUSHALL")).await.unwrap();
    let mut count = redis_client::cmd("GET");
    count.arg(right.0.table.names.partition_count());
    loop {
        let set = right.0.topology.run(b"", &count).await.unwrap();
        let set: Option<String> = redis_client::from_redis_value(set).unwrap();
        if let Some(set) = set {
            assert_eq!(set, "256");
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(other.ask(&topic, "x", options(&settings)).await.is_err());
}
