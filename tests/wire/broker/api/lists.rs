//! Channels and connections, page by page.

use super::broker;
use crate::support::envelope::now_ms;
use crate::support::{Broker, Value, json};

/// All pages of a list.
async fn pages(broker: &Broker, path: &str, list: &str, limit: usize) -> Vec<Vec<Value>> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let page = broker.read(&format!("{path}{separator}limit={limit}{after}")).await;
        let entries = page[list].as_array().unwrap().clone();
        assert!(entries.len() <= limit);
        pages.push(entries);
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn channels_are_listed_with_the_subscribers_of_all_shards() {
    let broker = broker().await;
    let mut clients = Vec::new();
    for n in 0..8 {
        let mut client = broker.user(&format!("user-{n}")).await;
        client.subscribe("everyone").await;
        for m in 0..25 {
            client.subscribe(&format!("room:{:03}", n * 25 + m)).await;
        }
        clients.push(client);
    }
    let mut other = broker.dial("other").tenant("other").connect().await;
    other.subscribe("room:of-other").await;
    let path = "/tenants/acme/channels";
    let pages = pages(&broker, path, "channels", 7).await;
    assert_eq!(pages.len(), 201usize.div_ceil(7));
    let all: Vec<_> = pages.into_iter().flatten().collect();
    let mut expected = vec![json!({ "channel": "everyone", "subscribers": 8 })];
    expected.extend((0..200).map(|n| json!({ "channel": format!("room:{n:03}"), "subscribers": 1 })));
    assert_eq!(all, expected);

    let some = broker.read(&format!("{path}?prefix=room:01&limit=1000")).await;
    assert_eq!(some["channels"].as_array().unwrap().len(), 10);
    assert!(some.get("next").is_none());
    // A channel is over with its last subscriber.
    clients[0].unsubscribe("room:000").await;
    let gone = broker.read(&format!("{path}?prefix=room:000")).await;
    assert_eq!(gone, json!({ "channels": [] }));
    let of_other = broker.read("/tenants/other/channels").await;
    assert_eq!(
        of_other["channels"],
        json!([{ "channel": "room:of-other", "subscribers": 1 }])
    );
}

#[tokio::test]
async fn connections_are_listed_once_with_what_is_known_of_them() {
    let broker = broker().await;
    let mut clients = Vec::new();
    for n in 0..30 {
        clients.push(broker.user(&format!("user-{}", n % 3)).await);
    }
    clients[4].subscribe("a").await.subscribe("b").await;
    let silent = broker.dial("silent").open().await;
    let path = "/tenants/acme/connections";
    let all: Vec<_> = pages(&broker, path, "connections", 4)
        .await
        .into_iter()
        .flatten()
        .collect();
    let sessions: Vec<_> = all.iter().map(|one| one["session"].as_str().unwrap()).collect();
    let mut expected: Vec<_> = clients.iter().map(crate::support::Client::session).collect();
    expected.sort_unstable();
    assert_eq!(sessions, expected, "who did not say connect is no connection yet");
    let one = all.iter().find(|one| one["session"] == clients[4].session()).unwrap();
    assert_eq!((&one["user"], &one["channels"]), (&json!("user-1"), &json!(2)));
    assert_eq!(
        (&one["tenant"], &one["node"]),
        (&json!("acme"), &json!("node-under-test"))
    );
    assert_eq!(
        (&one["transport"], &one["remote_address"]),
        (&json!("websocket"), &json!("127.0.0.1"))
    );
    assert!(
        one["connected_at_ms"].as_u64().unwrap().abs_diff(now_ms()) < 60_000,
        "{one}"
    );

    let of_user = pages(&broker, &format!("{path}?user=user-1"), "connections", 1000).await;
    assert_eq!(of_user[0].len(), 10);
    assert!(of_user[0].iter().all(|one| one["user"] == "user-1"));
    let count = broker.read("/tenants/acme").await;
    assert_eq!(
        (&count["connections"], &count["subscriptions"]),
        (&json!(30), &json!(2))
    );
    assert_eq!(count["nodes"][0]["node"], "node-under-test");
    drop(silent);
}
