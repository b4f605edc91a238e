//! Presence and history.

use super::broker;
use crate::support::{Value, json};

#[tokio::test]
async fn presence_is_read_page_by_page() {
    let broker = broker().await;
    let mut clients = Vec::new();
    for n in 0..5 {
        let mut client = broker.user(&format!("user-{n}")).await;
        client.subscribe("room:1").await;
        clients.push(client);
    }
    let path = "/tenants/acme/channels/room%3A1/presence";
    let mut seen = Vec::new();
    let mut after = String::new();
    let pages = loop {
        let page = broker.read(&format!("{path}?limit=2{after}")).await;
        assert_eq!((&page["count"], &page["channel"]), (&json!(5), &json!("room:1")));
        seen.extend(page["members"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break seen.len().div_ceil(2),
        }
    };
    assert_eq!(pages, 3);
    let mut expected: Vec<_> = clients
        .iter()
        .enumerate()
        .map(|(n, client)| json!({ "user": format!("user-{n}"), "session": client.session() }))
        .collect();
    expected.sort_by_key(|member| member["session"].as_str().unwrap().to_owned());
    assert_eq!(seen, expected);
    let none = broker
        .call("GET", "/tenants/acme/channels/plain/presence", Value::Null)
        .await;
    none.problem(409, "no_presence");
}

#[tokio::test]
async fn history_is_read_from_both_ends() {
    let broker = broker().await;
    let mut ann = broker.user("ann").await;
    ann.to("room:1");
    for n in 1..=4 {
        ann.publish(n).await;
    }
    let path = "/tenants/acme/channels/room:1/history";
    let payloads = |page: &Value| -> Vec<_> {
        let messages = page["messages"].as_array().unwrap();
        messages.iter().map(|message| message["payload"].clone()).collect()
    };
    let all = broker.read(path).await;
    assert_eq!(payloads(&all), [1, 2, 3, 4]);
    assert_eq!(all["offset"], 4);
    assert_eq!(all["messages"][0]["from"]["user"], "ann");
    let epoch = all["epoch"].as_str().unwrap().to_owned();
    let newest = broker.read(&format!("{path}?limit=2&reverse=true")).await;
    assert_eq!(payloads(&newest), [4, 3]);
    let since = broker.read(&format!("{path}?since_epoch={epoch}&since_offset=2")).await;
    assert_eq!(payloads(&since), [3, 4]);
    let gone = broker
        .call("GET", &format!("{path}?since_epoch=other&since_offset=2"), Value::Null)
        .await;
    gone.problem(410, "unrecoverable_position");
    let half = broker.call("GET", &format!("{path}?since_offset=2"), Value::Null).await;
    half.problem(400, "bad_query");
    let none = broker
        .call("GET", "/tenants/acme/channels/plain/history", Value::Null)
        .await;
    none.problem(409, "no_history");
    let empty = broker.read("/tenants/acme/channels/room:r%C3%A4ume/history").await;
    assert_eq!((&empty["channel"], &empty["offset"]), (&json!("room:räume"), &json!(0)));
}
