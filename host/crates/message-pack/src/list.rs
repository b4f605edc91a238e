//! The values of a list, found without converting them.

use crate::error::PackFault;
use crate::reader::{PackToken, Reader};

/// What a value is, as a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListItems<'a> {
    /// The bytes of each of its values.
    All(Vec<&'a [u8]>),
    /// It has so many values, which are too many.
    TooMany(u32),
    /// It is something else.
    NoList,
}

/// The values of the list that is all of `bytes`, if they are at most so many.
///
/// # Errors
/// The list cannot be told apart into values.
pub fn list_items(bytes: &[u8], most: u32) -> Result<ListItems<'_>, PackFault> {
    let mut reader = Reader::new(bytes);
    let count = match reader.next()? {
        PackToken::List(count) if count > most => return Ok(ListItems::TooMany(count)),
        PackToken::List(count) => count,
        _ => return Ok(ListItems::NoList),
    };
    let mut items = Vec::new();
    for _ in 0..count {
        let from = reader.at();
        reader.skip()?;
        items.push(&bytes[from..reader.at()]);
    }
    reader.end()?;
    Ok(ListItems::All(items))
}
