//! Posts and polls in MessagePack.

use serde_json::{Value, json};

use crate::support::http_client::{EventReader, ask, connect};
use crate::support::message_pack::{bytes, post, post_bytes};
use crate::support::{Nodes, Redis, shared};

#[tokio::test]
async fn a_poll_and_its_answer_are_in_one_format() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("bytes:polled").await;
    let first = json!({ "requests": [connect(&["bytes:polled", "room:polled"])] });
    let (status, answer) = post(broker.address, "/poll", &[], &first).await;
    assert_eq!((status, &answer["seq"]), (200, &json!(1)), "{answer}");
    let welcome = &answer["envelopes"][0];
    assert_eq!((&welcome["type"], &welcome["id"]), (&json!("ack"), &json!(0)));
    let session = answer["session"].clone();

    let say = [
        ask(
            "publish",
            1,
            json!({ "channel": "bytes:polled", "data": bytes(&[0, 255]) }),
        ),
        ask("publish", 2, json!({ "channel": "room:polled", "data": { "n": 1.5 } })),
        ask("publish", 3, json!({ "channel": "room:polled", "data": bytes(b"x") })),
    ];
    let mut heard = Vec::new();
    let mut body = json!({ "session": session, "ack": 1, "batch": 1, "requests": say });
    while heard.len() < 5 {
        let (status, answer) = post(broker.address, "/poll", &[], &body).await;
        assert_eq!(status, 200);
        heard.extend(answer["envelopes"].as_array().expect("envelopes").clone());
        body = json!({ "session": session, "ack": answer["seq"] });
    }
    let payload = |channel: &str| {
        let message = heard
            .iter()
            .find(|envelope| envelope["channel"] == channel && envelope["type"] == "message");
        message.expect("it came")["payload"].clone()
    };
    assert_eq!(
        (payload("bytes:polled"), payload("room:polled")),
        (bytes(&[0, 255]), json!({ "n": 1.5 }))
    );
    let refused = heard.iter().find(|envelope| envelope["id"] == 3).expect("a reply");
    assert_eq!(refused["payload"]["code"], 4400);
    bob.expect_message("AP8=").await;

    // Nothing new: an empty answer, which is in this format too.
    body["wait_ms"] = 1.into();
    let (status, answer) = post(broker.address, "/poll", &[], &body).await;
    assert_eq!((status, &answer["envelopes"]), (200, &json!([])));
    // The session has one format.
    let other = crate::support::http_client::post(broker.address, "/poll", &[], &body.to_string()).await;
    assert_eq!(other.status, 400, "{}", other.body);
}

#[tokio::test]
async fn posts_beside_a_stream_may_be_in_either() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let mut ann = EventReader::open(nodes[0].address, None, "channels=bytes:sent", &[]).await;
    let credential = ann.credential();
    let headers = [("sluicegate-session", credential.as_str())];
    let requests = json!([
        ask(
            "publish",
            1,
            json!({ "channel": "bytes:sent", "data": bytes(&[0, 255]) })
        ),
        ask("history", 2, json!({ "channel": "bytes:sent" })),
        ask("nonsense", 3, json!({})),
    ]);
    for node in [&nodes[0], &nodes[1]] {
        let (status, replies) = post(node.address, "/send", &headers, &requests).await;
        assert_eq!(status, 200);
        let ids: Vec<_> = replies
            .as_array()
            .expect("a list")
            .iter()
            .map(|reply| reply["id"].clone())
            .collect();
        assert_eq!(ids, [1, 2, 3]);
        assert_eq!(replies[1]["payload"]["messages"][0]["payload"], bytes(&[0, 255]));
        assert_eq!(replies[2]["payload"]["code"], 4404);
        let event = ann.expect("message").await;
        assert_eq!(
            (&event["payload"], &event["encoding"]),
            (&json!("AP8="), &json!("base64"))
        );
    }
    let (status, replies) = post(nodes[1].address, "/send", &headers, &json!([])).await;
    assert_eq!((status, replies), (200, json!([])));
}

#[tokio::test]
async fn bodies_that_are_none_are_refused() {
    let broker = shared().await;
    let ann = EventReader::open(broker.address, None, "channels=room:bad-posts", &[]).await;
    let credential = ann.credential();
    let headers = [("sluicegate-session", credential.as_str())];
    let ping = ask("ping", 1, Value::Null);
    let many = json!(vec![ping.clone(); 257]);
    let packed = |value: &Value| crate::support::message_pack::pack(value);
    for (what, path, body, status) in [
        ("nothing", "/send", b"".to_vec(), 400),
        ("a map", "/send", packed(&json!({})), 400),
        ("4 Gi requests", "/send", b"\xdd\xff\xff\xff\xff\xc0".to_vec(), 400),
        ("half a list", "/send", b"\x92\x80".to_vec(), 400),
        ("no envelope", "/send", packed(&json!([1])), 400),
        ("no id", "/send", packed(&json!([{ "type": "ping" }])), 400),
        ("257 requests", "/send", packed(&many), 413),
        ("JSON", "/send", b"[]".to_vec(), 400),
        ("a list", "/poll", packed(&json!([])), 400),
        (
            "text for an ack",
            "/poll",
            packed(&json!({ "session": credential, "ack": "x" })),
            400,
        ),
        ("no connect", "/poll", packed(&json!({ "requests": [ping] })), 400),
        ("a map of requests", "/poll", packed(&json!({ "requests": {} })), 400),
        ("4 Gi fields", "/poll", b"\xdf\xff\xff\xff\xff\xa1a\xc0".to_vec(), 400),
    ] {
        let (found, _) = post_bytes(broker.address, path, &headers, &body).await;
        assert_eq!(found, status, "{what}");
    }
    let (status, replies) = post(broker.address, "/send", &headers, &json!([ask("ping", 1, json!({}))])).await;
    assert_eq!((status, &replies[0]["type"]), (200, &json!("ack")));
}
