//! The values that requests hold. A request is checked against their schemas before they are read (`request.rs`),
//! so a schema is the only place that says what a value may be, and its `title` says it in an error.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::control::PAGE_ENTRIES;
use address_block::{AddressBlock, NoAddress};
use protocol::Whole;
use protocol::codes;
use protocol::names::{CHANNEL_BYTES, Channel};
use registry::{BanEntry, BanSubject, JTI_BYTES, LONGEST_BAN};

/// Bytes of UTF-8 at most: a keyword of our own beside `maxLength`, which counts characters.
pub(super) const MAX_BYTES: &str = "x-maxBytes";

/// Bytes of a user's id at most, as in the plugin contract.
const USER_BYTES: usize = sluicegate_contract::limits::USER_BYTES;
/// Bytes of an idempotency key at most, as on the wire.
const KEY_BYTES: usize = protocol::MESSAGE_KEY_BYTES;
/// Entries of a page where the call names no limit.
const DEFAULT_LIMIT: u64 = 100;
/// Seconds of a ban at most: a year.
const BAN_SECONDS: u64 = LONGEST_BAN.as_secs();
/// Bytes of a reason at most.
const REASON_BYTES: usize = 1024;

/// Text without Unicode's white space and control characters. They are written as code points, because `\s` means something
/// else in each dialect of regular expressions.
const NO_SPACE_NO_CONTROL: &str = r"^[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$";

/// A byte of an IPv4 address, in decimal.
const BYTE: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
/// A group of an IPv6 address, in hexadecimal.
const GROUP: &str = "[0-9a-fA-F]{1,4}";

/// The IPv4 and IPv6 addresses that can be read, as a regular expression.
fn address_pattern() -> String {
    let v4 = format!("(?:{BYTE}\\.){{3}}{BYTE}");
    let mut v6 = vec![
        format!("(?:{GROUP}:){{7}}{GROUP}"),
        format!("(?:{GROUP}:){{1,7}}:"),
        format!(":(?::{GROUP}){{1,7}}"),
        "::".to_owned(),
        format!("::[fF]{{4}}:{v4}"),
    ];
    // So many groups before the `::` at most, and the others behind it.
    v6.extend((1..=6).map(|before| format!("(?:{GROUP}:){{1,{before}}}(?::{GROUP}){{1,{}}}", 7 - before)));
    format!("(?:{v4}(?:/32)?|(?:{})(?:/64)?)", v6.join("|"))
}

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
    "title": format!("1 to {CHANNEL_BYTES} bytes of UTF-8 without spaces and control characters"),
    "minLength": 1,
    "maxLength": CHANNEL_BYTES,
    "x-maxBytes": CHANNEL_BYTES,
    "pattern": NO_SPACE_NO_CONTROL,
    "description": "A channel's name.",
});

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct UserId(pub String);

described!(UserId, {
    "type": "string",
    "title": format!("1 to {USER_BYTES} bytes of UTF-8"),
    "minLength": 1,
    "maxLength": USER_BYTES,
    "x-maxBytes": USER_BYTES,
    "description": "A user's id, as the connect chain named it.",
});

/// An address that is banned for clients without a user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct BannedAddress(pub AddressBlock);

described!(BannedAddress, {
    "type": "string",
    "title": NoAddress.to_string().trim_start_matches("must be "),
    "pattern": format!("^{}$", address_pattern()),
    "description": "An IPv4 address, or an IPv6 address, which stands for its /64.",
});

/// A place in the list of bans.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct BanCursor(pub BanEntry);

impl TryFrom<String> for BanCursor {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        BanEntry::at(&text).map(Self).ok_or("is not the `next` of a page")
    }
}

impl Serialize for BanCursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.cursor())
    }
}

described!(BanCursor, {
    "type": "string",
    "title": "the `next` of a page",
    "pattern": format!("^[po][0-9]{{1,15}}(?:u:[\\s\\S]*|a:{})$", address_pattern()),
});

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct SessionId(pub String);

described!(SessionId, {
    "type": "string",
    "title": "a session's id",
    "minLength": 1,
    "description": "A session's id, as `connect` was answered with.",
});

/// What makes two publishes the same.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct MessageKey(pub String);

described!(MessageKey, {
    "type": "string",
    "title": format!("1 to {KEY_BYTES} bytes of UTF-8"),
    "minLength": 1,
    "maxLength": KEY_BYTES,
    "x-maxBytes": KEY_BYTES,
    "description": "What makes two publishes to a channel the same: the second is acknowledged and not delivered.",
});

/// Why somebody is banned.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Reason(String);

described!(Reason, {
    "type": "string",
    "title": format!("at most {REASON_BYTES} bytes of UTF-8"),
    "maxLength": REASON_BYTES,
    "x-maxBytes": REASON_BYTES,
    "description": "For the audit log; who is banned does not see it.",
});

/// Entries of a page at most.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(from = "Whole<u64>")]
pub(super) struct Limit(u64);

