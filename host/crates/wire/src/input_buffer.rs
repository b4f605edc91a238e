//! What a connection holds between two reads while a message is cut off or fragmented; an idle one
//! has none of this.

use std::mem;

use super::error::WireError;
use super::frame::{Header, MAX_CLIENT_HEADER, Opcode};
use super::mask::unmask;

/// Fragments with a smaller payload are tiny, empty ones included.
const TINY_FRAGMENT: usize = 16;
/// Tiny fragments one message may have, frames. The limit on its bytes bounds the larger ones, but
/// without this an endless row of empty fragments would keep a message open for nothing.
pub(super) const MAX_TINY_FRAGMENTS: u16 = 256;

/// A message in the making, and whatever else of the stream is not whole yet.
#[derive(Debug, Default)]
pub(super) struct InputBuffer {
    /// The start of a header that is not whole.
    header: [u8; MAX_CLIENT_HEADER],
    header_len: u8,
    /// The frame whose payload is arriving.
    frame: Option<Arriving>,
    /// The fragmented message being assembled.
    message: Option<Begun>,
    /// Unmasked payload: `assembled` bytes of the fragmented message, then what has arrived of
    /// `frame`.
    body: Vec<u8>,
    assembled: usize,
    /// How much of `body` is known to be UTF-8, if it is text.
    checked: usize,
    /// Bytes that were read but not asked for, from `unread_at` on.
    unread: Vec<u8>,
    unread_at: usize,
}

/// A message of which more fragments follow.
#[derive(Clone, Copy, Debug)]
struct Begun {
    opcode: Opcode,
    compressed: bool,
    /// So far.
    tiny_fragments: u16,
}

/// A frame whose header was accepted.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    header: Header,
    arrived: usize,
}

impl InputBuffer {
    /// Whether there is no reason to keep this.
    pub(super) fn is_empty(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.message.is_none() && self.unread.is_empty()
    }

    /// Bytes of payload that came of what is not whole yet; none if everything is.
    pub(super) fn unfinished(&self) -> Option<usize> {
        let has_begun = self.header_len > 0 || self.frame.is_some() || self.message.is_some();
        has_begun.then(|| self.assembled + self.frame.map_or(0, |frame| frame.arrived))
    }

    /// Of the fragmented message being assembled: its bytes so far, and whether it is compressed.
    pub(super) fn message(&self) -> Option<(usize, bool)> {
        self.message.map(|begun| (self.assembled, begun.compressed))
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.body.capacity() + self.unread.capacity()
    }

    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    pub(super) fn keep_unread(&mut self, bytes: Vec<u8>, at: usize) {
        self.unread = bytes;
        self.unread_at = at;
    }

    /// Takes what was unread out, with `input` behind it, and tells where to go on. Moves nothing
    /// if there is no `input`, so that going on after every message of a burst costs nothing.
    pub(super) fn take_unread(&mut self, input: &[u8]) -> (Vec<u8>, usize) {
        let mut unread = mem::take(&mut self.unread);
        let mut at = mem::take(&mut self.unread_at);
        if !input.is_empty() {
            unread.drain(..mem::take(&mut at));
            unread.extend_from_slice(input);
        }
        (unread, at)
    }

    pub(super) fn is_mid_header(&self) -> bool {
        self.header_len > 0
    }

    pub(super) fn is_mid_frame(&self) -> bool {
        self.frame.is_some()
    }

    /// Adds the first bytes of `input` to the header begun earlier, as many as it can use, and
    /// tells how many bytes of `input` belong to it. `None` while it is not whole; then all of
    /// `input` was taken.
    pub(super) fn complete_header(
        &mut self,
        input: &[u8],
        deflate: bool,
    ) -> Result<Option<(Header, usize)>, WireError> {
        let had = usize::from(self.header_len);
        let taken = input.len().min(MAX_CLIENT_HEADER - had);
        self.header[had..had + taken].copy_from_slice(&input[..taken]);
        let parsed = Header::parse(&self.header[..had + taken], deflate)?;
        self.header_len = match parsed {
            Some(_) => 0,
            None => (had + taken).try_into().expect("a header has at most 14 bytes"),
        };
        Ok(parsed.map(|(header, length)| (header, length - had)))
    }

