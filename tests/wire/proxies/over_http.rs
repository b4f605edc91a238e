//! Streams of events and polls, through the proxies to two nodes that are one broker: no client is kept to a node.

use serde_json::{Value, json};

use super::{Behind, HEARTBEATS, two_seconds};
use crate::support::http_client::{EventReader, Poller, ask, connect};
use crate::support::nodes::ready;
use crate::support::proxy::ProxyKind;
use crate::support::{Client, Redis};

/// Messages that come one after the other, each only when the one before was heard.
const MESSAGES: u64 = 20;
/// As much of a proxy's timeout of 2 s as the longest wait of a poll is of 75.
const WAIT_MS: u64 = 1_466;

/// Both nodes over a Redis, behind a proxy whose timeouts are 2 s where its document has 75, and heartbeats in between.
async fn behind(kind: ProxyKind) -> (Redis, Behind) {
    let redis = Redis::start().await;
    let more = format!(
        "ping_ms = 900\n[backplane]\nkind = \"redis\"\nurl = \"{}\"",
        redis.url()
    );
    let behind = Behind::start(kind, &more, |config| two_seconds(kind, &config)).await;
    ready(&behind.a).await;
    ready(&behind.b).await;
    (redis, behind)
}

fn say(channel: &str, data: u64) -> Value {
    ask("publish", data, json!({ "channel": channel, "data": data }))
}

pub(super) async fn nothing_of_a_stream_is_held_back(kind: ProxyKind) {
    let (_redis, behind) = behind(kind).await;
    let mut ann = EventReader::open(behind.proxy.address, None, "channels=proxied", &[]).await;
    // A stream at rest stays.
    for _ in 0..HEARTBEATS {
        ann.comment().await;
    }
    for n in 0..MESSAGES {
        // Whichever node takes the post, the one that has the session answers it.
        let replies = ann.send(&[say("proxied", n)]).await;
        assert_eq!(
            (&replies[0]["type"], &replies[0]["id"]),
            (&json!("ack"), &json!(n)),
            "{kind:?}"
        );
        assert_eq!(ann.expect("message").await["payload"], n, "{kind:?}");
    }
    // And a client that hangs up is gone for the broker too.
    let session = ann.welcome["session"].clone();
    let mut bob: Client = behind.a.connect("bob").await;
    let lists =
        async |bob: &mut Client| bob.ask("presence", json!({ "channel": "proxied" })).await["members"].to_string();
    assert!(
        lists(&mut bob).await.contains(session.as_str().expect("an id")),
        "{kind:?}"
    );
    bob.subscribe("proxied").await;
    drop(ann);
    assert_eq!(bob.push("leave").await["payload"]["session"], session, "{kind:?}");
}

pub(super) async fn polls_wait_for_what_comes(kind: ProxyKind) {
    let (_redis, behind) = behind(kind).await;
    let mut ann = Poller::new(behind.proxy.address);
    let acks = ann.poll(&[connect(&["polled"])]).await;
    assert_eq!(acks[0]["type"], "ack", "{kind:?}: {acks:?}");
    let mut bob = behind.b.connect("bob").await;
    bob.to("polled");
    for n in 0..MESSAGES {
        let body = ann.body(&[]);
        let (answer, ()) = tokio::join!(ann.raw(&[], &body), async {
            bob.publish(n).await;
        });
        assert_eq!(ann.take(answer)[0]["payload"], n, "{kind:?}");
    }
    // The broker says that there is nothing, before a proxy gives up.
    let mut body = ann.body(&[]);
    body["wait_ms"] = WAIT_MS.into();
    let answer = ann.raw(&[], &body).await;
    assert_eq!(ann.take(answer), Vec::<Value>::new(), "{kind:?}");
    if matches!(kind, ProxyKind::Nginx | ProxyKind::HaproxyHttp) {
        // Else the proxy ends it: these timeouts are those that matter.
        body["wait_ms"] = 10_000.into();
        assert_eq!(ann.raw(&[], &body).await.status, 504, "{kind:?}");
    }
}
