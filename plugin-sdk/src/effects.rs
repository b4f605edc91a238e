//! What a hook adds to its verdict. Open to every plugin.

/// Publish: adds `tags.key = value` to the envelope that receivers get. At most 8 a message, keys up to
/// 32 bytes, values up to 256: what is over that is a fault.
pub fn tag(key: &str, value: &str) {
    crate::broker::tag(key, value);
}

/// Subscribe and publish: this verdict holds for this session and channel for `ttl_ms` milliseconds; until
/// then the hook is not asked again. A verdict with new data is never reused.
pub fn cache(ttl_ms: u32) {
    crate::broker::cache(ttl_ms);
}
