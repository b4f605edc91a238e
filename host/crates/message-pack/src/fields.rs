//! Single fields of a map, found without converting it: for the answer to a map that cannot be converted.

use crate::error::PackFault;
use crate::reader::{PackToken, Reader};

/// The bytes of the values of these keys in the map that is all of `bytes`, in the order of `names`. Of a key that is there
/// twice the first counts.
///
/// # Errors
/// It is no map alone, or one that cannot be told apart into values.
pub fn first_fields<'a, const N: usize>(
    bytes: &'a [u8],
    names: &[&str; N],
) -> Result<[Option<&'a [u8]>; N], PackFault> {
    let mut found = [None; N];
    let mut reader = Reader::new(bytes);
    let PackToken::Map(entries) = reader.next()? else {
        return Ok(found);
    };
    for _ in 0..entries {
        let key = reader.clone().next()?;
        reader.skip()?;
        let from = reader.at();
        reader.skip()?;
        let named = |name: &&str| key == PackToken::Text(name.as_bytes());
        if let Some(index) = names.iter().position(named) {
            found[index].get_or_insert(&bytes[from..reader.at()]);
        }
    }
    reader.end()?;
    Ok(found)
}
