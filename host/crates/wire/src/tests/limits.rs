//! What a hostile or a silent client can cost: bytes, fragments, memory.

use super::super::input_buffer::MAX_TINY_FRAGMENTS;
use super::*;

#[test]
fn a_message_over_the_limit_is_refused_from_its_header() {
    for opcode in [TEXT, BINARY] {
        let announced = [header(0x80 | opcode, 101), MASK.to_vec()].concat();
        assert_eq!(hear_in_steps(&announced, 1, 100).error, Some(WireError::MessageTooBig));
    }
    let fits = frame(BINARY, &[0; 100]);
    assert_eq!(hear_in_steps(&fits, 7, 100).said, [Said::Binary(vec![0; 100])]);
}

#[test]
fn the_limit_is_on_the_sum_of_fragments() {
    let fits = [
        part(BINARY, &[1; 60]),
        frame(PING, &[2; 125]),
        frame(CONTINUATION, &[1; 40]),
    ]
    .concat();
    assert_eq!(
        hear_in_steps(&fits, usize::MAX, 100).said,
        [Said::Ping(vec![2; 125]), Said::Binary(vec![1; 100])]
    );
    let over = [part(BINARY, &[1; 60]), header(CONTINUATION, 41), MASK.to_vec()].concat();
    assert_eq!(
        hear_in_steps(&over, usize::MAX, 100).error,
        Some(WireError::MessageTooBig)
    );
    // The sum begins anew with every message.
    let next = [fits.clone(), fits].concat();
    assert_eq!(hear_in_steps(&next, usize::MAX, 100).said.len(), 4);
}

#[test]
fn a_length_near_the_end_of_its_range_does_not_overflow() {
    let huge = [
        part(BINARY, &[1; 60]),
        vec![0x80, 0xFF],
        (u64::MAX >> 1).to_be_bytes().to_vec(),
        MASK.to_vec(),
    ];
    expect(&huge, &[], WireError::MessageTooBig);
}

#[test]
fn the_limit_can_change_between_messages() {
    let mut decoder = Decoder::new(10);
    let mut heard = Heard::default();
    heard.listen(&mut decoder, &frame(TEXT, &[b'a'; 10]));
    decoder.set_max_message(20);
    heard.listen(&mut decoder, &frame(TEXT, &[b'a'; 20]));
    decoder.set_max_message(usize::MAX);
    heard.listen(&mut decoder, &frame(TEXT, &vec![b'a'; 70_000]));
    assert_eq!((heard.said.len(), heard.error), (3, None));
    decoder.set_max_message(5);
    heard.listen(&mut decoder, &frame(TEXT, &[b'a'; 6]));
    assert_eq!(heard.error, Some(WireError::MessageTooBig));
}

#[test]
fn tiny_fragments_are_counted() {
    for payload in [&b""[..], b"a", b"fifteen bytes.."] {
        let many = |count| {
            let mut frames = vec![part(TEXT, payload)];
            frames.extend((1..count).map(|_| part(CONTINUATION, payload)));
            frames
        };
        let most = usize::from(MAX_TINY_FRAGMENTS);
        expect(&many(most), &[], None);
        expect(&many(most + 1), &[], WireError::TooManyFragments);
        // One message after the other may use the allowance up.
        let mut message = many(most - 1);
        message.push(frame(CONTINUATION, payload));
        let said = text(&String::from_utf8(payload.repeat(most)).unwrap());
        expect(&[message.concat(), message.concat()], &[said.clone(), said], None);
    }
}

#[test]
fn larger_fragments_are_bounded_by_the_message_alone() {
    let frames: Vec<_> = (0..2_000)
        .map(|i| part(if i == 0 { BINARY } else { CONTINUATION }, &[1; 16]))
        .collect();
    expect(&frames, &[], None);
}

#[test]
fn an_idle_connection_costs_two_words() {
    assert_eq!(size_of::<Decoder>(), 16);
    assert_eq!(Decoder::new(LIMIT).heap_bytes(), 0);
}

/// Every point at which a read may end, and everything is given back behind the last byte of a message.
#[test]
fn memory_is_given_back_after_every_message() {
    let streams = [
        frame(TEXT, &[b'a'; 5_000]),
        [
            part(TEXT, &[b'a'; 3_000]),
            frame(PING, b"ping"),
            frame(CONTINUATION, &[b'a'; 3_000]),
        ]
        .concat(),
    ];
    for stream in streams {
        for cut in 1..stream.len() {
            let mut decoder = Decoder::new(LIMIT);
            let mut heard = Heard::default();
            heard.listen(&mut decoder, &stream[..cut]);
            assert_ne!(decoder.heap_bytes(), 0);
            heard.listen(&mut decoder, &stream[cut..]);
            assert_eq!(heard.error, None);
            assert_eq!(decoder.heap_bytes(), 0, "cut at {cut}");
        }
    }
}

