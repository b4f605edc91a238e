//! The upgrade: subprotocols, and the ways a token comes in.

use crate::support::{json, shared, token};

const JSON: &str = "sluicegate.v1.json";

#[tokio::test]
async fn json_is_chosen_when_it_is_offered() {
    let broker = shared().await;
    for offer in [&[JSON][..], &["other", JSON], &["bearer.x", JSON]] {
        let ann = broker.dial("ann").protocols(offer).connect().await;
        assert_eq!(ann.handshake.header("sec-websocket-protocol"), Some(JSON), "{offer:?}");
    }
}

#[tokio::test]
async fn json_is_assumed_when_nothing_is_offered() {
    let broker = shared().await;
    let mut ann = broker.dial("ann").protocols(&[]).connect().await;
    assert_eq!(
        ann.handshake.header("sec-websocket-protocol"),
        None,
        "nothing was offered"
    );
    ann.still_works().await;
}

#[tokio::test]
async fn only_unknown_subprotocols_are_refused_with_400() {
    let broker = shared().await;
    for offer in [
        &["graphql-ws"][..],
        &["sluicegate.v2.json", "mqtt"],
        &["SLUICEGATE.V1.JSON"],
    ] {
        assert_eq!(
            broker.dial("ann").protocols(offer).refused().await.status,
            400,
            "{offer:?}"
        );
    }
}

#[tokio::test]
async fn a_token_comes_in_the_authorization_header() {
    let broker = shared().await;
    let bearer = format!("Bearer {}", token::of("ann-by-header"));
    let ann = broker
        .dial("ann")
        .tenant("keyed")
        .header("Authorization", &bearer)
        .connect()
        .await;
    assert_eq!(ann.welcome["user"], "ann-by-header");
}

#[tokio::test]
async fn a_token_comes_as_a_subprotocol_and_is_not_echoed() {
    let broker = shared().await;
    let bearer = format!("bearer.{}", token::of("ann-by-subprotocol"));
    for offer in [&[JSON, bearer.as_str()][..], &[bearer.as_str(), JSON]] {
        let ann = broker.dial("ann").tenant("keyed").protocols(offer).connect().await;
        assert_eq!(ann.welcome["user"], "ann-by-subprotocol");
        assert_eq!(ann.handshake.header("sec-websocket-protocol"), Some(JSON));
        assert!(!format!("{:?}", ann.handshake).contains(&bearer), "{:?}", ann.handshake);
    }
}

#[tokio::test]
async fn white_space_around_a_token_is_not_part_of_it() {
    let broker = shared().await;
    let good = token::of("ann-with-space");
    for header in [
        ("Authorization", format!("Bearer   {good}\t ")),
        ("Authorization", format!("bearer\t{good}")),
        ("Sec-WebSocket-Protocol", format!("\tbearer.{good} ")),
    ] {
        let dial = broker.dial("ann").tenant("keyed").header(header.0, &header.1);
        assert_eq!(dial.connect().await.welcome["user"], "ann-with-space", "{header:?}");
    }
}

/// In the order of the sources, each empty but the last.
#[tokio::test]
async fn an_empty_token_hides_no_good_one() {
    let broker = shared().await;
    let good = token::of("ann-behind-empty");
    let dial = || broker.dial("ann").tenant("keyed");
    let subprotocol = format!("bearer.{good}");
    for empty in ["Bearer", "Bearer ", "Bearer \t", "Basic x"] {
        let dial = dial().header("Authorization", empty).protocols(&[JSON, &subprotocol]);
        assert_eq!(dial.connect().await.welcome["user"], "ann-behind-empty", "{empty:?}");
    }
    let dial = dial().protocols(&[JSON, "bearer.", &subprotocol]);
    assert_eq!(dial.connect().await.welcome["user"], "ann-behind-empty");
}

#[tokio::test]
async fn a_token_in_the_query_is_not_taken() {
    let broker = shared().await;
    for name in ["token", "access_token", "bearer"] {
        let path = format!("/t/keyed/ws?{name}={}", token::of("ann-by-query"));
        broker.dial("ann").path(&path).connect_refused(4401).await;
    }
}

#[tokio::test]
async fn a_bad_token_in_the_header_is_refused_as_one_in_connect() {
    let broker = shared().await;
    let dial = broker
        .dial("ann")
        .tenant("keyed")
        .header("Authorization", "Bearer garbage");
    let (_, mut ann) = dial.connect_refused(4401).await;
    ann.expect_close(4502).await;
}

#[tokio::test]
async fn what_is_no_websocket_handshake_is_refused() {
    let broker = shared().await;
    let plain = crate::support::http::get(broker.address, "/ws").await;
    assert!((400..500).contains(&plain.status), "{plain:?}");
    let nowhere = crate::support::http::get(broker.address, "/no/such/page").await;
    assert_eq!(nowhere.status, 404);
    broker.connect("ann").await.ask("ping", json!({})).await;
}
