//! One channel, receivers of both codecs: each gets its own, and each is made once.

use super::support::client_in;
use super::*;
use backplane::Form;
use protocol::Codec;
use wire::DeflateWindow::Full;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const COMPRESSED_BINARY: u8 = 0xC2;

/// What a frame says, as JSON text.
fn said(frame: &[u8]) -> String {
    let payload = &frame[wire::payload_start(frame)..];
    match frame[0] {
        TEXT => String::from_utf8(payload.to_vec()).unwrap(),
        _ => message_pack::to_json(payload, None).unwrap().text,
    }
}

#[tokio::test]
async fn mixed_formats_cost_one_encoding_each() {
    let mut hub = TestHub::default();
    let mut clients = Vec::new();
    for (id, codec) in (1..).zip([Codec::Json, Codec::MessagePack, Codec::MessagePack, Codec::Json]) {
        let client = client_in(codec, id, 1 << 20, None).await;
        hub.insert(&topic(), &settings(Overflow::Disconnect, false), &client.client, 0);
        hub.release(&topic(), id, None, None);
        clients.push(client);
    }
    for joined in [1, 3] {
        let messages: Vec<_> = (0..joined).map(|_| message("[1,2.5]", None)).collect();
        hub.deliver(&messages);
        hub.flush();
        for envelope in &messages {
            let mut frames = Vec::new();
            for client in &mut clients {
                frames.push(client.read_frame().await);
            }
            let firsts: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
            assert_eq!(firsts, [TEXT, BINARY, BINARY, TEXT]);
            assert!(frames.iter().all(|frame| said(frame) == said(&frames[0])));
            let Envelope::Message(publication) = envelope else {
                panic!()
            };
            for (form, frame) in [(Form::JsonFrame, &frames[0]), (Form::MessagePackFrame, &frames[1])] {
                let again = || panic!("it is encoded a second time");
                assert_eq!(publication.encoded.get_or_encode(form, again), frame);
            }
            // Nobody needs these, so nobody made them.
            for form in [Form::Event, Form::MarkedEvent] {
                let own = publication.encoded.get_or_encode(form, || "made now".into());
                assert_eq!(own, "made now");
            }
        }
    }
}

#[tokio::test]
async fn what_is_compressed_stays_what_it_is() {
    let mut ann = client_in(Codec::MessagePack, 1, 1 << 20, Some(Full)).await;
    let mut hub = TestHub::default();
    hub.insert(&topic(), &settings(Overflow::Disconnect, false), &ann.client, 0);
    hub.release(&topic(), 1, None, None);
    let data = Bytes::from(format!("\"{}\"", "a".repeat(5_000)));
    let publication = Publication::new(topic(), "id".into(), data, None, None, vec![]);
    hub.deliver(&[Envelope::Message(Arc::new(publication))]);
    hub.flush();
    let frame = ann.read_frame().await;
    assert_eq!(frame[0], COMPRESSED_BINARY);
    assert!(frame.len() < 200, "{}", frame.len());
}
