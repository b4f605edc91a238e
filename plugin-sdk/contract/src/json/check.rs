//! Whether text is JSON that every common reader takes: RFC 8259, with bounds on depth and numbers, and with whole
//! characters only. Builds nothing, so what it costs is reading the text once.

use core::error::Error;
use core::fmt;

/// Numbers are within ±1e308: what is over it, readers take for infinite or refuse.
const NUMBER_MAX: f64 = 1e308;

/// What is wrong in a JSON text, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadJson {
    /// The byte where it goes wrong.
    pub at: usize,
    /// What goes wrong there.
    pub fault: JsonFault,
}

/// What can be wrong in a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// It breaks the grammar, or ends too soon.
    Syntax,
    /// It is no object, or something follows it.
    NoObject,
    /// A string says half of a surrogate pair, which is no character.
    Surrogate,
    /// A number is too large for the floats of common readers.
    Number,
    /// Objects and lists are inside of each other too often.
    Depth(usize),
}

impl fmt::Display for BadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            JsonFault::Syntax => f.write_str("this is no JSON"),
            JsonFault::NoObject => f.write_str("this is no JSON object alone"),
            JsonFault::Surrogate => f.write_str("half of a surrogate pair"),
            JsonFault::Number => f.write_str("a number beyond 1e308"),
            JsonFault::Depth(most) => write!(f, "more than {most} objects and lists inside of each other"),
        }?;
        write!(f, " at byte {}", self.at)
    }
}

impl Error for BadJson {}

/// Checks that `text` is one JSON object whose objects and lists are at most `depth` inside of each other, itself
/// counted. White space around it is allowed. A key may be there twice.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_object(text: &str, depth: usize) -> Result<(), BadJson> {
    let mut reader = Reader {
        text,
        at: 0,
        most: depth,
    };
    reader.skip_space();
    if reader.peek() != Some(b'{') {
        return Err(reader.bad(JsonFault::NoObject));
    }
    reader.value(0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(()),
        Some(_) => Err(reader.bad(JsonFault::NoObject)),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    most: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn bad(&self, fault: JsonFault) -> BadJson {
        BadJson { at: self.at, fault }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), BadJson> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.bad(JsonFault::Syntax))
        }
    }

    /// Recurses at most `most` times.
    fn value(&mut self, depth: usize) -> Result<(), BadJson> {
        match self.peek() {
            Some(b'{') => self.items(b'}', depth, |reader, depth| {
                reader.string()?;
                reader.skip_space();
                reader.expect(b':')?;
                reader.skip_space();
                reader.value(depth)
            }),
            Some(b'[') => self.items(b']', depth, Self::value),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.bad(JsonFault::Syntax)),
        }
    }

    fn items(
        &mut self,
        close: u8,
        depth: usize,
        item: fn(&mut Self, usize) -> Result<(), BadJson>,
    ) -> Result<(), BadJson> {
        if depth == self.most {
            return Err(self.bad(JsonFault::Depth(self.most)));
        }
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            item(self, depth + 1)?;
            self.skip_space();
            if self.peek() == Some(close) {
                self.at += 1;
                return Ok(());
            }
            self.expect(b',')?;
            self.skip_space();
        }
    }

    fn word(&mut self, word: &str) -> Result<(), BadJson> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.bad(JsonFault::Syntax))
        }
    }

    fn string(&mut self) -> Result<(), BadJson> {
        self.expect(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                // The text is UTF-8, so the other bytes of a character follow.
                Some(b' '..) => self.at += 1,
                Some(_) | None => return Err(self.bad(JsonFault::Syntax)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), BadJson> {
        match self.text.as_bytes().get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match (self.unit(self.at)?, self.unit(self.at + 6)) {
                (0xD800..0xDC00, Ok(0xDC00..0xE000)) => self.at += 12,
                (0xD800..0xE000, _) => return Err(self.bad(JsonFault::Surrogate)),
                _ => self.at += 6,
            },
            _ => return Err(self.bad(JsonFault::Syntax)),
        }
        Ok(())
    }

    /// The code unit that the six bytes `\uXXXX` from `at` say.
    fn unit(&self, at: usize) -> Result<u16, BadJson> {
        let syntax = BadJson {
            at,
            fault: JsonFault::Syntax,
        };
        let escape = self.text.as_bytes().get(at..at + 6).ok_or(syntax)?;
        let [b'\\', b'u', digits @ ..] = escape else {
            return Err(syntax);
        };
        digits.iter().try_fold(0_u16, |unit, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(syntax)?;
            let digit = u16::try_from(digit).map_err(|_| syntax)?;
            Ok(unit << 4 | digit)
        })
    }

    fn number(&mut self) -> Result<(), BadJson> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = self.text[start..self.at].parse::<f64>();
        if number.is_ok_and(|number| number.abs() <= NUMBER_MAX) {
            Ok(())
        } else {
            self.at = start;
            Err(self.bad(JsonFault::Number))
        }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), BadJson> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.bad(JsonFault::Syntax));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
