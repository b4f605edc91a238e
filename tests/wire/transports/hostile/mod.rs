//! Whoever means harm, or whose browser does: each gets an answer of its own, and nobody else notices.

mod guesses;
mod nodes;
mod pages;
mod polls;
mod streams;
mod tickets;

use crate::support::http_client::{Poller, ask, connect};
use crate::support::{Broker, json, within};

/// A client that polls, connected.
async fn poller(broker: &Broker, channels: &[&str]) -> Poller {
    let mut poller = Poller::new(broker.address);
    let acks = poller.poll(&[connect(channels)]).await;
    assert_eq!(acks[0]["type"], "ack", "{acks:?}");
    poller
}

/// Its session goes on, perhaps once Redis answers again.
async fn still_works(poller: &mut Poller) {
    let body = poller.body(&[ask("ping", 4711, json!({}))]);
    let answered = async {
        loop {
            let answer = poller.raw(&[], &body).await;
            if answer.status != 503 {
                return answer;
            }
        }
    };
    let answer = within(answered, || "the session cannot be asked".into()).await;
    let mut told = poller.take(answer);
    while told.iter().all(|envelope| envelope["id"] != 4711) {
        told = poller.poll(&[]).await;
    }
}
