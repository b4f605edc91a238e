//! Values in JSON text and what is said of those that do not fit. JSON has one kind of number, so `10`, `10.0`
//! and `1e1` are the same one; errors speak of JSON, not of the types of a program.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::ops::RangeInclusive;

mod check;

pub use check::{BadJson, JsonFault, check_object};

/// The longest part of a number that an error repeats, in bytes.
const SHOWN_BYTES: usize = 32;

/// The whole number that the JSON text `text` says, exactly, however it is written.
///
/// # Errors
/// What it must be and what came, such as `must be a whole number, not text`.
pub fn whole_number(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    match read_whole(text) {
        Whole::Number(number) if range.contains(&number) => Ok(number),
        Whole::Number(_) | Whole::OutOfRange => Err(out_of_range(&range, &found(text))),
        Whole::Other => Err(format!("must be a whole number, not {}", found(text))),
    }
}

/// That a number is whole, but not in `range`: `must be a whole number from 1 to 10, not 11`.
#[must_use]
pub fn out_of_range(range: &RangeInclusive<u64>, found: &str) -> String {
    let (from, to) = (range.start(), range.end());
    format!("must be a whole number from {from} to {to}, not {found}")
}

/// What stands in a JSON text, for an error: a number as it is written, anything else by its kind.
#[must_use]
pub fn found(text: &str) -> Cow<'_, str> {
    let text = text.trim_ascii();
    Cow::Borrowed(match text.as_bytes().first() {
        Some(b'"') => "text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        // What begins like a number and is none may go on with anything.
        Some(b'-' | b'0'..=b'9') if !text.bytes().all(is_of_number) => "invalid JSON",
        Some(b'-' | b'0'..=b'9') if text.len() > SHOWN_BYTES => {
            let shown = &text[..text.floor_char_boundary(SHOWN_BYTES)];
            return Cow::Owned(format!("{shown}…"));
        }
        Some(b'-' | b'0'..=b'9') => text,
        Some(_) if matches!(text, "null" | "true" | "false") => text,
        Some(_) => "invalid JSON",
        None => "nothing",
    })
}

fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

enum Whole {
    Number(u64),
    /// Whole, but negative or over 64 bits.
    OutOfRange,
    /// No number, or one with a fraction.
    Other,
}

fn read_whole(text: &str) -> Whole {
    let Some((negative, whole, fraction, exponent)) = split_number(text) else {
        return Whole::Other;
    };
    // 12.50e3 is the digits 1250 times 10 to the power of 3 - 2; zeros at either end are not needed.
    let digits = || whole.bytes().chain(fraction.bytes());
    let Some(first) = digits().position(|digit| digit != b'0') else {
        return Whole::Number(0);
    };
    let count = whole.len() + fraction.len();
    let zeros = digits().rev().take_while(|digit| *digit == b'0').count();
    let power = exponent
        .saturating_sub(signed(fraction.len()))
        .saturating_add(signed(zeros));
    if power < 0 {
        return Whole::Other;
    }
    let significant = digits().skip(first).take(count - first - zeros);
    let padding = core::iter::repeat_n(b'0', usize::try_from(power).unwrap_or(usize::MAX));
    // Ends after 20 digits at the latest: the next one does not fit.
    let number = significant.chain(padding).try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    match number {
        Some(number) if !negative => Whole::Number(number),
        _ => Whole::OutOfRange,
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// A number by the grammar of RFC 8259, 6: its sign, the digits before and behind the point, its exponent.
fn split_number(text: &str) -> Option<(bool, &str, &str, i64)> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, read_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let leads_with_zero = whole.len() > 1 && whole.starts_with('0');
    let is_number = !whole.is_empty() && !leads_with_zero && are_digits(whole) && are_digits(fraction);
    is_number.then_some((negative, whole, fraction, exponent))
}

/// Saturates: what is beyond 64 bits is out of every range.
fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |number: i64, digit: &u8| number.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    let number = digits.iter().fold(0, add);
    Some(if negative { -number } else { number })
}

/// An error of serde about a value of the wrong kind, in the words of JSON; any other message as it is.
///
/// `invalid type: string "x", expected u8` becomes `must be a whole number from 0 to 255, not text`.
#[must_use]
pub fn explain(message: &str) -> Cow<'_, str> {
    let wrong = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    // What came may be text that holds this, so the last one counts.
    let Some((came, expected)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) else {
        return Cow::Borrowed(message);
    };
    Cow::Owned(format!(
        "must be {}, not {}",
        expected_in_json(expected),
        came_in_json(came)
    ))
}

