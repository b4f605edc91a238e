//! Bytes to tokens: a scalar, or the header of a list or a map. Knows nothing of what belongs to what.

use crate::error::PackFault;

/// What stands at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PackToken<'a> {
    Nil,
    Flag(bool),
    Unsigned(u64),
    /// Less than zero.
    Negative(i64),
    Float(f64),
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Extension(i8, &'a [u8]),
    /// So many values follow.
    List(u32),
    /// So many pairs of values follow.
    Map(u32),
}

/// Reads tokens one behind the other.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The byte that is next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// That nothing is left.
    pub(super) fn end(&self) -> Result<(), PackFault> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(PackFault::Trailing)
        }
    }

    /// The next token. A list or a map is believed only if what is left can hold it.
    pub(super) fn next(&mut self) -> Result<PackToken<'a>, PackFault> {
        let [first] = self.array()?;
        Ok(match first {
            0x00..=0x7f => PackToken::Unsigned(first.into()),
            0x80..=0x8f => self.map(u32::from(first & 0x0f))?,
            0x90..=0x9f => self.list(u32::from(first & 0x0f))?,
            0xa0..=0xbf => PackToken::Text(self.take(usize::from(first & 0x1f))?),
            0xc0 => PackToken::Nil,
            0xc1 => return Err(PackFault::Reserved),
            0xc2 => PackToken::Flag(false),
            0xc3 => PackToken::Flag(true),
            0xc4 => PackToken::Binary(self.counted_8()?),
            0xc5 => PackToken::Binary(self.counted_16()?),
            0xc6 => PackToken::Binary(self.counted_32()?),
            0xc7 => {
                let [length] = self.array()?;
                self.extension(length.into())?
            }
            0xc8 => {
                let length = u16::from_be_bytes(self.array()?);
                self.extension(length.into())?
            }
            0xc9 => {
                let length = u32::from_be_bytes(self.array()?);
                self.extension(length as usize)?
            }
            0xca => PackToken::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => PackToken::Float(f64::from_be_bytes(self.array()?)),
            0xcc => PackToken::Unsigned(u8::from_be_bytes(self.array()?).into()),
            0xcd => PackToken::Unsigned(u16::from_be_bytes(self.array()?).into()),
            0xce => PackToken::Unsigned(u32::from_be_bytes(self.array()?).into()),
            0xcf => PackToken::Unsigned(u64::from_be_bytes(self.array()?)),
            0xd0 => integer(i8::from_be_bytes(self.array()?).into()),
            0xd1 => integer(i16::from_be_bytes(self.array()?).into()),
            0xd2 => integer(i32::from_be_bytes(self.array()?).into()),
            0xd3 => integer(i64::from_be_bytes(self.array()?)),
            // 1, 2, 4, 8, 16.
            0xd4..=0xd8 => self.extension(1 << (first - 0xd4))?,
            0xd9 => PackToken::Text(self.counted_8()?),
            0xda => PackToken::Text(self.counted_16()?),
            0xdb => PackToken::Text(self.counted_32()?),
            0xdc => {
                let count = u16::from_be_bytes(self.array()?);
                self.list(count.into())?
            }
            0xdd => {
                let count = u32::from_be_bytes(self.array()?);
                self.list(count)?
            }
            0xde => {
                let count = u16::from_be_bytes(self.array()?);
                self.map(count.into())?
            }
            0xdf => {
                let count = u32::from_be_bytes(self.array()?);
                self.map(count)?
            }
            0xe0..=0xff => integer(i8::from_be_bytes([first]).into()),
        })
    }

    /// Passes over a whole value, whatever is in it.
    pub(super) fn skip(&mut self) -> Result<(), PackFault> {
        // Each value takes a byte at least, so no count that was believed overflows.
        let mut left = 1_u64;
        while left > 0 {
            left -= 1;
            left += match self.next()? {
                PackToken::List(count) => u64::from(count),
                PackToken::Map(count) => 2 * u64::from(count),
                _ => 0,
            };
            if left > self.left() as u64 {
                return Err(PackFault::Truncated);
            }
        }
        Ok(())
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn list(&self, count: u32) -> Result<PackToken<'a>, PackFault> {
        self.check_room(u64::from(count)).map(|()| PackToken::List(count))
    }

    fn map(&self, count: u32) -> Result<PackToken<'a>, PackFault> {
        self.check_room(2 * u64::from(count)).map(|()| PackToken::Map(count))
    }

    fn check_room(&self, values: u64) -> Result<(), PackFault> {
        if values > self.left() as u64 {
            return Err(PackFault::Truncated);
        }
        Ok(())
    }

    fn extension(&mut self, length: usize) -> Result<PackToken<'a>, PackFault> {
        let kind = i8::from_be_bytes(self.array()?);
        Ok(PackToken::Extension(kind, self.take(length)?))
    }

    fn counted_8(&mut self) -> Result<&'a [u8], PackFault> {
        let [length] = self.array()?;
        self.take(length.into())
    }

    fn counted_16(&mut self) -> Result<&'a [u8], PackFault> {
        let length = u16::from_be_bytes(self.array()?);
        self.take(length.into())
    }

    fn counted_32(&mut self) -> Result<&'a [u8], PackFault> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(length as usize)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PackFault> {
        let array = self.bytes[self.at..].first_chunk().ok_or(PackFault::Truncated)?;
        self.at += N;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PackFault> {
        let taken = self.bytes[self.at..].get(..length).ok_or(PackFault::Truncated)?;
        self.at += length;
        Ok(taken)
    }
}

fn integer(value: i64) -> PackToken<'static> {
    u64::try_from(value).map_or(PackToken::Negative(value), PackToken::Unsigned)
}
