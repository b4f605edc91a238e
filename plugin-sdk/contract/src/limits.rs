//! How much of everything plugins may use and say. What is over a limit is a fault of the plugin unless another
//! answer is named. Sizes of text are in bytes of UTF-8.

/// Bytes of a channel's name at most; it has 1 at least.
pub const CHANNEL_BYTES: usize = 255;
/// Bytes of a channel pattern in the broker's config at most.
pub const PATTERN_BYTES: usize = CHANNEL_BYTES;

/// Bytes of a user's id at most; it has 1 at least, and no control characters.
pub const USER_BYTES: usize = 255;
/// Bytes of a session's claims, a JSON object, at most.
pub const CLAIMS_BYTES: usize = 16 * 1024;
/// Objects and lists inside of each other in claims, at most: what common readers of JSON go through.
pub const CLAIMS_DEPTH: usize = 127;
/// Bytes of a denial's `reason`, a `snake_case_word`, at most.
pub const DENIAL_REASON_BYTES: usize = 64;
/// Bytes of a denial's `message`, which has no control characters, at most.
pub const DENIAL_MESSAGE_BYTES: usize = 256;

/// Attributes of a session at most.
pub const ATTRIBUTES: usize = 32;
/// Bytes of an attribute's key at most; it has 1 at least.
pub const ATTRIBUTE_KEY_BYTES: usize = 64;
/// Bytes of an attribute's value at most.
pub const ATTRIBUTE_VALUE_BYTES: usize = 1024;

/// Tags of a message at most.
pub const TAGS: usize = 8;
/// Bytes of a tag's key at most; it has 1 at least.
pub const TAG_KEY_BYTES: usize = 32;
/// Bytes of a tag's value at most.
pub const TAG_VALUE_BYTES: usize = 256;

/// Bytes of a key in the store at most, over which the answer is `too-large`; it has 1 at least.
pub const KV_KEY_BYTES: usize = 256;
/// Bytes of a value in the store at most, over which the answer is `too-large`.
pub const KV_VALUE_BYTES: usize = 64 * 1024;
/// Keys of a plugin and tenant at most, over which the answer is `full`.
pub const KV_KEYS: usize = 10_000;
/// Bytes of a plugin's and tenant's keys and values together at most, over which the answer is `full`.
pub const KV_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a token bucket's key at most.
pub const LIMITER_KEY_BYTES: usize = 256;

/// Bytes of a log line at most; the rest is cut off.
pub const LOG_LINE_BYTES: usize = 4 * 1024;
/// Log lines of a second at most; more are counted and not written.
pub const LOG_LINES_PER_SECOND: u32 = 100;

/// Counters of a plugin and tenant at most; more are dropped and logged.
pub const COUNTERS: usize = 32;
/// Bytes of a counter's name, `[a-z_][a-z0-9_]*`, at most.
pub const COUNTER_NAME_BYTES: usize = 64;

/// Keys of the interface `crypto` alive in an instance at most, over which making one is an error.
pub const KEYS: usize = 64;
/// Bytes of a key's text, of its bytes, or of a secret at most; it has 1 at least.
pub const KEY_BYTES: usize = 16 * 1024;
/// Bits of an RSA key at least.
pub const RSA_BITS_MIN: usize = 2048;
/// Bits of an RSA key at most: verifying with one of 8,192 takes about ten times as long as with one of 2,048.
pub const RSA_BITS_MAX: usize = 8192;
/// Bytes that one call of `crypto` looks at, at most.
pub const CRYPTO_MESSAGE_BYTES: usize = 1024 * 1024;
