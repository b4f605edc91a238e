//! The WebSocket decoder: how bytes are cut into reads changes nothing, and what was decoded can be said again.

use wire::{Decoder, Inflater, WebSocketMessage, WireError};

/// A message that outlives the buffer.
#[derive(Clone, Debug, PartialEq)]
enum Received {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<WebSocketMessage<'_>> for Received {
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

/// The bit of the first byte that allows compressed messages.
const DEFLATE: usize = 0x80;

/// What a stream says, and what was wrong with it in the end.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    received: Vec<Received>,
    error: Option<WireError>,
}

/// The first byte says how long a message may be and whether it may be compressed, the second how long a read is; the rest
/// is the stream.
///
/// # Panics
/// When a property does not hold.
pub fn wire_decoder(data: &[u8]) {
    let (limit, data) = super::split_first(data);
    let (step, stream) = super::split_first(data);
    let max_message = [100, 200, 1_000, 1 << 20][limit % 4];
    let deflate = limit & DEFLATE != 0;
    let decoder = || match deflate {
        true => Decoder::new(max_message).with_deflate(),
        false => Decoder::new(max_message),
    };
    let whole = in_steps(decoder(), stream, usize::MAX);
    assert_eq!(whole, in_steps(decoder(), stream, step.max(1)), "in reads of {step}");
    assert_eq!(
        whole,
        with_pauses(decoder(), stream, step.max(1)),
        "with a pause after each"
    );
    let bytes: usize = whole.received.iter().map(|message| payload(message).1.len()).sum();
    assert!(deflate || bytes <= stream.len(), "more came out than went in");
    for message in &whole.received {
        let (opcode, payload) = payload(message);
        let most = if opcode < 8 { max_message } else { 125 };
        assert!(payload.len() <= most, "{message:?}");
    }
    if let Some(error) = whole.error {
        super::one_line(&error.to_string());
    }
    let again: Vec<u8> = whole.received.iter().flat_map(masked_frame).collect();
    let again = in_steps(decoder(), &again, usize::MAX);
    assert_eq!((again.received, again.error), (whole.received, None), "said again");
}

fn in_steps(mut decoder: Decoder, stream: &[u8], step: usize) -> Outcome {
    let mut inflater = Inflater::default();
    let mut outcome = Outcome::default();
    for chunk in stream.chunks(step) {
        let mut chunk = chunk.to_vec();
        let mut messages = decoder.feed(&mut chunk, &mut inflater);
        loop {
            match messages.next() {
                Ok(Some(message)) => outcome.received.push(message.into()),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(messages.next(), Err(error), "a refused stream stays refused");
                    outcome.error = Some(error);
                    break;
                }
            }
        }
    }
    outcome
}

/// Takes one message at a time, as a session does that has to wait in the middle of a burst.
fn with_pauses(mut decoder: Decoder, stream: &[u8], step: usize) -> Outcome {
    let mut inflater = Inflater::default();
    let mut outcome = Outcome::default();
    for chunk in stream.chunks(step) {
        let mut chunk = chunk.to_vec();
        let mut input = &mut chunk[..];
        loop {
            match decoder.feed(input, &mut inflater).next() {
                Ok(message) => outcome.received.extend(message.map(Received::from)),
                Err(error) => outcome.error = Some(error),
            }
            if !decoder.has_unread() {
                break;
            }
            input = &mut [];
        }
    }
    outcome
}

/// Opcode and payload.
fn payload(message: &Received) -> (u8, Vec<u8>) {
    match message {
        Received::Text(text) => (1, text.clone().into_bytes()),
        Received::Binary(bytes) => (2, bytes.clone()),
        Received::Close(code, reason) => {
            let code = code.map(u16::to_be_bytes);
            (
                8,
                [code.as_ref().map_or(&[][..], |code| code), reason.as_bytes()].concat(),
            )
        }
        Received::Ping(bytes) => (9, bytes.clone()),
        Received::Pong(bytes) => (10, bytes.clone()),
    }
}

/// The message in one frame of a client.
fn masked_frame(message: &Received) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let (opcode, payload) = payload(message);
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).expect("under 126")),
        length @ 126..65_536 => {
            frame.push(0x80 | 0x7E);
            frame.extend(u16::try_from(length).expect("under 65,536").to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.into_iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}
