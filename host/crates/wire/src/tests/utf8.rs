//! RFC 6455 8.1: text is UTF-8, and what cannot become UTF-8 any more is refused at once.

use super::*;

/// No valid text begins like this; the last byte is the one that shows it. After the tables of Unicode 3.9.
const HOPELESS: &[&[u8]] = &[
    b"\x80",             // a continuation byte first
    b"\xBF",             //
    b"\xC0",             // only overlong forms begin so
    b"\xC1",             //
    b"\xF5",             // above U+10FFFF
    b"\xFE",             //
    b"\xFF",             //
    b"\xC3\x28",         // two bytes, the second is none
    b"\xC3\xC3",         //
    b"\xE0\x9F",         // overlong, three bytes
    b"\xE2\x28",         //
    b"\xE2\x82\x28",     //
    b"\xED\xA0",         // a surrogate
    b"\xED\xBF",         //
    b"\xF0\x8F",         // overlong, four bytes
    b"\xF0\x90\x28",     //
    b"\xF0\x90\x8C\x28", //
    b"\xF4\x90",         // above U+10FFFF
    b"\xF4\x8F\xBF\xC0", //
];

#[test]
fn hopeless_text_is_refused_whole() {
    for bad in HOPELESS {
        for before in ["", "a", "grüße, κόσμε, 🦀", "a long stretch of plain text before it"] {
            let payload = [before.as_bytes(), bad, b" and more"].concat();
            expect(&[frame(TEXT, &payload)], &[], WireError::InvalidUtf8);
        }
    }
}

/// In a message that is far from whole, at the very byte that breaks it.
#[test]
fn hopeless_text_is_refused_as_it_arrives() {
    for bad in HOPELESS {
        let start = [header(0x80 | TEXT, 1_000), vec![0; 4], b"hello ".to_vec(), bad.to_vec()].concat();
        assert_eq!(hear(&start).error, Some(WireError::InvalidUtf8), "{bad:x?}");
        assert_eq!(
            hear(&start[..start.len() - 1]).error,
            None,
            "{bad:x?} but for its last byte"
        );
    }
}

#[test]
fn hopeless_text_is_refused_between_fragments() {
    for bad in HOPELESS {
        let mut frames = vec![part(TEXT, b"hello ")];
        frames.extend(bad.iter().map(|byte| part(CONTINUATION, &[*byte])));
        expect(&frames, &[], WireError::InvalidUtf8);
        frames.pop();
        expect(&frames, &[], None);
    }
}

#[test]
fn a_character_cut_off_by_the_end_of_the_message_is_invalid() {
    for whole in ["ü", "€", "🦀"] {
        for length in 1..whole.len() {
            let cut = &whole.as_bytes()[..length];
            expect(&[frame(TEXT, cut)], &[], WireError::InvalidUtf8);
            expect(
                &[part(TEXT, b"a"), frame(CONTINUATION, cut)],
                &[],
                WireError::InvalidUtf8,
            );
            expect(
                &[part(TEXT, cut), frame(CONTINUATION, b"")],
                &[],
                WireError::InvalidUtf8,
            );
        }
    }
}

#[test]
fn a_character_may_be_cut_by_fragments_and_pings() {
    for whole in ["ü", "€", "🦀", "\u{10FFFF}", "\u{FFFE}", "\u{0}"] {
        let mut frames = vec![part(TEXT, b"")];
        for byte in whole.bytes() {
            frames.push(part(CONTINUATION, &[byte]));
            frames.push(frame(PING, b"\xFF"));
        }
        frames.push(frame(CONTINUATION, b""));
        let mut said = vec![Said::Ping(vec![0xFF]); whole.len()];
        said.push(text(whole));
        expect(&frames, &said, None);
    }
}

/// The state of one message does not leak into the next.
#[test]
fn every_message_is_checked_anew() {
    let long = part(TEXT, "grüße".as_bytes());
    expect(
        &[long.clone(), frame(CONTINUATION, b"!"), part(TEXT, b"\xFF")],
        &[text("grüße!")],
        WireError::InvalidUtf8,
    );
    expect(
        &[
            long,
            frame(CONTINUATION, b"!"),
            part(TEXT, b"\xC3"),
            frame(CONTINUATION, b"\xBC"),
        ],
        &[text("grüße!"), text("ü")],
        None,
    );
}

#[test]
fn binary_may_be_anything() {
    for bad in HOPELESS {
        let stream = [frame(BINARY, bad), part(BINARY, bad), frame(CONTINUATION, bad)];
        expect(
            &stream,
            &[Said::Binary(bad.to_vec()), Said::Binary(bad.repeat(2))],
            None,
        );
    }
}
