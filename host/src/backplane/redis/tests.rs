//! The conformance suite against a real `redis-server`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::testing::{Server, settings};
use super::*;
use crate::backplane::Nodes;
use crate::backplane::conformance::{Bench, suite};

/// A node of two shards.
async fn node(server: &Server) -> Bench {
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel(64)).unzip();
    let (backplane, _) = RedisBackplane::start(settings(server), "n", senders);
    let backplane = Arc::new(backplane);
    while !backplane.is_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Bench { backplane, inboxes }
}

#[tokio::test]
async fn keeps_the_contract() {
    let server = Server::start();
    suite(node(&server).await).await;
}

#[tokio::test]
async fn notes_reach_one_or_all() {
    let server = Server::start();
    let start = |name| RedisBackplane::start(settings(&server), name, Vec::new());
    let ((one, mut to_one), (two, mut to_two)) = (start("one"), start("two"));
    while !(one.is_up() && two.is_up() && one.live().await.is_ok_and(|live| live.len() == 2)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    one.send(None, b"all".to_vec()).await.unwrap();
    one.send(Some(two.instance()), b"two".to_vec()).await.unwrap();
    one.send(Some(one.instance()), b"one".to_vec()).await.unwrap();
    assert_eq!(
        [to_one.recv().await, to_one.recv().await],
        [Some("all".into()), Some("one".into())]
    );
    assert_eq!(
        [to_two.recv().await, to_two.recv().await],
        [Some("all".into()), Some("two".into())]
    );
}
