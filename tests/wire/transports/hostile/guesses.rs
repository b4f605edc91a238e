//! A session's posts need its key, and who guesses is slowed down.

use tokio::io::AsyncWriteExt as _;

use crate::support::ask::Ask;
use crate::support::http_client::EventReader;
use crate::support::{Broker, http, json, within};

const CONFIG: &str = r#"
    [server]
    default_tenant = "a"
    shards = 2
    [server.door]
    failed_auth_per_minute_per_address = 20
    [[tenants]]
    name = "a"
    anonymous = true
    default = "allow"
"#;

/// A post of each kind to the session that is named so.
fn posts(broker: &Broker, session: &str) -> [Ask; 2] {
    let ping = json!([{ "type": "ping", "id": 1 }]);
    [
        broker
            .ask("POST", "/send")
            .header("Sluicegate-Session", session)
            .json(&ping),
        broker
            .ask("POST", "/poll")
            .json(&json!({ "session": session, "wait_ms": 0, "requests": ping })),
    ]
}

/// Behind a proxy, whose connections are served whoever they are for.
#[tokio::test]
async fn behind_a_proxy_who_guesses_is_told_to_wait_and_by_the_last_answer_of_a_connection() {
    let proxy = r#"trusted_proxies = ["127.0.0.1"]
    client_address_header = "x-real-ip"
    [server.door]"#;
    let broker = Broker::start(&CONFIG.replace("[server.door]", proxy)).await;
    let events = EventReader::open(broker.address, None, "channels=c", &[]).await;
    let [guesser, other] = ["192.0.2.1", "192.0.2.2"];
    let target = |way: &str| format!("/{way}?ticket={}", "A".repeat(43));
    let stream = |address| broker.ask("GET", &target("sse")).header("X-Real-IP", address);
    let guessing = async {
        loop {
            let answer = stream(guesser).answer().await;
            assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
            if answer.status != 401 {
                return answer;
            }
        }
    };
    let answer = within(guessing, || "guesses are never refused".into()).await;
    // Browsers take any other status for final.
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.body.starts_with("retry: ") && answer.body.contains("\nevent: refused\n"),
        "{answer:?}"
    );
    let socket = |address| broker.dial("eve").header("X-Real-IP", address).path(&target("ws"));
    let [send, _] = posts(&broker, &events.credential());
    let ticket = broker.ask("POST", "/ticket").bearer("a token");
    for late in [
        socket(guesser).refused().await,
        send.header("X-Real-IP", guesser).answer().await,
        ticket.header("X-Real-IP", guesser).answer().await,
    ] {
        assert!(late.status == 429 && late.header("retry-after").is_some(), "{late:?}");
    }
    assert_eq!(socket(other).refused().await.status, 401);
    assert_eq!(stream(other).answer().await.status, 401);
}

#[tokio::test]
async fn who_guesses_has_to_wait_and_nobody_else_has() {
    let broker = Broker::start(CONFIG).await;
    let events = EventReader::open(broker.address, None, "channels=c", &[]).await;
    let credential = events.credential();
    // All but its last digit is right.
    let (almost, last) = credential.split_at(credential.len() - 1);
    let wrong = if last == "0" { "1" } else { "0" };
    let guesser = [127, 0, 0, 9];
    let ticket = broker.ask("POST", "/ticket").bearer("a token").from(guesser);
    let mut kept = ticket.silent().await;
    let mut ask_on_it = async || {
        let request = ticket.head(0);
        kept.write_all(request.as_bytes()).await.expect("it is open");
        http::respond(&mut kept).await.0.status
    };
    assert_eq!(ask_on_it().await, 200);
    let guessing = async {
        loop {
            let [send, poll] = posts(&broker, &format!("{almost}{wrong}"));
            assert_ne!(poll.from(guesser).answer().await.status, 200);
            let answer = send.from(guesser).answer().await;
            if answer.status == 429 {
                return answer;
            }
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    };
    let answer = within(guessing, || "guesses are never refused".into()).await;
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let [send, _] = posts(&broker, &credential);
    let late = send.clone().from(guesser).answer().await;
    assert_eq!(late.status, 429, "also with the right one");
    assert_eq!(ask_on_it().await, 429, "also by a connection that was there before");
    assert_eq!(send.answer().await.status, 200, "from elsewhere");
}
