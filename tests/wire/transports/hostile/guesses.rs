//! A session's posts need its key, and who guesses is slowed down.

use crate::support::ask::Ask;
use crate::support::http_client::EventReader;
use crate::support::{Broker, json, within};

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

#[tokio::test]
async fn who_guesses_has_to_wait_and_nobody_else_has() {
    let broker = Broker::start(CONFIG).await;
    let events = EventReader::open(broker.address, None, "channels=c", &[]).await;
    let credential = events.credential();
    // All but its last digit is right.
    let (almost, last) = credential.split_at(credential.len() - 1);
    let wrong = if last == "0" { "1" } else { "0" };
    let guesser = [127, 0, 0, 9];
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
    assert_eq!(send.answer().await.status, 200, "from elsewhere");
}
