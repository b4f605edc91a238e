//! The store over a real `redis-server`.

use super::*;
use crate::conformance::{LIMITS, Reader, claiming, delete, put, suite};
use ExpectedVersion::Any;
use redis_client::testing::TestServer;

async fn store(server: &TestServer, prefix: &str) -> RedisTenantStore {
    let servers = Topology::connect(server.settings());
    let store = RedisTenantStore::new(servers, prefix, server.settings().timeout, LIMITS);
    await_server(&store).await;
    store
}

/// Waits until it is asked again, over each of its connections.
async fn await_server(store: &RedisTenantStore) {
    while !store.servers.is_up() || store.find("acme").await.is_err() || store.changes(None).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn run(store: &RedisTenantStore, words: &[&str]) {
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    store.servers.run(b"x", &command).await.unwrap();
}

#[tokio::test]
async fn keeps_the_contract() {
    let server = TestServer::start();
    let count = std::cell::Cell::new(0);
    suite(async || {
        count.set(count.get() + 1);
        store(&server, &format!("sg{}", count.get())).await
    })
    .await;
}

#[tokio::test]
async fn what_redis_lost_is_given_back_and_what_was_deleted_stays_deleted() {
    let mut server = TestServer::start();
    let first = store(&server, "sg").await;
    let (mut node, mut stale) = (Reader::default(), Reader::default());
    for n in 0..550 {
        first
            .change(claiming(&format!("t{n}"), "old", &[&format!("h{n}")], Any))
            .await
            .unwrap();
    }
    stale.read(&first).await;
    first.change(delete("t1", Any)).await.unwrap();
    first.change(put("t2", "new", Any)).await.unwrap();
    node.read(&first).await;
    server.kill();
    server.start_again();
    await_server(&first).await;
    for reader in [&node, &stale] {
        let changes = first.changes(reader.mark.as_ref()).await.unwrap();
        assert_eq!(changes, StoreChanges::OtherRun);
    }
    // The node that was away comes first.
    let known = |reader: &Reader| reader.known.values().cloned().collect::<Vec<_>>();
    assert_eq!(first.restore(&known(&stale)).await, Ok(550));
    assert_eq!(first.restore(&known(&node)).await, Ok(2));
    assert_eq!(first.restore(&known(&stale)).await, Ok(0));
    let mut third = Reader::default();
    third.read(&first).await;
    assert_eq!(third.known, node.known);
    assert_eq!(
        (third.text("t0"), third.text("t1"), third.text("t2")),
        (Some("old"), None, Some("new"))
    );
    // What comes now is later than all of that, and claims are where they were.
    let version = first.change(put("t1", "again", Any)).await.unwrap();
    assert!(node.known.values().all(|tenant| tenant.version < version));
    let claimed = first.change(claiming("t1", "x", &["h0"], Any)).await;
    assert!(matches!(claimed, Err(ChangeRefused::Claimed { .. })), "{claimed:?}");
    first.change(claiming("t1", "x", &["h2"], Any)).await.unwrap();
}

#[tokio::test]
async fn a_tombstone_that_is_forgotten_brings_nothing_back() {
    let server = TestServer::start();
    let store = store(&server, "sg").await;
    for name in ["a", "b", "c", "d", "e"] {
        store.change(put(name, name, Any)).await.unwrap();
    }
    let mut stale = Reader::default();
    stale.read(&store).await;
    for name in ["a", "b", "c", "d"] {
        store.change(delete(name, Any)).await.unwrap();
    }
    let known: Vec<_> = stale.known.values().cloned().collect();
    assert_eq!(store.restore(&known).await, Ok(0));
    assert_eq!(store.find("a").await, Ok(None));
}

#[tokio::test]
async fn without_room_nothing_is_changed_and_a_deletion_makes_some() {
    let server = TestServer::start();
    let store = store(&server, "sg").await;
    let version = store
        .change(claiming("acme", "old", &["a.example"], Any))
        .await
        .unwrap();
    run(&store, &["CONFIG", "SET", "maxmemory", "1"]).await;
    for change in [put("acme", "new", Any), put("other", "new", Any)] {
        let refused = store.change(change).await.unwrap_err();
        assert!(refused.to_string().contains("OOM"), "{refused}");
    }
    assert_eq!(store.find("acme").await.unwrap().unwrap().version, version);
    assert_eq!(store.find("other").await, Ok(None));
    store.change(delete("acme", Any)).await.unwrap();
    assert_eq!(store.find("acme").await, Ok(None));
    run(&store, &["CONFIG", "SET", "maxmemory", "0"]).await;
    store
        .change(claiming("other", "new", &["a.example"], Any))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_hung_does_not_do_late_what_was_refused() {
    let server = TestServer::start();
    let store = store(&server, "sg").await;
    let expired = CHANGE
        .call(store.keys())
        .arg("acme")
        .arg("put")
        .arg("text")
        .arg("")
        .arg("any")
        .arg("")
        .arg(10)
        .arg(10)
        .arg(10)
        .arg(store.too_late().await.unwrap() - 2_000_000);
    let answer = store.servers.call(&expired).await.unwrap();
    let refused = answers::change(&answer, LIMITS).unwrap().unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
    server.signal("STOP");
    assert!(store.change(put("acme", "text", Any)).await.is_err());
    server.signal("CONT");
    await_server(&store).await;
    assert_eq!(store.find("acme").await, Ok(None));
}
