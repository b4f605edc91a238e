//! The reader of envelopes: what it takes is what the protocol promises, and what it refuses can be answered.

use bytes::Bytes;
use protocol::names::Channel;
use protocol::write::{self, ErrorReply};
use protocol::{Body, MESSAGE_KEY_BYTES, Refused, RequestId, Subscribe};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// Bytes of a request's id at most, and of an epoch.
const ID_BYTES: usize = 256;
const EPOCH_BYTES: usize = 64;

/// The text of one message.
///
/// # Panics
/// When a property does not hold.
pub fn envelope_reader(data: &[u8]) {
    let text = Bytes::copy_from_slice(data);
    let read = protocol::read(&text);
    let json = std::str::from_utf8(data).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    match read {
        Ok(request) => {
            assert!(json, "taken, but no JSON");
            check_id(&request.id);
            check_body(&request.body);
        }
        Err(Refused::Request { id, code, message }) => {
            assert!(json, "an envelope, but no JSON");
            check_id(&id);
            super::one_line(&message);
            check_reply(&id, &ErrorReply::new(code, &message));
        }
        Err(Refused::NotAnEnvelope(why)) => {
            assert!(!why.is_empty());
            super::one_line(&why);
            // What any reader takes for an envelope is one.
            if let Ok(object) = serde_json::from_slice::<Map<String, Value>>(data) {
                let id = object.get("id");
                let short = data.len() <= ID_BYTES;
                let is_envelope = short
                    && object.get("type").is_some_and(Value::is_string)
                    && id.is_some_and(|id| id.is_number() || id.is_string())
                    && has_each_key_once(data, object.len());
                assert!(!is_envelope, "{why}: {}", String::from_utf8_lossy(data));
            }
        }
    }
}

/// Whether no member was lost when the object was read.
fn has_each_key_once(data: &[u8], members: usize) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let open = text.find('{').unwrap_or(0);
    sluicegate_plugin::json::items(text, open).count() == members
}

fn check_id(id: &RequestId) {
    let id = id.as_json();
    assert!((1..=ID_BYTES).contains(&id.len()));
    let first = id[0];
    assert!(first == b'"' || first == b'-' || first.is_ascii_digit());
    serde_json::from_slice::<IgnoredAny>(id).expect("an id is JSON");
}

/// A reply is JSON, and repeats the id as it came.
fn check_reply(id: &RequestId, error: &ErrorReply<'_>) {
    let reply = write::error(id, 1, error).into_text().expect("nothing in it is shared");
    serde_json::from_slice::<IgnoredAny>(&reply).expect("a reply is JSON");
    assert!(reply.windows(id.as_json().len()).any(|part| part == id.as_json()));
}

fn check_body(body: &Body) {
    match body {
        Body::Connect(connect) => {
            connect.subscribe.iter().for_each(check_subscribe);
            if let Some(data) = &connect.data {
                serde_json::from_str::<IgnoredAny>(data).expect("data is JSON");
            }
        }
        Body::Subscribe(subscribe) => check_subscribe(subscribe),
        Body::Unsubscribe(channel) | Body::Presence(channel) => check_channel(channel),
        Body::Publish(publish) => {
            check_channel(&publish.channel);
            serde_json::from_slice::<IgnoredAny>(&publish.data).expect("data is JSON");
            let key = publish.key.as_deref();
            assert!(key.is_none_or(|key| (1..=MESSAGE_KEY_BYTES).contains(&key.len())));
        }
        Body::History(history) => {
            check_channel(&history.channel);
            let since = history.since.as_ref();
            assert!(since.is_none_or(|since| since.epoch.len() <= EPOCH_BYTES));
        }
        Body::Refresh(_) | Body::Ping => {}
    }
}

fn check_subscribe(subscribe: &Subscribe) {
    check_channel(&subscribe.channel);
    let since = subscribe.since.as_ref();
    assert!(since.is_none_or(|since| since.epoch.len() <= EPOCH_BYTES));
}

fn check_channel(channel: &Channel) {
    let again = Channel::parse(channel.as_str()).expect("a name that was taken once");
    assert_eq!(&again, channel);
}
