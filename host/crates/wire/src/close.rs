//! The body of a close frame: which codes may travel, and how it is read.

use super::error::WireError;

/// Whether an endpoint may send `code` in a close frame: RFC 6455 7.4 and the IANA registry of
/// close codes.
///
/// 1004 is reserved without a meaning; 1005, 1006 and 1015 stand for what was *not* received; 1016
/// to 2999 belong to future versions of the protocol. 3000 to 3999 are registered by libraries and
/// 4000 to 4999 are for applications.
#[must_use]
pub const fn is_valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Splits the unmasked payload of a close frame into code and reason. An empty payload has neither.
pub(super) fn parse(payload: &[u8]) -> Result<(Option<u16>, &str), WireError> {
    match payload {
        [] => Ok((None, "")),
        [_] => Err(WireError::TruncatedCloseCode),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_valid_close_code(code) {
                return Err(WireError::InvalidCloseCode);
            }
            let reason = std::str::from_utf8(reason).map_err(|_| WireError::InvalidUtf8)?;
            Ok((Some(code), reason))
        }
    }
}
