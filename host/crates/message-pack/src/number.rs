//! Which number of `MessagePack` is equal to one in JSON text.

use std::cmp::Ordering;
use std::fmt::Write as _;

/// A number as `MessagePack` has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum EqualNumber {
    Unsigned(u64),
    /// Less than zero.
    Negative(i64),
    Float(f64),
    /// Equal to none of these.
    Other,
}

/// The number that `text` says, which is one by the grammar of RFC 8259, 6. What is written as an integer is one; what has
/// a point or an exponent is a float, if the shortest text of the float says the same number.
pub(super) fn number(text: &str) -> EqualNumber {
    let is_integer = !text.contains(['.', 'e', 'E']);
    if is_integer && text != "-0" {
        if let Ok(value) = text.parse() {
            return EqualNumber::Unsigned(value);
        }
        if let Ok(value) = text.parse() {
            return EqualNumber::Negative(value);
        }
    }
    let decimal = Decimal::of(text);
    // Any text of the grammar is a float, perhaps an infinite one.
    let float = text.parse().unwrap_or(f64::INFINITY);
    if float.is_finite() {
        let mut shortest = ShortText::default();
        write!(shortest, "{float:e}").expect("no float has a longer text");
        if Decimal::of(shortest.as_str()) == decimal {
            return EqualNumber::Float(float);
        }
    }
    decimal.integer().unwrap_or(EqualNumber::Other)
}

/// Whether a text is a number by the grammar of RFC 8259, 6.
pub(super) fn is_number(text: &[u8]) -> bool {
    end_of_number(text, 0) == Some(text.len())
}

/// Where the number ends that begins at `at`; none if no number does.
pub(super) fn end_of_number(text: &[u8], at: usize) -> Option<usize> {
    let digits = |from: usize| {
        let count = text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(from + count)
    };
    let mut at = at + usize::from(text.get(at) == Some(&b'-'));
    at = match text.get(at) {
        Some(b'0') => at + 1,
        Some(_) => digits(at)?,
        None => return None,
    };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let signed = matches!(text.get(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(signed))?;
    }
    Some(at)
}

/// The value of a number's text: its digits without zeros at either end, and the power of ten of the first.
struct Decimal<'t> {
    negative: bool,
    /// Digits, perhaps with a point among them, zeros at either end.
    mantissa: &'t str,
    /// Where the digits that count are among those of the mantissa. None in zero.
    from: usize,
    count: usize,
    power: i64,
}

impl<'t> Decimal<'t> {
    fn of(text: &'t str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let digits = || mantissa.bytes().filter(u8::is_ascii_digit);
        let whole = mantissa.find('.').unwrap_or(mantissa.len());
        let from = digits().position(|digit| digit != b'0');
        let last = mantissa
            .bytes()
            .rev()
            .filter(u8::is_ascii_digit)
            .position(|digit| digit != b'0');
        let (Some(from), Some(after)) = (from, last) else {
            return Self {
                negative,
                mantissa,
                from: 0,
                count: 0,
                power: 0,
            };
        };
        let all = mantissa.len() - usize::from(mantissa.contains('.'));
        Self {
            negative,
            mantissa,
            from,
            count: all - from - after,
            power: read_exponent(exponent).saturating_add(length(whole) - length(from) - 1),
        }
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        let digits = self.mantissa.bytes().filter(u8::is_ascii_digit);
        digits.skip(self.from).take(self.count)
    }

    /// The same number as an integer of 64 bits, if it is one.
    fn integer(&self) -> Option<EqualNumber> {
        let zeros = self.power.checked_add(1)?.checked_sub(length(self.count))?;
        // Nothing with more digits fits.
        if !(0..20).contains(&self.power) || zeros < 0 {
            return None;
        }
        let padding = std::iter::repeat_n(b'0', usize::try_from(zeros).ok()?);
        let mut digits = self.digits().chain(padding);
        let value = digits.try_fold(0_u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })?;
        if !self.negative {
            return Some(EqualNumber::Unsigned(value));
        }
        0_i64.checked_sub_unsigned(value).map(EqualNumber::Negative)
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative
            && self.power == other.power
            && self.count == other.count
            && self.digits().cmp(other.digits()) == Ordering::Equal
    }
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Saturates: what is beyond 64 bits is beyond every float.
fn read_exponent(text: &str) -> i64 {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let add = |number: i64, digit: &u8| number.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    let number = digits.iter().fold(0, add);
    if negative { -number } else { number }
}

/// The text of a float, without the heap: 17 digits, two signs, a point, an exponent of three digits at most.
#[derive(Default)]
struct ShortText {
    bytes: [u8; 32],
    length: usize,
}

impl ShortText {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl std::fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
