//! What the server sends: RFC 6455 5.2 seen from the other side.

use super::super::*;

/// The examples of RFC 6455 5.7 that a server may send.
#[test]
fn section_5_7_examples() {
    assert_eq!(text_frame("Hello")[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(ping_frame(b"Hello")[..], [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(pong_frame(b"Hello")[..], [0x8a, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    let binary = binary_frame([9; 256]);
    assert_eq!(binary[..4], [0x82, 0x7E, 0x01, 0x00]);
    assert_eq!(binary[4..], [9; 256]);
    let binary = binary_frame(vec![9; 65_536]);
    assert_eq!(binary[..10], [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(binary.len(), 65_546);
}

/// The header of a data frame is the shortest that can say its length.
#[test]
fn headers_are_minimal() {
    for (length, header) in [
        (0, 2),
        (1, 2),
        (125, 2),
        (126, 4),
        (127, 4),
        (65_535, 4),
        (65_536, 10),
        (70_000, 10),
    ] {
        for kind in [FrameKind::Text, FrameKind::Binary] {
            let payload = "x".repeat(length);
            let whole = match kind {
                FrameKind::Text => text_frame(&payload),
                FrameKind::Binary => binary_frame(payload.as_bytes()),
            };
            assert_eq!(whole.len(), header + length);
            assert_eq!(whole[header..], *payload.as_bytes());
        }
    }
}

#[test]
fn section_5_5_control_frames_hold_125_bytes() {
    let long = [7; 200];
    for frame in [ping_frame(&long), pong_frame(&long)] {
        assert_eq!(frame.len(), 127);
        assert_eq!(frame[1], 125);
    }
}

#[test]
fn section_5_5_1_close() {
    assert_eq!(close_frame(None, "no code, no reason")[..], [0x88, 0x00]);
    assert_eq!(close_frame(1000, "")[..], [0x88, 0x02, 0x03, 0xE8]);
    assert_eq!(close_frame(4500, "bad_protocol")[..], *b"\x88\x0E\x11\x94bad_protocol");
    // The echo of what was received fits without unwrapping.
    assert_eq!(close_frame(Some(1001), "")[..], [0x88, 0x02, 0x03, 0xE9]);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let frame = close_frame(1000, &"ü".repeat(100));
    assert_eq!(frame[1], 2 + 122);
    assert_eq!(std::str::from_utf8(&frame[4..]), Ok("ü".repeat(61).as_str()));
    assert_eq!(close_frame(1000, &"a".repeat(123))[1], 125);
    assert_eq!(close_frame(1000, &"a".repeat(124))[1], 125);
}

#[test]
fn section_7_4_codes_on_the_wire() {
    let valid: Vec<u16> = (0..=u16::MAX).filter(|code| is_valid_close_code(*code)).collect();
    let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
    assert_eq!(valid, expected);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "close code 1006 may not be sent")]
fn a_code_for_what_was_not_received_is_not_sent() {
    let _ = close_frame(1006, "");
}

#[test]
fn the_end_of_each_joined_frame_is_found() {
    let payloads = [0, 1, 125, 126, 65_535, 65_536];
    let frames: Vec<_> = payloads.iter().map(|bytes| text_frame("x".repeat(*bytes))).collect();
    let joined = frames.concat();
    let mut begin = 0;
    for frame in &frames {
        let end = begin + frame.len();
        for at in [begin, begin + 1, end - 1] {
            assert_eq!(frame_end(&joined, at), end);
        }
        begin = end;
    }
    assert_eq!(frame_end(&joined, joined.len()), joined.len());
    assert_eq!(frame_end(&[0x81], 0), 1, "what is no whole frame ends where it ends");
}

#[test]
fn section_5_4_fragments() {
    let fragment = |payload, is_first, is_last| {
        let kind = FrameKind::Text;
        fragment_header(kind, payload, is_first, is_last)[..].to_vec()
    };
    assert_eq!(fragment_header(FrameKind::Binary, 5, true, false)[..], [0x02, 5]);
    assert_eq!(fragment_header(FrameKind::Binary, 5, false, true)[..], [0x80, 5]);
    assert_eq!(fragment(3, true, false), [0x01, 0x03]);
    assert_eq!(fragment(126, false, false), [0x00, 126, 0, 126]);
    assert_eq!(fragment(2, false, true), [0x80, 0x02]);
    assert_eq!(fragment(5, true, true), frame_header(FrameKind::Text, 5)[..]);
    for (frame, expected) in [
        (text_frame("a"), false),
        (binary_frame(b"a"), false),
        (ping_frame(b""), true),
        (pong_frame(b""), true),
        (close_frame(1000, ""), true),
    ] {
        assert_eq!(is_control_frame(&frame), expected);
    }
}
