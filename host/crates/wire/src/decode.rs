//! The frames of one client, decoded to messages: in place where they are whole, through [`InputBuffer`]
//! where they are not.

use std::mem;
use std::ops::Range;

use super::close;
use super::error::WireError;
use super::frame::{Header, Opcode};
use super::inflate::Inflater;
use super::input_buffer::{InputBuffer, WholeMessage};
use super::mask::unmask;

/// A message of a client, borrowed from the bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocketMessage<'a> {
    /// A text message, all its fragments joined.
    Text(&'a str),
    /// A binary message, all its fragments joined.
    Binary(&'a [u8]),
    /// Answer it with [`pong_frame`](super::pong_frame) and the same payload. May come between the
    /// fragments of a message, and at any rate: who pings too often is for the session to judge.
    Ping(&'a [u8]),
    /// An answer to a ping, or unasked.
    Pong(&'a [u8]),
    /// The last message; what a client sends after it is ignored (RFC 6455 5.5.1).
    Close {
        /// One of those for which [`is_valid_close_code`](super::is_valid_close_code) holds, or
        /// none was given.
        code: Option<u16>,
        /// For the log.
        reason: &'a str,
    },
}

/// The server side decoder of one connection. Two words and nothing on the heap, except while a
/// message is cut off.
#[derive(Debug)]
pub struct Decoder {
    buffer: Option<Box<InputBuffer>>,
    max_message: u32,
    /// Compressed messages were agreed on.
    deflate: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// A close frame was read.
    Closed,
    /// The stream was refused. It has no boundaries any more, so this is for good.
    Refused(WireError),
}

impl Decoder {
    /// A decoder at the start of a stream, for messages of at most `max_message` bytes (of payload,
    /// over all fragments).
    #[must_use]
    pub fn new(max_message: usize) -> Self {
        let mut decoder = Self {
            buffer: None,
            max_message: 0,
            deflate: false,
            phase: Phase::Open,
        };
        decoder.set_max_message(max_message);
        decoder
    }

    /// The same where permessage-deflate was agreed on ([`DeflateAgreement`](super::DeflateAgreement)).
    #[must_use]
    pub fn with_deflate(self) -> Self {
        Self { deflate: true, ..self }
    }

    /// Sets the limit on the payload of one message, in bytes; 4 GiB at most. A compressed one has it inflated. Holds from the next
    /// frame on, also for the rest of a fragmented message.
    pub fn set_max_message(&mut self, bytes: usize) {
        self.max_message = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// Decodes `input`, the bytes read last. Unmasks them in place; afterwards their content is of
    /// no use. `inflater` serves all connections of the thread.
    ///
    /// Call [`Messages::next`] until it returns `None`: then all of `input` is decoded or kept. If
    /// the `Messages` are dropped before, the bytes not looked at are copied into the decoder, and
    /// come first at the next call. A session that has to wait in the middle of a burst does that,
    /// frees the shared read buffer and goes on with `feed(&mut [], …)`; as long as
    /// [`Decoder::has_unread`] it should not read more.
    pub fn feed<'a>(&'a mut self, input: &'a mut [u8], inflater: &'a mut Inflater) -> Messages<'a> {
        let (input, at) = match &mut self.buffer {
            Some(buffer) if buffer.has_unread() => {
                let (unread, at) = buffer.take_unread(input);
                (Input::Owned(unread), at)
            }
            _ => (Input::Lent(input), 0),
        };
        Messages {
            decoder: self,
            inflater,
            input,
            at,
        }
    }

    /// Whether bytes are kept that were not decoded yet.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.buffer.as_ref().is_some_and(|buffer| buffer.has_unread())
    }

    /// Bytes that came of the message that is not whole yet; none between two messages.
    #[must_use]
    pub fn unfinished(&self) -> Option<usize> {
        self.buffer.as_ref().and_then(|buffer| buffer.unfinished())
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.buffer
            .as_ref()
            .map_or(0, |buffer| size_of::<InputBuffer>() + buffer.heap_bytes())
    }

    /// Checks what a header means for the message it is part of.
    fn admit(&self, header: Header) -> Result<(), WireError> {
        if header.opcode.is_control() {
            return Ok(());
        }
        let message = self.buffer.as_ref().and_then(|buffer| buffer.message());
        let (before, compressed) = match (header.opcode, message) {
            (Opcode::Continuation, None) => return Err(WireError::StrayContinuation),
            (Opcode::Continuation, Some(begun)) => begun,
            (_, None) => (0, header.compressed),
            (_, Some(_)) => return Err(WireError::Interleaved),
        };
        let most = if compressed {
            most_compressed(self.max_message)
        } else {
            self.max_message as usize
        };
        if header.payload.saturating_add(before) > most {
            return Err(WireError::MessageTooBig);
        }
        Ok(())
    }
}

/// Bytes that a message of at most `bytes` may take compressed: what zlib makes at its worst (`deflateBound`).
const fn most_compressed(bytes: u32) -> usize {
    let bytes = bytes as usize;
    bytes.saturating_add(bytes / 8 + bytes / 64 + 8)
}

/// The messages in the bytes of one read; a lending iterator. Made by [`Decoder::feed`].
pub struct Messages<'a> {
    decoder: &'a mut Decoder,
    inflater: &'a mut Inflater,
    input: Input<'a>,
    /// The part of `input` before this is done with.
    at: usize,
}

