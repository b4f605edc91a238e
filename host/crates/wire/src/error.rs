//! Why a stream of frames was refused; one byte each, so that a decoder can remember its own.

use thiserror::Error;

/// The reason why the bytes of a client are not (or no longer) acceptable. The connection must be
/// closed with [`WireError::close_code`]; nothing more will be decoded from it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// RFC 6455 5.1: a client must mask every frame.
    #[error("frame is not masked")]
    Unmasked,
    /// RFC 6455 5.2: no extension was negotiated that gives the bits a meaning. With permessage-deflate, RSV1 has one on the
    /// first frame of a message, and on no other (RFC 7692 6).
    #[error("reserved bits are set")]
    ReservedBits,
    /// RFC 6455 5.2: 0x3 to 0x7 and 0xB to 0xF.
    #[error("opcode is reserved")]
    ReservedOpcode,
    /// RFC 6455 5.5.
    #[error("control frame is fragmented")]
    FragmentedControl,
    /// RFC 6455 5.5: at most 125 bytes.
    #[error("control frame is longer than 125 bytes")]
    ControlTooLong,
    /// RFC 6455 5.4: a continuation needs a message to continue.
    #[error("continuation without a started message")]
    StrayContinuation,
    /// RFC 6455 5.4: fragments of messages must not be interleaved.
    #[error("new message inside a fragmented one")]
    Interleaved,
    /// RFC 6455 5.2: the fewest bytes that hold the length must be used.
    #[error("payload length is not minimally encoded")]
    LengthNotMinimal,
    /// RFC 6455 5.2: the most significant bit of a 64-bit length must be 0.
    #[error("payload length has its highest bit set")]
    LengthTooLarge,
    /// The sum of the announced payloads of one message is over the limit of the connection, or what it inflates to is.
    #[error("message is over the size limit")]
    MessageTooBig,
    /// Our own limit, see `MAX_TINY_FRAGMENTS`: the bytes of a message are bounded, so must its
    /// empty pieces be.
    #[error("message consists of too many tiny fragments")]
    TooManyFragments,
    /// RFC 6455 8.1: a text message or a close reason is not UTF-8.
    #[error("text is not valid UTF-8")]
    InvalidUtf8,
    /// RFC 7692 7.2.2: a compressed message cannot be inflated, or ends amid a block.
    #[error("compressed message is not valid DEFLATE data")]
    InvalidDeflate,
    /// RFC 6455 7.4: a code that no endpoint may send.
    #[error("close code is not allowed on the wire")]
    InvalidCloseCode,
    /// RFC 6455 5.5.1: the body of a close frame is empty or starts with a two-byte code.
    #[error("close frame has a body of one byte")]
    TruncatedCloseCode,
}

impl WireError {
    /// The code of the close frame that answers this error (RFC 6455 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::InvalidUtf8 | Self::InvalidDeflate => 1007,
            Self::TooManyFragments => 1008,
            Self::MessageTooBig => 1009,
            _ => 1002,
        }
    }
}
