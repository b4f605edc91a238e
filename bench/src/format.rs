//! The formats of envelopes. What a target has as JSON text becomes what is sent and looked for in each of them.

use anyhow::{Context, Result};
use bench::websocket;
use clap::ValueEnum;

/// How a connection's envelopes are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    MessagePack,
}

/// The formats of all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Formats {
    Json,
    MessagePack,
    /// Every other subscriber has MessagePack, and whoever publishes JSON.
    Mixed,
}

impl Formats {
    /// Its word on the command line.
    pub(crate) fn word(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Subscribers take turns with them; publishers have the first.
    pub(crate) const fn each(self) -> &'static [Format] {
        match self {
            Self::Json => &[Format::Json],
            Self::MessagePack => &[Format::MessagePack],
            Self::Mixed => &[Format::Json, Format::MessagePack],
        }
    }
}

impl Format {
    /// What the protocol calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "msgpack",
        }
    }

    /// The frame of an envelope.
    pub(crate) fn frame(self, json: &str) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Json => websocket::text_frame(json),
            Self::MessagePack => websocket::binary_frame(&packed(json)?),
        })
    }

    /// The bytes of fields that stand side by side in an envelope, written as in JSON; the last may be without its value.
    pub(crate) fn fields(self, json: &str) -> Result<Vec<u8>> {
        if self == Self::Json {
            return Ok(json.into());
        }
        let without_value = json.ends_with(':');
        let value = if without_value { "0" } else { "" };
        let map = packed(&format!("{{{json}{value}}}"))?;
        // Around them are the header of the map and the 0, a byte each.
        Ok(map[1..map.len() - usize::from(without_value)].to_vec())
    }

    /// The large integer at the beginning of these bytes; 0 if there is none.
    pub(crate) fn integer(self, bytes: &[u8]) -> u64 {
        match (self, bytes) {
            (Self::Json, _) => {
                let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
                digits.fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0'))
            }
            (Self::MessagePack, [0xcf, number @ ..]) => number.first_chunk().copied().map_or(0, u64::from_be_bytes),
            (Self::MessagePack, _) => 0,
        }
    }
}

fn packed(json: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    message_pack::from_json(json, &mut bytes).with_context(|| json.to_owned())?;
    Ok(bytes)
}
