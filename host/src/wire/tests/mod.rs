//! What the wire promises, by section of RFC 6455.

use super::*;

/// A masked client frame.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n @ 126..=0xFFFF => {
            out.push(0xFE);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(0xFF);
            out.extend((n as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    out
}

#[test]
fn smoke() {
    let mut stream = masked(0x81, b"Hello");
    stream.extend(masked(0x01, "grü".as_bytes()));
    stream.extend(masked(0x89, b"ping"));
    stream.extend(masked(0x80, "ße".as_bytes()));
    stream.extend(masked(0x88, &[0x03, 0xE8, b'b', b'y', b'e']));
    for step in 1..=stream.len() {
        let mut decoder = Decoder::new(100);
        let mut seen = Vec::new();
        let mut bytes = stream.clone();
        for chunk in bytes.chunks_mut(step) {
            let mut messages = decoder.feed(chunk);
            while let Some(message) = messages.next().unwrap() {
                seen.push(format!("{message:?}"));
            }
        }
        assert_eq!(
            seen,
            [
                r#"Text("Hello")"#,
                "Ping([112, 105, 110, 103])",
                r#"Text("grüße")"#,
                r#"Close { code: Some(1000), reason: "bye" }"#
            ]
        );
    }
}
