//! Bytes as text in base 16.

use alloc::string::String;

/// `bytes` in lower case, as `sha256sum` prints a digest.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn every_byte_has_two_digits() {
        assert_eq!(encode(&[]), "");
        assert_eq!(encode(&[0, 1, 0x0f, 0x10, 0xab, 0xff]), "00010f10abff");
    }
}
