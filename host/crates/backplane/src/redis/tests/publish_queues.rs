//! Messages that go together: what becomes of each when the server does not take all of them.

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::*;
use crate::conformance::what_is_said_in_one_breath_keeps_its_order;
use crate::redis::scripts::PUBLISH_TEXT;

#[tokio::test]
async fn a_script_that_comes_and_goes_changes_no_order() {
    let server = TestServer::start();
    let (redis, mut bench) = benched(&server).await;
    let meddling = tokio::spawn(async move {
        let mut load = redis_client::cmd("SCRIPT");
        load.arg("LOAD").arg(PUBLISH_TEXT);
        let mut flush = redis_client::cmd("SCRIPT");
        flush.arg("FLUSH");
        loop {
            for command in [&flush, &load] {
                redis.0.topology.run(b"", command).await.unwrap();
            }
        }
    });
    for _ in 0..10 {
        what_is_said_in_one_breath_keeps_its_order(&mut bench).await;
    }
    meddling.abort();
}

#[tokio::test]
async fn a_full_server_takes_no_message_and_still_knows_its_keys() {
    let server = TestServer::start();
    let (redis, mut bench) = benched(&server).await;
    let memory = async |bytes: u32| {
        let mut set = redis_client::cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes);
        redis.0.topology.run(b"", &set).await.unwrap();
    };
    let (topic, settings, plain) = (topic("full"), with_history(10), Arc::default());
    let keyed = |key: &str, settings: &Arc<ChannelSettings>| PublishOptions {
        key: Some(key.into()),
        ..options(settings)
    };
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    let first = bench.publish(&topic, "1", keyed("seen", &settings)).await;
    memory(1).await;
    // They share calls: what is written for one lets none behind it pass.
    let mut asked = Vec::new();
    for n in 0..40 {
        let channel = super::topic(&format!("new-{n}"));
        asked.push(bench.ask(&channel, "x", options(&settings)));
        asked.push(bench.ask(&topic, "x", options(&settings)));
        asked.push(bench.ask(&topic, "x", keyed(&n.to_string(), &plain)));
    }
    assert!(asked.iter_mut().all(|answer| answer.as_mut().now_or_never().is_none()));
    assert!(join_all(asked).await.iter().all(Result::is_err));
    let again = bench.publish(&topic, "1", keyed("seen", &settings)).await;
    assert_eq!((again.duplicate, again.position), (true, first.position));
    memory(0).await;
    let second = bench.publish(&topic, "2", options(&settings)).await;
    assert_eq!(
        bench.received(0).await,
        ["1", "2"],
        "what was refused was told to nobody"
    );
    assert_eq!(second.position.unwrap().offset, 2);
}

#[tokio::test]
async fn what_one_message_meets_is_answered_to_it_alone() {
    let server = TestServer::start();
    let (redis, bench) = benched(&server).await;
    let (broken, settings) = (topic("broken"), with_history(10));
    let stream = redis.0.table.names.stream(&broken);
    let mut spoil = redis_client::cmd("SET");
    spoil.arg(&stream).arg("no stream");
    redis.0.topology.run(stream.as_bytes(), &spoil).await.unwrap();
    let channels: Vec<_> = (0..40).map(|n| topic(&format!("whole-{n}"))).collect();
    // The place is there, so that what is no stream is not put right.
    let mut place = redis_client::cmd("HSET");
    let run = redis.0.topology.connections()[0].server().unwrap().run.clone();
    place.arg(redis.0.table.names.place(&broken));
    place.arg("epoch").arg("e").arg("run").arg(&*run).arg("offset").arg(0);
    redis.0.topology.run(b"", &place).await.unwrap();
    let mut asked = Vec::new();
    for channel in &channels {
        asked.push(bench.ask(channel, "x", options(&settings)));
        asked.push(bench.ask(&broken, "x", options(&settings)));
    }
    for (n, outcome) in join_all(asked).await.into_iter().enumerate() {
        assert_eq!(outcome.is_ok(), n % 2 == 0, "{outcome:?}");
    }
}
