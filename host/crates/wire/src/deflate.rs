//! Messages that are compressed once and sent to many (RFC 7692 7.2.1). Knows no connection: what compresses belongs to
//! a thread, and remembers nothing from one message to the next.
//!
//! The implementation is `miniz_oxide`, which has no unsafe code: what strangers wrote goes through it, on a thread that
//! serves everyone. (`zlib-rs` is faster. Its version 0.6.8 panics at the fastest level where output is bounded, as Autobahn's
//! case 12.2.3 showed.)

use bytes::Bytes;
use miniz_oxide::MZFlush;
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;

use super::encode::{FrameKind, compressed_frame};

/// The fastest level finds most of what repeats in JSON.
const LEVEL: i32 = 1;
/// No header, and the full window.
const RAW: i32 = -15;
/// What each flush ends with. It is left out, and the receiver puts it back.
const FLUSHED: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// How far back compressed data refers. Only two sizes, so that a message is compressed twice at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeflateWindow {
    /// 32 KiB.
    Full,
    /// 512 bytes, for whoever has less than the full window.
    Smallest,
}

impl DeflateWindow {
    /// How many there are.
    pub const COUNT: usize = 2;

    /// The largest of at most `bits`; none for 8, of which many implementations make 9.
    pub(super) const fn within(bits: u8) -> Option<Self> {
        match bits {
            15.. => Some(Self::Full),
            9.. => Some(Self::Smallest),
            _ => None,
        }
    }
}

/// Bytes of the smallest window.
const SMALLEST: usize = 512;

/// Compresses the messages of all connections of a thread. It takes about 300 KB once it was used.
#[derive(Default)]
pub struct Deflater(Option<Box<CompressorOxide>>);

impl Deflater {
    /// A frame with `payload` compressed; none if that is not smaller.
    pub fn frame(&mut self, kind: FrameKind, payload: &[u8], window: DeflateWindow) -> Option<Bytes> {
        let (piece, flush) = match window {
            DeflateWindow::Full => (payload.len().max(1), MZFlush::Sync),
            // This flush forgets what came before, so nothing refers further back than to its own piece.
            DeflateWindow::Smallest => (SMALLEST, MZFlush::Full),
        };
        let compressed = self.compress(payload, piece, flush)?;
        Some(compressed_frame(kind, &compressed))
    }

    /// Flushes after each piece of so many bytes.
    fn compress(&mut self, payload: &[u8], piece: usize, flush: MZFlush) -> Option<Vec<u8>> {
        let state = self.0.get_or_insert_with(|| {
            let flags = create_comp_flags_from_zip_params(LEVEL, RAW, 0);
            Box::new(CompressorOxide::new(flags))
        });
        state.reset();
        // What does not fit is not worth it.
        let mut output = vec![0; payload.len() + FLUSHED.len() - 1];
        let mut filled = 0;
        for piece in payload.chunks(piece) {
            let result = deflate(state, piece, &mut output[filled..], flush);
            filled += result.bytes_written;
            // A flush is complete if room is left behind it.
            if result.status.is_err() || result.bytes_consumed < piece.len() || filled == output.len() {
                return None;
            }
        }
        output.truncate(filled);
        let length = output.strip_suffix(&FLUSHED)?.len();
        output.truncate(length);
        Some(output)
    }
}
