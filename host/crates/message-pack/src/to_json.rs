//! `MessagePack` to JSON text, in one pass.

use std::io::Write as _;
use std::ops::Range;

use crate::NUMBER_EXTENSION;
use crate::depth::DEPTH;
use crate::error::{BadMessagePack, PackFault};
use crate::number;
use crate::path::{self, PathStep};
use crate::reader::{PackToken, Reader};

/// A value as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsJson {
    /// At most six times as long as the bytes.
    pub text: String,
    /// Which of the bytes are the binary data at the place where it may stand. The text has `null` there.
    pub binary: Option<Range<usize>>,
}

/// The value that is all of `bytes`, as JSON text. Binary data may stand at the end of the path `binary_at` of keys, and
/// nowhere else.
///
/// Floats have the shortest text that is read as the same float, and a point or an exponent. A key that is there twice stays
/// twice.
///
/// # Errors
/// The first thing that is wrong.
pub fn to_json(bytes: &[u8], binary_at: Option<&[&str]>) -> Result<AsJson, BadMessagePack> {
    let mut writer = Writer {
        reader: Reader::new(bytes),
        text: Vec::with_capacity(bytes.len() + bytes.len() / 4),
        open: Vec::new(),
        binary_at,
        binary: None,
    };
    if let Err(fault) = writer.value() {
        return Err(BadMessagePack {
            path: path::shown(writer.open.iter().filter_map(Open::step)),
            fault,
        });
    }
    Ok(AsJson {
        text: String::from_utf8(writer.text).expect("only text was written, and strings after a look at them"),
        binary: writer.binary,
    })
}

struct Writer<'a> {
    reader: Reader<'a>,
    text: Vec<u8>,
    /// Maps and lists that are not complete, the outermost first.
    open: Vec<Open<'a>>,
    binary_at: Option<&'a [&'a str]>,
    binary: Option<Range<usize>>,
}

/// A map or a list that is not complete.
struct Open<'a> {
    /// Values that are to come, the one that is read now included.
    left: u32,
    at: At<'a>,
}

/// What is read now.
enum At<'a> {
    /// A value under this key; none: the key.
    Map(Option<&'a str>),
    List(u32),
}

impl<'a> Open<'a> {
    fn step(&self) -> Option<PathStep<'a>> {
        match self.at {
            At::Map(key) => key.map(PathStep::Key),
            At::List(place) => Some(PathStep::Place(place)),
        }
    }
}

impl Writer<'_> {
    fn value(&mut self) -> Result<(), PackFault> {
        loop {
            let is_whole = match self.reader.next()? {
                PackToken::List(count) => self.begin(count, false)?,
                PackToken::Map(count) => self.begin(count, true)?,
                scalar => {
                    self.scalar(scalar)?;
                    true
                }
            };
            if is_whole && !self.go_on()? {
                return self.reader.end();
            }
        }
    }

    /// Opens a list or a map, and says whether it is complete already.
    fn begin(&mut self, count: u32, is_map: bool) -> Result<bool, PackFault> {
        if self.open.len() == DEPTH {
            return Err(PackFault::TooDeep);
        }
        if count == 0 {
            self.text.extend(if is_map { b"{}" } else { b"[]" });
            return Ok(true);
        }
        self.text.push(if is_map { b'{' } else { b'[' });
        let at = if is_map { At::Map(None) } else { At::List(0) };
        self.open.push(Open { left: count, at });
        if is_map {
            self.key()?;
        }
        Ok(false)
    }

    /// Goes to the place of the next value; there is none when all is complete.
    fn go_on(&mut self) -> Result<bool, PackFault> {
        while let Some(open) = self.open.last_mut() {
            open.left -= 1;
            let is_complete = open.left == 0;
            match &mut open.at {
                At::Map(_) if is_complete => self.text.push(b'}'),
                At::List(_) if is_complete => self.text.push(b']'),
                At::Map(key) => {
                    *key = None;
                    self.text.push(b',');
                    self.key()?;
                    return Ok(true);
                }
                At::List(place) => {
                    *place += 1;
                    self.text.push(b',');
                    return Ok(true);
                }
            }
            self.open.pop();
        }
        Ok(false)
    }

    fn key(&mut self) -> Result<(), PackFault> {
        let PackToken::Text(key) = self.reader.next()? else {
            return Err(PackFault::KeyNotText);
        };
        let key = std::str::from_utf8(key).map_err(|_| PackFault::NotUtf8)?;
        if let Some(open) = self.open.last_mut() {
            open.at = At::Map(Some(key));
        }
        self.string(key);
        self.text.push(b':');
        Ok(())
    }

    fn scalar(&mut self, token: PackToken<'_>) -> Result<(), PackFault> {
        match token {
            PackToken::Nil => self.text.extend(b"null"),
            PackToken::Flag(true) => self.text.extend(b"true"),
            PackToken::Flag(false) => self.text.extend(b"false"),
            PackToken::Unsigned(value) => self.number(format_args!("{value}")),
            PackToken::Negative(value) => self.number(format_args!("{value}")),
            PackToken::Float(value) if value.is_finite() => self.number(format_args!("{value:?}")),
            PackToken::Float(_) => return Err(PackFault::NotFinite),
            PackToken::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|_| PackFault::NotUtf8)?;
                self.string(text);
            }
            PackToken::Binary(bytes) => {
                if !self.is_at_binary() {
                    return Err(PackFault::Binary);
                }
                let end = self.reader.at();
                self.binary = Some(end - bytes.len()..end);
                self.text.extend(b"null");
            }
            PackToken::Extension(NUMBER_EXTENSION, text) => {
                if !number::is_number(text) {
                    return Err(PackFault::NotANumber);
                }
                self.text.extend_from_slice(text);
            }
            PackToken::Extension(kind, _) => return Err(PackFault::Extension(kind)),
            PackToken::List(_) | PackToken::Map(_) => unreachable!("these are no scalars"),
        }
        Ok(())
    }

    /// Whether the value that is read now may be binary.
    fn is_at_binary(&self) -> bool {
        self.binary_at.is_some_and(|path| {
            let steps = path.iter().map(|key| PathStep::Key(key));
            self.open.iter().filter_map(Open::step).eq(steps)
        })
    }

    fn number(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a vector takes everything");
    }

    fn string(&mut self, text: &str) {
        serde_json::to_writer(&mut self.text, text).expect("a string always serialises into memory");
    }
}
