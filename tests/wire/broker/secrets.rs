//! Secrets are never in the log, at any level.

use crate::support::shared::config;
use crate::support::{Broker, token};

#[tokio::test]
async fn tokens_and_keys_are_never_logged() {
    let broker = Broker::start_logging("trace", &config()).await;
    let good = token::of("ann");
    let bad = format!("{good}x");
    let dial = || broker.dial("ann").tenant("keyed");
    dial()
        .token(&good)
        .connect()
        .await
        .ask("refresh", serde_json::json!({ "token": good }))
        .await;
    dial().token(&bad).connect_refused(4401).await;
    dial()
        .header("Authorization", &format!("Bearer {good}"))
        .connect()
        .await
        .close()
        .await;
    dial()
        .header("Authorization", &format!("Bearer {bad}"))
        .connect_refused(4401)
        .await;
    let bearer = format!("bearer.{good}");
    dial()
        .protocols(&["sluicegate.v1.json", &bearer])
        .connect()
        .await
        .close()
        .await;
    // A bad envelope with a token in it: the log has the error, not the content.
    let mut sloppy = broker.dial("sloppy").open().await;
    let text = format!(r#"{{"type":"connect","payload":{{"version":1,"token":"{good}"}}}}"#);
    sloppy.send_text(text).await.expect_close(4500).await;

    broker.hang_up().await;
    broker.home.write("[servr]");
    broker.hang_up().await;
    broker.terminate();
    assert_eq!(broker.exit_code().await, Some(0));

    let (_, signature) = good.rsplit_once('.').unwrap();
    for text in [broker.log().text(), broker.printed().text()] {
        for secret in [token::SECRET, good.as_str(), signature] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "the log tells a secret");
        }
    }
    assert!(!broker.log().text().is_empty(), "there was a log to look at");
}

#[tokio::test]
async fn the_log_can_be_json() {
    use crate::support::config::{Home, complete};
    use crate::support::process::Process;
    let home = Home::new();
    home.write(&complete("tenants = [{ name = \"t\", anonymous = true }]"));
    let config = home.config();
    let args = [
        "serve",
        "--log-format",
        "json",
        "--config",
        config.to_str().expect("a path in UTF-8"),
    ];
    let process = Process::start(args, "debug");
    process.stdout.wait_for(&["listening on http://"]).await;
    process.signal(rustix::process::Signal::TERM);
    assert_eq!(process.exit_code().await, Some(0));
    let log = process.stderr.text();
    assert!(!log.is_empty());
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
}
