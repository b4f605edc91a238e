//! `limits.requests_per_second`: which requests it concerns, and what happens beyond it.

use std::rc::Rc;

use serde_json::json;

use super::client::{Client, alone};
use super::support::{Stage, apply};
use crate::session::context::Context;

/// Sends the request `count` times: the code of the last refusal, if the last one was refused.
async fn repeat(context: &Rc<Context>, kind: &str, payload: &str, count: usize) -> Option<u16> {
    let mut code = None;
    for _ in 0..count {
        code = apply(context, kind, payload).await.err().map(|refusal| refusal.code);
    }
    code
}

#[tokio::test]
async fn each_kind_of_request_has_the_rate_or_is_exempt() {
    let publish = json!({"channel": "a", "data": 1}).to_string();
    let since = json!({"channel": "kept:a", "since": {"epoch": "e", "offset": 1}}).to_string();
    for (kind, payload, within, beyond) in [
        ("connect", "{\"version\":1}", Some(4400), Some(4429)),
        ("subscribe", "{\"channel\":\"denied\"}", Some(4403), Some(4429)),
        ("presence", "{\"channel\":\"kept:a\"}", None, Some(4429)),
        ("history", "{\"channel\":\"kept:a\"}", None, Some(4429)),
        ("history", &since, Some(4416), Some(4429)),
        ("refresh", "{\"token\":\"ann\"}", None, Some(4429)),
        ("refresh", "{\"token\":\"bob\"}", Some(4403), Some(4429)),
        ("publish", &publish, None, None),
        ("unsubscribe", "{\"channel\":\"a\"}", Some(4406), Some(4406)),
        ("ping", "{}", None, None),
    ] {
        for (rate, expected) in [(2, beyond), (0, within)] {
            let stage = Stage::new(&format!("requests_per_second = {rate}"));
            // The connect is the first of a burst of four.
            let ann = stage.connected("ann").await;
            assert_eq!(repeat(&ann, kind, payload, 3).await, within, "{kind} {payload}");
            assert_eq!(
                repeat(&ann, kind, payload, 2).await,
                expected,
                "{kind} {payload} at {rate}"
            );
            let throttled = ann.tenant.metrics.throttled_by_rate.get();
            assert_eq!(throttled > 0, expected == Some(4429), "{kind} {payload} at {rate}");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back_and_costs_no_hook() {
    let stage = Stage::new("requests_per_second = 1");
    let ann = stage.connected("ann").await;
    apply(&ann, "refresh", "{\"token\":\"ann\"}").await.unwrap();
    let asked = stage.asked.lock().len();
    let refusal = apply(&ann, "refresh", "{\"token\":\"ann\"}").await.unwrap_err();
    assert_eq!(refusal.code, 4429);
    assert!(
        refusal.retry_after_ms.is_some_and(|wait| (1..=1000).contains(&wait)),
        "{refusal:?}"
    );
    assert_eq!(stage.asked.lock().len(), asked);
    // Publishes have their own rate, and another connection its own bucket.
    apply(&ann, "publish", "{\"channel\":\"a\",\"data\":1}").await.unwrap();
    let bob = stage.connected("bob").await;
    apply(&bob, "presence", "{\"channel\":\"kept:a\"}").await.unwrap();
}

#[tokio::test]
async fn requests_that_cannot_be_read_count_too() {
    alone(async {
        let stage = Stage::new("requests_per_second = 1");
        let mut ann = Client::open(&stage, usize::MAX);
        let unknown = |id: u64| json!({"type": "dance", "id": id});
        let connect = json!({"type": "connect", "id": 0, "payload": {"version": 1, "token": "ann"}});
        ann.send(&[connect, unknown(1), unknown(2), unknown(3)]);
        let received = ann.receive().await;
        let codes: Vec<_> = received
            .iter()
            .filter_map(|reply| reply["payload"]["code"].as_u64())
            .collect();
        assert_eq!(codes, [4404, 4429, 4429]);
    })
    .await;
}
