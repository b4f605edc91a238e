//! The store over a real `redis-server`, and what it tells whoever reads it.

use super::*;
use crate::conformance::{suite, ticket};
use crate::{RESUMABLE, Tickets};
use redis_client::testing::TestServer;

async fn store(server: &TestServer, prefix: &str) -> RedisTicketStore {
    let servers = Topology::connect(server.settings());
    while !servers.is_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    RedisTicketStore::new(servers, prefix)
}

async fn run(store: &RedisTicketStore, words: &[&str]) -> Value {
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    store.servers.run(b"x", &command).await.unwrap()
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
async fn one_node_issues_a_ticket_and_any_other_redeems_it() {
    let server = TestServer::start();
    let nodes = [store(&server, "sg").await, store(&server, "sg").await].map(|store| Tickets::new(Arc::new(store)));
    let ticket = nodes[0].issue("acme", "a.b.c", None, 10).await.unwrap();
    let at_once = nodes.iter().map(|node| node.redeem("acme", &ticket, Opens::Stream));
    let mut got: Vec<_> = Vec::new();
    for redeemed in at_once {
        got.push(redeemed.await.unwrap());
    }
    assert_eq!(got, [Some("a.b.c".to_owned()), None]);
    for node in &nodes {
        assert_eq!(node.resume("acme", &ticket).await, Ok(Some("a.b.c".into())));
        assert_eq!(node.resume("other", &ticket).await, Ok(None));
    }
}

#[tokio::test]
async fn redis_has_neither_ticket_nor_token_and_keeps_nothing_for_ever() {
    let server = TestServer::start();
    let store = store(&server, "sg").await;
    let tickets = Tickets::new(Arc::new(RedisTicketStore::new(store.servers.clone(), "sg")));
    let opened = tickets.issue("acme", "secret-token", None, 10).await.unwrap();
    tickets.redeem("acme", &opened, Opens::Stream).await.unwrap().unwrap();
    let unused = tickets.issue("acme", "secret-token", Some(0), 10).await.unwrap();
    let dump = "local all = {} for _, key in ipairs(redis.call('KEYS', '*')) do all[#all + 1] = key .. ' ' .. redis.call('PTTL', key) \
                .. ' ' .. tostring(redis.call('DUMP', key)) end return all";
    let Value::Array(all) = run(&store, &["EVAL", dump, "0"]).await else {
        panic!("no list");
    };
    assert_eq!(all.len(), 4, "two tickets, and a list of each kind");
    for entry in all {
        let Value::BulkString(entry) = entry else {
            panic!("no text")
        };
        let text = String::from_utf8_lossy(&entry);
        for told in ["secret-token", &opened, &unused] {
            assert!(!text.contains(told), "{text}");
        }
        let mut words = text.split(' ');
        let (key, left) = (words.next().unwrap(), words.next().unwrap());
        assert!(key.starts_with("sg:{acme}:"), "{key}");
        let left: u128 = left.parse().expect("it ends");
        assert!(left <= RESUMABLE.as_millis(), "{key}: {left}");
    }
}

#[tokio::test]
async fn what_a_server_may_have_forgotten_is_not_redeemed() {
    let server = TestServer::start();
    let store = store(&server, "sg").await;
    store.keep("acme", ticket(1), 10).await.unwrap();
    let key = store.ticket("acme", ticket(1).id);
    // As if it had been read from disk, or on a replica.
    run(&store, &["HSET", &key, "run", "another"]).await;
    assert_eq!(store.take("acme", ticket(1).id, Opens::WebSocket).await, Ok(None));
}

#[tokio::test]
async fn without_redis_nobody_gets_in() {
    let mut server = TestServer::start();
    let store = store(&server, "sg").await;
    store.keep("acme", ticket(1), 10).await.unwrap();
    server.kill();
    assert!(store.take("acme", ticket(1).id, Opens::Stream).await.is_err());
    assert!(store.find("acme", ticket(1).id).await.is_err());
    let refused = store.keep("acme", ticket(2), 10).await;
    assert!(matches!(refused, Err(IssueRefused::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn what_is_over_makes_room() {
    let server = TestServer::start();
    let store = store(&server, "sg").await;
    for list in ["sg:{acme}:tickets", "sg:{acme}:tickets:resuming"] {
        run(&store, &["ZADD", list, "1", "over"]).await;
    }
    store.keep("acme", ticket(1), 1).await.unwrap();
    assert!(store.take("acme", ticket(1).id, Opens::Stream).await.unwrap().is_some());
}
