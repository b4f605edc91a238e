//! The part of a WebSocket client that a load generator needs: an upgrade request, masked frames
//! out, whole unfragmented frames in. Knows no socket.

use std::ops::Range;

/// These values mean that the length follows in two bytes, and in eight.
const LENGTH_16: u8 = 0x7E;
const LENGTH_64: u8 = 0x7F;

/// What a frame from the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Data,
    Close,
    Ping,
    Pong,
}

/// A frame from the server: its kind, where its payload lies, where the next frame begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    pub payload: Range<usize>,
}

/// The first frame in `bytes`, if all of it is there.
pub fn first_frame(bytes: &[u8]) -> Option<Frame> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, header) = match second & 0x7F {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    let end = header + usize::try_from(length).ok()?;
    let kind = match first & 0x0F {
        0x8 => Kind::Close,
        0x9 => Kind::Ping,
        0xA => Kind::Pong,
        _ => Kind::Data,
    };
    (bytes.len() >= end).then_some(Frame {
        kind,
        payload: header..end,
    })
}

/// A text frame. The mask is zero, which is legal and costs nothing.
pub fn text_frame(text: &str) -> Vec<u8> {
    masked(0x1, text.as_bytes())
}

/// A binary frame, with the same mask.
pub fn binary_frame(bytes: &[u8]) -> Vec<u8> {
    masked(0x2, bytes)
}

/// The answer to a ping.
pub fn pong_frame(payload: &[u8]) -> Vec<u8> {
    masked(0xA, payload)
}

fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).expect("below 126")),
        length => {
            if let Ok(length) = u16::try_from(length) {
                frame.push(0x80 | LENGTH_16);
                frame.extend(length.to_be_bytes());
            } else {
                frame.push(0x80 | LENGTH_64);
                frame.extend((length as u64).to_be_bytes());
            }
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The upgrade request.
pub fn upgrade_request(path: &str, host: &str, headers: &[String]) -> String {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bG9hZCBnZW5lcmF0b3IhIQ==\r\n"
    );
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_whole_or_not_at_all() {
        for length in [0_u16, 125, 126, 40_000] {
            let mut bytes = vec![0x81];
            if length < 126 {
                bytes.push(u8::try_from(length).unwrap());
            } else {
                bytes.push(LENGTH_16);
                bytes.extend(length.to_be_bytes());
            }
            let header = bytes.len();
            bytes.extend(std::iter::repeat_n(b'x', length.into()));
            assert_eq!(first_frame(&bytes[..bytes.len() - 1]), None);
            let frame = first_frame(&bytes).unwrap();
            assert_eq!((frame.kind, frame.payload), (Kind::Data, header..bytes.len()));
        }
    }

    #[test]
    fn what_we_write_is_masked() {
        assert_eq!(text_frame("hi"), [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
        assert_eq!(binary_frame(b"hi"), [0x82, 0x82, 0, 0, 0, 0, b'h', b'i']);
        for (length, head) in [(125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            assert_eq!(text_frame(&"x".repeat(length)).len(), length + head);
        }
    }
}