#[test]
fn memory_follows_the_bytes_that_came_not_those_announced() {
    let stream = frame(BINARY, &vec![1; 60_000]);
    let mut decoder = Decoder::new(60_000);
    let mut heard = Heard::default();
    let fixed = {
        heard.listen(&mut decoder, &stream[..8]);
        decoder.heap_bytes()
    };
    assert!(fixed < 256, "{fixed} bytes for a header");
    for (i, byte) in stream[8..].iter().enumerate() {
        let body = decoder.heap_bytes() - fixed;
        assert!(body <= (2 * i).min(60_000), "{body} bytes are held of {i} that came");
        heard.listen(&mut decoder, &[*byte]);
    }
    assert_eq!(heard.said, [Said::Binary(vec![1; 60_000])]);
}

#[test]
fn a_refused_or_closed_stream_holds_nothing() {
    for end in [frame(TEXT, b"interleaved"), close(1000, b"")] {
        let mut decoder = Decoder::new(LIMIT);
        let mut heard = Heard::default();
        heard.listen(&mut decoder, &part(TEXT, &[b'a'; 5_000]));
        heard.listen(&mut decoder, &end);
        assert_eq!(decoder.heap_bytes(), 0);
        heard.listen(&mut decoder, &vec![0x81; 5_000]);
        assert_eq!(decoder.heap_bytes(), 0);
    }
}

/// A session that has to wait inside a burst drops the `Messages`, and loses nothing.
#[test]
fn what_was_not_asked_for_is_kept() {
    let stream: Vec<u8> = (0..50)
        .flat_map(|i| frame(TEXT, format!("message {i}").as_bytes()))
        .collect();
    for step in [1, 3, 40, 1_000] {
        let mut decoder = Decoder::new(LIMIT);
        let mut said = Vec::new();
        for chunk in stream.chunks(step) {
            let mut chunk = chunk.to_vec();
            let mut input = &mut chunk[..];
            loop {
                if let Some(message) = decoder.feed(input, &mut Inflater::default()).next().unwrap() {
                    said.push(Said::from(message));
                }
                if !decoder.has_unread() {
                    break;
                }
                input = &mut [];
            }
        }
        let all: Vec<_> = (0..50).map(|i| text(&format!("message {i}"))).collect();
        assert_eq!(said, all, "in steps of {step}");
        assert_eq!(decoder.heap_bytes(), 0);
    }
}

/// Reading on before the rest was asked for keeps the order all the same.
#[test]
fn unread_bytes_come_before_new_ones() {
    let mut decoder = Decoder::new(LIMIT);
    let mut heard = Heard::default();
    let mut burst = [frame(TEXT, b"one"), frame(TEXT, b"two"), frame(TEXT, b"three")].concat();
    let mut inflater = Inflater::default();
    drop(decoder.feed(&mut burst, &mut inflater));
    assert_eq!(
        decoder.feed(&mut frame(TEXT, b"four"), &mut inflater).next(),
        Ok(Some(WebSocketMessage::Text("one")))
    );
    heard.listen(&mut decoder, &frame(TEXT, b"five"));
    assert_eq!(heard.said, ["two", "three", "four", "five"].map(text));
    assert!(!decoder.has_unread());
}

#[test]
fn what_came_of_a_message_that_is_not_whole_is_known() {
    for (parts, unfinished) in [
        (&[][..], None),
        (&[frame(TEXT, b"whole")][..], None),
        (&[frame(TEXT, b"whole"), vec![0x81]], Some(0)),
        (&[header(0x81, 100)], Some(0)),
        (&[frame(TEXT, &[b'a'; 100])[..13].to_vec()], Some(7)),
        (&[part(TEXT, b"a part")], Some(6)),
        (&[part(TEXT, b"a part"), frame(PING, b"ping")], Some(6)),
        (&[part(TEXT, b"a part"), part(CONTINUATION, b"and another")], Some(17)),
        (&[part(TEXT, b"a part"), frame(CONTINUATION, b"")], None),
        (&[frame(CLOSE, b""), header(0x81, 100)], None),
    ] {
        let stream = parts.concat();
        for step in [1, usize::MAX] {
            let mut decoder = Decoder::new(LIMIT);
            let mut heard = Heard::default();
            for chunk in stream.chunks(step) {
                heard.listen(&mut decoder, chunk);
            }
            assert_eq!(decoder.unfinished(), unfinished, "{}", stream.escape_ascii());
        }
    }
}
