//! The same envelopes in both codecs: what is read is the same, and what is written is equal in value.

use bytes::Bytes;
use message_pack::{from_json, to_json};
use proptest::prelude::*;

use crate::codes::{BAD_REQUEST, PERMISSION_DENIED, SHUTTING_DOWN, UNKNOWN_TYPE};
use crate::write::{self, ErrorReply, MessageList, MessagePush, Subscribed, Welcome};
use crate::{Body, Codec, Content, Encoded, Member, Piece, Position, Refused, RequestId, read, read_message_pack};

fn packed(json: &str) -> Bytes {
    let mut out = Vec::new();
    from_json(json, &mut out).unwrap();
    out.into()
}

fn text(bytes: &[u8]) -> String {
    to_json(bytes, None).unwrap().text
}

/// The id 7 as it came in each codec.
fn id(codec: Codec) -> RequestId {
    let json = r#"{"type":"ping","id":7}"#;
    match codec {
        Codec::Json => read(&json.into()).unwrap().id,
        Codec::MessagePack => read_message_pack(&packed(json)).unwrap().id,
    }
}

#[test]
fn a_request_is_the_same_in_both_codecs() {
    for envelope in [
        r#"{"type":"ping","id":7}"#,
        r#"{"type":"ping","id":"a\n\"b\"","ts":1,"payload":{}}"#,
        r#"{"type":"ping","id":-1e400,"payload":null}"#,
        r#"{"type":"connect","id":1,"payload":{"version":1.0,"token":"t","client":{"name":"docs"},
            "subscribe":[{"channel":"a","since":{"epoch":"e","offset":1e3},"presence":true}],"data":[1,null]}}"#,
        r#"{"type":"publish","id":1,"payload":{"channel":"a","data":{"b":[1,2.5,"c",1e400]},"key":"k","ephemeral":true,"echo":false}}"#,
        r#"{"type":"history","id":1,"payload":{"channel":"a","limit":18446744073709551615,"reverse":true,"unknown":{}}}"#,
        r#"{"type":"refresh","id":1,"payload":{"token":"t"}}"#,
        // And the same refusals.
        r#"{"type":"wave","id":1}"#,
        r#"{"type":"subscribe","id":1,"payload":{"channel":7}}"#,
        r#"{"type":"subscribe","id":1,"payload":[]}"#,
        r#"{"type":"subscribe","id":1,"payload":{"channel":"a","channel":"b"}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"ping","id":null}"#,
        r#"{"type":7,"id":1}"#,
        "[]",
        "1",
    ] {
        let compact = text(&packed(envelope));
        let from_json = format!("{:?}", read(&Bytes::from(compact)));
        let from_bytes = format!("{:?}", read_message_pack(&packed(envelope)));
        assert_eq!(from_bytes.replace("MessagePack", "Json"), from_json, "{envelope}");
    }
}

#[test]
fn what_may_not_stand_in_an_envelope_is_told_to_its_sender() {
    let publish = |data: &[u8]| {
        let mut envelope = b"\x83\xa4type\xa7publish\xa2id\x07\xa7payload\x82\xa7channel\xa1a\xa4data".to_vec();
        envelope.extend_from_slice(data);
        envelope
    };
    for (bytes, code, said) in [
        (
            publish(b"\xcb\x7f\xf8\0\0\0\0\0\0"),
            BAD_REQUEST,
            "\"payload.data\": is NaN",
        ),
        (
            publish(b"\x91\xca\x7f\x80\0\0"),
            BAD_REQUEST,
            "\"payload.data[0]\": is NaN or infinite",
        ),
        (publish(b"\xd6\xff\0\0\0\0"), BAD_REQUEST, "extension of type -1"),
        (
            publish(b"\x81\x01\xc0"),
            BAD_REQUEST,
            "\"payload.data\": has a key that is no string",
        ),
        (
            publish(b"\xa2\xc3\x28"),
            BAD_REQUEST,
            "\"payload.data\": is a string that is not UTF-8",
        ),
        (
            publish(b"\x81\xa1b\xc4\x01x"),
            BAD_REQUEST,
            "\"payload.data.b\": is binary",
        ),
        (
            publish(&[&[0x91; 200][..], b"\xc0"].concat()),
            BAD_REQUEST,
            "has more than 128 maps and lists",
        ),
        (
            b"\x83\xa4type\xa4ping\xa2id\x07\xa4type\xa4ping".to_vec(),
            BAD_REQUEST,
            "\"type\": is given twice",
        ),
        (
            b"\x83\xa4type\xa4ping\xa2id\x07\xa2id\x08".to_vec(),
            BAD_REQUEST,
            "\"id\": is given twice",
        ),
        (
            b"\x83\xa4type\xa4ping\xa2id\x07\x01\x02".to_vec(),
            BAD_REQUEST,
            "has a key that is no string",
        ),
        (
            b"\x83\xa4type\xa4ping\xa2id\x07\xa7payload\x81\xa4data\xc4\x01x".to_vec(),
            BAD_REQUEST,
            "\"data\": is binary, which only the data of a publish may be",
        ),
        (
            b"\x83\xa4type\xa7refresh\xa2id\x07\xa7payload\x81\xa5token\xc4\x01x".to_vec(),
            BAD_REQUEST,
            "\"payload.token\": is binary",
        ),
        (
            b"\x83\xa4type\xa4wave\xa2id\x07\xa7payload\x81\xa4data\xc4\x01x".to_vec(),
            UNKNOWN_TYPE,
            "wave",
        ),
    ] {
        let Err(Refused::Request {
            id,
            code: told,
            message,
        }) = read_message_pack(&bytes.into())
        else {
            panic!("{said}")
        };
        assert_eq!((id.as_json(), told), (&b"7"[..], code), "{message}");
        assert!(message.contains(said), "{said}: {message}");
    }
}

