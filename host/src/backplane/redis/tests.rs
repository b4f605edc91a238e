//! The conformance suite against a real `redis-server`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::testing::{Server, settings};
use super::*;
use crate::backplane::conformance::{Bench, suite};

/// A node of two shards.
async fn node(server: &Server) -> Bench {
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel(64)).unzip();
    let backplane = Arc::new(RedisBackplane::start(settings(server), "n", senders));
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
