//! One message of the server, and the rules for every one.

use std::ops::Deref;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("a clock before the year 500 million")
}

/// An envelope as JSON (it derefs to [`Value`]) and as the text that came.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    /// The text as it came.
    pub text: String,
    json: Value,
}

impl Envelope {
    /// Reads what the server sent and checks what every envelope has.
    pub(crate) fn read(text: String) -> Self {
        let json: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("the server sent bad JSON: {e}: {text}"));
        let ts = json["ts"].as_u64().unwrap_or_else(|| panic!("no integer ts: {text}"));
        // A message may wait in a paused Redis before it arrives.
        assert!(ts.abs_diff(now_ms()) < 120_000, "ts is not the time of now: {text}");
        assert!(json["type"].is_string(), "no type: {text}");
        if json["type"] == "error" {
            check_error(&json["payload"], &text);
        }
        Self { text, json }
    }

    /// `type`
    pub(crate) fn kind(&self) -> &str {
        self.json["type"].as_str().expect("checked when read")
    }

    /// The payload's JSON text, byte for byte.
    pub(crate) fn payload_text(&self) -> &str {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            payload: &'a RawValue,
        }
        let raw: Raw<'_> = serde_json::from_str(&self.text).expect("an envelope with a payload");
        raw.payload.get()
    }

    /// Whether this answers request `id`.
    pub(crate) fn answers(&self, id: &Value) -> bool {
        matches!(self.kind(), "ack" | "error") && self.json["id"] == *id
    }
}

impl Deref for Envelope {
    type Target = Value;
    fn deref(&self) -> &Value {
        &self.json
    }
}

fn check_error(payload: &Value, text: &str) {
    assert!(
        payload["code"]
            .as_u64()
            .is_some_and(|code| (4300..4900).contains(&code)),
        "code: {text}"
    );
    let reason = payload["reason"]
        .as_str()
        .unwrap_or_else(|| panic!("no reason: {text}"));
    let is_snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(!reason.is_empty() && reason.chars().all(is_snake), "reason: {text}");
    assert!(
        payload["message"].as_str().is_some_and(|m| !m.is_empty()),
        "message: {text}"
    );
    assert!(payload["retry"].is_boolean(), "retry: {text}");
    if payload.get("retry_after_ms").is_some() {
        assert!(payload["retry_after_ms"].is_u64(), "retry_after_ms: {text}");
    }
    let own_word = match payload["code"].as_u64() {
        Some(4400) => "bad_request",
        Some(4404) => "unknown_type",
        Some(4405) => "already_subscribed",
        Some(4406) => "not_subscribed",
        Some(4503) => "plugin_fault",
        _ => return,
    };
    assert_eq!(reason, own_word, "{text}");
}
