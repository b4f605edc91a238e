//! Whoever means harm, or whose browser does: each gets an answer of its own, and nobody else notices.

mod guesses;
mod nodes;
mod pages;
mod polls;
mod streams;
mod tickets;

use crate::support::http_client::{Poller, ask, connect};
use crate::support::{Broker, json};

/// A client that polls, connected.
async fn poller(broker: &Broker, channels: &[&str]) -> Poller {
    let mut poller = Poller::new(broker.address);
    let acks = poller.poll(&[connect(channels)]).await;
    assert_eq!(acks[0]["type"], "ack", "{acks:?}");
    poller
}

/// Its session goes on.
async fn still_works(poller: &mut Poller) {
    let mut told = poller.poll(&[ask("ping", 4711, json!({}))]).await;
    while told.iter().all(|envelope| envelope["id"] != 4711) {
        told = poller.poll(&[]).await;
    }
}
