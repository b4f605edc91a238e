//! MessagePack that is wrong: each is an answer to its sender, and nobody else notices.

use crate::support::socket::opcode;
use crate::support::{Broker, Client, Frame, Value, json, shared};

/// An envelope of this type, with the id 7 and these bytes for a payload.
fn envelope(kind: &str, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(kind.len()).expect("a short word");
    let head = [
        b"\x83\xa4type",
        &[0xa0 | length][..],
        kind.as_bytes(),
        b"\xa2id\x07\xa7payload",
    ];
    [head.concat(), payload.to_vec()].concat()
}

fn publish(data: &[u8]) -> Vec<u8> {
    envelope("publish", &[b"\x82\xa7channel\xa6room:h\xa4data", data].concat())
}

/// Who misbehaves, and somebody else.
async fn two(broker: &Broker) -> (Client, Client) {
    let ann = broker.dial("ann").packed().connect().await;
    (ann, broker.dial("bystander").packed().connect().await)
}

#[tokio::test]
async fn what_may_not_stand_in_an_envelope_is_a_bad_request() {
    let broker = shared().await;
    let (mut ann, mut bystander) = two(&broker).await;
    bystander.subscribe("room:h").await;
    let deep = [&vec![0x91; 1_000][..], b"\xc0"].concat();
    let many = [&b"\x83\xa4type\xa4ping\xa2id\x07"[..], b"\x01\x02"].concat();
    for (what, bytes) in [
        ("NaN", publish(b"\xcb\x7f\xf8\0\0\0\0\0\0")),
        ("an infinity", publish(b"\x91\xca\xff\x80\0\0")),
        ("a timestamp", publish(b"\xd6\xff\0\0\0\0")),
        ("another extension", publish(b"\xd4\x05x")),
        ("an extension that is no number", publish(b"\xd4\x01x")),
        ("an integer for a key", publish(b"\x81\x01\xc0")),
        ("an integer for a key of the envelope", many),
        ("bad UTF-8", publish(b"\xa2\xc3\x28")),
        ("bad UTF-8 in a key", publish(b"\x81\xa1\xff\xc0")),
        ("bytes in a channel of JSON", publish(b"\xc4\x03xyz")),
        ("bytes in data", publish(b"\x91\xc4\x03xyz")),
        (
            "bytes for a channel",
            envelope("subscribe", b"\x81\xa7channel\xc4\x01a"),
        ),
        ("bytes in what is ignored", envelope("ping", b"\x81\xa4data\xc4\x01a")),
        ("1,000 lists in each other", publish(&deep)),
        (
            "a key of the payload twice",
            envelope("subscribe", b"\x82\xa7channel\xa1a\xa7channel\xa1b"),
        ),
        (
            "a type twice",
            b"\x83\xa4type\xa4ping\xa4type\xa4ping\xa2id\x07".to_vec(),
        ),
        ("an id twice", b"\x83\xa4type\xa4ping\xa2id\x07\xa2id\x08".to_vec()),
        ("a list for a payload", envelope("subscribe", b"\x90")),
    ] {
        ann.send_frame(&Frame::new(opcode::BINARY, bytes)).await;
        let error = ann.refused(&json!(7), 4400).await;
        let message = error["message"].as_str().expect("a message");
        assert!(!message.contains(char::is_control), "{what}: {message}");
        bystander.still_works().await;
    }
    ann.to("room:h").publish("good").await;
    bystander.expect_message("good").await;
}

#[tokio::test]
async fn what_is_no_envelope_ends_the_connection_of_its_sender_alone() {
    let broker = shared().await;
    for (what, bytes) in [
        ("nothing", b"".to_vec()),
        ("a byte that begins nothing", b"\xc1".to_vec()),
        ("4 GiB of text", publish(b"\xdb\xff\xff\xff\xffx")),
        ("4 GiB of bytes", publish(b"\xc6\xff\xff\xff\xffx")),
        ("4 Gi values in a list", publish(b"\xdd\xff\xff\xff\xff\xc0")),
        ("4 Gi pairs in a map", b"\xdf\xff\xff\xff\xff\xa4type\xa4ping".to_vec()),
        ("half an envelope", publish(b"\xa5ab")),
        (
            "two envelopes",
            [envelope("ping", b"\x80"), envelope("ping", b"\x80")].concat(),
        ),
        ("JSON", br#"{"type":"ping","id":7}"#.to_vec()),
        ("a list", b"\x93\x01\x02\x03".to_vec()),
        ("no id", b"\x81\xa4type\xa4ping".to_vec()),
        ("a list for an id", b"\x82\xa4type\xa4ping\xa2id\x90".to_vec()),
        ("no type", b"\x81\xa2id\x07".to_vec()),
        (
            "NaN for an id",
            b"\x82\xa4type\xa4ping\xa2id\xcb\x7f\xf8\0\0\0\0\0\0".to_vec(),
        ),
    ] {
        let (mut ann, mut bystander) = two(&broker).await;
        ann.send_frame(&Frame::new(opcode::BINARY, bytes)).await;
        let said = ann.expect_disconnect(4500, "bad_protocol", false).await;
        assert_eq!(said["code"], Value::from(4500), "{what}");
        ann.expect_end().await;
        bystander.still_works().await;
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_not_read() {
    let broker = shared().await;
    let (mut ann, mut bystander) = two(&broker).await;
    // 100,000 lists in each other.
    let deep = publish(&[&vec![0x91; 100_000][..], b"\xc0"].concat());
    ann.send_frame(&Frame::new(opcode::BINARY, deep))
        .await
        .expect_close(1009)
        .await;
    bystander.still_works().await;
}