    /// Accepts a frame whose payload is to be collected here.
    pub(super) fn begin_frame(&mut self, header: Header) -> Result<(), WireError> {
        // What is behind the assembled part was handed out already.
        self.body.truncate(self.assembled);
        self.checked = self.checked.min(self.assembled);
        if !header.opcode.is_control() && (self.message.is_some() || !header.fin) {
            let begun = self.message.get_or_insert(Begun {
                opcode: header.opcode,
                compressed: header.compressed,
                tiny_fragments: 0,
            });
            if header.payload < TINY_FRAGMENT {
                begun.tiny_fragments += 1;
                if begun.tiny_fragments > MAX_TINY_FRAGMENTS {
                    return Err(WireError::TooManyFragments);
                }
            }
        }
        self.frame = Some(Arriving { header, arrived: 0 });
        Ok(())
    }

    /// Moves bytes of `input` into the arriving frame and tells how many; they are unmasked on the
    /// way. With the last of a frame comes what it completed, if that can be handed out.
    pub(super) fn take(&mut self, input: &mut [u8]) -> Result<(usize, Option<WholeMessage>), WireError> {
        let Some(Arriving { header, arrived }) = self.frame else {
            return Ok((0, None));
        };
        let missing = header.payload - arrived;
        let taken = missing.min(input.len());
        let piece = &mut input[..taken];
        unmask(piece, header.mask, arrived);
        self.grow(taken, missing);
        self.body.extend_from_slice(piece);
        let frame_done = taken == missing;
        self.frame = (!frame_done).then_some(Arriving {
            header,
            arrived: arrived + taken,
        });
        if header.opcode.is_control() {
            let whole = WholeMessage {
                opcode: header.opcode,
                compressed: false,
                start: self.assembled,
            };
            return Ok((taken, frame_done.then_some(whole)));
        }
        let (opcode, compressed) = match self.message {
            Some(begun) => (begun.opcode, begun.compressed),
            None => (header.opcode, header.compressed),
        };
        if frame_done && header.fin {
            self.message = None;
            self.assembled = 0;
            let whole = WholeMessage {
                opcode,
                compressed,
                start: 0,
            };
            return Ok((taken, Some(whole)));
        }
        // Compressed text is looked at when it is inflated.
        if opcode == Opcode::Text && !compressed {
            self.check_text()?;
        }
        if frame_done {
            self.assembled = self.body.len();
        }
        Ok((taken, None))
    }

    /// The payload of what [`InputBuffer::take`] completed; valid until the next frame begins.
    pub(super) fn payload(&self, whole: WholeMessage) -> &[u8] {
        &self.body[whole.start..]
    }

    /// Makes room for `more` bytes. Space follows the bytes that came, not the length a header
    /// announced: it doubles as in any `Vec`, except that a message of one frame does not overshoot
    /// that length. One of many frames must always double, or each small fragment would move all
    /// those before it.
    fn grow(&mut self, more: usize, missing: usize) {
        if self.assembled == 0 && self.body.capacity() - self.body.len() < more {
            self.body.reserve_exact(self.body.len().max(more).min(missing));
        }
    }

    /// Refuses text as soon as no continuation can make it valid. Looks at each byte once, save for
    /// the at most three of a character that was cut off.
    fn check_text(&mut self) -> Result<(), WireError> {
        match std::str::from_utf8(&self.body[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(WireError::InvalidUtf8),
        }
        Ok(())
    }
}

/// Where in the body a message lies that is whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct WholeMessage {
    pub(super) opcode: Opcode,
    pub(super) compressed: bool,
    start: usize,
}
