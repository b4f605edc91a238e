//! The cases of the Autobahn test suite that concern a decoder, under its numbers: groups 1 to 7. The suite wants an
//! echo; here the question is what is heard, and as which violation the rest is refused.

use super::*;

struct Case {
    name: &'static str,
    stream: Vec<u8>,
    said: Vec<Said>,
    error: Option<WireError>,
}

fn case(name: &'static str, frames: &[Vec<u8>], said: &[Said], error: impl Into<Option<WireError>>) -> Case {
    Case {
        name,
        stream: frames.concat(),
        said: said.to_vec(),
        error: error.into(),
    }
}

fn valid(name: &'static str, frames: &[Vec<u8>], said: &[Said]) -> Case {
    case(name, frames, said, None)
}

/// At once, and in the pieces the suite sends: octets, and a number of bytes that meets no boundary.
fn run(cases: impl IntoIterator<Item = Case>) {
    for Case {
        name,
        stream,
        said,
        error,
    } in cases
    {
        for step in [usize::MAX, 1, 3, 997] {
            let heard = hear_in_steps(&stream, step, LIMIT);
            assert_eq!(heard.error, error, "case {name} in steps of {step}");
            assert!(
                heard.said == said,
                "case {name} in steps of {step}: {:.200}",
                format!("{:?}", heard.said)
            );
        }
    }
}

fn ping(body: &[u8]) -> Said {
    Said::Ping(body.to_vec())
}

fn closed(code: u16, reason: &str) -> Said {
    Said::Close(Some(code), reason.to_owned())
}

fn rsv(bits: u8, opcode: u8, body: &[u8]) -> Vec<u8> {
    raw_frame(0x80 | bits << 4 | opcode, MASK, body)
}

#[test]
fn group_1_framing() {
    let names = ["1.*.1", "1.*.2", "1.*.3", "1.*.4", "1.*.5", "1.*.6", "1.*.7, 1.*.8"];
    run(names
        .into_iter()
        .zip([0, 125, 126, 127, 128, 65_535, 65_536])
        .flat_map(|(name, length)| {
            let (star, binary) = ("*".repeat(length), vec![0xFE; length]);
            [
                valid(name, &[frame(TEXT, star.as_bytes())], &[text(&star)]),
                valid(name, &[frame(BINARY, &binary)], &[Said::Binary(binary)]),
            ]
        }));
}

#[test]
fn group_2_pings_and_pongs() {
    let binary = b"\x00\xFF\xFE\xFD\xFC\xFB\x00\xFF";
    let pings: Vec<_> = (0..10).map(|i| format!("payload-{i}")).collect();
    run([
        valid("2.1", &[frame(PING, b"")], &[ping(b"")]),
        valid("2.2", &[frame(PING, b"Hello, world!")], &[ping(b"Hello, world!")]),
        valid("2.3", &[frame(PING, binary)], &[ping(binary)]),
        valid("2.4, 2.6", &[frame(PING, &[0xFE; 125])], &[ping(&[0xFE; 125])]),
        case("2.5", &[frame(PING, &[0xFE; 126])], &[], WireError::ControlTooLong),
        valid("2.7", &[frame(PONG, b"")], &[Said::Pong(vec![])]),
        valid(
            "2.8",
            &[frame(PONG, b"unsolicited")],
            &[Said::Pong(b"unsolicited".to_vec())],
        ),
        valid(
            "2.9",
            &[frame(PONG, b"pong"), frame(PING, b"ping")],
            &[Said::Pong(b"pong".to_vec()), ping(b"ping")],
        ),
        valid(
            "2.10, 2.11",
            &pings
                .iter()
                .map(|body| frame(PING, body.as_bytes()))
                .collect::<Vec<_>>(),
            &pings.iter().map(|body| ping(body.as_bytes())).collect::<Vec<_>>(),
        ),
    ]);
}