fn expected_in_json(expected: &str) -> Cow<'_, str> {
    let whole = |from: &str, to: &str| Cow::Owned(format!("a whole number from {from} to {to}"));
    Cow::Borrowed(match expected {
        "u8" => return whole("0", "255"),
        "u16" => return whole("0", "65535"),
        "u32" => return whole("0", "4294967295"),
        "u64" | "usize" => return whole("0", "18446744073709551615"),
        "i8" => return whole("-128", "127"),
        "i16" => return whole("-32768", "32767"),
        "i32" => return whole("-2147483648", "2147483647"),
        "i64" | "isize" => return whole("-9223372036854775808", "9223372036854775807"),
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" | "string" | "str" => "text",
        "a character" => "one character of text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "unit" => "null",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("tuple ") || expected.starts_with("a tuple of") => "a list",
        _ => expected,
    })
}

/// serde writes the value behind its kind: ``integer `7` ``, `string "x"`, `map`.
fn came_in_json(came: &str) -> &str {
    let (kind, value) = came.split_once(' ').unwrap_or((came, ""));
    match kind {
        "integer" | "boolean" => value.trim_matches('`'),
        "floating" => value.trim_start_matches("point ").trim_matches('`'),
        "string" | "character" => "text",
        "sequence" => "a list",
        "map" | "newtype" | "struct" => "an object",
        "unit" | "Option" | "null" => "null",
        _ => came,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn one_number_may_be_written_in_many_ways() {
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("0.0", 0),
            ("0e999999999999999999999", 0),
            ("-0.00e-5", 0),
            ("10", 10),
            ("10.0", 10),
            ("1e1", 10),
            ("1E+1", 10),
            ("0.01e3", 10),
            ("12.50e3", 12_500),
            ("1000e-2", 10),
            ("1e3", 1000),
            ("9007199254740993", 9_007_199_254_740_993),
            ("9007199254740993.000", 9_007_199_254_740_993),
            ("9.007199254740993e15", 9_007_199_254_740_993),
            ("1e+14", 100_000_000_000_000),
            ("18446744073709551615", u64::MAX),
            ("18446744073709551615.0", u64::MAX),
        ] {
            assert_eq!(whole_number(text, 0..=u64::MAX), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_is_told_what_it_is() {
        for (text, error) in [
            ("1.5", "must be a whole number, not 1.5"),
            ("1e-1", "must be a whole number, not 1e-1"),
            (
                "1e-99999999999999999999",
                "must be a whole number, not 1e-99999999999999999999",
            ),
            ("null", "must be a whole number, not null"),
            ("true", "must be a whole number, not true"),
            ("\"7\"", "must be a whole number, not text"),
            ("[]", "must be a whole number, not a list"),
            ("{}", "must be a whole number, not an object"),
            ("", "must be a whole number, not nothing"),
            ("01", "must be a whole number, not 01"),
            ("1.", "must be a whole number, not 1."),
            ("1e", "must be a whole number, not 1e"),
            ("+1", "must be a whole number, not invalid JSON"),
            ("5\u{1}\n", "must be a whole number, not invalid JSON"),
            ("-1", "must be a whole number from 0 to 18446744073709551615, not -1"),
            (
                "18446744073709551616",
                "must be a whole number from 0 to 18446744073709551615, not 18446744073709551616",
            ),
            (
                "1e400",
                "must be a whole number from 0 to 18446744073709551615, not 1e400",
            ),
            (
                "1e99999999999999999999",
                "must be a whole number from 0 to 18446744073709551615, not 1e99999999999999999999",
            ),
        ] {
            assert_eq!(whole_number(text, 0..=u64::MAX), Err(error.to_string()), "{text}");
        }
        let long = "1".repeat(100);
        let error = whole_number(&long, 0..=10).unwrap_err();
        assert_eq!(
            error,
            format!("must be a whole number from 0 to 10, not {}…", "1".repeat(32))
        );
        let error = whole_number("11", 1..=10).unwrap_err();
        assert_eq!(error, "must be a whole number from 1 to 10, not 11");
    }

    #[test]
    fn errors_of_serde_are_told_in_words_of_json() {
        for (serde, json) in [
            (
                "invalid type: string \"x\", expected u8",
                "must be a whole number from 0 to 255, not text",
            ),
            (
                "invalid type: floating point `1.5`, expected u64",
                "must be a whole number from 0 to 18446744073709551615, not 1.5",
            ),
            (
                "invalid value: integer `300`, expected u8",
                "must be a whole number from 0 to 255, not 300",
            ),
            ("invalid type: map, expected a string", "must be text, not an object"),
            (
                "invalid type: null, expected a boolean",
                "must be true or false, not null",
            ),
            (
                "invalid type: boolean `true`, expected a sequence",
                "must be a list, not true",
            ),
            (
                "invalid type: string \", expected u8\", expected struct Rule",
                "must be an object, not text",
            ),
            ("missing field `a`", "missing field `a`"),
        ] {
            assert_eq!(explain(serde), json);
        }
    }
}
