//! Property: on any stream we say what `tokio-websockets` says, except where we are stricter on purpose.
//!
//! 1. A text message whose last fragment is empty and which ends inside a character: refused here, passed on there.
//! 2. A fragment that makes a message too long: refused here from its header, there once its payload is in.
//! 3. More than `MAX_TINY_FRAGMENTS` tiny fragments in a message: refused only here (and not generated).

use futures_util::StreamExt as _;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;
use tokio_websockets::{Error, Limits, ServerBuilder};

use super::splits::{mutated, stream};
use super::*;

/// What was said, texts as bytes since the other side may not have checked them, and whether the stream was refused.
type Verdict = (Vec<(u8, Vec<u8>)>, bool);

fn ours(heard: &Heard) -> Verdict {
    let said = heard.said.iter().map(|said| match said {
        Said::Text(text) => (TEXT, text.clone().into_bytes()),
        Said::Binary(bytes) => (BINARY, bytes.clone()),
        Said::Ping(bytes) => (PING, bytes.clone()),
        Said::Pong(bytes) => (PONG, bytes.clone()),
        Said::Close(code, reason) => {
            let code = code.map(u16::to_be_bytes);
            (
                CLOSE,
                [code.as_ref().map_or(&[][..], |code| code), reason.as_bytes()].concat(),
            )
        }
    });
    (said.collect(), heard.error.is_some())
}

async fn theirs(stream: &[u8], max_message: usize) -> Verdict {
    // Room for the stream, and on the way back for an answer to each of its pings.
    let (mut client, server) = tokio::io::duplex(stream.len() + 1_024);
    client.write_all(stream).await.unwrap();
    client.shutdown().await.unwrap();
    let limits = Limits::default().max_payload_len(Some(max_message));
    let mut server = ServerBuilder::new().limits(limits).serve(server);
    let mut said = Vec::new();
    let refused = loop {
        match server.next().await {
            Some(Ok(message)) => {
                let opcode = match () {
                    () if message.is_text() => TEXT,
                    () if message.is_binary() => BINARY,
                    () if message.is_ping() => PING,
                    () if message.is_pong() => PONG,
                    () => CLOSE,
                };
                said.push((opcode, message.as_payload().to_vec()));
            }
            // The stream ended inside a frame, which for us is a frame that is still arriving.
            None | Some(Err(Error::Io(_))) => break false,
            Some(Err(_)) => break true,
        }
    };
    (said, refused)
}

fn compare(mut stream: Vec<u8>, max_message: usize) -> Result<(), TestCaseError> {
    // Completes a header the stream breaks off in, as the two do not look at its parts in the same order.
    stream.extend(raw_frame(0x89, MASK, b"").repeat(3));
    let heard = hear_in_steps(&stream, usize::MAX, max_message);
    let ours = ours(&heard);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let theirs = runtime.block_on(theirs(&stream, max_message));
    if heard.error == Some(WireError::InvalidUtf8)
        && let Some((TEXT, passed_on)) = theirs.0.get(ours.0.len())
        && std::str::from_utf8(passed_on).is_err()
    {
        prop_assert_eq!(&ours.0[..], &theirs.0[..ours.0.len()], "before what only we refuse");
        return Ok(());
    }
    if heard.error == Some(WireError::MessageTooBig) && !theirs.1 {
        prop_assert_eq!(&ours.0, &theirs.0, "before the fragment that never came whole");
        return Ok(());
    }
    prop_assert_eq!(&ours, &theirs, "we refused for {:?}", heard.error);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn streams_in_order(stream in stream()) {
        compare(stream, LIMIT)?;
    }

    #[test]
    fn mutated_streams(stream in mutated(stream()), max_message in prop::sample::select(vec![200, 1_000, LIMIT])) {
        compare(stream, max_message)?;
    }

    #[test]
    fn frames_of_any_kind(frames in prop::collection::vec(any_frame(), 0..12)) {
        compare(frames.concat(), LIMIT)?;
    }
}

/// A short frame with each rule broken now and then.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        30 => prop::sample::select(vec![CONTINUATION, CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG]),
        1 => 0..16u8,
    ];
    let reserved = prop_oneof![60 => Just(0), 1 => 1..8u8];
    let body = prop_oneof![
        4 => "[aü€🦀]{0,6}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..10),
        1 => prop::sample::select(vec![b"\xC3".to_vec(), b"\xBC".to_vec(), b"\xE2\x82".to_vec(), b"\x03\xE8".to_vec()]),
    ];
    let masked = prop::bool::weighted(0.98);
    let padded = prop::option::weighted(0.02, prop::bool::ANY);
    (
        prop::bool::weighted(0.6),
        opcode,
        reserved,
        any::<[u8; 4]>(),
        body,
        masked,
        padded,
    )
        .prop_map(|(fin, opcode, reserved, mask, body, masked, padded)| {
            let first = u8::from(fin) << 7 | reserved << 4 | opcode;
            let mut frame = raw_frame(first, mask, &body);
            if !masked {
                frame[1] &= 0x7F;
                frame.drain(2..6);
            }
            let length = frame[1] & 0x7F;
            match padded {
                Some(true) => drop(frame.splice(1..2, [0xFE, 0, length])),
                Some(false) => drop(frame.splice(1..2, [0xFF, 0, 0, 0, 0, 0, 0, 0, length])),
                None => {}
            }
            frame
        })
}

/// The two places where we differ, pinned: if the other side comes to agree, the list above should shrink.
#[tokio::test]
async fn where_we_are_stricter() {
    let cut_off = [part(TEXT, b"\xE2\x82"), frame(CONTINUATION, b"")].concat();
    assert_eq!(hear(&cut_off).error, Some(WireError::InvalidUtf8));
    assert_eq!(
        theirs(&cut_off, LIMIT).await,
        (vec![(TEXT, b"\xE2\x82".to_vec())], false)
    );

    let too_long = [part(BINARY, &[1; 60]), header(CONTINUATION, 41), MASK.to_vec()].concat();
    assert_eq!(hear_in_steps(&too_long, 1, 100).error, Some(WireError::MessageTooBig));
    assert_eq!(theirs(&too_long, 100).await, (vec![], false));
}
