//! What is compressed, for whom, and how often.

use super::support::client_with;
use super::*;
use wire::DeflateWindow::{Full, Smallest};
use wire::{Decoder, Inflater, WebSocketMessage};

fn publication(bytes: usize) -> Arc<Publication> {
    let data = Bytes::from(format!("\"{}\"", "a".repeat(bytes)));
    Arc::new(Publication::new(topic(), "id".into(), data, None, None, vec![]))
}

/// What a server's frame says to a client that inflates.
fn text(frame: &[u8]) -> String {
    let payload = &frame[wire::payload_start(frame)..];
    // The same as a client's frame, with a mask of zeros.
    let mut masked = vec![frame[0], 0xFE];
    masked.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    if payload.len() < 126 {
        masked.truncate(1);
        masked.push(0x80 | u8::try_from(payload.len()).unwrap());
    }
    masked.extend([0; 4]);
    masked.extend(payload);
    let mut decoder = Decoder::new(1 << 20).with_deflate();
    let mut inflater = Inflater::default();
    match decoder.feed(&mut masked, &mut inflater).next() {
        Ok(Some(WebSocketMessage::Text(text))) => text.to_owned(),
        other => panic!("{other:?}"),
    }
}

const COMPRESSED: u8 = 0xC1;
const PLAIN: u8 = 0x81;

#[tokio::test]
async fn each_gets_what_it_agreed_on_and_one_compression_serves_all() {
    let mut hub = TestHub::default();
    let mut clients = Vec::new();
    for (id, deflate) in (1..).zip([None, Some(Full), Some(Smallest), Some(Full), Some(Smallest), None]) {
        let client = client_with(id, 1 << 20, deflate).await;
        hub.insert(&topic(), &settings(Overflow::Disconnect, false), &client.client, 0);
        hub.release(&topic(), id, None, None);
        clients.push(client);
    }
    for joined in [1, 3] {
        let publications: Vec<_> = (0..joined).map(|_| publication(5_000)).collect();
        let turn: Vec<_> = publications.iter().cloned().map(Envelope::Message).collect();
        hub.deliver(&turn);
        hub.flush();
        for _ in 0..joined {
            let mut frames = Vec::new();
            for client in &mut clients {
                frames.push(client.read_frame().await);
            }
            let firsts: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
            assert_eq!(firsts, [PLAIN, COMPRESSED, COMPRESSED, COMPRESSED, COMPRESSED, PLAIN]);
            assert!(
                frames[1].len() < 200 && frames[2].len() < 700,
                "{} {}",
                frames[1].len(),
                frames[2].len()
            );
            for frame in &frames {
                assert_eq!(text(frame), text(&frames[0]));
            }
        }
        for publication in publications {
            for form in [Full, Smallest] {
                let again = || panic!("it is compressed a second time");
                let frame = publication
                    .encoded
                    .get_or_compress(backplane::Form::JsonFrame, form as usize, again);
                assert!(frame.is_some());
            }
        }
    }
}

#[tokio::test]
async fn small_and_large_messages_and_those_of_others_are_not_compressed() {
    let mut ann = client_with(1, 1 << 20, Some(Full)).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, false), &ann.client, 0);
    hub.release(&topic(), 1, None, None);
    for (bytes, first) in [(300, PLAIN), (600, COMPRESSED), (60_000, COMPRESSED), (65_536, PLAIN)] {
        hub.deliver(&[Envelope::Message(publication(bytes))]);
        hub.flush();
        assert_eq!(ann.read_frame().await[0], first, "{bytes} bytes");
    }
    let mut of_other = Arc::into_inner(publication(600)).unwrap();
    of_other.compression = false;
    hub.deliver(&[Envelope::Message(Arc::new(of_other))]);
    hub.flush();
    assert_eq!(ann.read_frame().await[0], PLAIN, "its tenant does not compress");
}
