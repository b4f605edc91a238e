//! permessage-deflate: who gets it, what is compressed, and what a client that lies gets. The client's side is zlib.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::support::dial::Dial;
use crate::support::socket::opcode;
use crate::support::{Broker, Client, Frame, Value, http, json};

const CONFIG: &str = r#"
    server = { default_tenant = "on", shards = 2 }
    [[tenants]]
    name = "on"
    compression = true
    anonymous = true
    default = "allow"
    channels = [{ match = "kept:*", history = { size = 10, ttl_seconds = 60 } }]
    [[tenants]]
    name = "off"
    anonymous = true
    default = "allow"
"#;

const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
const RSV1: u8 = 4;

fn offering(broker: &Broker, name: &str, offer: &str) -> Dial {
    broker.dial(name).header(EXTENSIONS, offer)
}

/// A message as a client compresses it.
fn compressed(bytes: impl AsRef<[u8]>) -> Frame {
    let bytes = bytes.as_ref();
    let mut payload = Vec::with_capacity(bytes.len() + 64);
    let mut state = Compress::new(Compression::best(), false);
    state
        .compress_vec(bytes, &mut payload, FlushCompress::Sync)
        .expect("it compresses");
    payload.truncate(payload.len() - 4);
    with_rsv1(payload)
}

fn with_rsv1(payload: impl Into<Vec<u8>>) -> Frame {
    Frame {
        reserved: RSV1,
        ..Frame::new(opcode::TEXT, payload)
    }
}

/// The next text frame, and whether it came compressed, within a window of so many bits.
async fn next(client: &mut Client, window_bits: u8) -> (Value, bool) {
    loop {
        let frame = client.frame().await.expect("a frame");
        if frame.opcode != opcode::TEXT {
            continue;
        }
        let is_compressed = frame.reserved == RSV1;
        let text = if is_compressed {
            let mut text = Vec::with_capacity(1 << 20);
            let mut state = Decompress::new_with_window_bits(false, window_bits);
            let whole = [&*frame.payload, &[0, 0, 0xFF, 0xFF]].concat();
            let status = state.decompress_vec(&whole, &mut text, FlushDecompress::Sync);
            assert!(status.is_ok() && state.total_in() == whole.len() as u64);
            text
        } else {
            assert_eq!(frame.reserved, 0);
            frame.payload
        };
        return (serde_json::from_slice(&text).expect("an envelope"), is_compressed);
    }
}

#[tokio::test]
async fn an_offer_is_met_where_the_tenant_compresses() {
    let broker = Broker::start(CONFIG).await;
    for (tenant, offer, answer) in [
        (
            "on",
            Some("permessage-deflate; client_max_window_bits"),
            Some(PLAIN.to_owned()),
        ),
        (
            "on",
            Some("permessage-deflate; server_max_window_bits=10"),
            Some(format!("{PLAIN}; server_max_window_bits=9")),
        ),
        ("on", Some("permessage-deflate; unknown"), None),
        ("on", None, None),
        ("off", Some("permessage-deflate"), None),
    ] {
        let dial = broker.dial("ann").tenant(tenant);
        let dial = match offer {
            Some(offer) => dial.header(EXTENSIONS, offer),
            None => dial,
        };
        let mut ann = dial.connect().await;
        let answered = ann.handshake.header("sec-websocket-extensions");
        assert_eq!(answered, answer.as_deref(), "{tenant} {offer:?}");
        ann.still_works().await;
    }
    // The lines of the header are one list.
    let two = offering(&broker, "ann", "permessage-deflate; unknown").header(EXTENSIONS, "permessage-deflate");
    let ann = two.connect().await;
    assert_eq!(ann.handshake.header("sec-websocket-extensions"), Some(PLAIN));
}

#[tokio::test]
async fn a_header_that_breaks_its_grammar_is_refused_by_every_tenant() {
    let broker = Broker::start(CONFIG).await;
    for tenant in ["on", "off"] {
        for offer in [
            "permessage-deflate;",
            "permessage-deflate; a=\"",
            "a b",
            "permessage-deflate; =9",
        ] {
            let dial = broker.dial("ann").tenant(tenant).header(EXTENSIONS, offer);
            let response = dial.refused().await;
            assert_eq!(response.status, 400, "{tenant} {offer}");
            assert!(response.body.contains(EXTENSIONS), "{response:?}");
        }
    }
}

