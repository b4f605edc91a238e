//! Text that repeats what a client sent, made fit for where it is shown.

use alloc::string::String;
use core::ops::RangeInclusive;

/// Characters beside the control characters that show nothing themselves but change how others look. From the categories
/// `Cf`, `Zl` and `Zp` of Unicode 16.
const INVISIBLE: [RangeInclusive<char>; 14] = [
    '\u{ad}'..='\u{ad}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{180e}'..='\u{180e}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffb}',
    '\u{110bd}'..='\u{110cd}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e007f}',
];

/// Whether a character may end a line, turn the direction of writing or hide itself where text is shown.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    // Nearly all text is ASCII, and no ASCII character is in the table.
    c.is_control() || (!c.is_ascii() && INVISIBLE.iter().any(|range| range.contains(&c)))
}

/// `text` on one line of at most `bytes`: characters that are [hidden](is_hidden) become escapes as in Rust
/// (`\u{a}`), and what is over is cut off, between characters and not within an escape.
#[must_use]
pub fn on_one_line(text: &str, bytes: usize) -> String {
    // Most text is short and plain.
    let mut line = String::with_capacity(text.len().min(bytes));
    for c in text.chars() {
        let place = line.len();
        match is_hidden(c) {
            true => line.extend(c.escape_unicode()),
            false => line.push(c),
        }
        if line.len() > bytes {
            line.truncate(place);
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_line_has_no_hidden_characters_and_an_end() {
        for (text, line) in [
            ("all is well, é日", "all is well, é日"),
            ("/a\u{0}b\n\u{1b}[1m", "/a\\u{0}b\\u{a}\\u{1b}[1m"),
            ("\u{7f}\u{85}\u{2028}\u{202e}", "\\u{7f}\\u{85}\\u{2028}\\u{202e}"),
        ] {
            assert_eq!(on_one_line(text, 256), line);
        }
        let shifted = format!("x{}", "é".repeat(200));
        for long in ["a".repeat(1_000), "é".repeat(1_000), "\u{0}".repeat(1_000), shifted] {
            let line = on_one_line(&long, 256);
            assert!((251..=256).contains(&line.len()), "{}", line.len());
            assert!(!line.chars().any(is_hidden));
        }
    }
}
