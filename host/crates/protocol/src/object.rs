//! A JSON object, written as it comes: no tree, no copy, values that are JSON already go in as they are.

use bytes::Bytes;

use crate::json::Json;

/// An object that is being written at the end of a text.
pub(super) struct Object<'a> {
    buffer: &'a mut Json,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn open(buffer: &'a mut Json) -> Self {
        buffer.push(b'{');
        Self { buffer, empty: true }
    }

    pub(crate) fn close(self) {
        self.buffer.push(b'}');
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
        self.buffer.extend(itoa(value, &mut [0; 20]));
    }

    /// `"key":7`, or nothing.
    pub(crate) fn number_if(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.number(key, value);
        }
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.json(key, if value { b"true" } else { b"false" });
    }

    /// `"key":` and `value`, which is JSON.
    pub(crate) fn json(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.buffer.extend(value);
    }

    /// `"key":[…]`, of items that are JSON.
    pub(crate) fn json_list(&mut self, key: &str, items: &[Bytes]) {
        self.key(key);
        self.buffer.push(b'[');
        self.buffer.extend_list(items);
        self.buffer.push(b']');
    }

    /// `"key":[…]`, whose items come later.
    pub(crate) fn list_later(&mut self, key: &str) {
        self.key(key);
        self.buffer.push(b'[');
        self.buffer.extend_later();
        self.buffer.push(b']');
    }

    /// `"key":` and `value`, which is JSON.
    pub(crate) fn append(&mut self, key: &str, value: Json) {
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
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Json, T),
    ) {
        self.key(key);
        self.buffer.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.buffer.push(b',');
            }
            write(self.buffer, item);
        }
        self.buffer.push(b']');
    }

    fn key(&mut self, key: &str) {
        if !self.empty {
            self.buffer.push(b',');
        }
        self.empty = false;
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

/// A string with its quotes and escapes.
pub(super) fn text(buffer: &mut Json, value: &str) {
    serde_json::to_writer(buffer.writer(), value).expect("a string always serialises into memory");
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

    #[test]
    fn writes_what_a_parser_reads_back() {
        let mut buffer = Json::default();
        let mut object = Object::open(&mut buffer);
        object.text("a", "line\n\"quoted\" \u{2028}");
        object.number("zero", 0);
        object.number("max", u64::MAX);
        object.flag("yes", true);
        object.json("raw", b"[1, 2]");
        object.text("a key: with \"escapes\"", "");
        object.object("inner", |o| o.number_if("none", None));
        object.list("list", ["x", "y"], text);
        object.close();
        let value: serde_json::Value = serde_json::from_slice(&buffer.to_vec()).unwrap();
        let expected = serde_json::json!({
            "a": "line\n\"quoted\" \u{2028}", "zero": 0, "max": u64::MAX, "yes": true, "raw": [1, 2],
            "a key: with \"escapes\"": "", "inner": {}, "list": ["x", "y"],
        });
        assert_eq!(value, expected);
    }
}
