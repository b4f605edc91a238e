//! JSON text to `MessagePack`, in one pass and, where a list or a map is large, a second one over what was written.

use crate::error::NotJson;
use crate::number::{self, EqualNumber};
use crate::write;

/// Appends the value that is all of `text` to `out`.
///
/// Integers and floats are those that are equal; a number that is equal to none keeps its text. Half of a surrogate pair, which
/// no UTF-8 can say, becomes U+FFFD. A key that is there twice stays twice.
///
/// # Errors
/// The text is no JSON by RFC 8259. `out` has then a beginning of it.
pub fn from_json(text: &str, out: &mut Vec<u8>) -> Result<(), NotJson> {
    if u32::try_from(text.len()).is_err() {
        return Err(NotJson { at: 0 });
    }
    out.reserve(text.len());
    let mut parser = Parser {
        text,
        at: 0,
        out,
        open: Vec::new(),
        large: Vec::new(),
    };
    if parser.value().is_none() {
        return Err(NotJson { at: parser.at });
    }
    parser.widen();
    Ok(())
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    out: &'a mut Vec<u8>,
    /// Maps and lists that are not complete, the outermost first. Takes memory, but no stack: what a client nests is bounded
    /// by the bytes of its message.
    open: Vec<Container>,
    /// Those that are complete, and whose header is longer than the byte that was left for it.
    large: Vec<Container>,
}

#[derive(Clone, Copy)]
struct Container {
    /// Where its header is.
    header: usize,
    entries: u32,
    is_map: bool,
}

/// None everywhere means: no JSON.
impl<'a> Parser<'a> {
    fn value(&mut self) -> Option<()> {
        loop {
            self.skip_space();
            let is_whole = match self.peek()? {
                b'{' => self.begin(true)?,
                b'[' => self.begin(false)?,
                _ => self.scalar()?,
            };
            if is_whole && !self.go_on()? {
                return (self.at == self.text.len()).then_some(());
            }
        }
    }

    /// Opens a map or a list, and says whether it is complete already.
    fn begin(&mut self, is_map: bool) -> Option<bool> {
        let container = Container {
            header: self.out.len(),
            entries: 0,
            is_map,
        };
        self.at += 1;
        self.out.push(if is_map { write::FIXED_MAP } else { write::FIXED_LIST });
        self.skip_space();
        if self.peek()? == container.end() {
            self.at += 1;
            return Some(true);
        }
        self.open.push(container);
        if is_map {
            self.key()?;
        }
        Some(false)
    }

    /// Goes to the place of the next value behind one that is whole; there is none when all is complete.
    fn go_on(&mut self) -> Option<bool> {
        self.skip_space();
        while let Some(open) = self.open.last_mut() {
            open.entries += 1;
            let open = *open;
            let next = self.peek()?;
            self.at += 1;
            if next == b',' {
                if open.is_map {
                    self.skip_space();
                    self.key()?;
                }
                return Some(true);
            }
            if next != open.end() {
                self.at -= 1;
                return None;
            }
            match u8::try_from(open.entries) {
                Ok(entries) if usize::from(entries) <= write::FIXED_ENTRIES => self.out[open.header] |= entries,
                _ => self.large.push(open),
            }
            self.open.pop();
            self.skip_space();
        }
        Some(false)
    }

    fn key(&mut self) -> Option<()> {
        self.string()?;
        self.skip_space();
        self.expect(":")
    }

    fn scalar(&mut self) -> Option<bool> {
        match self.peek()? {
            b'"' => self.string()?,
            b't' => {
                self.expect("true")?;
                write::flag(self.out, true);
            }
            b'f' => {
                self.expect("false")?;
                write::flag(self.out, false);
            }
            b'n' => {
                self.expect("null")?;
                write::nil(self.out);
            }
            _ => self.number()?,
        }
        Some(true)
    }

    fn number(&mut self) -> Option<()> {
        let end = number::end_of_number(self.text.as_bytes(), self.at)?;
        let text = &self.text[self.at..end];
        self.at = end;
        match number::number(text) {
            EqualNumber::Unsigned(value) => write::unsigned(self.out, value),
            EqualNumber::Negative(value) => write::signed(self.out, value),
            EqualNumber::Float(value) => write::float(self.out, value),
            EqualNumber::Other => write::number_text(self.out, text),
        }
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.expect("\"")?;
        let part = self.plain_part();
        if self.peek()? == b'"' {
            self.at += 1;
            write::text(self.out, part);
            return Some(());
        }
        let mut whole = part.to_owned();
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => whole.push(self.escape()?),
                _ => return None,
            }
            whole.push_str(self.plain_part());
        }
        self.at += 1;
        write::text(self.out, &whole);
        Some(())
    }

    /// What comes before the next quote, backslash or control character.
    fn plain_part(&mut self) -> &'a str {
        let text = self.text;
        let rest = &text.as_bytes()[self.at..];
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let from = self.at;
        self.at += rest.iter().position(is_special).unwrap_or(rest.len());
        &text[from..self.at]
    }

    fn escape(&mut self) -> Option<char> {
        self.at += 1;
        let escaped = self.peek()?;
        self.at += 1;
        Some(match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                let rest = self.at;
                let has_second = (0xd800..=0xdbff).contains(&first) && self.expect("\\u").is_some();
                let second = if has_second { Some(self.unit()?) } else { None };
                let character = char::decode_utf16([first].into_iter().chain(second)).next()?;
                character.unwrap_or_else(|_| {
                    // What was no second half is read by itself.
                    self.at = rest;
                    char::REPLACEMENT_CHARACTER
                })
            }
            _ => {
                self.at -= 1;
                return None;
            }
        })
    }

    /// The four digits of an escape.
    fn unit(&mut self) -> Option<u16> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        let unit = digits
            .iter()
            .try_fold(0, |unit: u32, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))?;
        self.at += 4;
        u16::try_from(unit).ok()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        let is_there = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        is_there.then(|| self.at += word.len())
    }

    /// Makes room for the headers that are longer than a byte. Each byte is moved once at most.
    fn widen(mut self) {
        self.large.sort_unstable_by_key(|container| container.header);
        let mut header = Vec::with_capacity(5);
        let mut end = self.out.len();
        let growth: usize = self.large.iter().map(Container::growth).sum();
        self.out.resize(end + growth, 0);
        let mut to = self.out.len();
        for container in self.large.iter().rev() {
            header.clear();
            let entries = container.entries as usize;
            if container.is_map {
                write::map_header(&mut header, entries);
            } else {
                write::list_header(&mut header, entries);
            }
            let from = container.header + 1;
            self.out.copy_within(from..end, to - (end - from));
            to -= end - from;
            self.out[to - header.len()..to].copy_from_slice(&header);
            to -= header.len();
            end = container.header;
        }
    }
}

impl Container {
    /// The byte of the text that completes it.
    const fn end(self) -> u8 {
        if self.is_map { b'}' } else { b']' }
    }

    /// Bytes that its header has beyond the first.
    fn growth(&self) -> usize {
        if self.entries > u32::from(u16::MAX) { 4 } else { 2 }
    }
}
