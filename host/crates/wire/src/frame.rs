//! The header of one frame a client sent (RFC 6455 5.2), with every rule that can be told from the
//! header alone.

use super::error::WireError;

/// The longest header of a masked frame: two bytes, a 64-bit length and the mask.
pub(super) const MAX_CLIENT_HEADER: usize = 14;
/// The longest payload of a control frame (RFC 6455 5.5), which is also the longest that the first
/// length byte can tell.
pub(super) const MAX_CONTROL_PAYLOAD: usize = 125;

/// The three reserved bits.
pub(super) const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;

/// What a frame carries (RFC 6455 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) fin: bool,
    /// It begins a compressed message (RFC 7692 6).
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    /// Bytes of payload; on a 32-bit machine a longer one saturates and is then over any limit.
    pub(super) payload: usize,
}

impl Header {
    /// Reads the header at the start of `bytes` and tells its own length, or `None` while it is not
    /// whole. What two bytes already show to be wrong is refused without waiting for the others. `deflate`: compressed
    /// messages were agreed on.
    pub(super) fn parse(bytes: &[u8], deflate: bool) -> Result<Option<(Self, usize)>, WireError> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let compressed = first & RSV1 != 0;
        if first & (RSV2 | RSV3) != 0 || (compressed && !deflate) {
            return Err(WireError::ReservedBits);
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(WireError::ReservedOpcode)?;
        if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(WireError::ReservedBits);
        }
        if second & 0x80 == 0 {
            return Err(WireError::Unmasked);
        }
        let short = second & 0x7F;
        if opcode.is_control() {
            if !fin {
                return Err(WireError::FragmentedControl);
            }
            if usize::from(short) > MAX_CONTROL_PAYLOAD {
                return Err(WireError::ControlTooLong);
            }
            if opcode == Opcode::Close && short == 1 {
                return Err(WireError::TruncatedCloseCode);
            }
        }
        let (payload, rest) = match short {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u16::from_be_bytes(*length);
                if length <= 125 {
                    return Err(WireError::LengthNotMinimal);
                }
                (usize::from(length), rest)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u64::from_be_bytes(*length);
                if length >> 63 != 0 {
                    return Err(WireError::LengthTooLarge);
                }
                if u16::try_from(length).is_ok() {
                    return Err(WireError::LengthNotMinimal);
                }
                (usize::try_from(length).unwrap_or(usize::MAX), rest)
            }
            _ => (usize::from(short), rest),
        };
        // The mask is waited for last, although the limit on messages could be checked without it:
        // four bytes later is early enough, and the header then is one value.
        let Some((mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some((
            Self {
                fin,
                compressed,
                opcode,
                mask: *mask,
                payload,
            },
            bytes.len() - rest.len(),
        )))
    }
}