#[tokio::test]
async fn a_broadcast_reaches_everyone_as_agreed() {
    let broker = Broker::start(CONFIG).await;
    let mut ann = offering(&broker, "ann", "permessage-deflate").connect().await;
    let mut receivers = Vec::new();
    for (offer, window_bits) in [
        (None, 15),
        (Some("permessage-deflate"), 15),
        (Some("permessage-deflate; server_max_window_bits=9"), 9),
        (Some("permessage-deflate; server_max_window_bits=15"), 15),
    ] {
        let dial = broker.dial("receiver");
        let dial = match offer {
            Some(offer) => dial.header(EXTENSIONS, offer),
            None => dial,
        };
        let mut receiver = dial.connect().await;
        receiver.subscribe("kept:1").await;
        receivers.push((receiver, offer.is_some(), window_bits));
    }
    let words = |count: usize| {
        let words = (0..count).map(|word| format!("word{}", word % 50));
        words.collect::<Vec<_>>().join(" ")
    };
    for (data, is_worth_it) in [(words(1_000), true), (words(3), false), ("µ€🦀".repeat(300), true)] {
        let request = json!({ "type": "publish", "id": 7, "payload": { "channel": "kept:1", "data": data } });
        ann.send_frame(&compressed(request.to_string())).await;
        assert_eq!(ann.acked(&json!(7)).await["channel"], "kept:1");
        for (receiver, agreed, window_bits) in &mut receivers {
            let (message, is_compressed) = next(receiver, *window_bits).await;
            assert_eq!(message["payload"], data);
            assert_eq!(is_compressed, *agreed && is_worth_it);
        }
    }
    // A reply is not compressed, however long it is.
    let (receiver, ..) = &mut receivers[1];
    let history = receiver.ask("history", json!({ "channel": "kept:1" })).await;
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(3));
}

/// Sends frames on a connection that agreed, and expects its end; other connections go on.
async fn refused(broker: &Broker, what: &str, frames: &[Frame], code: u16) {
    let mut bystander = broker.connect("bystander").await;
    for connected in [false, true] {
        let dial = offering(broker, what, "permessage-deflate");
        let mut ann = if connected {
            dial.connect().await
        } else {
            dial.open().await
        };
        for frame in frames {
            ann.send_frame(frame).await;
        }
        assert_eq!(ann.closed().await, Some(code), "{what}, connected {connected}");
        ann.expect_end().await;
        bystander.still_works().await;
    }
}

#[tokio::test]
async fn a_compressed_frame_that_lies_ends_its_connection_alone() {
    let broker = Broker::start(CONFIG).await;
    let hello = compressed(r#"{"type":"ping","id":1}"#);
    let half = hello.payload.len() / 2;
    let bomb = compressed(vec![b' '; 64 << 20]);
    assert!(bomb.payload.len() < 70_000, "it is within the limit of what comes in");
    for (what, frames, code) in [
        (
            "not compressed at all",
            vec![with_rsv1(r#"{"type":"ping","id":1}"#)],
            1007,
        ),
        ("cut off", vec![with_rsv1(&hello.payload[..half])], 1007),
        ("a reserved kind of block", vec![with_rsv1([6])], 1007),
        (
            "from before the message",
            vec![with_rsv1([0x02, 0x00, 0x11, 0x00, 0x00])],
            1007,
        ),
        ("not UTF-8", vec![compressed(b"{\"\xff")], 1007),
        ("a bomb", vec![bomb], 1009),
        (
            "a bomb in fragments",
            vec![
                compressed(vec![b' '; 1 << 20]).not_last(),
                Frame::new(opcode::CONTINUATION, []),
            ],
            1009,
        ),
        (
            "a compressed ping",
            vec![Frame {
                reserved: RSV1,
                ..Frame::new(opcode::PING, "")
            }],
            1002,
        ),
        (
            "a bit on the rest",
            vec![
                with_rsv1(&hello.payload[..half]).not_last(),
                Frame {
                    reserved: RSV1,
                    ..Frame::new(opcode::CONTINUATION, &hello.payload[half..])
                },
            ],
            1002,
        ),
        (
            "another bit",
            vec![Frame {
                reserved: RSV1 | 2,
                ..hello.clone()
            }],
            1002,
        ),
        ("no envelope", vec![compressed("[]")], 4500),
    ] {
        refused(&broker, what, &frames, code).await;
    }
    // Where nothing was agreed on, the bit means nothing.
    let mut ann = broker.connect("ann").await;
    ann.send_frame(&hello).await.expect_close(1002).await;
}

/// A thousand messages in one read, each a thousand times as long as what came of it.
#[tokio::test]
async fn many_small_bombs_at_once_are_served_one_by_one() {
    let broker = Broker::start(CONFIG).await;
    let mut ann = offering(&broker, "ann", "permessage-deflate").connect().await;
    let mut bytes = Vec::new();
    for id in 100..200 {
        let text = format!(r#"{{"type":"ping","id":{id}{}}}"#, " ".repeat(60_000));
        bytes.extend(compressed(text).masked());
    }
    assert!(bytes.len() < 20_000, "{}", bytes.len());
    ann.send_bytes(&bytes).await;
    for id in 100..200 {
        ann.acked(&json!(id)).await;
    }
    ann.still_works().await;
    assert_eq!(http::get(broker.admin, "/healthz").await.status, 200);
}
