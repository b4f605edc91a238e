//! The codes with which a plugin may deny.

use core::ops::RangeInclusive;

use crate::limits::DENIAL_REASON_BYTES;

/// Codes of the protocol's own table that a plugin may use.
pub const SHARED: [u16; 8] = [4401, 4403, 4410, 4413, 4422, 4429, 4430, 4451];
/// The plugins' own codes.
pub const OWN: RangeInclusive<u16> = 4600..=4899;
/// Own codes after which a client whose connection is closed does not come back.
pub const CLOSE_FOR_GOOD: RangeInclusive<u16> = 4800..=4899;
/// Codes that only come with the closing of the connection; the client comes back.
pub const CLOSE_AND_RECONNECT: RangeInclusive<u16> = 4300..=4399;

/// Whether a plugin may deny with `code`, given whether its penalty is to close the connection.
#[must_use]
pub fn is_denial(code: u16, disconnects: bool) -> bool {
    OWN.contains(&code) || SHARED.contains(&code) || (disconnects && CLOSE_AND_RECONNECT.contains(&code))
}

/// Whether `word` may be a denial's `reason`: a `snake_case_word` of 1 to 64 bytes.
#[must_use]
pub fn is_reason(word: &str) -> bool {
    word.len() <= DENIAL_REASON_BYTES
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denial_codes_are_shared_or_the_plugins_own() {
        for code in SHARED.into_iter().chain([4600, 4700, 4800, 4899]) {
            assert!(is_denial(code, false) && is_denial(code, true), "{code}");
        }
        for code in [0, 1000, 4299, 4400, 4404, 4503, 4599, 4900, u16::MAX] {
            assert!(!is_denial(code, false) && !is_denial(code, true), "{code}");
        }
        for code in [4300, 4399] {
            assert!(!is_denial(code, false) && is_denial(code, true), "{code}");
        }
    }

    #[test]
    fn reasons_are_snake_case_words() {
        for reason in ["no", "rate_limited", "a1_2", &"a".repeat(64)] {
            assert!(is_reason(reason), "{reason}");
        }
        for reason in [
            "",
            "No",
            "no way",
            "no-way",
            "_no",
            "1st",
            "näh",
            "a\n",
            &"a".repeat(65),
        ] {
            assert!(!is_reason(reason), "{reason}");
        }
    }
}