#[test]
fn group_3_reserved_bits() {
    let hello = || frame(TEXT, b"Hello, world!");
    let heard = [text("Hello, world!")];
    let bad = WireError::ReservedBits;
    run([
        case("3.1", &[rsv(1, TEXT, b"Hello, world!")], &[], bad),
        case("3.2", &[hello(), rsv(2, TEXT, b"Hello"), frame(PING, b"")], &heard, bad),
        case(
            "3.3, 3.4",
            &[hello(), rsv(3, TEXT, b"Hello"), frame(PING, b"")],
            &heard,
            bad,
        ),
        case("3.4", &[hello(), rsv(4, TEXT, b"Hello"), frame(PING, b"")], &heard, bad),
        case("3.5", &[rsv(5, BINARY, b"\x00\xFF")], &[], bad),
        case("3.6", &[rsv(6, PING, b"Hello, world!")], &[], bad),
        case("3.7", &[rsv(7, CLOSE, b"")], &[], bad),
    ]);
}

#[test]
fn group_4_opcodes() {
    let hello = || frame(TEXT, b"Hello, world!");
    for (group, reserved) in [("4.1", 3..=7), ("4.2", 11..=15)] {
        for opcode in reserved {
            run([
                case(group, &[frame(opcode, b"")], &[], WireError::ReservedOpcode),
                case(group, &[frame(opcode, b"reserved")], &[], WireError::ReservedOpcode),
                case(
                    group,
                    &[hello(), frame(opcode, b"reserved"), frame(PING, b"")],
                    &[text("Hello, world!")],
                    WireError::ReservedOpcode,
                ),
            ]);
        }
    }
}

#[test]
fn group_5_fragmentation() {
    let one = || part(TEXT, b"fragment1");
    let more = || part(CONTINUATION, b"fragment2");
    let last = || frame(CONTINUATION, b"fragment3");
    let hello = || frame(TEXT, b"Hello, world!");
    let stray = WireError::StrayContinuation;
    run([
        case(
            "5.1",
            &[part(PING, b"frag"), frame(CONTINUATION, b"ment")],
            &[],
            WireError::FragmentedControl,
        ),
        case(
            "5.2",
            &[part(PONG, b"frag"), frame(CONTINUATION, b"ment")],
            &[],
            WireError::FragmentedControl,
        ),
        valid("5.3 to 5.5", &[one(), last()], &[text("fragment1fragment3")]),
        valid(
            "5.6 to 5.8",
            &[one(), frame(PING, b"ping"), last()],
            &[ping(b"ping"), text("fragment1fragment3")],
        ),
        case("5.9 to 5.11", &[last(), hello()], &[], stray),
        case("5.12 to 5.14", &[more(), hello()], &[], stray),
        case(
            "5.15",
            &[one(), last(), more(), hello()],
            &[text("fragment1fragment3")],
            stray,
        ),
        case("5.16", &[more(), one(), last()], &[], stray),
        case("5.17", &[last(), one(), last()], &[], stray),
        case("5.18", &[one(), frame(TEXT, b"fragment2")], &[], WireError::Interleaved),
        valid(
            "5.19, 5.20",
            &[
                one(),
                more(),
                frame(PING, b"1"),
                more(),
                more(),
                frame(PING, b"2"),
                last(),
            ],
            &[
                ping(b"1"),
                ping(b"2"),
                text("fragment1fragment2fragment2fragment2fragment3"),
            ],
        ),
    ]);
}

/// Sequences of groups 6.6 to 6.23, the valid ones: complete words, the first and last code points of each length,
/// noncharacters, private use.
const VALID: &[&str] = &[
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\u{0}",
    "\u{80}",
    "\u{800}",
    "\u{10000}",
    "\u{7F}",
    "\u{7FF}",
    "\u{FFFF}",
    "\u{10FFFF}",
    "\u{D7FF}",
    "\u{E000}",
    "\u{FFFD}",
    "\u{FFFE}",
    "\u{1FFFE}",
    "\u{1FFFF}",
    "\u{8FFFE}",
    "\u{10FFFE}",
    "\u{FEFF}",
];

