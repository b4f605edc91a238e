//! `MessagePack` to JSON text and back, equal in value, and the pieces of which `MessagePack` is written. Pure: knows no
//! envelope and no socket.
//!
//! Nothing here recurses, believes a length that the bytes do not bear out, or takes more time than the bytes are many.
//!
//! A number that fits no integer of 64 bits and no float is an extension of type 1 that holds its JSON text. There are no
//! other extensions, no NaN and no infinities, because JSON has nothing of the kind.

mod depth;
mod error;
mod fields;
mod from_json;
mod list;
mod number;
mod path;
mod reader;
#[cfg(test)]
mod tests;
mod to_json;
pub mod write;

pub use depth::DEPTH;
pub use error::{BadMessagePack, NotJson, PackFault};
pub use fields::first_fields;
pub use from_json::from_json;
pub use list::{ListItems, list_items};
pub use to_json::{AsJson, to_json};

/// The extension that holds a number as JSON text.
const NUMBER_EXTENSION: i8 = 1;
