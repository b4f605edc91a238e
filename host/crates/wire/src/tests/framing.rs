//! RFC 6455 5: base framing.

use super::*;

/// The examples of 5.7 that a client may send, byte by byte.
#[test]
fn section_5_7_examples() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(hear(&hello).said, [text("Hello")]);
    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(hear(&pong).said, [Said::Pong(b"Hello".to_vec())]);
}

#[test]
fn section_5_1_a_client_masks_every_frame() {
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        expect(
            &[vec![0x80 | opcode, 0x05], b"Hello".to_vec()],
            &[],
            WireError::Unmasked,
        );
    }
    expect(&[part(TEXT, b"a"), vec![0x80, 0x01, b'b']], &[], WireError::Unmasked);
}

#[test]
fn section_5_2_reserved_bits_have_no_meaning_here() {
    for bits in 1..8u8 {
        for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
            let bad = raw_frame(0x80 | bits << 4 | opcode, MASK, b"");
            expect(
                &[frame(TEXT, b"before"), bad],
                &[text("before")],
                WireError::ReservedBits,
            );
        }
    }
}

#[test]
fn section_5_2_reserved_opcodes() {
    for opcode in (0x3..=0x7).chain(0xB..=0xF) {
        expect(
            &[frame(TEXT, b"before"), frame(opcode, b"")],
            &[text("before")],
            WireError::ReservedOpcode,
        );
    }
}

#[test]
fn section_5_2_lengths_are_minimal() {
    for length in [0u16, 1, 125] {
        let mut bad = vec![0x82, 0xFE];
        bad.extend(length.to_be_bytes());
        expect(&[bad], &[], WireError::LengthNotMinimal);
    }
    for length in [0u64, 125, 126, 65_535] {
        let mut bad = vec![0x82, 0xFF];
        bad.extend(length.to_be_bytes());
        expect(&[bad], &[], WireError::LengthNotMinimal);
    }
    for length in [126, 127, 65_535, 65_536] {
        let payload = vec![7; length];
        expect(&[frame(BINARY, &payload)], &[Said::Binary(payload)], None);
    }
}

#[test]
fn section_5_2_the_highest_bit_of_a_length_is_zero() {
    for length in [1u64 << 63, u64::MAX] {
        let mut bad = vec![0x82, 0xFF];
        bad.extend(length.to_be_bytes());
        expect(&[bad], &[], WireError::LengthTooLarge);
    }
}

/// Every phase of the mask, for lengths around the word the unmasking works in.
#[test]
fn section_5_3_masking() {
    for length in 0..70 {
        let payload: Vec<u8> = (0..length).collect();
        let stream = raw_frame(0x82, [0xA1, 0x02, 0xFF, 0x10], &payload);
        for step in 1..stream.len() {
            assert_eq!(
                hear_in_steps(&stream, step, LIMIT).said,
                [Said::Binary(payload.clone())],
                "in steps of {step}"
            );
        }
    }
}

#[test]
fn section_5_4_fragments_are_joined() {
    expect(
        &[
            part(TEXT, b"one "),
            part(CONTINUATION, b"two "),
            frame(CONTINUATION, b"three"),
            frame(BINARY, b"\x00"),
        ],
        &[text("one two three"), Said::Binary(vec![0])],
        None,
    );
    expect(
        &[part(BINARY, b""), frame(CONTINUATION, b"")],
        &[Said::Binary(vec![])],
        None,
    );
}

#[test]
fn section_5_4_control_frames_come_between_fragments() {
    let ping = [7; 125];
    expect(
        &[
            part(TEXT, b"gr\xC3"),
            frame(PING, &ping),
            frame(PONG, b""),
            part(CONTINUATION, b"\xBC\xC3"),
            frame(PING, b"\xFF"),
            frame(CONTINUATION, b"\x9Fe"),
        ],
        &[
            Said::Ping(ping.to_vec()),
            Said::Pong(vec![]),
            Said::Ping(vec![0xFF]),
            text("grüße"),
        ],
        None,
    );
}

#[test]
fn section_5_4_messages_are_not_interleaved() {
    for opcode in [TEXT, BINARY] {
        for first in [opcode, 0x80 | opcode] {
            expect(
                &[part(TEXT, b"a"), raw_frame(first, MASK, b"b")],
                &[],
                WireError::Interleaved,
            );
        }
    }
}

#[test]
fn section_5_4_a_continuation_continues_something() {
    for first in [CONTINUATION, 0x80 | CONTINUATION] {
        let stray = raw_frame(first, MASK, b"b");
        expect(std::slice::from_ref(&stray), &[], WireError::StrayContinuation);
        expect(
            &[frame(TEXT, b"a"), stray.clone()],
            &[text("a")],
            WireError::StrayContinuation,
        );
        expect(
            &[part(TEXT, b"a"), frame(CONTINUATION, b"b"), stray],
            &[text("ab")],
            WireError::StrayContinuation,
        );
    }
}

#[test]
fn section_5_5_control_frames_are_short_and_whole() {
    for opcode in [CLOSE, PING, PONG] {
        expect(&[frame(opcode, &[b'a'; 126])], &[], WireError::ControlTooLong);
        expect(&[header(0x80 | opcode, 65_536)], &[], WireError::ControlTooLong);
        expect(&[part(opcode, b"")], &[], WireError::FragmentedControl);
    }
}

#[test]
fn section_5_5_1_nothing_counts_after_a_close() {
    expect(
        &[close(1000, b"bye"), frame(TEXT, b"too late"), vec![0xFF; 40]],
        &[Said::Close(Some(1000), "bye".to_owned())],
        None,
    );
    expect(
        &[
            part(TEXT, b"half a"),
            close(1001, b""),
            frame(CONTINUATION, b" message"),
        ],
        &[Said::Close(Some(1001), String::new())],
        None,
    );
}

/// What can be told from the first bytes is not waited for.
#[test]
fn a_bad_header_is_refused_before_it_is_whole() {
    let early = [
        (vec![0xC1, 0x80], WireError::ReservedBits),
        (vec![0x83, 0x80], WireError::ReservedOpcode),
        (vec![0x81, 0x00], WireError::Unmasked),
        (vec![0x09, 0x80], WireError::FragmentedControl),
        (vec![0x89, 0xFE], WireError::ControlTooLong),
        (vec![0x88, 0x81], WireError::TruncatedCloseCode),
        (vec![0x81, 0xFE, 0x00, 0x7D], WireError::LengthNotMinimal),
    ];
    for (bytes, error) in early {
        assert_eq!(hear(&bytes).error, Some(error), "{bytes:x?}");
        assert_eq!(
            hear(&bytes[..bytes.len() - 1]),
            Heard::default(),
            "{bytes:x?} but for its last byte"
        );
    }
}

#[test]
fn section_7_4_errors_map_to_close_codes() {
    let codes = [
        (WireError::Unmasked, 1002),
        (WireError::ReservedBits, 1002),
        (WireError::ReservedOpcode, 1002),
        (WireError::FragmentedControl, 1002),
        (WireError::ControlTooLong, 1002),
        (WireError::StrayContinuation, 1002),
        (WireError::Interleaved, 1002),
        (WireError::LengthNotMinimal, 1002),
        (WireError::LengthTooLarge, 1002),
        (WireError::InvalidCloseCode, 1002),
        (WireError::TruncatedCloseCode, 1002),
        (WireError::InvalidUtf8, 1007),
        (WireError::TooManyFragments, 1008),
        (WireError::MessageTooBig, 1009),
    ];
    for (error, code) in codes {
        assert_eq!(error.close_code(), code, "{error}");
    }
}
