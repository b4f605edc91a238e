//! Envelopes in MessagePack, by another implementation than the broker's. Tests write and see JSON: bytes are
//! `{"$bytes":"base64"}` there, and a number that fits nothing else is `{"$number":"text"}`.

use std::fmt::Write as _;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value as Packed;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http::{dial, read_head};
use super::socket::{Frame, opcode};
use super::within;

/// The Content-Type of posts and their answers.
const MEDIA: &str = "application/vnd.sluicegate.v1+msgpack";

/// These bytes, as tests write them.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    json!({ "$bytes": STANDARD.encode(bytes) })
}

/// A binary frame with an envelope.
pub(crate) fn frame(json: &str) -> Frame {
    Frame::new(opcode::BINARY, pack(&serde_json::from_str(json).expect("JSON")))
}

/// A value as it is sent.
pub(crate) fn pack(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &packed(value)).expect("a vector takes everything");
    out
}

/// A message of the server as JSON text, which it is unless it is packed.
pub(crate) fn text(message: Vec<u8>, is_packed: bool) -> String {
    if is_packed {
        return read(&message);
    }
    String::from_utf8(message).expect("text is UTF-8")
}

/// What the server sent, as JSON text.
fn read(mut bytes: &[u8]) -> String {
    let value = rmpv::decode::read_value(&mut bytes).expect("the server sends MessagePack");
    assert!(bytes.is_empty(), "the server sent more than one value: {bytes:?}");
    unpacked(value).to_string()
}

fn packed(value: &Value) -> Packed {
    match value {
        Value::Null => Packed::Nil,
        Value::Bool(flag) => Packed::Boolean(*flag),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => number.as_f64().expect("a float").into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Packed::Array(items.iter().map(packed).collect()),
        Value::Object(object) => match (object.get("$bytes"), object.get("$number")) {
            (Some(Value::String(text)), _) => Packed::Binary(STANDARD.decode(text).expect("base64")),
            (_, Some(Value::String(text))) => Packed::Ext(1, text.as_bytes().to_vec()),
            _ => Packed::Map(
                object
                    .iter()
                    .map(|(key, value)| (key.as_str().into(), packed(value)))
                    .collect(),
            ),
        },
    }
}

fn unpacked(value: Packed) -> Value {
    match value {
        Packed::Nil => Value::Null,
        Packed::Boolean(flag) => flag.into(),
        Packed::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, number) => number.into(),
        },
        Packed::F64(number) => number.into(),
        Packed::String(text) => text.into_str().expect("a string is UTF-8").into(),
        Packed::Binary(found) => bytes(&found),
        Packed::Array(items) => items.into_iter().map(unpacked).collect(),
        Packed::Map(entries) => {
            let count = entries.len();
            let entry =
                |(key, value): (Packed, Packed)| (key.as_str().expect("a text for a key").to_owned(), unpacked(value));
            let object: Map<_, _> = entries.into_iter().map(entry).collect();
            assert_eq!(object.len(), count, "a key is there twice");
            Value::Object(object)
        }
        Packed::Ext(1, text) => json!({ "$number": String::from_utf8(text).expect("a number") }),
        other => panic!("the server sent {other:?}"),
    }
}

/// Posts a value in MessagePack: the status of the answer, and the answer if it is in MessagePack too.
pub(crate) async fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], value: &Value) -> (u16, Value) {
    post_bytes(address, path, headers, &pack(value)).await
}

/// The same of any bytes.
pub(crate) async fn post_bytes(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
    let headers = headers.iter().fold(String::new(), |mut lines, (name, value)| {
        write!(lines, "{name}: {value}\r\n").expect("a text takes all");
        lines
    });
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {MEDIA}\r\n{headers}content-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    let mut stream = dial(address, None).await;
    stream
        .write_all(&[head.as_bytes(), body].concat())
        .await
        .expect("the request is taken");
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer), || "no answer".into())
        .await
        .expect("an answer");
    let at = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    let head = read_head(std::str::from_utf8(&answer[..at]).expect("a text"));
    let is_packed = head.header("content-type") == Some(MEDIA);
    let body = if is_packed {
        serde_json::from_str(&read(&answer[at + 4..])).expect("JSON")
    } else {
        Value::Null
    };
    (head.status, body)
}
