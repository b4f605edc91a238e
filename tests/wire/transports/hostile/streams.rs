//! Streams of events that are resumed, or not read, by whoever means harm.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::http_client::EventReader;
use crate::support::{Broker, PATIENCE, eventually, http, shared, within};

#[tokio::test]
async fn whatever_a_client_says_that_it_had_last_it_is_told_the_truth() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("short:marks").await;
    let resume = async |mark: &str| {
        let headers = [("Last-Event-ID", mark)];
        EventReader::open(broker.address, None, "channels=short:marks", &headers).await
    };
    let subscription = |events: &EventReader| events.welcome["subscriptions"][0].clone();
    let mut first = EventReader::open(broker.address, None, "channels=short:marks", &[]).await;
    ann.publish("one").await;
    let one = first.expect("message").await;
    let epoch = one["epoch"].as_str().expect("it has a history");
    let good = first.position().await;
    assert_eq!(subscription(&resume(&good).await)["recovered"], true);
    let long = "9".repeat(7_000);
    for garbage in [
        "x",
        "0",
        "-1",
        "4-",
        "-e",
        "1-e,1-e",
        ",",
        ",,,,,,,,,",
        "18446744073709551616-e",
        "1-other",
        "\u{e9}",
        &format!("99-{epoch}"),
        &long,
        &format!("1-{}", "e".repeat(1_000)),
    ] {
        let mut events = resume(garbage).await;
        let told = subscription(&events);
        assert_eq!(told["recovered"], false, "{garbage:?}: {told}");
        assert!(
            told["messages"].as_array().is_none_or(Vec::is_empty),
            "{garbage:?}: {told}"
        );
        ann.publish("more").await;
        assert_eq!(events.expect("message").await["payload"], "more", "{garbage:?}");
    }
    let told = subscription(&resume(&good).await);
    assert_eq!(told["recovered"], false, "three are kept, and it missed more: {told}");
    // The header is newer than the URL.
    while first.expect("message").await["offset"] != 15 {}
    let newest = first.position().await;
    let headers = [("Last-Event-ID", newest.as_str())];
    let query = "channels=short:marks&last_event_id=x";
    let both = EventReader::open(broker.address, None, query, &headers).await;
    assert_eq!(subscription(&both)["recovered"], true, "{newest}");
}

#[tokio::test]
async fn who_never_reads_is_given_up_and_nobody_waits() {
    let broker = Broker::start(
        r#"
        [server]
        default_tenant = "t"
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        limits = { publish_per_second = 0, outbox_bytes = 65536 }
        "#,
    )
    .await;
    let mut unread = http::dial(broker.address, Some(4_096)).await;
    let request = "GET /sse?channels=flood HTTP/1.1\r\nHost: t\r\n\r\n";
    unread
        .write_all(request.as_bytes())
        .await
        .expect("the request is taken");
    // It has its ack, and reads no more.
    let begun = async {
        let mut told = Vec::new();
        while !told.windows(10).any(|part| part == b"event: ack") {
            told.push(unread.read_u8().await.expect("a stream"));
        }
    };
    within(begun, || "no ack".into()).await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("flood").await;
    let text = "x".repeat(10_000);
    eventually(PATIENCE, "the end of who does not read", async || {
        for _ in 0..20 {
            bob.publish(text.as_str()).await.expect_message(text.as_str()).await;
        }
        let connections = broker.metrics().await.sum("sluicegate_connections", &[]);
        (connections == Some(1.0)).then_some(())
    })
    .await;
}
