//! Compressed messages of clients (RFC 7692 6 and 7.2.2): what is taken, and what lies.

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::*;

pub(super) fn deflated(max_message: usize) -> Decoder {
    Decoder::new(max_message).with_deflate()
}

/// `bytes` compressed, with what ends a flush.
fn flushed(bytes: &[u8], level: Compression, flush: FlushCompress) -> Vec<u8> {
    let mut output = Vec::with_capacity(bytes.len() * 2 + 64);
    let mut state = Compress::new(level, false);
    state.compress_vec(bytes, &mut output, flush).unwrap();
    assert_eq!(state.total_in(), bytes.len() as u64);
    output
}

/// A message as a client compresses it.
fn compress(bytes: &[u8]) -> Vec<u8> {
    let output = flushed(bytes, Compression::best(), FlushCompress::Sync);
    output.strip_suffix(b"\x00\x00\xFF\xFF").unwrap().to_vec()
}

const RSV1: u8 = 0x40;

fn compressed_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(0x80 | RSV1 | opcode, MASK, payload)
}

/// Decodes at once and byte by byte, which must be the same.
#[track_caller]
fn hear_deflated(frames: &[Vec<u8>], max_message: usize) -> Heard {
    let stream = frames.concat();
    let whole = hear_with(deflated(max_message), &stream, usize::MAX);
    assert_eq!(whole, hear_with(deflated(max_message), &stream, 1), "read byte by byte");
    whole
}

#[track_caller]
fn expect_deflated(name: &str, frames: &[Vec<u8>], said: &[Said], error: impl Into<Option<WireError>>) {
    let heard = hear_deflated(frames, LIMIT);
    assert_eq!((heard.error, &*heard.said), (error.into(), said), "{name}");
}

const HELLO: &[u8] = b"\xF2\x48\xCD\xC9\xC9\x07\x00";

#[test]
fn section_7_2_3_examples() {
    let hello = [text("Hello")];
    for (name, payload) in [
        ("7.2.3.1, one block", HELLO),
        ("7.2.3.3, without compression", b"\x00\x05\x00\xFA\xFFHello\x00"),
        ("7.2.3.4, a last block", b"\xF3\x48\xCD\xC9\xC9\x07\x00\x00"),
        (
            "7.2.3.5, two blocks",
            b"\xF2\x48\x05\x00\x00\x00\xFF\xFF\xCA\xC9\xC9\x07\x00",
        ),
    ] {
        expect_deflated(name, &[compressed_frame(TEXT, payload)], &hello, None);
        let (left, right) = payload.split_at(3);
        let fragments = [
            raw_frame(RSV1 | TEXT, MASK, left),
            frame(PING, b"between"),
            part(CONTINUATION, b""),
            frame(CONTINUATION, right),
        ];
        let said = [Said::Ping(b"between".to_vec()), text("Hello")];
        expect_deflated(name, &fragments, &said, None);
    }
    expect_deflated("7.2.3.6, empty", &[compressed_frame(TEXT, &[0])], &[text("")], None);
    // 7.2.3.2: no side may look back at an earlier message, as was agreed.
    let second = compressed_frame(TEXT, b"\xF2\x00\x11\x00\x00");
    let first = compressed_frame(TEXT, HELLO);
    expect_deflated("7.2.3.2", &[first, second], &hello, WireError::InvalidDeflate);
}

#[test]
fn messages_may_be_compressed_or_not() {
    let frames = [
        frame(TEXT, b"plain"),
        compressed_frame(TEXT, HELLO),
        part(TEXT, b"pl"),
        frame(CONTINUATION, b"ain"),
        compressed_frame(BINARY, HELLO),
    ];
    let said = [
        text("plain"),
        text("Hello"),
        text("plain"),
        Said::Binary(b"Hello".to_vec()),
    ];
    expect_deflated("mixed", &frames, &said, None);
}

