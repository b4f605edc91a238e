//! Frames a server sends: never masked, the header minimal, ready to be shared by many outboxes. Only a message that is
//! made while it is sent is in fragments.

use bytes::Bytes;

use super::close::is_valid_close_code;
use super::frame::{MAX_CONTROL_PAYLOAD, Opcode, RSV1};

/// The longest header of an unmasked frame: two bytes and a 64-bit length.
const MAX_SERVER_HEADER: usize = 10;
const FIN: u8 = 0x80;
/// The bit of an opcode that all control frames have (RFC 6455 5.5).
const CONTROL: u8 = 0x08;

/// What a data frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// UTF-8; the JSON codec.
    Text,
    /// Anything; the MessagePack codec.
    Binary,
}

impl FrameKind {
    const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// A text frame with a copy of `payload`, which is UTF-8: the caller wrote it, and only debug builds look again.
#[must_use]
pub fn text_frame(payload: impl AsRef<[u8]>) -> Bytes {
    let payload = payload.as_ref();
    debug_assert!(std::str::from_utf8(payload).is_ok(), "the text is not UTF-8");
    whole_frame(FrameKind::Text.opcode(), payload)
}

/// A data frame with a copy of `payload`, which is UTF-8 if the kind says so.
#[must_use]
pub fn data_frame(kind: FrameKind, payload: impl AsRef<[u8]>) -> Bytes {
    match kind {
        FrameKind::Text => text_frame(payload),
        FrameKind::Binary => binary_frame(payload),
    }
}

/// The header of a data frame whose payload of `payload` bytes is written after it, in whatever parts.
#[must_use]
pub fn frame_header(kind: FrameKind, payload: usize) -> Bytes {
    let (header, length) = header(kind.opcode(), payload);
    Bytes::copy_from_slice(&header[..length])
}

/// The header of a fragment of a message whose `payload` bytes are written after it (RFC 6455 5.4). Between fragments
/// only control frames may be sent.
#[must_use]
pub fn fragment_header(kind: FrameKind, payload: usize, is_first: bool, is_last: bool) -> Bytes {
    let opcode = if is_first { kind.opcode() } else { Opcode::Continuation };
    let (mut header, length) = header(opcode, payload);
    if !is_last {
        header[0] &= !FIN;
    }
    Bytes::copy_from_slice(&header[..length])
}

/// Whether `frame`, a whole frame of a server, is a control frame.
#[must_use]
pub fn is_control_frame(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & CONTROL != 0)
}

/// A binary frame with a copy of `payload`.
#[must_use]
pub fn binary_frame(payload: impl AsRef<[u8]>) -> Bytes {
    whole_frame(FrameKind::Binary.opcode(), payload.as_ref())
}

/// A data frame whose `payload` is compressed (RFC 7692 6).
pub(super) fn compressed_frame(kind: FrameKind, payload: &[u8]) -> Bytes {
    frame(kind.opcode(), RSV1, payload)
}

/// A ping frame. Of `payload` at most 125 bytes are sent, the most a control frame can hold.
#[must_use]
pub fn ping_frame(payload: &[u8]) -> Bytes {
    whole_frame(Opcode::Ping, &payload[..payload.len().min(MAX_CONTROL_PAYLOAD)])
}

/// A pong frame; `payload` is that of the ping it answers (RFC 6455 5.5.3), which is at most 125
/// bytes; more is cut off.
#[must_use]
pub fn pong_frame(payload: &[u8]) -> Bytes {
    whole_frame(Opcode::Pong, &payload[..payload.len().min(MAX_CONTROL_PAYLOAD)])
}

/// A close frame with `code` and `reason`, or an empty one for `None` (RFC 6455 5.5.1), which has
/// no room for a reason. A reason over 123 bytes is cut at the last character that fits.
///
/// A code no endpoint may send is a mistake of the caller: it fails in debug builds and goes out as
/// 1011 otherwise.
#[must_use]
pub fn close_frame(code: impl Into<Option<u16>>, reason: &str) -> Bytes {
    let Some(code) = code.into() else {
        return whole_frame(Opcode::Close, &[]);
    };
    debug_assert!(is_valid_close_code(code), "close code {code} may not be sent");
    let code = if is_valid_close_code(code) { code } else { 1011 };
    let reason = &reason[..reason.floor_char_boundary(MAX_CONTROL_PAYLOAD - 2)];
    let mut payload = [0; MAX_CONTROL_PAYLOAD];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + reason.len()].copy_from_slice(reason.as_bytes());
    whole_frame(Opcode::Close, &payload[..2 + reason.len()])
}

/// Where the frame ends that holds the byte `at` of `frames`: whole frames of a server, one behind the other.
#[must_use]
pub fn frame_end(frames: &[u8], at: usize) -> usize {
    let mut end = 0;
    while end <= at && end < frames.len() {
        let length = frame_length(&frames[end..]).unwrap_or(usize::MAX);
        end = end.saturating_add(length).min(frames.len());
    }
    end
}

/// Where the payload of `frame` begins, a whole frame of a server.
#[must_use]
pub fn payload_start(frame: &[u8]) -> usize {
    match frame.get(1) {
        Some(126) => 4,
        Some(127) => MAX_SERVER_HEADER,
        _ => 2,
    }
}

/// RFC 6455 5.2: a length of 126 or 127 says that the length follows, in two or eight bytes.
fn frame_length(frame: &[u8]) -> Option<usize> {
    let (short, rest) = frame.get(1..)?.split_first()?;
    match short {
        126 => Some(4 + usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => {
            let length = usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?;
            length.checked_add(MAX_SERVER_HEADER)
        }
        short => Some(2 + usize::from(*short)),
    }
}

fn whole_frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    frame(opcode, 0, payload)
}

fn frame(opcode: Opcode, reserved: u8, payload: &[u8]) -> Bytes {
    let (mut header, length) = header(opcode, payload.len());
    header[0] |= reserved;
    // Exactly sized, so that freezing does not need a second allocation until the frame is shared.
    let mut frame = Vec::with_capacity(length + payload.len());
    frame.extend_from_slice(&header[..length]);
    frame.extend_from_slice(payload);
    frame.into()
}

/// The header and how many of its bytes count.
#[allow(clippy::cast_possible_truncation)] // Each arm has checked that the length fits.
fn header(opcode: Opcode, payload: usize) -> ([u8; MAX_SERVER_HEADER], usize) {
    let mut header = [0; MAX_SERVER_HEADER];
    header[0] = FIN | opcode.bits();
    let length = match payload {
        0..=125 => {
            header[1] = payload as u8;
            2
        }
        126..=0xFFFF => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        }
    };
    (header, length)
}
