//! WebSocket frames that are wrong, and those that are merely unusual. After each the broker and the
//! other connections on it work as before.

use crate::support::socket::opcode;
use crate::support::{Broker, Client, Frame, shared};

// The codes of RFC 6455 7.4.1.
const BAD_FRAME: [u16; 1] = [1002];
const BAD_TEXT: [u16; 1] = [1007];
const TOO_BIG: [u16; 1] = [1009];

const PING: &str = r#"{"type":"ping","id":1}"#;

/// Sends `bytes` on a fresh connection and expects its end with one of `codes`; other connections go on.
async fn refused(broker: &Broker, what: &str, bytes: &[u8], codes: &[u16]) {
    let mut bystander = broker.connect("bystander").await;
    for connected in [false, true] {
        let dial = broker.dial(what);
        let mut ann = if connected {
            dial.connect().await
        } else {
            dial.open().await
        };
        ann.send_bytes(bytes).await;
        let closed = ann.closed().await;
        let is_right = closed.is_some_and(|code| codes.contains(&code));
        assert!(
            is_right,
            "{what}, connected {connected}: closed with {closed:?}, expected {codes:?}"
        );
        ann.expect_end().await;
        bystander.still_works().await;
    }
    broker.connect("newcomer").await.still_works().await;
}

#[tokio::test]
async fn an_unmasked_frame_is_refused() {
    let broker = shared().await;
    refused(&broker, "unmasked", &Frame::text(PING).unmasked(), &BAD_FRAME).await;
}

#[tokio::test]
async fn reserved_bits_are_refused() {
    let broker = shared().await;
    for reserved in [1, 2, 4] {
        let frame = Frame {
            reserved,
            ..Frame::text(PING)
        };
        refused(&broker, "reserved bits", &frame.masked(), &BAD_FRAME).await;
    }
}

#[tokio::test]
async fn reserved_opcodes_are_refused() {
    let broker = shared().await;
    for opcode in [3, 7, 0xb, 0xf] {
        refused(
            &broker,
            "reserved opcode",
            &Frame::new(opcode, "x").masked(),
            &BAD_FRAME,
        )
        .await;
    }
}

#[tokio::test]
async fn fragmented_control_frames_are_refused() {
    let broker = shared().await;
    for opcode in [opcode::PING, opcode::PONG, opcode::CLOSE] {
        let frame = Frame::new(opcode, [3, 232]).not_last();
        refused(&broker, "fragmented control", &frame.masked(), &BAD_FRAME).await;
    }
}

#[tokio::test]
async fn long_control_frames_are_refused() {
    let broker = shared().await;
    let frame = Frame::new(opcode::PING, [0; 126]);
    refused(&broker, "long ping", &frame.masked(), &BAD_FRAME).await;
}

#[tokio::test]
async fn a_continuation_of_nothing_is_refused() {
    let broker = shared().await;
    let frame = Frame::new(opcode::CONTINUATION, PING);
    refused(&broker, "continuation", &frame.masked(), &BAD_FRAME).await;
}

#[tokio::test]
async fn a_message_within_a_message_is_refused() {
    let broker = shared().await;
    let bytes = [Frame::text("{").not_last().masked(), Frame::text(PING).masked()].concat();
    refused(&broker, "interleaved", &bytes, &BAD_FRAME).await;
}

#[tokio::test]
async fn bad_utf8_is_refused() {
    let broker = shared().await;
    for bad in [
        &b"\"\xff\""[..],
        b"\"\xc3\x28\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf0\x9f\x91\"",
    ] {
        refused(&broker, "bad UTF-8", &Frame::new(opcode::TEXT, bad).masked(), &BAD_TEXT).await;
    }
    let mut split = Frame::new(opcode::TEXT, &b"\"\xc3"[..]).not_last().masked();
    split.extend(Frame::new(opcode::CONTINUATION, &b"\""[..]).masked());
    refused(&broker, "bad UTF-8 across frames", &split, &BAD_TEXT).await;
}

#[tokio::test]
async fn bad_close_frames_are_refused() {
    let broker = shared().await;
    for (payload, codes) in [
        (&[3][..], &BAD_FRAME[..]),
        (&[0, 0], &BAD_FRAME),
        (&[3, 237], &BAD_FRAME), // 1005 is for nobody to send
        (&[3, 232, 0xff], &[1002, 1007]),
    ] {
        refused(
            &broker,
            "bad close",
            &Frame::new(opcode::CLOSE, payload).masked(),
            codes,
        )
        .await;
    }
}

#[tokio::test]
async fn an_oversized_message_is_refused() {
    let broker = shared().await;
    let big = Frame::text("x".repeat(65_537));
    refused(&broker, "oversized", &big.masked(), &TOO_BIG).await;
}

