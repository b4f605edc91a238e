//! The data of a message, as a call has it: any JSON, or bytes as a string.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::problem::{ProblemDetails, WRONG_CONTENT};
use protocol::Content;

/// How the bytes of a binary channel stand in `data`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DataEncoding {
    /// A string in base64, in the standard alphabet and padded.
    Base64,
}

/// What is to be published.
#[derive(Clone, Debug)]
pub(super) struct MessageData {
    pub content: Content,
    pub bytes: Bytes,
}

impl MessageData {
    pub(super) fn read(data: Box<RawValue>, encoding: Option<DataEncoding>) -> Result<Self, ProblemDetails> {
        match encoding {
            None => Ok(Self {
                content: Content::Json,
                bytes: String::from(Box::<str>::from(data)).into(),
            }),
            Some(DataEncoding::Base64) => {
                let bytes = protocol::read_base64_json(data.get().as_bytes());
                let not_base64 =
                    |_| WRONG_CONTENT.because("data must be a string in base64 (the standard alphabet, padded)");
                Ok(Self {
                    content: Content::Binary,
                    bytes: bytes.map_err(not_base64)?.into(),
                })
            }
        }
    }

    /// Checks that a channel takes it.
    pub(super) fn check(&self, takes: Content) -> Result<(), ProblemDetails> {
        match takes {
            takes if takes == self.content => Ok(()),
            Content::Json => Err(WRONG_CONTENT.because("this channel takes JSON; leave out encoding")),
            Content::Binary => Err(WRONG_CONTENT.because("this channel takes binary data: base64, with encoding")),
        }
    }
}
