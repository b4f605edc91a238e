//! An object of an envelope, written as it comes: no tree, no copy, values that are encoded already go in as they are.

use bytes::Bytes;

use super::base64_text;
use super::codec::Codec;
use super::content::Content;
use super::encoded::Encoded;

/// An object that is being written at the end of an envelope.
pub(super) struct Object<'a> {
    buffer: &'a mut Encoded,
    header: usize,
    entries: usize,
}

impl<'a> Object<'a> {
    pub(crate) fn open(buffer: &'a mut Encoded) -> Self {
        let header = match buffer.codec() {
            Codec::Json => {
                buffer.push(b'{');
                0
            }
            Codec::MessagePack => buffer.open(message_pack::write::FIXED_MAP),
        };
        Self {
            buffer,
            header,
            entries: 0,
        }
    }

    pub(crate) fn close(self) {
        match self.buffer.codec() {
            Codec::Json => self.buffer.push(b'}'),
            Codec::MessagePack => self
                .buffer
                .close(self.header, self.entries, message_pack::write::map_header),
        }
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        text(self.buffer, value);
    }

    /// `"key":value`, or nothing.
    pub(crate) fn text_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(crate) fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        match self.buffer.codec() {
            Codec::Json => self.buffer.extend(itoa(value, &mut [0; 20])),
            Codec::MessagePack => message_pack::write::unsigned(self.buffer.writer(), value),
        }
    }

    /// `"key":7`, or nothing.
    pub(crate) fn number_if(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.number(key, value);
        }
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        match self.buffer.codec() {
            Codec::Json => self.buffer.extend(if value { b"true" } else { b"false" }),
            Codec::MessagePack => message_pack::write::flag(self.buffer.writer(), value),
        }
    }

    /// `"key":` and `value`, which is JSON.
    pub(crate) fn json(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        match self.buffer.codec() {
            Codec::Json => self.buffer.extend(value),
            Codec::MessagePack => convert(self.buffer.writer(), value),
        }
    }

    /// `"key":` and data of this kind. Where it cannot stand as it is, a field behind it says so.
    pub(crate) fn data(&mut self, key: &str, content: Content, value: &[u8]) {
        match (content, self.buffer.codec()) {
            (Content::Json, _) => self.json(key, value),
            (Content::Binary, Codec::Json) => {
                self.key(key);
                base64_text::write(self.buffer.writer(), value);
                self.text("encoding", super::read::BASE64);
            }
            (Content::Binary, Codec::MessagePack) => {
                self.key(key);
                message_pack::write::binary(self.buffer.writer(), value);
            }
        }
    }

    /// `"key":[…]`, of items that are encoded already.
    pub(crate) fn encoded_list(&mut self, key: &str, items: &[Bytes]) {
        self.list_around(key, items.len(), |buffer| buffer.extend_list(items));
    }

    /// `"key":[…]`, whose items, so many, come later.
    pub(crate) fn list_later(&mut self, key: &str, items: usize) {
        self.list_around(key, items, Encoded::extend_later);
    }

    /// `"key":` and `value`, which is encoded already.
    pub(crate) fn append(&mut self, key: &str, value: Encoded) {
        self.key(key);
        self.buffer.append(value);
    }

    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut object = Object::open(self.buffer);
        write(&mut object);
        object.close();
    }

    /// `"key":[…]`, each item written by `write`.
    pub(crate) fn list<T>(
        &mut self,
        key: &str,
        items: impl ExactSizeIterator<Item = T>,
        write: impl FnMut(&mut Encoded, T),
    ) {
        self.key(key);
        list(self.buffer, items, write);
    }

    fn list_around(&mut self, key: &str, items: usize, write: impl FnOnce(&mut Encoded)) {
        self.key(key);
        match self.buffer.codec() {
            Codec::Json => {
                self.buffer.push(b'[');
                write(self.buffer);
                self.buffer.push(b']');
            }
            Codec::MessagePack => {
                message_pack::write::list_header(self.buffer.writer(), items);
                write(self.buffer);
            }
        }
    }

    fn key(&mut self, key: &str) {
        self.entries += 1;
        if self.buffer.codec() == Codec::MessagePack {
            return message_pack::write::text(self.buffer.writer(), key);
        }
        if self.entries > 1 {
            self.buffer.push(b',');
        }
        // Keys are the protocol's own words, which need no escape; tags, which may, go through `text`.
        if key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            self.buffer.push(b'"');
            self.buffer.extend(key.as_bytes());
            self.buffer.push(b'"');
        } else {
            text(self.buffer, key);
        }
        self.buffer.push(b':');
    }
}

