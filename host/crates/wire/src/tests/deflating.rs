//! What is compressed comes out again, and nothing refers back further than was agreed.

use flate2::{Decompress, FlushDecompress};
use proptest::prelude::*;

use super::super::{DeflateWindow, Deflater, FrameKind};
use super::compressed::deflated;
use super::*;

/// The payload of a server's frame, which has to be a compressed one.
#[track_caller]
fn payload(frame: &[u8], first: u8) -> &[u8] {
    assert_eq!(frame[0], first);
    &frame[crate::payload_start(frame)..]
}

#[test]
fn the_frame_of_rfc_7692_7_2_3_1_and_one_too_many() {
    let mut deflater = Deflater::default();
    for window in [DeflateWindow::Full, DeflateWindow::Smallest] {
        // It says the same as the seven bytes of the RFC, which are no fewer than the five of the text.
        assert_eq!(deflater.frame(FrameKind::Text, b"Hello", window), None);
        let frame = deflater.frame(FrameKind::Text, &b"Hello".repeat(4), window).unwrap();
        assert!(frame.len() < 2 + 20, "{frame:?}");
        let again = deflater.frame(FrameKind::Text, &b"Hello".repeat(4), window).unwrap();
        assert_eq!(again, frame, "nothing is remembered of the message before");
        assert_eq!(deflater.frame(FrameKind::Binary, &[], window), None);
    }
}

/// Four times the same 512 bytes without any pattern: only who looks back over 512 bytes finds anything.
#[test]
fn the_smallest_window_is_512_bytes() {
    let mut state = 1_u32;
    let random = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let block: Vec<u8> = random.take(512).collect();
    let mut deflater = Deflater::default();
    let full = deflater.frame(FrameKind::Binary, &block.repeat(4), DeflateWindow::Full);
    assert!(full.unwrap().len() < 700);
    let smallest = deflater.frame(FrameKind::Binary, &block.repeat(4), DeflateWindow::Smallest);
    assert_eq!(smallest, None);
    let within = deflater.frame(FrameKind::Binary, &block[..256].repeat(8), DeflateWindow::Smallest);
    assert!(within.unwrap().len() < 1_500);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// One after the other by the same compressor, and read by the decoder of a client's frames.
    #[test]
    fn round_trips(messages in prop::collection::vec(("[a-eü]{0,3}", 1..4_000usize), 1..6)) {
        let mut deflater = Deflater::default();
        for (text, times) in messages {
            let text = text.repeat(times);
            for window in [DeflateWindow::Full, DeflateWindow::Smallest] {
                let Some(frame) = deflater.frame(FrameKind::Text, text.as_bytes(), window) else {
                    continue;
                };
                let stream = raw_frame(0xC0 | TEXT, MASK, payload(&frame, 0xC0 | TEXT));
                let heard = hear_with(deflated(LIMIT), &stream, usize::MAX);
                prop_assert_eq!(heard.error, None);
                prop_assert!(heard.said == [Said::Text(text.clone())]);
                let bits = if window == DeflateWindow::Full { 15 } else { 9 };
                prop_assert!(inflated_by_zlib(payload(&frame, 0xC0 | TEXT), bits, text.len()) == text.as_bytes());
            }
        }
    }

    /// What has no pattern is not sent compressed.
    #[test]
    fn never_larger(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        for window in [DeflateWindow::Full, DeflateWindow::Smallest] {
            let frame = Deflater::default().frame(FrameKind::Binary, &bytes, window);
            prop_assert!(frame.is_none_or(|frame| frame.len() < binary_frame_bytes(bytes.len())));
        }
    }
}

fn inflated_by_zlib(payload: &[u8], window_bits: u8, bytes: usize) -> Vec<u8> {
    let mut output = Vec::with_capacity(bytes + 1);
    let mut state = Decompress::new_with_window_bits(false, window_bits);
    let whole = [payload, &[0, 0, 0xFF, 0xFF]].concat();
    state
        .decompress_vec(&whole, &mut output, FlushDecompress::Sync)
        .unwrap();
    assert_eq!(state.total_in(), whole.len() as u64);
    output
}

fn binary_frame_bytes(payload: usize) -> usize {
    crate::binary_frame(vec![0; payload]).len()
}
