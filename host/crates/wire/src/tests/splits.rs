//! Property: how a stream is cut into reads does not change what is heard.

use proptest::prelude::*;

use super::*;

/// A stream of frames, most of them in order: messages in one or more fragments with control frames between them.
pub(super) fn stream() -> impl Strategy<Value = Vec<u8>> {
    let broken =
        (any::<u8>(), any::<[u8; 4]>(), payload()).prop_map(|(first, mask, body)| raw_frame(first, mask, &body));
    let part = prop_oneof![20 => message(), 4 => control(), 1 => broken];
    (prop::collection::vec(part, 0..8), prop::option::of(closing())).prop_map(|(parts, end)| {
        let mut stream = parts.concat();
        stream.extend(end.unwrap_or_default());
        stream
    })
}

/// One message, cut at random places, pings in between.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let fragments = prop::collection::vec(
        (any::<prop::sample::Index>(), prop::option::weighted(0.2, control())),
        0..5,
    );
    let body = prop_oneof![
        5 => any::<String>().prop_map(|text| (TEXT, text.into_bytes())),
        1 => payload().prop_map(|bytes| (TEXT, bytes)),
        3 => payload().prop_map(|bytes| (BINARY, bytes)),
    ];
    (body, fragments, any::<[u8; 4]>()).prop_map(|((opcode, body), cuts, mask)| {
        let mut at: Vec<_> = cuts
            .into_iter()
            .map(|(place, control)| (place.index(body.len() + 1), control))
            .collect();
        at.sort_by_key(|(place, _)| *place);
        let mut out = Vec::new();
        let (mut start, mut opcode) = (0, opcode);
        for (place, control) in at {
            out.extend(raw_frame(opcode, mask, &body[start..place]));
            out.extend(control.unwrap_or_default());
            (start, opcode) = (place, CONTINUATION);
        }
        out.extend(raw_frame(0x80 | opcode, mask, &body[start..]));
        out
    })
}

fn control() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..126);
    (prop::sample::select(vec![PING, PONG]), body).prop_map(|(opcode, body)| frame(opcode, &body))
}

fn closing() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![3 => Just(1000u16), 1 => 0..5_100u16];
    prop_oneof![
        4 => (code, "[a-zü]{0,60}").prop_map(|(code, reason)| close(code, reason.as_bytes())),
        1 => prop::collection::vec(any::<u8>(), 0..126).prop_map(|body| frame(CLOSE, &body)),
    ]
}

/// Mostly short, at times around the lengths where the header changes.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![20 => 0..40usize, 4 => 120..130usize, 1 => 65_530..65_540usize];
    (length, any::<u64>()).prop_map(|(length, seed)| {
        let mut state = seed;
        // Bytes only need to differ from their neighbours; a strategy for each would take most of the time.
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(length)
        .collect()
    })
}

/// Changes a few bytes: flipped bits, bytes lost, bytes too many.
pub(super) fn mutated(stream: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (0..4u8, any::<prop::sample::Index>(), any::<u8>());
    (stream, prop::collection::vec(change, 0..4)).prop_map(|(mut stream, changes)| {
        for (kind, place, byte) in changes {
            if stream.is_empty() {
                break;
            }
            // Headers are few among the bytes, so half of the changes go to the first frame.
            let at = place.index(if byte % 2 == 0 {
                stream.len()
            } else {
                stream.len().min(16)
            });
            match kind {
                0 => stream[at] ^= 1 << (byte >> 5),
                1 => stream[at] = byte,
                2 => drop(stream.remove(at)),
                _ => stream.insert(at, byte),
            }
        }
        stream
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_messages(
        stream in mutated(stream()),
        steps in prop::collection::vec(1..300usize, 1..20),
    ) {
        let whole = hear_in_steps(&stream, usize::MAX, LIMIT);
        let mut decoder = Decoder::new(LIMIT);
        let mut heard = Heard::default();
        let mut rest = &stream[..];
        for step in steps.into_iter().cycle() {
            let (chunk, after) = rest.split_at(step.min(rest.len()));
            heard.listen(&mut decoder, chunk);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&heard, &whole);
    }

    /// Asking for one message at a time and dropping the rest each time loses and doubles nothing.
    #[test]
    fn any_pause_gives_the_same_messages(stream in mutated(stream()), step in 1..400usize) {
        let mut decoder = Decoder::new(LIMIT);
        let mut heard = Heard::default();
        for chunk in stream.chunks(step) {
            let mut chunk = chunk.to_vec();
            let mut input = &mut chunk[..];
            loop {
                match decoder.feed(input, &mut Inflater::default()).next() {
                    Ok(message) => heard.said.extend(message.map(Said::from)),
                    Err(error) => heard.error = Some(error),
                }
                if !decoder.has_unread() {
                    break;
                }
                input = &mut [];
            }
        }
        prop_assert_eq!(heard, hear_in_steps(&stream, usize::MAX, LIMIT));
    }

    /// No input of any kind makes the decoder panic or hold more than it was given.
    #[test]
    fn any_bytes_are_survived(stream in prop::collection::vec(any::<u8>(), 0..600), step in 1..100usize) {
        let mut decoder = Decoder::new(LIMIT);
        for chunk in stream.chunks(step) {
            Heard::default().listen(&mut decoder, chunk);
        }
        prop_assert!(decoder.heap_bytes() <= 2 * stream.len() + 256);
    }
}
