//! Posts and polls at other nodes than their session's.

use serde_json::{Value, json};

use crate::support::admin::full_key;
use crate::support::http_client::{EventReader, Poller, ask, connect, post};
use crate::support::{Nodes, Redis, shared, token};

async fn nodes() -> (Redis, Nodes) {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    (redis, nodes)
}

#[tokio::test]
async fn any_node_takes_a_post() {
    let (_redis, nodes) = nodes().await;
    let mut ann = EventReader::open(nodes[0].address, None, "channels=room:send-else", &[]).await;
    let requests = json!([ask("publish", 3, json!({ "channel": "room:send-else", "data": "x" }))]);
    let headers = [("sluicegate-session", &*ann.credential()), ("sluicegate-batch", "1")];
    let first = post(nodes[1].address, "/send", &headers, &requests.to_string()).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(ann.expect("message").await["payload"], "x");
    for node in [0, 1] {
        let again = post(nodes[node].address, "/send", &headers, &requests.to_string()).await;
        assert_eq!(
            again.body, first.body,
            "it is carried out once, wherever it is posted again"
        );
    }
    for (credential, status) in [
        (format!("{}.guessed", ann.welcome["session"].as_str().unwrap()), 401),
        ("nobody.guessed".to_owned(), 410),
    ] {
        let response = post(nodes[1].address, "/send", &[("sluicegate-session", &credential)], "[]").await;
        assert_eq!(response.status, status, "{credential}");
    }
}

#[tokio::test]
async fn any_node_takes_a_poll() {
    let (_redis, nodes) = nodes().await;
    let mut ann = Poller::new(nodes[0].address);
    ann.poll(&[connect(&["room:poll-else"])]).await;
    let mut bob = nodes[0].connect("bob").await;
    bob.to("room:poll-else");
    for n in 1..=4_u64 {
        bob.publish(n).await;
        ann.address = nodes[usize::from(n % 2 == 0)].address;
        let heard = ann.collect(1).await;
        assert_eq!(heard[0]["payload"], n);
    }
    ann.address = nodes[1].address;
    let body = ann.body(&[]);
    let (answer, ()) = tokio::join!(ann.raw(&[], &body), async {
        bob.publish("while it waits").await;
    });
    assert_eq!(ann.take(answer)[0]["payload"], "while it waits");
}

#[tokio::test]
async fn a_first_connect_that_is_said_again_to_another_node_finds_its_session() {
    let (_redis, nodes) = nodes().await;
    let body = json!({ "open": "said twice", "requests": [connect(&["room:open-else"])] });
    let first = Poller::new(nodes[0].address).raw(&[], &body).await;
    assert_eq!(Poller::new(nodes[1].address).raw(&[], &body).await.body, first.body);
}

#[tokio::test]
async fn the_session_of_a_node_that_is_killed_is_gone_and_nothing_is_missed() {
    let (_redis, mut nodes) = nodes().await;
    let mut ann = Poller::new(nodes[0].address);
    let acks = ann.poll(&[connect(&["room:killed"])]).await;
    let since = acks[0]["payload"]["subscriptions"][0].clone();
    let mut bob = nodes[1].connect("bob").await;
    bob.subscribe("room:killed").await.publish("before").await;
    ann.address = nodes[1].address;
    let body = ann.body(&[]);
    nodes.kill(0).await;
    let response = ann.raw(&[], &body).await;
    assert_eq!(response.status, 410, "{}", response.body);
    bob.publish("after").await;
    let mut ann = Poller::new(nodes[1].address);
    let since = json!({ "epoch": since["epoch"], "offset": since["offset"] });
    let payload = json!({ "version": 1, "subscribe": [{ "channel": "room:killed", "since": since }] });
    let acks = ann.poll(&[ask("connect", 0, payload)]).await;
    let subscription = &acks[0]["payload"]["subscriptions"][0];
    assert_eq!(subscription["recovered"], true, "{subscription}");
    let told: Vec<Value> = subscription["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["payload"].clone())
        .collect();
    assert_eq!(told, ["before", "after"]);
}

#[tokio::test]
async fn a_stream_that_comes_back_elsewhere_again_and_again_has_no_hole() {
    const COUNT: u64 = 300;
    let (_redis, nodes) = nodes().await;
    let mut bob = nodes[0].connect("bob").await;
    bob.subscribe("room:sse-else").await;
    let publishing = async {
        for n in 1..=COUNT {
            bob.publish(n).await;
        }
    };
    let reading = async {
        let mut seen = Vec::new();
        let mut last: Option<String> = None;
        for turn in 0.. {
            let address = nodes[turn % 2].address;
            let headers: Vec<_> = last.iter().map(|id| ("last-event-id", id.as_str())).collect();
            let mut ann = EventReader::open(address, None, "channels=room:sse-else", &headers).await;
            let subscription = &ann.welcome["subscriptions"][0];
            assert_ne!(subscription["recovered"], false, "{subscription}");
            seen.extend(subscription["messages"].as_array().into_iter().flatten().map(offset));
            // It stays for a few messages, and hangs up amid them.
            for _ in 0..turn % 7 {
                if seen.last() != Some(&COUNT) {
                    let event = ann.next().await;
                    seen.extend((event.kind == "message").then(|| offset(&event.envelope())));
                }
            }
            last = ann.last_id.clone();
            if seen.last() == Some(&COUNT) {
                break;
            }
        }
        seen
    };
    let first = EventReader::open(nodes[1].address, None, "channels=room:sse-else", &[]).await;
    drop(first);
    let ((), mut seen) = tokio::join!(publishing, reading);
    // What was published before the first stream is none of its business.
    let begin = seen[0];
    seen.dedup();
    assert_eq!(seen, (begin..=COUNT).collect::<Vec<_>>());
}

fn offset(message: &Value) -> u64 {
    message["offset"].as_u64().expect("an offset")
}

#[tokio::test]
async fn who_is_disconnected_by_the_operator_hears_why_at_any_node_though_no_poll_waited() {
    let redis = Redis::start().await;
    let config = shared::config() + &full_key();
    let nodes = Nodes::start_with(2, &redis.url(), &config).await;
    for node in [0, 1] {
        let user = format!("sent-away-{node}");
        let bearer = format!("Bearer {}", token::of(&user));
        let mut ann = Poller::of(nodes[0].address, "keyed");
        let requests = json!({ "requests": [connect(&[])] });
        let response = ann.raw(&[("authorization", &bearer)], &requests).await;
        ann.take(response);
        let path = format!("/tenants/keyed/users/{user}/disconnect");
        nodes[0].call("POST", &path, json!({})).await.ok();
        ann.address = nodes[node].address;
        let heard = ann.collect(1).await;
        assert_eq!(
            (&heard[0]["type"], &heard[0]["payload"]["code"]),
            (&json!("disconnect"), &json!(4504))
        );
    }
}
