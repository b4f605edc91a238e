//! JSON text read in place, without building a tree: where values are, what strings say. Keeps every byte
//! it is not asked to change. Knows no plugin.
//!
//! The broker hands over valid JSON. On other text these functions end with [`Broken`] or find less, but
//! never panic, loop or recurse: depth costs nothing.

use std::{borrow::Cow, ops::Range};

pub use sluicegate_contract::json::{BadJson, JsonFault, check_object, found, whole_number};

/// The text is not JSON at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The byte where it went wrong.
    pub at: usize,
}

/// The first byte at or after `at` that is no white space.
fn skip_space(json: &[u8], mut at: usize) -> usize {
    while json.get(at).is_some_and(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// From an opening quote to behind the closing one.
fn skip_string(json: &[u8], open: usize) -> Result<usize, Broken> {
    let mut at = open + 1;
    loop {
        at = find_any(json, at, [b'"', b'\\']).ok_or(Broken { at: open })?;
        if json[at] == b'"' {
            return Ok(at + 1);
        }
        at += 2;
    }
}

/// Whether the text is ASCII without a backslash: then its strings say what they look like. Eight bytes a step
/// and no way out of the loop before its end, because most messages are plain.
#[must_use]
pub fn is_plain(bytes: &[u8]) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (eights, rest) = bytes.as_chunks::<8>();
    let odd = eights.iter().fold(0, |odd, eight| {
        let word = u64::from_le_bytes(*eight);
        let x = word ^ (LOW * u64::from(b'\\'));
        odd | word | (x.wrapping_sub(LOW) & !x)
    });
    odd & HIGH == 0 && rest.iter().all(|byte| byte.is_ascii() && *byte != b'\\')
}

/// The first place at or after `at` of one of these bytes. Eight bytes a step, because messages are mostly
/// long strings of none of them: a byte of a word is zero exactly if the one that it was compared to is there
/// (H. S. Warren, Hacker's Delight, 6-1).
#[must_use]
pub fn find_any<const N: usize>(bytes: &[u8], mut at: usize, wanted: [u8; N]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(Ok(eight)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(eight);
        let zeros = wanted.iter().fold(0, |zeros, byte| {
            let x = word ^ (LOW * u64::from(*byte));
            zeros | (x.wrapping_sub(LOW) & !x & HIGH)
        });
        // Above a true zero there may be a false one, never below.
        if zeros != 0 {
            return Some(at + (zeros.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    bytes
        .get(at..)?
        .iter()
        .position(|byte| wanted.contains(byte))
        .map(|more| at + more)
}

/// The place of the value that starts at or after byte `at`, without white space around it.
///
/// # Errors
/// [`Broken`] when no value starts there or it does not end.
pub fn value_at(json: &str, at: usize) -> Result<Range<usize>, Broken> {
    let bytes = json.as_bytes();
    let start = skip_space(bytes, at);
    let end = match bytes.get(start) {
        Some(b'"') => skip_string(bytes, start)?,
        Some(b'{' | b'[') => skip_container(bytes, start)?,
        Some(b'}' | b']' | b',' | b':') | None => return Err(Broken { at: start }),
        Some(_) => {
            let ends = |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b'"' | b':');
            bytes[start..]
                .iter()
                .position(ends)
                .map_or(bytes.len(), |length| start + length)
        }
    };
    Ok(start..end)
}

fn skip_container(json: &[u8], open: usize) -> Result<usize, Broken> {
    let mut depth = 0usize;
    let mut at = open;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => {
                at = skip_string(json, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    Err(Broken { at: open })
}

/// A member of an object or an element of an array, as places in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The key between its quotes, escapes as written; an empty range for an element.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
    /// From the key's quote (for an element: the value's start) to the value's end.
    pub whole: Range<usize>,
}

/// The items of one object or array, in their order; made by [`items`].
#[derive(Clone, Debug)]
pub struct Items<'a> {
    json: &'a str,
    at: usize,
    object: bool,
    done: bool,
}

/// The items of the object or array that starts at byte `open`. Anything else there has none.
#[must_use]
pub fn items(json: &str, open: usize) -> Items<'_> {
    let (object, list) = match json.as_bytes().get(open) {
        Some(b'{') => (true, true),
        Some(b'[') => (false, true),
        _ => (false, false),
    };
    Items {
        json,
        at: open + 1,
        object,
        done: !list,
    }
}

impl Items<'_> {
    fn read(&mut self) -> Result<Option<Item>, Broken> {
        let bytes = self.json.as_bytes();
        let mut start = skip_space(bytes, self.at);
        if bytes.get(start) == Some(&b',') {
            start = skip_space(bytes, start + 1);
        }
        if matches!(bytes.get(start), Some(b'}' | b']')) {
            return Ok(None);
        }
        let (key, value_from) = if self.object {
            if bytes.get(start) != Some(&b'"') {
                return Err(Broken { at: start });
            }
            let after = skip_string(bytes, start)?;
            let colon = skip_space(bytes, after);
            if bytes.get(colon) != Some(&b':') {
                return Err(Broken { at: colon });
            }
            (start + 1..after - 1, colon + 1)
        } else {
            (start..start, start)
        };
        let value = value_at(self.json, value_from)?;
        self.at = value.end;
        let whole = start..value.end;
        Ok(Some(Item { key, value, whole }))
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Item, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Whether a key, as written between its quotes, says `name`.
#[must_use]
pub fn key_is(raw: &str, name: &str) -> bool {
    if raw.contains('\\') {
        unescape(raw) == name
    } else {
        raw == name
    }
}

/// The value of `name` in the object at byte `open`: the last one if it is there more than once, as most
/// readers take it.
///
/// # Errors
/// [`Broken`] when the object is.
pub fn member(json: &str, open: usize, name: &str) -> Result<Option<Range<usize>>, Broken> {
    let mut found = None;
    for item in items(json, open) {
        let item = item?;
        if key_is(&json[item.key], name) {
            found = Some(item.value);
        }
    }
    Ok(found)
}

/// A string in JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// What stands between the quotes, escapes as written.
    pub content: Range<usize>,
    /// Whether it is the key of a member.
    pub key: bool,
}

/// Every string of the text, keys included, at any depth; made by [`strings`].
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    json: &'a str,
    at: usize,
}

/// Every string of the text, keys included, at any depth, in their order.
#[must_use]
pub fn strings(json: &str) -> Strings<'_> {
    Strings { json, at: 0 }
}

impl Iterator for Strings<'_> {
    type Item = Text;

    fn next(&mut self) -> Option<Text> {
        let bytes = self.json.as_bytes();
        let open = find_any(bytes, self.at, [b'"'])?;
        let end = skip_string(bytes, open).ok()?;
        self.at = end;
        // Outside of strings a colon stands only behind a key.
        let key = bytes.get(skip_space(bytes, end)) == Some(&b':');
        Some(Text {
            content: open + 1..end - 1,
            key,
        })
    }
}