#[test]
fn section_6_where_rsv1_may_stand() {
    let bad = WireError::ReservedBits;
    for first in [
        0x80 | RSV1 | PING,
        0x80 | RSV1 | PONG,
        0x80 | RSV1 | CLOSE,
        0x80 | RSV1 | CONTINUATION,
        RSV1 | CONTINUATION,
        0x80 | 0x20 | TEXT,
        0x80 | 0x10 | TEXT,
        0x80 | 0x70 | BINARY,
    ] {
        let frames = [part(TEXT, b"a"), raw_frame(first, MASK, b"")];
        expect_deflated(&format!("{first:#x}"), &frames, &[], bad);
    }
    // Nor on the rest of a compressed message.
    let rest = raw_frame(0x80 | RSV1 | CONTINUATION, MASK, &HELLO[3..]);
    expect_deflated("rest", &[raw_frame(RSV1 | TEXT, MASK, &HELLO[..3]), rest], &[], bad);
    // Nor anywhere where nothing was agreed on.
    expect(&[compressed_frame(TEXT, HELLO)], &[], bad);
}

#[test]
fn what_lies_is_refused() {
    let bad = WireError::InvalidDeflate;
    for (name, payload) in [
        ("empty", &b""[..]),
        ("a reserved kind of block", b"\x06"),
        ("lengths that differ", b"\x00\x05\x00\xFA\xFEHello\x00"),
        ("fewer bytes than said", b"\x00\x05\x01\xFA\xFEHello\x00"),
        ("from before the message", b"\x02\x00\x11\x00\x00"),
        ("a last block, and then nothing", b"\xF3\x48\xCD\xC9\xC9\x07\x00"),
        ("a last block, and then text", b"\xF3\x48\xCD\xC9\xC9\x07\x00Hello"),
        (
            "its flush is not left out",
            b"\xF2\x48\xCD\xC9\xC9\x07\x00\x00\x00\xFF\xFF",
        ),
        ("zlib's header", b"\x78\x9C\xF2\x48\xCD\xC9\xC9\x07\x00"),
        ("not compressed at all", br#"{"type":"ping","id":1}"#),
    ] {
        expect_deflated(name, &[compressed_frame(TEXT, payload)], &[], bad);
    }
    // A text that is whole only behind the last block of a message that is cut off.
    let whole = compress("a text that is long enough for a table of its own: κόσμε κόσμε κόσμε".as_bytes());
    for end in 0..whole.len() {
        expect_deflated(
            &format!("cut at {end}"),
            &[compressed_frame(TEXT, &whole[..end])],
            &[],
            bad,
        );
    }
    let not_text = compress(b"\xCE\xBA\xE1");
    expect_deflated(
        "not UTF-8",
        &[compressed_frame(TEXT, &not_text)],
        &[],
        WireError::InvalidUtf8,
    );
    let bytes = Said::Binary(b"\xCE\xBA\xE1".to_vec());
    expect_deflated(
        "nor has it to be",
        &[compressed_frame(BINARY, &not_text)],
        &[bytes],
        None,
    );
    assert_eq!(bad.close_code(), 1007);
}

#[test]
fn the_limit_is_on_what_comes_out() {
    let inflated = |bytes: &[u8]| hear_deflated(&[compressed_frame(BINARY, &compress(bytes))], 5_000);
    assert_eq!(inflated(&[7; 5_000]).said, [Said::Binary(vec![7; 5_000])]);
    for bytes in [5_001, 8_193, 1 << 20] {
        assert_eq!(
            inflated(&vec![7; bytes]).error,
            Some(WireError::MessageTooBig),
            "{bytes}"
        );
    }
    assert_eq!(
        hear_deflated(&[compressed_frame(BINARY, &[0])], 0).said,
        [Said::Binary(vec![])]
    );
    let one = hear_deflated(&[compressed_frame(TEXT, &compress(b"a"))], 0);
    assert_eq!(one.error, Some(WireError::MessageTooBig));
}

/// A message of the size limit has room for what a bad compressor adds; much more is refused from the header.
#[test]
fn the_limit_is_on_what_comes_in_too() {
    let mut stored = flushed(&[7; 5_000], Compression::none(), FlushCompress::Sync);
    stored.truncate(stored.len() - 4);
    assert!(stored.len() > 5_000);
    let heard = hear_deflated(&[compressed_frame(BINARY, &stored)], 5_000);
    assert_eq!(heard.said, [Said::Binary(vec![7; 5_000])]);

    let too_much = [header(0x80 | RSV1 | BINARY, 5_712), MASK.to_vec()];
    assert_eq!(hear_deflated(&too_much, 5_000).error, Some(WireError::MessageTooBig));
    let fits = [header(0x80 | RSV1 | BINARY, 5_711), MASK.to_vec()];
    assert_eq!(hear_deflated(&fits, 5_000).error, None);
    let rest = [header(0x80 | CONTINUATION, 2_712), MASK.to_vec()].concat();
    let fragments = [raw_frame(RSV1 | BINARY, MASK, &[0; 3_000]), rest];
    assert_eq!(hear_deflated(&fragments, 5_000).error, Some(WireError::MessageTooBig));
}

/// What a bomb costs is counted in bytes: what the inflater holds of what it made.
#[test]
fn a_gibibyte_costs_no_more_than_the_limit() {
    const MIB: usize = 1 << 20;
    let one = flushed(&vec![0; MIB], Compression::best(), FlushCompress::Full);
    let mut bomb = one.repeat(1_024);
    bomb.truncate(bomb.len() - 4);
    let mut inflater = Inflater::default();
    for most in [100, 65_536, MIB] {
        assert_eq!(inflater.inflate(&bomb, most), Err(WireError::MessageTooBig));
        assert!(
            inflater.output_bytes() <= most.max(4_096) + 1,
            "{} bytes",
            inflater.output_bytes()
        );
    }
    assert_eq!(inflater.inflate(HELLO, MIB), Ok(&b"Hello"[..]));
    assert!(
        inflater.output_bytes() <= 65_536,
        "what the largest needed is given back"
    );
}

#[test]
fn an_idle_connection_costs_two_words_all_the_same() {
    let mut decoder = deflated(LIMIT);
    let mut heard = Heard::default();
    heard.listen(&mut decoder, &compressed_frame(TEXT, HELLO));
    assert_eq!(
        (heard.said.len(), decoder.heap_bytes(), size_of_val(&decoder)),
        (1, 0, 16)
    );
}

proptest! {
    /// However it is compressed, cut into fragments and read.
    #[test]
    fn any_message_in_any_pieces(
        body in "[a-dü€]{0,300}",
        level in 0..=9u32,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        step in 1..50usize,
    ) {
        let mut payload = flushed(body.as_bytes(), Compression::new(level), FlushCompress::Sync);
        payload.truncate(payload.len() - 4);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.index(payload.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut stream, mut start, mut first) = (Vec::new(), 0, RSV1 | TEXT);
        for cut in cuts {
            stream.extend(raw_frame(first, MASK, &payload[start..cut]));
            (start, first) = (cut, CONTINUATION);
        }
        stream.extend(raw_frame(0x80 | first, MASK, &payload[start..]));
        let heard = hear_with(deflated(LIMIT), &stream.repeat(2), step);
        prop_assert_eq!(heard.error, None);
        prop_assert_eq!(heard.said, [Said::Text(body.clone()), Said::Text(body)]);
    }

    #[test]
    fn any_payload_is_survived(payload in prop::collection::vec(any::<u8>(), 0..200), most in 0..10_000usize) {
        let mut inflater = Inflater::default();
        if let Ok(bytes) = inflater.inflate(&payload, most) {
            prop_assert!(bytes.len() <= most);
        }
        prop_assert!(inflater.output_bytes() <= most.max(4_096) + 1);
    }
}
