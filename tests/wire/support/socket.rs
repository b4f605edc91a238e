//! A WebSocket client that can break every rule.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The opcodes by name.
pub(crate) mod opcode {
    pub(crate) const CONTINUATION: u8 = 0;
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
    pub(crate) const PONG: u8 = 10;
}

/// One frame, as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The last of its message.
    pub fin: bool,
    /// The three reserved bits, as 0 to 7.
    pub reserved: u8,
    /// What it is; see [`opcode`].
    pub opcode: u8,
    /// Unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A whole message in one frame.
    pub(crate) fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            fin: true,
            reserved: 0,
            opcode,
            payload: payload.into(),
        }
    }

    /// A text message.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::new(opcode::TEXT, text.into())
    }

    /// A close frame with a code.
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Self::new(opcode::CLOSE, payload)
    }

    /// The same frame, with more to follow.
    pub(crate) fn not_last(mut self) -> Self {
        self.fin = false;
        self
    }

    /// The close code, if this is a close frame that has one.
    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = self
            .payload
            .first_chunk::<2>()
            .filter(|_| self.opcode == opcode::CLOSE)?;
        Some(u16::from_be_bytes(*code))
    }

    /// As clients must send it.
    pub(crate) fn masked(&self) -> Vec<u8> {
        let mask = [0x5a, 0x17, 0xc3, 0x88];
        let mut bytes = self.head(0x80);
        bytes.extend_from_slice(&mask);
        bytes.extend(
            self.payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        bytes
    }

    /// As clients must not send it.
    pub(crate) fn unmasked(&self) -> Vec<u8> {
        let mut bytes = self.head(0);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    fn head(&self, mask_bit: u8) -> Vec<u8> {
        let mut head = vec![u8::from(self.fin) << 7 | self.reserved << 4 | self.opcode];
        let len = self.payload.len();
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(short), _) if short < 126 => head.push(mask_bit | short),
            (_, Ok(middle)) => {
                head.push(mask_bit | 0x7e);
                head.extend_from_slice(&middle.to_be_bytes());
            }
            _ => {
                head.push(mask_bit | 0x7f);
                head.extend_from_slice(&u64::try_from(len).unwrap().to_be_bytes());
            }
        }
        head
    }
}

/// The stream of an upgraded connection and what of it was read too early.
pub(crate) struct Socket {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Socket {
    /// A socket after its handshake; `unread` came behind the response head.
    pub(crate) fn new(stream: TcpStream, unread: Vec<u8>) -> Self {
        Self { stream, unread }
    }

    /// Sends one proper frame. Errors are left to the reader: the server may have closed.
    pub(crate) async fn send(&mut self, frame: &Frame) {
        self.send_bytes(&frame.masked()).await;
    }

    /// Sends any bytes.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.ok();
    }

    /// The next frame; none when the stream ended or was reset.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, length)) = parse(&self.unread) {
                self.unread.drain(..length);
                return Some(frame);
            }
            match self.stream.read_buf(&mut self.unread).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Takes so many bytes more from the stream, or what is left of it. They are parsed later.
    pub(crate) async fn read_ahead(&mut self, bytes: usize) {
        let enough = self.unread.len() + bytes;
        while self.unread.len() < enough {
            match self.stream.read_buf(&mut self.unread).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// Ends the sending half, as a client that goes away does.
    pub(crate) async fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Ends the connection with a TCP reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("SO_LINGER");
    }
}

/// The code of the close frame that ends these frames of a server, if one does.
pub(crate) fn last_close_code(mut frames: &[u8]) -> Option<u16> {
    let mut last = None;
    while let Some((frame, length)) = parse(frames) {
        frames = &frames[length..];
        last = Some(frame);
    }
    last?.close_code()
}

/// The first whole frame of `bytes` and its length there.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let [first, second, ..] = *bytes else { return None };
    assert!(second & 0x80 == 0, "the server masked a frame");
    let (length, start) = match second {
        126 => (u64::from(u16::from_be_bytes(*bytes[2..].first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*bytes[2..].first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let end = start + usize::try_from(length).expect("a length that fits this machine");
    let frame = Frame {
        fin: first & 0x80 != 0,
        reserved: first >> 4 & 7,
        opcode: first & 0x0f,
        payload: bytes.get(start..end)?.to_vec(),
    };
    Some((frame, end))
}

#[test]
fn the_harness_reads_the_frames_that_it_writes() {
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let frame = Frame::new(opcode::BINARY, vec![7; length]).not_last();
        let mut bytes = frame.unmasked();
        assert_eq!(parse(&bytes[..bytes.len() - 1]), None);
        bytes.push(0);
        assert_eq!(parse(&bytes), Some((frame, bytes.len() - 1)));
    }
}