#[test]
fn what_is_no_envelope_of_message_pack_ends_the_connection() {
    for bytes in [
        &b""[..],
        b"\xc1",
        b"\x81\xa4type",
        b"\x82\xa4type\xa4ping\xa2id\x07\xc0",
        b"\x82\xa4type\xa4ping\xa2id\xdb\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        // Nobody to answer to: no id, an id that is none, no type.
        b"\x82\xa4type\xa4ping\xa1n\xcb\x7f\xf8\0\0\0\0\0\0",
        b"\x82\xa4type\xa4ping\xa2id\xcb\x7f\xf8\0\0\0\0\0\0",
        b"\x82\xa4type\xa4ping\xa2id\xc4\x01x",
        b"\x82\xa2id\x07\xa1n\xd6\xff\0\0\0\0",
        b"\x82\xa4type\xc3\xa2id\x07",
        // JSON.
        br#"{"type":"ping","id":7}"#,
    ] {
        let refused = read_message_pack(&Bytes::copy_from_slice(bytes));
        assert!(
            matches!(refused, Err(Refused::NotAnEnvelope(_))),
            "{bytes:02x?}: {refused:?}"
        );
    }
}

#[test]
fn bytes_come_as_they_are_or_as_base64() {
    let in_json = r#"{"type":"publish","id":7,"payload":{"channel":"a","data":"eHl6","encoding":"base64"}}"#;
    let as_they_are = b"\x83\xa4type\xa7publish\xa2id\x07\xa7payload\x82\xa4data\xc4\x03xyz\xa7channel\xa1a";
    for read in [
        read(&in_json.into()),
        read_message_pack(&Bytes::from_static(as_they_are)),
    ] {
        let Ok(Body::Publish(publish)) = read.map(|request| request.body) else {
            panic!("refused")
        };
        assert_eq!((publish.content, &publish.data[..]), (Content::Binary, &b"xyz"[..]));
    }
    // In MessagePack a string is a string, whatever is said of it.
    let Ok(Body::Publish(publish)) = read_message_pack(&packed(in_json)).map(|request| request.body) else {
        panic!("refused")
    };
    assert_eq!((publish.content, &publish.data[..]), (Content::Json, &b"\"eHl6\""[..]));
    for (payload, said) in [
        (
            r#""data":"eHl","encoding":"base64""#,
            "\"data\": must be text in base64",
        ),
        (r#""data":7,"encoding":"base64""#, "\"data\": must be text in base64"),
        (r#""data":"eHl6","encoding":"hex""#, "\"encoding\": must be \"base64\""),
        (r#""data":"eHl6","encoding":7"#, "\"encoding\": must be text, not 7"),
        (r#""encoding":"base64""#, "\"data\": is missing"),
    ] {
        let envelope = format!(r#"{{"type":"publish","id":7,"payload":{{"channel":"a",{payload}}}}}"#);
        let Err(Refused::Request { code, message, .. }) = read(&envelope.into()) else {
            panic!("{payload}")
        };
        assert_eq!(code, BAD_REQUEST);
        assert!(message.contains(said), "{message}");
    }
}

/// One of everything that is written, in one codec.
fn everything(codec: Codec) -> Vec<Vec<u8>> {
    let id = &id(codec);
    let position = &Position::at("e", 300);
    let member = &Member {
        user: Some("ann".into()),
        session: "s".into(),
    };
    let error = &ErrorReply {
        retry_after_ms: Some(70_000),
        plugin: Some("p"),
        ..ErrorReply::new(PERMISSION_DENIED, "no \"way\"\n")
    };
    let push = |content, data| MessagePush {
        id: "m",
        ts: 1,
        channel: "ü",
        content,
        data,
        position: Some(position),
        from: Some(member),
        tags: &[],
    };
    let tags: Vec<_> = (0..40).map(|n| (format!("key \"{n}\""), "v".repeat(n))).collect();
    let tagged = MessagePush {
        tags: &tags,
        ..push(Content::Json, br#"{ "a": [1, -2.5, 1e400, "x"] }"#)
    };
    let message = Bytes::from(write::message(codec, &tagged));
    let subscribed = |messages| Subscribed {
        channel: "a",
        position: Some(position),
        recovered: Some(true),
        messages: Some(messages),
        presence: Some(write::member_list(codec, &vec![member.clone(); 20])),
    };
    let list = [message.clone(), message.clone(), message.clone()];
    let whole = write::subscribed_payload(codec, subscribed(MessageList::Whole(&list)));
    let later = write::subscribed_payload(codec, subscribed(MessageList::Later(3)));
    let welcome = Welcome {
        session: "s",
        node: "n",
        user: Some("ann"),
        ping_ms: 25_000,
        expires_at: Some(1_795_329_979_000),
        message_bytes: 65_536,
        channels: 128,
        publish_per_second: None,
        session_key: Some("k"),
        disconnect_after_ms: Some(60_000),
        subscriptions: Some(vec![whole.clone(), write::refused_subscription(codec, "b", error)]),
    };
    // Room for messages that come in two parts.
    let mut in_parts = Vec::new();
    for piece in write::subscribed(id, 1, later).into_pieces() {
        match piece {
            Piece::Text(text) => in_parts.extend_from_slice(&text),
            Piece::Later => {
                in_parts.extend(write::messages(codec, &list[..2], false).to_vec());
                in_parts.extend(write::messages(codec, &list[2..], true).to_vec());
            }
        }
    }
    vec![
        message.to_vec(),
        write::message(codec, &push(Content::Json, b"null")),
        in_parts,
        write::subscribed(id, 1, whole).to_vec(),
        write::welcome(id, 1, welcome).to_vec(),
        write::history(id, 1, "a", position, MessageList::Whole(&list)).to_vec(),
        write::published(id, 1, "a", "m", Some(position), true).to_vec(),
        write::presence(id, 1, "a", std::slice::from_ref(member)).to_vec(),
        write::unsubscribed_ack(id, 1, "a").to_vec(),
        write::refreshed(id, 1, None).to_vec(),
        write::pong(id, u64::MAX).to_vec(),
        write::error(id, 1, error).to_vec(),
        write::presence_change(codec, 1, true, "a", member),
        write::presence_change(codec, 1, false, "a", member),
        write::unsubscribed(codec, 1, "a", SHUTTING_DOWN),
        write::disconnect(codec, 1, SHUTTING_DOWN, Some(5)),
        Encoded::default().to_vec(),
    ]
}

#[test]
fn what_is_written_is_equal_in_both_codecs() {
    let in_json = everything(Codec::Json);
    let in_message_pack = everything(Codec::MessagePack);
    assert_eq!(in_json.len(), in_message_pack.len());
    for (json, bytes) in in_json
        .iter()
        .zip(&in_message_pack)
        .filter(|(json, _)| !json.is_empty())
    {
        let json = std::str::from_utf8(json).unwrap();
        assert_eq!(text(bytes), text(&packed(json)));
        assert!(bytes.len() < json.len(), "{json}");
    }
    let [json, bytes] = [&in_json, &in_message_pack].map(|all| all.last().unwrap());
    assert!(json.is_empty() && bytes.is_empty());
}

#[test]
fn bytes_are_base64_only_in_json() {
    let push = MessagePush {
        id: "m",
        ts: 1,
        channel: "a",
        content: Content::Binary,
        data: b"xyz",
        position: None,
        from: None,
        tags: &[],
    };
    let json = br#"{"type":"message","id":"m","ts":1,"channel":"a","payload":"eHl6","encoding":"base64"}"#;
    assert_eq!(write::message(Codec::Json, &push), json);
    let bytes = write::message(Codec::MessagePack, &push);
    let read = to_json(&bytes, Some(&["payload"])).unwrap();
    assert_eq!(
        read.text,
        r#"{"type":"message","id":"m","ts":1,"channel":"a","payload":null}"#
    );
    assert_eq!(&bytes[read.binary.unwrap()], b"xyz");
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_message_pack(&bytes.into());
    }

    #[test]
    fn an_id_comes_back_equal(number in any::<i64>(), words in any::<String>()) {
        for id in [number.to_string(), serde_json::Value::from(words).to_string()] {
            let envelope = packed(&format!(r#"{{"type":"ping","id":{id}}}"#));
            match read_message_pack(&envelope) {
                Ok(request) => {
                    let pong = text(&write::pong(&request.id, 1).to_vec());
                    prop_assert_eq!(pong, format!(r#"{{"type":"ack","id":{id},"ts":1,"payload":{{}}}}"#));
                }
                Err(refused) => {
                    prop_assert!(id.len() > 256);
                    prop_assert!(matches!(refused, Refused::NotAnEnvelope(_)));
                }
            }
        }
    }
}
