//! What the wire promises, by section of RFC 6455. The helpers here build client frames by hand, rule breakers included.

mod compressed;
mod deflating;
mod differential;
mod encoding;
mod framing;
mod limits;
mod negotiation;
mod opening;
mod splits;
mod utf8;

use super::{Decoder, Inflater, WebSocketMessage, WireError};

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame a client may send: final, masked, minimal.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(0x80 | opcode, MASK, payload)
}

/// The same, but more fragments follow.
fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(opcode, MASK, payload)
}

/// A masked frame with any first byte.
fn raw_frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut out = header(first, payload.len());
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// The first bytes of a masked frame up to its mask, whatever the payload will be.
fn header(first: u8, length: usize) -> Vec<u8> {
    let mut out = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(0x80 | short),
        (_, Ok(medium)) => {
            out.push(0xFE);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(0xFF);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// A message that outlives the buffer.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<WebSocketMessage<'_>> for Said {
    fn from(message: WebSocketMessage<'_>) -> Self {
        match message {
            WebSocketMessage::Text(text) => Self::Text(text.to_owned()),
            WebSocketMessage::Binary(bytes) => Self::Binary(bytes.to_owned()),
            WebSocketMessage::Ping(bytes) => Self::Ping(bytes.to_owned()),
            WebSocketMessage::Pong(bytes) => Self::Pong(bytes.to_owned()),
            WebSocketMessage::Close { code, reason } => Self::Close(code, reason.to_owned()),
        }
    }
}

fn text(text: &str) -> Said {
    Said::Text(text.to_owned())
}

/// All that was said in a stream, and what was wrong with it in the end.
#[derive(Clone, Debug, Default, PartialEq)]
struct Heard {
    said: Vec<Said>,
    error: Option<WireError>,
}

impl Heard {
    fn listen(&mut self, decoder: &mut Decoder, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let mut inflater = Inflater::default();
        let mut messages = decoder.feed(&mut bytes, &mut inflater);
        loop {
            match messages.next() {
                Ok(Some(message)) => self.said.push(message.into()),
                Ok(None) => return,
                Err(error) => {
                    assert_eq!(messages.next(), Err(error), "a refused stream stays refused");
                    self.error = Some(error);
                    return;
                }
            }
        }
    }
}

/// Decodes `stream` in reads of at most `step` bytes.
fn hear_in_steps(stream: &[u8], step: usize, max_message: usize) -> Heard {
    hear_with(Decoder::new(max_message), stream, step)
}

fn hear_with(mut decoder: Decoder, stream: &[u8], step: usize) -> Heard {
    let mut heard = Heard::default();
    for chunk in stream.chunks(step) {
        heard.listen(&mut decoder, chunk);
    }
    heard
}

const LIMIT: usize = 1 << 20;

/// Decodes `stream` read at once and byte by byte, which must be the same.
#[track_caller]
fn hear(stream: &[u8]) -> Heard {
    let whole = hear_in_steps(stream, usize::MAX, LIMIT);
    assert_eq!(whole, hear_in_steps(stream, 1, LIMIT), "read byte by byte");
    whole
}

/// Asserts what is heard in a stream of frames.
#[track_caller]
fn expect(frames: &[Vec<u8>], said: &[Said], error: impl Into<Option<WireError>>) {
    assert_eq!(
        hear(&frames.concat()),
        Heard {
            said: said.to_vec(),
            error: error.into()
        }
    );
}
