//! Channels that nobody has used: reading leaves nothing behind in Redis, and what it tells hides no message.

use super::*;

async fn number(backplane: &RedisBackplane, command: &str, arguments: &[&str]) -> i64 {
    let mut number = redis_client::cmd(command);
    for argument in arguments {
        number.arg(argument);
    }
    let answer = backplane.0.topology.run(b"", &number).await.unwrap();
    redis_client::from_redis_value(answer).unwrap()
}

#[tokio::test]
async fn reading_leaves_no_keys_behind_and_keeps_none_alive() {
    let server = TestServer::start();
    let (redis, bench) = benched(&server).await;
    let settings = with_history(10);
    let keys = number(&redis, "DBSIZE", &[]).await;
    let mut told = Vec::new();
    for n in 0..200 {
        let topic = topic(&format!("random-{n}"));
        let page = redis.history(&topic, &settings, HistoryRange::default()).await.unwrap();
        told.push(page.newest);
        redis.members(&topic).await.unwrap();
    }
    assert_eq!(number(&redis, "DBSIZE", &[]).await, keys + 1, "one key for all of them");
    let topic = topic("random-7");
    bench.publish(&topic, "1", options(&settings)).await;
    let place = redis.0.table.names.place(&topic);
    number(&redis, "PEXPIRE", &[&place, "50000"]).await;
    let since = HistoryRange {
        since: Some(told[7].clone()),
        ..HistoryRange::default()
    };
    assert_eq!(
        bench.history(&topic, &settings, since.clone()).await,
        (1, vec![1], true)
    );
    assert!(number(&redis, "PTTL", &[&place]).await <= 50_000);
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    assert_eq!(bench.history(&topic, &settings, since).await, (1, vec![1], true));
    assert!(
        number(&redis, "PTTL", &[&place]).await > 50_000,
        "a subscriber keeps it"
    );
}

#[tokio::test]
async fn what_an_unused_channel_told_is_worth_nothing_after_its_minute_in_another_run_or_in_an_empty_redis() {
    for forget in [
        &["PEXPIRE", "sg:2:{nodes}:unused", "0"][..],
        &["SET", "sg:2:{nodes}:unused", "another-run an-epoch"],
        &["FLUSHALL"],
    ] {
        let server = TestServer::start();
        let (redis, bench) = benched(&server).await;
        let (topic, settings) = (topic("unused"), with_history(10));
        let told = redis
            .history(&topic, &settings, HistoryRange::default())
            .await
            .unwrap()
            .newest;
        let mut command = redis_client::cmd(forget[0]);
        for argument in &forget[1..] {
            command.arg(argument);
        }
        redis.0.topology.run(b"", &command).await.unwrap();
        bench.publish(&topic, "1", options(&settings)).await;
        let since = HistoryRange {
            since: Some(told),
            ..HistoryRange::default()
        };
        assert_eq!(
            bench.history(&topic, &settings, since).await,
            (1, vec![], false),
            "{forget:?}"
        );
    }
}