/// And the invalid ones.
const INVALID: &[(&str, &[u8])] = &[
    ("6.3", b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80edited"),
    ("6.6, cut off", b"\xCE"),
    ("6.6, cut off", b"\xCE\xBA\xE1"),
    ("6.6, cut off", b"\xCE\xBA\xE1\xBD"),
    ("6.6, cut off", b"\xCE\xBA\xE1\xBD\xB9\xCF"),
    ("6.8, five bytes", b"\xF8\x88\x80\x80\x80"),
    ("6.8, six bytes", b"\xFC\x84\x80\x80\x80\x80"),
    ("6.10, above U+10FFFF", b"\xF7\xBF\xBF\xBF"),
    ("6.10", b"\xFB\xBF\xBF\xBF\xBF"),
    ("6.10", b"\xFD\xBF\xBF\xBF\xBF\xBF"),
    ("6.11, above U+10FFFF", b"\xF4\x90\x80\x80"),
    ("6.12, lone continuations", b"\x80"),
    ("6.12", b"\xBF"),
    ("6.12", b"\x80\xBF\x80\xBF\x80\xBF"),
    (
        "6.12",
        b"\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8A\x8B\x8C\x8D\x8E\x8F",
    ),
    ("6.13, lone starts", b"\xC0 \xC1 \xC2 \xC3 \xDF "),
    ("6.13", b"\xE0 \xE1 \xEF "),
    ("6.13", b"\xF0 \xF1 \xF7 "),
    ("6.13", b"\xF8 \xFB "),
    ("6.13", b"\xFC \xFD "),
    ("6.14, last byte missing", b"\xC0"),
    ("6.14", b"\xE0\x80"),
    ("6.14", b"\xF0\x80\x80"),
    ("6.14", b"\xDF"),
    ("6.14", b"\xEF\xBF"),
    ("6.14", b"\xF7\xBF\xBF"),
    (
        "6.15, all of them",
        b"\xC0\xE0\x80\xF0\x80\x80\xF8\x80\x80\x80\xDF\xEF\xBF\xF7\xBF\xBF",
    ),
    ("6.16, impossible", b"\xFE"),
    ("6.16", b"\xFF"),
    ("6.16", b"\xFE\xFE\xFF\xFF"),
    ("6.17, overlong", b"\xC0\xAF"),
    ("6.17", b"\xE0\x80\xAF"),
    ("6.17", b"\xF0\x80\x80\xAF"),
    ("6.18, longest overlong", b"\xC1\xBF"),
    ("6.18", b"\xE0\x9F\xBF"),
    ("6.18", b"\xF0\x8F\xBF\xBF"),
    ("6.19, overlong NUL", b"\xC0\x80"),
    ("6.19", b"\xE0\x80\x80"),
    ("6.19", b"\xF0\x80\x80\x80"),
    ("6.20, lone surrogates", b"\xED\xA0\x80"),
    ("6.20", b"\xED\xAD\xBF"),
    ("6.20", b"\xED\xAE\x80"),
    ("6.20", b"\xED\xAF\xBF"),
    ("6.20", b"\xED\xB0\x80"),
    ("6.20", b"\xED\xBE\x80"),
    ("6.20", b"\xED\xBF\xBF"),
    ("6.21, paired surrogates", b"\xED\xA0\x80\xED\xB0\x80"),
    ("6.21", b"\xED\xAF\xBF\xED\xBF\xBF"),
];

/// `body` as one frame, in two, and in one for each byte.
fn cuts(body: &[u8]) -> [Vec<u8>; 3] {
    let (left, right) = body.split_at(body.len() / 2);
    let mut bytewise = part(TEXT, b"");
    bytewise.extend(body.iter().flat_map(|byte| part(CONTINUATION, &[*byte])));
    bytewise.extend(frame(CONTINUATION, b""));
    [
        frame(TEXT, body),
        [part(TEXT, left), frame(CONTINUATION, right)].concat(),
        bytewise,
    ]
}

#[test]
fn group_6_utf8() {
    run([
        valid("6.1.1", &[frame(TEXT, b"")], &[text("")]),
        valid(
            "6.1.2",
            &[part(TEXT, b""), part(CONTINUATION, b""), frame(CONTINUATION, b"")],
            &[text("")],
        ),
        valid(
            "6.1.3",
            &[part(TEXT, b""), part(CONTINUATION, b"middle"), frame(CONTINUATION, b"")],
            &[text("middle")],
        ),
    ]);
    for valid_text in VALID {
        run(cuts(valid_text.as_bytes())
            .map(|stream| valid("6.2, 6.5 to 6.9, 6.22, 6.23", &[stream], &[text(valid_text)])));
    }
    for (name, invalid) in INVALID {
        run(cuts(invalid).map(|stream| case(name, &[stream], &[], WireError::InvalidUtf8)));
    }
}

/// 6.4: refused at the piece that breaks the text, though the message could go on.
#[test]
fn group_6_4_fails_fast() {
    let start = "κόσμε".as_bytes();
    run([
        case(
            "6.4.1",
            &[part(TEXT, start), part(CONTINUATION, b"\xF4\x90\x80\x80")],
            &[],
            WireError::InvalidUtf8,
        ),
        case(
            "6.4.2",
            &[part(TEXT, start), part(CONTINUATION, b"\xF4\x90")],
            &[],
            WireError::InvalidUtf8,
        ),
        case(
            "6.4.3, 6.4.4",
            &[
                header(0x80 | TEXT, 100),
                vec![0; 4],
                start.to_vec(),
                b"\xF4\x90".to_vec(),
            ],
            &[],
            WireError::InvalidUtf8,
        ),
    ]);
}

#[test]
fn group_7_close() {
    let long = "*".repeat(123);
    let big = "*".repeat(256 * 1024);
    let end = || close(1000, b"");
    let ended = closed(1000, "");
    run([
        valid(
            "7.1.1",
            &[frame(TEXT, b"Hello"), end()],
            &[text("Hello"), ended.clone()],
        ),
        valid("7.1.2", &[end(), end()], std::slice::from_ref(&ended)),
        valid("7.1.3", &[end(), frame(PING, b"")], std::slice::from_ref(&ended)),
        valid("7.1.4", &[end(), frame(TEXT, b"Hello")], std::slice::from_ref(&ended)),
        valid(
            "7.1.5",
            &[part(TEXT, b"frag"), end(), frame(CONTINUATION, b"ment")],
            std::slice::from_ref(&ended),
        ),
        valid(
            "7.1.6",
            &[frame(TEXT, big.as_bytes()), end(), frame(PING, b"")],
            &[text(&big), ended],
        ),
        valid("7.3.1", &[frame(CLOSE, b"")], &[Said::Close(None, String::new())]),
        case("7.3.2", &[frame(CLOSE, b"a")], &[], WireError::TruncatedCloseCode),
        valid("7.3.3", &[close(1000, b"")], &[closed(1000, "")]),
        valid(
            "7.3.4",
            &[close(1000, b"Hello, world!")],
            &[closed(1000, "Hello, world!")],
        ),
        valid("7.3.5", &[close(1000, long.as_bytes())], &[closed(1000, &long)]),
        case("7.3.6", &[close(1000, &[b'*'; 124])], &[], WireError::ControlTooLong),
    ]);
    for (_, invalid) in INVALID {
        run([case("7.5.1", &[close(1000, invalid)], &[], WireError::InvalidUtf8)]);
    }
    let codes = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
    ];
    run(codes.map(|code| valid("7.7", &[close(code, b"")], &[closed(code, "")])));
    let codes = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
    run(codes.map(|code| case("7.9, 7.13", &[close(code, b"ok")], &[], WireError::InvalidCloseCode)));
}