#[derive(Debug)]
enum Input<'a> {
    Lent(&'a mut [u8]),
    /// What was left unread, with the new bytes behind it.
    Owned(Vec<u8>),
}

impl Input<'_> {
    fn bytes(&mut self) -> &mut [u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// A whole message, by its place.
enum Found {
    InInput(Header, Range<usize>),
    InBuffer(WholeMessage),
}

impl Messages<'_> {
    /// The next message, or `None` when the bytes are used up or the client has closed.
    ///
    /// # Errors
    /// When the client broke the protocol. Every later call gives the same error; the messages
    /// before it stand.
    #[allow(clippy::should_implement_trait)] // An iterator cannot lend.
    pub fn next(&mut self) -> Result<Option<WebSocketMessage<'_>>, WireError> {
        match self.decoder.phase {
            Phase::Open => {}
            Phase::Closed => return Ok(None),
            Phase::Refused(error) => return Err(error),
        }
        let found = match self.find() {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.decoder.phase = Phase::Refused(error);
                return Err(error);
            }
        };
        let Decoder {
            buffer,
            phase,
            max_message,
            ..
        } = &mut *self.decoder;
        let (opcode, compressed, payload) = match (found, buffer) {
            (Found::InInput(header, place), _) => (header.opcode, header.compressed, &self.input.bytes()[place]),
            (Found::InBuffer(whole), Some(buffer)) => (whole.opcode, whole.compressed, buffer.payload(whole)),
            (Found::InBuffer(_), None) => unreachable!("what was found in the buffer is still there"),
        };
        let payload = match compressed {
            true => self.inflater.inflate(payload, *max_message as usize),
            false => Ok(payload),
        };
        let message = payload.and_then(|payload| message(opcode, payload));
        match message {
            Ok(WebSocketMessage::Close { .. }) => *phase = Phase::Closed,
            Ok(_) => {}
            Err(error) => *phase = Phase::Refused(error),
        }
        message.map(Some)
    }

    /// Goes on to the next whole message. Whatever is cut off at the end of the input moves into
    /// the decoder.
    fn find(&mut self) -> Result<Option<Found>, WireError> {
        let deflate = self.decoder.deflate;
        loop {
            let input = &mut self.input.bytes()[self.at..];
            if let Some(buffer) = &mut self.decoder.buffer
                && buffer.is_mid_frame()
            {
                let (taken, whole) = buffer.take(input)?;
                self.at += taken;
                if let Some(whole) = whole {
                    return Ok(Some(Found::InBuffer(whole)));
                }
                if buffer.is_mid_frame() {
                    return Ok(None);
                }
                continue;
            }
            if input.is_empty() {
                return Ok(None);
            }
            let header = match &mut self.decoder.buffer {
                Some(buffer) if buffer.is_mid_header() => buffer.complete_header(input, deflate)?,
                buffer => match Header::parse(input, deflate)? {
                    None => buffer.get_or_insert_default().complete_header(input, deflate)?,
                    whole => whole,
                },
            };
            let Some((header, header_len)) = header else {
                self.at += input.len();
                return Ok(None);
            };
            self.decoder.admit(header)?;
            self.at += header_len;
            let is_message = header.fin && header.opcode != Opcode::Continuation;
            if let Some(payload) = input[header_len..].get_mut(..header.payload)
                && is_message
            {
                unmask(payload, header.mask, 0);
                let place = self.at..self.at + header.payload;
                self.at = place.end;
                return Ok(Some(Found::InInput(header, place)));
            }
            self.decoder.buffer.get_or_insert_default().begin_frame(header)?;
        }
    }
}

impl Drop for Messages<'_> {
    fn drop(&mut self) {
        if self.decoder.phase != Phase::Open {
            self.decoder.buffer = None;
            return;
        }
        let at = self.at;
        if at < self.input.bytes().len() {
            let buffer = self.decoder.buffer.get_or_insert_default();
            match &mut self.input {
                Input::Lent(bytes) => buffer.keep_unread(bytes[at..].to_vec(), 0),
                Input::Owned(bytes) => buffer.keep_unread(mem::take(bytes), at),
            }
        } else if self.decoder.buffer.as_ref().is_some_and(|buffer| buffer.is_empty()) {
            self.decoder.buffer = None;
        }
    }
}

/// Reads an unmasked payload as what its opcode says.
fn message(opcode: Opcode, payload: &[u8]) -> Result<WebSocketMessage<'_>, WireError> {
    Ok(match opcode {
        Opcode::Text => WebSocketMessage::Text(std::str::from_utf8(payload).map_err(|_| WireError::InvalidUtf8)?),
        // A continuation is never handed out: what it completes has the opcode of the first
        // fragment.
        Opcode::Binary | Opcode::Continuation => WebSocketMessage::Binary(payload),
        Opcode::Ping => WebSocketMessage::Ping(payload),
        Opcode::Pong => WebSocketMessage::Pong(payload),
        Opcode::Close => {
            let (code, reason) = close::parse(payload)?;
            WebSocketMessage::Close { code, reason }
        }
    })
}