#[tokio::test]
async fn an_oversized_length_is_refused_before_its_bytes_come() {
    let broker = shared().await;
    let mut head = vec![0x81, 0xff];
    head.extend(0x7fff_ffff_ffff_ffff_u64.to_be_bytes());
    head.extend([1, 2, 3, 4]);
    refused(&broker, "gigantic", &head, &TOO_BIG).await;
    head[2..10].copy_from_slice(&u64::MAX.to_be_bytes());
    refused(&broker, "length with its highest bit", &head, &[1002, 1009]).await;
}

#[tokio::test]
async fn an_oversized_message_in_small_frames_is_refused() {
    let broker = shared().await;
    let mut bytes = Frame::text("x".repeat(1000)).not_last().masked();
    for _ in 0..66 {
        bytes.extend(Frame::new(opcode::CONTINUATION, "x".repeat(1000)).not_last().masked());
    }
    refused(&broker, "oversized in parts", &bytes, &TOO_BIG).await;
}

#[tokio::test]
async fn binary_in_the_text_protocol_is_refused() {
    let broker = shared().await;
    refused(&broker, "binary", &Frame::new(opcode::BINARY, PING).masked(), &[4500]).await;
}

#[tokio::test]
async fn what_is_no_frame_at_all_harms_nobody() {
    let broker = shared().await;
    let mut bystander = broker.connect("bystander").await;
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"\r\n\r\n\r\n\r\n"] {
        let mut ann = broker.connect("noisy").await;
        ann.send_bytes(noise).await;
        ann.expect_end().await;
        bystander.still_works().await;
    }
}

#[tokio::test]
async fn a_stream_cut_amid_a_frame_harms_nobody() {
    let broker = shared().await;
    let mut bystander = broker.connect("bystander").await;
    let whole = Frame::text(PING.repeat(10)).masked();
    for cut in [1, 2, 5, whole.len() - 1] {
        let mut ann = broker.connect("cut").await;
        ann.send_bytes(&whole[..cut]).await;
        ann.finish_sending().await;
        ann.expect_end().await;
        bystander.still_works().await;
    }
}

#[tokio::test]
async fn fragmented_text_is_one_message() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let text = r#"{"type":"ping","id":"fragmented ü"}"#.as_bytes();
    // The cut is amid the two bytes of ü; a ping may come between.
    let cut = text.iter().position(|byte| *byte == 0xc3).expect("an ü") + 1;
    let (head, rest) = text.split_at(cut);
    ann.send_frame(&Frame::new(opcode::TEXT, head).not_last()).await;
    ann.send_frame(&Frame::new(opcode::PING, "between")).await;
    ann.send_frame(&Frame::new(opcode::CONTINUATION, "").not_last()).await;
    ann.send_frame(&Frame::new(opcode::CONTINUATION, rest)).await;
    let pong = ann.frame().await.expect("a pong");
    assert_eq!(pong, Frame::new(opcode::PONG, "between"));
    ann.acked(&"fragmented ü".into()).await;
}

#[tokio::test]
async fn a_message_may_come_byte_by_byte() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    for byte in Frame::text(r#"{"type":"ping","id":"slowly"}"#).masked() {
        ann.send_bytes(&[byte]).await;
    }
    ann.acked(&"slowly".into()).await;
}

#[tokio::test]
async fn a_ping_comes_back_as_a_pong() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    for payload in [Vec::new(), b"hello".to_vec(), vec![0xff; 125]] {
        ann.send_frame(&Frame::new(opcode::PING, payload.clone())).await;
        assert_eq!(ann.frame().await, Some(Frame::new(opcode::PONG, payload)));
    }
    // A pong that nobody asked for is fine.
    ann.send_frame(&Frame::new(opcode::PONG, "unasked"))
        .await
        .still_works()
        .await;
}

#[tokio::test]
async fn a_close_is_echoed() {
    let broker = shared().await;
    for (sent, echoed) in [
        (Frame::close(1000, "bye"), Some(1000)),
        (Frame::close(1001, ""), Some(1001)),
        (Frame::close(3000, "own"), Some(3000)),
        (Frame::new(opcode::CLOSE, []), None),
    ] {
        let mut ann: Client = broker.connect("ann").await;
        ann.send_frame(&sent).await;
        let frame = ann.frame().await.expect("a close frame");
        assert_eq!(frame.opcode, opcode::CLOSE, "{frame:?}");
        let code = frame.close_code();
        assert!(
            code == echoed || code == Some(1000),
            "{sent:?} was answered by {frame:?}"
        );
        ann.expect_end().await;
    }
}
