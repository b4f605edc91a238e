//! The values that calls name things by, each checked where it is read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::control::PAGE_ENTRIES;
use crate::protocol::codes;
use crate::protocol::names::{CHANNEL_BYTES, Channel};

/// Bytes of a user's id at most, as in the plugin contract.
const USER_BYTES: usize = 255;
/// Bytes of an idempotency key at most, as on the wire.
const KEY_BYTES: usize = 256;
/// Entries of a page where the call names no limit.
const DEFAULT_LIMIT: usize = 100;
/// Seconds of a ban at most: a year.
const BAN_SECONDS: u64 = 31_536_000;

/// Bytes of a reason at most.
const REASON_BYTES: usize = 1024;

/// Describes a checked value in the document, beside its `TryFrom`.
macro_rules! described {
    ($name:ident, $schema:tt) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// A channel's name.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct ChannelName(pub Channel);

impl TryFrom<String> for ChannelName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Channel::parse(&text).map(Self).map_err(|error| error.to_string())
    }
}

impl Serialize for ChannelName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

described!(ChannelName, {
    "type": "string",
    "minLength": 1,
    "maxLength": CHANNEL_BYTES,
    "description": "A channel's name: 1 to 255 bytes of UTF-8 without spaces and control characters."
});

/// A user's id.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(super) struct UserId(pub String);

impl TryFrom<String> for UserId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.len() {
            1..=USER_BYTES => Ok(Self(text)),
            bytes => Err(format!("a user has 1 to {USER_BYTES} bytes, not {bytes}")),
        }
    }
}

described!(UserId, {
    "type": "string",
    "minLength": 1,
    "maxLength": USER_BYTES,
    "description": "A user's id, as the connect chain named it."
});

/// What makes two publishes the same.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(super) struct MessageKey(pub String);

impl TryFrom<String> for MessageKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.len() {
            1..=KEY_BYTES => Ok(Self(text)),
            bytes => Err(format!("a key has 1 to {KEY_BYTES} bytes, not {bytes}")),
        }
    }
}

described!(MessageKey, {
    "type": "string",
    "minLength": 1,
    "maxLength": KEY_BYTES,
    "description": "What makes two publishes to a channel the same: the second is acknowledged and not delivered."
});

/// How many entries a page may have.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "usize")]
pub(super) struct Limit(pub usize);

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl TryFrom<usize> for Limit {
    type Error = String;
    fn try_from(number: usize) -> Result<Self, String> {
        match number {
            1..=PAGE_ENTRIES => Ok(Self(number)),
            _ => Err(format!("the range is 1 to {PAGE_ENTRIES}, not {number}")),
        }
    }
}

described!(Limit, {
    "type": "integer",
    "minimum": 1,
    "maximum": PAGE_ENTRIES,
    "default": DEFAULT_LIMIT,
    "description": "Entries at most."
});

/// With which code a connection is closed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "u16")]
pub(super) struct Code(pub u16);

impl Default for Code {
    fn default() -> Self {
        Self(codes::KICKED.number)
    }
}

impl TryFrom<u16> for Code {
    type Error = String;
    fn try_from(number: u16) -> Result<Self, String> {
        match codes::operator_close(number) {
            Some(code) => Ok(Self(code.number)),
            None => Err(format!(
                "{number} is none of 4504, 4300 to 4399 (the client comes back) and 4800 to 4899 (it does not)"
            )),
        }
    }
}

described!(Code, {
    "type": "integer",
    "default": codes::KICKED.number,
    "anyOf": [{ "const": codes::KICKED.number }, { "minimum": 4300, "maximum": 4399 }, { "minimum": 4800, "maximum": 4899 }],
    "description": "The close code: 4504 (kicked), 4300 to 4399 (the client comes back) or 4800 to 4899 (it does not)."
});

/// How long a ban holds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub(super) struct BanSeconds(pub u64);

impl TryFrom<u64> for BanSeconds {
    type Error = String;
    fn try_from(number: u64) -> Result<Self, String> {
        match number {
            1..=BAN_SECONDS => Ok(Self(number)),
            _ => Err(format!("the range is 1 to {BAN_SECONDS} seconds, not {number}")),
        }
    }
}

described!(BanSeconds, {
    "type": "integer",
    "minimum": 1,
    "maximum": BAN_SECONDS,
    "description": "How long from now, in seconds; at most a year."
});

/// Why a user is banned.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(super) struct Reason(String);

impl TryFrom<String> for Reason {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.len() {
            0..=REASON_BYTES => Ok(Self(text)),
            bytes => Err(format!("a reason has at most {REASON_BYTES} bytes, not {bytes}")),
        }
    }
}

described!(Reason, {
    "type": "string",
    "maxLength": REASON_BYTES,
    "description": "For the audit log; the user is not told."
});

/// A channel, in a path.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct OnChannel {
    pub channel: ChannelName,
}

/// A user, in a path.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct OnUser {
    pub user: UserId,
}

/// A connection, in a path.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct OnSession {
    /// The session's id, as `connect` was answered with.
    pub session: String,
}

/// Which page of a list, in a query.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// Only what comes after this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    #[serde(default)]
    pub limit: Limit,
}