/// What a string says, given what stands between its quotes.
#[must_use]
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if raw.contains('\\') {
        Cow::Owned(chars(raw).map(|(c, _)| c).collect())
    } else {
        Cow::Borrowed(raw)
    }
}

/// The characters that a string says, each with its place in `raw`; made by [`chars`].
#[derive(Clone, Debug)]
pub struct Chars<'a> {
    raw: &'a str,
    at: usize,
}

/// The characters that a string says, given what stands between its quotes. Half of a surrogate pair and a
/// broken escape say U+FFFD.
#[must_use]
pub fn chars(raw: &str) -> Chars<'_> {
    Chars { raw, at: 0 }
}

impl Iterator for Chars<'_> {
    type Item = (char, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        if start >= self.raw.len() {
            return None;
        }
        let (c, length) = char_at(self.raw, start);
        self.at += length;
        Some((c, start..self.at))
    }
}

/// The character that the bytes from `at` say, and how many they are. `at` is where a character begins.
pub(crate) fn char_at(raw: &str, at: usize) -> (char, usize) {
    match raw.as_bytes()[at] {
        b'\\' => escape_at(raw, at),
        byte if byte < 0x80 => (char::from(byte), 1),
        _ => {
            let c = raw[at..].chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
            (c, c.len_utf8())
        }
    }
}

fn escape_at(raw: &str, at: usize) -> (char, usize) {
    let plain = |c| (c, 2);
    match raw.as_bytes().get(at + 1) {
        Some(b'n') => plain('\n'),
        Some(b't') => plain('\t'),
        Some(b'r') => plain('\r'),
        Some(b'b') => plain('\u{8}'),
        Some(b'f') => plain('\u{c}'),
        Some(b'"') => plain('"'),
        Some(b'\\') => plain('\\'),
        Some(b'/') => plain('/'),
        Some(b'u') => match (unit_at(raw, at), unit_at(raw, at + 6)) {
            (Some(high @ 0xD800..0xDC00), Some(low @ 0xDC00..0xE000)) => {
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (Some(unit), _) => (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            (None, _) => (char::REPLACEMENT_CHARACTER, 1),
        },
        _ => (char::REPLACEMENT_CHARACTER, 1),
    }
}

fn unit_at(raw: &str, at: usize) -> Option<u32> {
    let digits = raw.get(at..at + 6)?.strip_prefix("\\u")?;
    digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Appends `text` as it must stand between the quotes of a JSON string.
pub fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(char::from(HEX[c as usize >> 4]));
                out.push(char::from(HEX[c as usize & 15]));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