impl Limit {
    pub(super) fn entries(self) -> usize {
        usize::try_from(self.0).unwrap_or(PAGE_ENTRIES)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

described!(Limit, {
    "type": "integer",
    "title": format!("a whole number from 1 to {PAGE_ENTRIES}"),
    "minimum": 1,
    "maximum": PAGE_ENTRIES,
    "default": DEFAULT_LIMIT,
    "description": "Entries at most.",
});

/// The place of a message in a channel's history.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(from = "Whole<u64>")]
pub(super) struct Offset(pub u64);

described!(Offset, {
    "type": "integer",
    "title": format!("a whole number from 0 to {}", u64::MAX),
    "minimum": 0,
    "maximum": u64::MAX,
});

/// The code with which a connection is closed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(from = "Whole<u64>")]
pub(super) struct CloseNumber(u64);

impl CloseNumber {
    pub(super) fn code(self) -> u16 {
        u16::try_from(self.0).unwrap_or(codes::KICKED.number)
    }
}

impl Default for CloseNumber {
    fn default() -> Self {
        Self(codes::KICKED.number.into())
    }
}

described!(CloseNumber, {
    "type": "integer",
    "title": "4504, 4300 to 4399 or 4800 to 4899",
    "default": codes::KICKED.number,
    "minimum": 4300,
    "maximum": 4899,
    "anyOf": [{ "maximum": 4399 }, { "const": codes::KICKED.number }, { "minimum": 4800 }],
    "description": "The close code: 4504 (kicked), 4300 to 4399 (the client comes back) or 4800 to 4899 (it does not).",
});

/// How long a ban holds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(from = "Whole<u64>")]
pub(super) struct BanSeconds(pub u64);

described!(BanSeconds, {
    "type": "integer",
    "title": format!("a whole number from 1 to {BAN_SECONDS}"),
    "minimum": 1,
    "maximum": BAN_SECONDS,
    "description": "How long from now, in seconds; at most a year.",
});

/// Which token is revoked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct TokenId(pub String);

described!(TokenId, {
    "type": "string",
    "title": format!("1 to {JTI_BYTES} bytes of UTF-8"),
    "minLength": 1,
    "maxLength": JTI_BYTES,
    "x-maxBytes": JTI_BYTES,
    "description": "A token's `jti`, as a claim that the connect chain accepted.",
});

/// When a revocation may be forgotten. Which times there are only the clock knows (`endpoints/revocations.rs`).
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(from = "Whole<u64>")]
pub(super) struct UntilSeconds(pub u64);

described!(UntilSeconds, {
    "type": "integer",
    "title": "a Unix time in seconds, after now and at most a year from now",
    "minimum": 1,
    "maximum": u64::MAX,
    "description": "When it may be forgotten, in seconds since the Unix epoch, at most a year from now: the `exp` of the last token that \
                    it is about. Without it a year from now.",
});

/// A revocation in one word that needs no encoding in a path.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct RevocationId(String);

impl RevocationId {
    pub(super) fn of(subject: &BanSubject) -> Self {
        let (kind, name) = match subject {
            BanSubject::Token(jti) => ('j', jti.to_string()),
            BanSubject::TokensOf(user) => ('u', user.to_string()),
            banned @ (BanSubject::User(_) | BanSubject::Address(_)) => ('b', banned.to_string()),
        };
        let hex = name.bytes().map(|byte| format!("{byte:02x}"));
        Self(std::iter::once(kind.to_string()).chain(hex).collect())
    }

    /// What it revokes; none where there cannot be such a revocation.
    pub(super) fn subject(&self) -> Option<BanSubject> {
        let (kind, hex) = self.0.split_at_checked(1)?;
        let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        let bytes = (0..hex.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()?;
        let name = String::from_utf8(bytes).ok()?;
        match kind {
            "j" => Some(BanSubject::Token(name.into())),
            "u" => Some(BanSubject::TokensOf(name.into())),
            _ => None,
        }
    }
}

described!(RevocationId, {
    "type": "string",
    "title": "the id of a revocation",
    "pattern": format!("^[ju](?:[0-9a-f]{{2}}){{1,{JTI_BYTES}}}$"),
    "description": "The id of a revocation, as it was answered or listed with.",
});

/// A place in the list of revocations.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct RevocationCursor(pub BanEntry);

impl TryFrom<String> for RevocationCursor {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let entry = BanEntry::at(&text).filter(|entry| entry.subject.is_revocation());
        entry.map(Self).ok_or("is not the `next` of a page")
    }
}

impl Serialize for RevocationCursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.cursor())
    }
}

described!(RevocationCursor, {
    "type": "string",
    "title": "the `next` of a page",
    "pattern": r"^o[0-9]{1,15}[jt]:[\s\S]*$",
});

macro_rules! whole {
    ($($name:ident),*) => {$(
        impl From<Whole<u64>> for $name {
            fn from(number: Whole<u64>) -> Self {
                Self(number.0)
            }
        }
    )*};
}

whole!(Limit, Offset, CloseNumber, BanSeconds, UntilSeconds);

/// A channel, in a path.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct ChannelPath {
    pub channel: ChannelName,
}

/// A user, in a path.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct UserPath {
    pub user: UserId,
}

/// An address, in a path.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct AddressPath {
    pub address: BannedAddress,
}

/// A revocation, in a path.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct RevocationPath {
    pub id: RevocationId,
}

/// A connection, in a path.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct SessionPath {
    pub session: SessionId,
}

/// Which page of a list, in a query.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// Only what comes after this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub after: Option<String>,
    #[serde(default)]
    pub limit: Limit,
}
