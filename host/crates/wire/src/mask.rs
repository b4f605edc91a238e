//! The XOR mask on everything a client sends (RFC 6455 5.3).

/// Unmasks `payload` in place. `offset` is the position of its first byte within the payload of the
/// frame, for a payload that arrives in pieces.
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4], offset: usize) {
    let [a, b, c, d] = std::array::from_fn(|i| mask[(offset + i) % 4]);
    // Eight is a multiple of four, so every word meets the mask in the same phase.
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}
