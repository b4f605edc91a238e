//! What is wrong in bytes or in a text that cannot be converted, and where.

use std::fmt;

use thiserror::Error;

use crate::depth::DEPTH;

/// What is wrong in `MessagePack`, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct BadMessagePack {
    /// Keys and places in lists, such as `payload.data[2]`; empty for the value as a whole. Of a long one only the beginning.
    pub path: String,
    /// What stands there.
    pub fault: PackFault,
}

/// What can be wrong in `MessagePack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackFault {
    /// It ends too soon, or promises more than there is.
    Truncated,
    /// Something follows the value.
    Trailing,
    /// The byte that begins nothing.
    Reserved,
    /// Maps and lists are inside of each other too often.
    TooDeep,
    /// A string that is no UTF-8.
    NotUtf8,
    /// A key that is no string.
    KeyNotText,
    /// NaN or an infinity.
    NotFinite,
    /// An extension of this type.
    Extension(i8),
    /// An extension of type 1 that holds no number.
    NotANumber,
    /// Binary data where only what JSON has may stand.
    Binary,
}

impl PackFault {
    /// Whether nobody can tell where one value ends and the next begins.
    #[must_use]
    pub const fn breaks_framing(self) -> bool {
        matches!(self, Self::Truncated | Self::Trailing | Self::Reserved)
    }
}

impl fmt::Display for PackFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("promises more than there is"),
            Self::Trailing => f.write_str("is followed by something else"),
            Self::Reserved => f.write_str("begins with the byte 0xc1, which begins nothing"),
            Self::TooDeep => write!(f, "has more than {DEPTH} maps and lists inside of each other"),
            Self::NotUtf8 => f.write_str("is a string that is not UTF-8"),
            Self::KeyNotText => f.write_str("has a key that is no string"),
            Self::NotFinite => f.write_str("is NaN or infinite, which JSON does not have"),
            Self::Extension(kind) => write!(
                f,
                "is an extension of type {kind}; only type 1, a number as text, is known"
            ),
            Self::NotANumber => f.write_str("is an extension of type 1 that holds no JSON number"),
            Self::Binary => f.write_str("is binary, which may stand only in the data of a binary channel"),
        }
    }
}

impl fmt::Display for BadMessagePack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "this MessagePack {}", self.fault),
            path => write!(f, "\"{path}\": {}", self.fault),
        }
    }
}

/// A text that is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no JSON at byte {at}")]
pub struct NotJson {
    /// Where it goes wrong.
    pub at: usize,
}
