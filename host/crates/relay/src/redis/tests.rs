//! Posts over a real `redis-server`.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use backplane::Reply;
use protocol::Codec;
use redis_client::ClientSettings;
use redis_client::testing::{Deaf, TestServer};

use super::*;
use crate::{LocalAnswer, LocalSessions, POST_BYTES, Post, PostAnswer, PostKind, Relay};

/// Of other nodes it is known whether they are there.
struct Known {
    instance: &'static str,
    others_are_there: AtomicBool,
}

impl Nodes for Known {
    fn instance(&self) -> &str {
        self.instance
    }

    fn live(&self) -> Reply<'_, Vec<String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn send<'a>(&'a self, _: Option<&'a str>, _: Vec<u8>) -> Reply<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn listens<'a>(&'a self, _: &'a str) -> Reply<'a, bool> {
        Box::pin(async { Ok(self.others_are_there.load(Ordering::Relaxed)) })
    }

    fn listens_over(&self) -> Option<u64> {
        None
    }
}

/// Sessions that answer how many bytes they got, and as which of them.
struct Echo(&'static str);

impl LocalSessions for Echo {
    fn post(&self, post: Post) -> LocalAnswer<'_> {
        Box::pin(async move {
            let bytes: usize = post.requests.iter().map(Bytes::len).sum();
            PostAnswer::Done(format!("{} {} {bytes}", self.0, post.session).into())
        })
    }
}

struct TestNode {
    channel: Arc<RedisPostChannel>,
    nodes: Arc<Known>,
    relay: Arc<Relay>,
}

impl TestNode {
    fn start(settings: ClientSettings, instance: &'static str) -> Self {
        let nodes = Arc::new(Known {
            instance,
            others_are_there: AtomicBool::new(true),
        });
        let (channel, arrived) = RedisPostChannel::start(Topology::connect(settings), "sg", nodes.clone());
        let relay = Relay::new(channel.clone());
        tokio::spawn(relay.clone().serve(arrived, Arc::new(Echo(instance))));
        Self { channel, nodes, relay }
    }

    /// Waits until it listens, over another connection than this one.
    async fn listens(&self, before: Option<u64>) -> Option<u64> {
        loop {
            let number = self.channel.listens_over();
            if number.is_some() && number != before {
                return number;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn post(bytes: usize) -> Post {
    Post {
        tenant: "acme".into(),
        session: "s1".into(),
        open: None,
        kind: PostKind::Send,
        batch: None,
        requests: vec![vec![b' '; bytes].into()],
        codec: Codec::Json,
    }
}

fn done(text: &str) -> PostAnswer {
    PostAnswer::Done(Bytes::copy_from_slice(text.as_bytes()))
}

#[tokio::test]
async fn each_node_carries_out_what_was_posted_at_another() {
    let server = TestServer::start();
    let [a, b] = ["a~1", "b~1"].map(|instance| TestNode::start(server.settings(), instance));
    for node in [&a, &b] {
        node.listens(None).await;
    }
    for bytes in 0..10 {
        assert_eq!(
            a.relay.hand_over("b~1", post(bytes)).await,
            done(&format!("b~1 s1 {bytes}"))
        );
    }
    assert_eq!(
        b.relay.hand_over("a~1", post(POST_BYTES)).await,
        done(&format!("a~1 s1 {POST_BYTES}"))
    );
    assert_eq!(a.relay.hand_over("a~1", post(1)).await, done("a~1 s1 1"));
}

#[tokio::test]
async fn a_node_that_is_not_there_is_told_from_one_that_does_not_listen() {
    let server = TestServer::start();
    let a = TestNode::start(server.settings(), "a~1");
    a.listens(None).await;
    assert_eq!(a.relay.hand_over("b~1", post(1)).await, PostAnswer::Unavailable);
    assert_eq!(a.channel.send("b~1", vec![1]).await, Ok(false), "nobody got it");
    a.nodes.others_are_there.store(false, Ordering::Relaxed);
    assert_eq!(a.relay.hand_over("b~1", post(1)).await, PostAnswer::Gone);
}

#[tokio::test]
async fn after_an_outage_it_goes_on() {
    let mut server = TestServer::start();
    let [a, b] = ["a~1", "b~1"].map(|instance| TestNode::start(server.settings(), instance));
    let before = [a.listens(None).await, b.listens(None).await];
    server.kill();
    assert_eq!(a.relay.hand_over("b~1", post(1)).await, PostAnswer::Unavailable);
    server.start_again();
    a.listens(before[0]).await;
    b.listens(before[1]).await;
    assert_eq!(a.relay.hand_over("b~1", post(1)).await, done("b~1 s1 1"));
}

#[tokio::test]
async fn a_connection_over_which_nothing_comes_any_more_is_replaced() {
    let server = TestServer::start();
    let mut way = Deaf::before(&server).await;
    let a = TestNode::start(server.settings(), "a~1");
    let b = TestNode::start(way.settings(Duration::from_millis(100)), "b~1");
    a.listens(None).await;
    let before = b.listens(None).await;
    way.deafen();
    way.cure().await;
    b.listens(before).await;
    assert_eq!(a.relay.hand_over("b~1", post(1)).await, done("b~1 s1 1"));
}
