//! Frames as a client sends and reads them.

use serde_json::Value;

/// The texts of whole frames of a server. What is in fragments counts once it is whole.
pub(super) fn texts(mut frames: &[u8]) -> Vec<Value> {
    let (mut texts, mut text) = (Vec::new(), Vec::new());
    while !frames.is_empty() {
        let (frame, rest) = frames.split_at(wire::frame_end(frames, 0));
        let (opcode, is_last) = (frame[0] & 0x0f, frame[0] & 0x80 != 0);
        if opcode < 2 {
            assert_eq!(opcode == 0, !text.is_empty(), "a message begins amid another");
            text.extend(&frame[wire::payload_start(frame)..]);
            if is_last {
                texts.push(serde_json::from_slice(&text).expect("JSON"));
                text.clear();
            }
        }
        frames = rest;
    }
    texts
}

/// A masked text frame of a client, with a mask of zeros.
pub(super) fn client_frame(text: &str) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(short) if short < 126 => frame.push(MASKED | short),
        _ => {
            frame.push(MASKED | 0x7e);
            frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}
