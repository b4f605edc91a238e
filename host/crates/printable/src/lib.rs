//! Text that a guest or a client chose, made fit for a line of a log or a terminal: nothing in it ends the line, moves the
//! cursor, hides itself or turns the direction of writing, and it has a bounded length. Knows no log.

use std::borrow::Cow;
use std::fmt::Write as _;

use sluicegate_contract::text::is_hidden;

/// Stands at the end of what was cut.
const CUT: char = '…';

/// `text` as at most `bytes` bytes of one line. What could do harm is escaped first, as Rust does (`\n`, `\u{1b}`), and the
/// result is cut, so that no input is longer after it than any other. Ordinary text is borrowed.
pub fn printable(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes && !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(bytes.min(text.len()));
    for c in text.chars() {
        let before = line.len();
        if is_hidden(c) {
            // Writing to a string does not fail.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
        if line.len() > bytes {
            // The character that did not fit goes whole, and as many before it as the mark needs room.
            let room = line.floor_char_boundary(before.min(bytes.saturating_sub(CUT.len_utf8())));
            line.truncate(room);
            if line.len() + CUT.len_utf8() <= bytes {
                line.push(CUT);
            }
            break;
        }
    }
    Cow::Owned(line)
}

/// JSON text with what could do harm as escapes of JSON. Only its strings can hold such characters.
pub fn in_json(json: String) -> String {
    if !json.chars().any(is_hidden) {
        return json;
    }
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harm_is_escaped() {
        let cases = [
            ("hello", "hello"),
            ("naïve 🙂 日本", "naïve 🙂 日本"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\0\u{7f}\u{9b}", "\\u{0}\\u{7f}\\u{9b}"),
            ("user\u{202e}nimda", "user\\u{202e}nimda"),
            ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c"),
            ("ze\u{200b}ro\u{feff}", "ze\\u{200b}ro\\u{feff}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ];
        for (text, line) in cases {
            assert_eq!(printable(text, 100), line, "{text:?}");
        }
    }

    #[test]
    fn no_input_is_longer_than_the_bound() {
        let texts = ["a", "ä", "🙂", "\0", "\u{202e}", "a\n"];
        for bytes in 0..40 {
            for text in texts {
                let line = printable(&text.repeat(50), bytes).into_owned();
                assert!(line.len() <= bytes, "{text:?} in {bytes} bytes is {line:?}");
                // All the room is used but what one character, escaped, or the mark takes.
                assert!(
                    line.len() + 10 + CUT.len_utf8() > bytes,
                    "{text:?} in {bytes} bytes is {line:?}"
                );
            }
        }
    }

    #[test]
    fn what_was_cut_says_so() {
        assert_eq!(printable("abcdefgh", 6), "abc…");
        assert_eq!(printable("abcdef", 6), "abcdef");
        assert_eq!(printable("abcde\n", 6), "abc…");
    }

    #[test]
    fn json_stays_json() {
        assert_eq!(
            in_json("{\"a\":\"\u{202e}\u{7f}\u{e0041}ä\"}".into()),
            "{\"a\":\"\\u202e\\u007f\\udb40\\udc41ä\"}"
        );
        assert_eq!(in_json("{}".into()), "{}");
    }

    #[test]
    fn ordinary_text_is_not_copied() {
        assert!(matches!(printable("hello", 5), Cow::Borrowed("hello")));
    }
}
