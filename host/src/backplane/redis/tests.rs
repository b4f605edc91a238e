//! The conformance suite against a real `redis-server`, and what only this backplane promises.

pub(super) mod server;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::backplane::conformance::{Bench, suite};
use crate::config::{RedisSettings, RedisUrl};
use server::Server;

/// A node of two shards.
async fn node(server: &Server) -> Bench {
    let (senders, inboxes) = (0..2).map(|_| mpsc::channel(64)).unzip();
    let settings = RedisSettings {
        url: RedisUrl::parse(&server.url()).unwrap(),
        prefix: "sg".into(),
        timeout: Duration::from_secs(1),
        position_check: Duration::from_secs(30),
        replicas: 0,
    };
    let backplane = Arc::new(RedisBackplane::start(settings, "n", inboxes_of(senders)));
    while !backplane.is_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Bench { backplane, inboxes }
}

fn inboxes_of(senders: Vec<mpsc::Sender<Envelope>>) -> Vec<mpsc::Sender<Envelope>> {
    senders
}

#[tokio::test]
async fn keeps_the_contract() {
    let server = Server::start();
    suite(node(&server).await).await;
}