/// A list, each item written by `write`.
pub(super) fn list<T>(
    buffer: &mut Encoded,
    items: impl ExactSizeIterator<Item = T>,
    mut write: impl FnMut(&mut Encoded, T),
) {
    let codec = buffer.codec();
    match codec {
        Codec::Json => buffer.push(b'['),
        Codec::MessagePack => message_pack::write::list_header(buffer.writer(), items.len()),
    }
    for (index, item) in items.enumerate() {
        if index > 0 && codec == Codec::Json {
            buffer.push(b',');
        }
        write(buffer, item);
    }
    if codec == Codec::Json {
        buffer.push(b']');
    }
}

/// A string.
pub(super) fn text(buffer: &mut Encoded, value: &str) {
    match buffer.codec() {
        Codec::Json => {
            serde_json::to_writer(buffer.writer(), value).expect("a string always serialises into memory");
        }
        Codec::MessagePack => message_pack::write::text(buffer.writer(), value),
    }
}

/// JSON as MessagePack. What a broken store holds in place of JSON is told as text: nobody else could read it either.
fn convert(out: &mut Vec<u8>, json: &[u8]) {
    let before = out.len();
    let text = String::from_utf8_lossy(json);
    if message_pack::from_json(&text, out).is_err() {
        out.truncate(before);
        message_pack::write::text(out, &text);
    }
}

fn itoa(mut value: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(value % 10).expect("a digit");
        value /= 10;
        if value == 0 {
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything(codec: Codec) -> Vec<u8> {
        let mut buffer = Encoded::with_capacity(codec, 8);
        let mut object = Object::open(&mut buffer);
        object.text("a", "line\n\"quoted\" \u{2028}");
        object.number("zero", 0);
        object.number("max", u64::MAX);
        object.flag("yes", true);
        object.json("raw", b"[1, 2]");
        object.text("a key: with \"escapes\"", "");
        object.object("inner", |o| o.number_if("none", None));
        object.list("list", ["x", "y"].iter(), |buffer, item| text(buffer, item));
        // More than a header of one byte can tell.
        object.object("wide", |wide| {
            for number in 0..20 {
                wide.number(&format!("n{number}"), number);
            }
        });
        object.close();
        buffer.to_vec()
    }

    #[test]
    fn writes_what_a_parser_reads_back() {
        let wide: serde_json::Map<_, _> = (0..20).map(|n| (format!("n{n}"), n.into())).collect();
        let expected = serde_json::json!({
            "a": "line\n\"quoted\" \u{2028}", "zero": 0, "max": u64::MAX, "yes": true, "raw": [1, 2],
            "a key: with \"escapes\"": "", "inner": {}, "list": ["x", "y"], "wide": wide,
        });
        let value: serde_json::Value = serde_json::from_slice(&everything(Codec::Json)).unwrap();
        assert_eq!(value, expected);
        let read = message_pack::to_json(&everything(Codec::MessagePack), None).unwrap();
        let value: serde_json::Value = serde_json::from_str(&read.text).unwrap();
        assert_eq!(value, expected);
    }

    #[test]
    fn what_is_no_json_is_told_as_text() {
        let mut out = vec![7];
        convert(&mut out, b"{\"a\":\xff");
        assert_eq!(
            message_pack::to_json(&out[1..], None).unwrap().text,
            "\"{\\\"a\\\":\u{fffd}\""
        );
    }
}
