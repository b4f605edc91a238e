//! Compressed messages of clients, inflated up to a limit (RFC 7692 7.2.2). Belongs to a thread and not to a connection:
//! a message comes whole, and nothing is remembered of the one before.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::error::WireError;

/// The output is its own window, so that a message can refer to nothing but itself: no other client's text is there.
const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
/// What the sender left out of its last flush, and an empty last block. Only a stream that ends between two blocks ends
/// with it: one that was cut off anywhere else does not.
const END: [u8; 9] = [0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF];
/// Bytes of output that are made first. More follow as they are filled.
const FIRST_BYTES: usize = 4_096;
/// Bytes of output at most that the next message finds made.
const KEPT_BYTES: usize = 65_536;

/// Inflates the messages of all connections of a thread. It takes about 10 KB and what the last message became; nothing
/// before the first compressed message.
#[derive(Default)]
pub struct Inflater {
    state: Option<Box<DecompressorOxide>>,
    output: Vec<u8>,
}

impl Inflater {
    /// Inflates a whole message, which may become `most` bytes.
    pub(super) fn inflate(&mut self, payload: &[u8], most: usize) -> Result<&[u8], WireError> {
        if self.output.len() > KEPT_BYTES {
            self.output = Vec::new();
        }
        let state = self.state.get_or_insert_default();
        state.init();
        let mut parts = [payload, &END].into_iter();
        let mut input: &[u8] = &[];
        let mut filled = 0;
        // One byte more than allowed shows that it is too much.
        let enough = most.saturating_add(1);
        loop {
            if input.is_empty() {
                input = parts.next().unwrap_or_default();
            }
            if filled == self.output.len().min(enough) {
                let room = (2 * filled).max(FIRST_BYTES).min(enough);
                self.output.reserve_exact(room - filled);
                self.output.resize(room, 0);
            }
            let room = self.output.len().min(enough);
            let (status, read, made) = decompress(state, input, &mut self.output[..room], filled, FLAGS);
            input = &input[read..];
            filled += made;
            if filled > most {
                return Err(WireError::MessageTooBig);
            }
            let is_at_end = input.is_empty() && parts.len() == 0;
            match status {
                TINFLStatus::Done if is_at_end => break,
                // A last block amid a message: the next begins with a byte (RFC 7692 7.2.1).
                TINFLStatus::Done => state.init(),
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput if !is_at_end => {}
                _ => return Err(WireError::InvalidDeflate),
            }
        }
        Ok(&self.output[..filled])
    }

    #[cfg(test)]
    pub(super) fn output_bytes(&self) -> usize {
        self.output.capacity()
    }
}
