//! Requests that a connection has read and not begun, in their order: those of one read at most. Each is parsed when it is
//! its turn: a read can hold a hundred of them, and others wait meanwhile.

use std::collections::VecDeque;

use bytes::Bytes;

use super::ending::Ending;
use crate::hub::ClientConnection;
use protocol::{self, Body, Codec, Refused, Request};
use wire::{self, Decoder, Inflater, WebSocketMessage};

/// Bytes of messages that are taken from what was read at once: about as many as are read at once. Compressed messages may
/// come to a thousand times as many; the rest of them is taken when these are begun.
const TAKEN_BYTES: usize = 8_192;

#[derive(Default)]
pub(super) struct Backlog(VecDeque<BacklogEntry>);

enum BacklogEntry {
    Unparsed(Codec, Bytes),
    /// It takes so many bytes, if it was posted.
    Parsed(Incoming, usize),
}

pub(super) enum Incoming {
    Request(Result<Request, Refused>),
    Ends(Ending),
}

impl Incoming {
    pub(super) fn is_publish(&self) -> bool {
        matches!(
            self,
            Self::Request(Ok(Request {
                body: Body::Publish(_),
                ..
            }))
        )
    }
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn first(&mut self) -> Option<&Incoming> {
        let entry = self.0.front_mut()?;
        if let BacklogEntry::Unparsed(codec, bytes) = entry {
            *entry = BacklogEntry::Parsed(parse(*codec, bytes), 0);
        }
        match entry {
            BacklogEntry::Parsed(first, _) => Some(first),
            BacklogEntry::Unparsed(..) => None,
        }
    }

    pub(super) fn take_first(&mut self) -> Option<Incoming> {
        Some(match self.0.pop_front()? {
            BacklogEntry::Unparsed(codec, bytes) => parse(codec, &bytes),
            BacklogEntry::Parsed(first, _) => first,
        })
    }

    /// Returns the end of the connection, if nothing is left before it.
    pub(super) fn take_ending(&mut self) -> Option<Ending> {
        let is_end = |first: &mut BacklogEntry| matches!(first, BacklogEntry::Parsed(Incoming::Ends(_), _));
        match self.0.pop_front_if(is_end) {
            Some(BacklogEntry::Parsed(Incoming::Ends(ending), _)) => Some(ending),
            _ => None,
        }
    }

    /// A request that was read elsewhere, of so many bytes.
    pub(super) fn push(&mut self, request: Result<Request, Refused>, bytes: usize) {
        self.0
            .push_back(BacklogEntry::Parsed(Incoming::Request(request), bytes));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes of the requests that were read elsewhere.
    pub(super) fn pushed_bytes(&self) -> usize {
        let bytes = |entry: &BacklogEntry| match entry {
            BacklogEntry::Unparsed(..) => 0,
            BacklogEntry::Parsed(_, bytes) => *bytes,
        };
        self.0.iter().map(bytes).sum()
    }

    /// The connection ends after everything that was read.
    pub(super) fn end(&mut self, ending: Ending) {
        self.0.push_back(BacklogEntry::Parsed(Incoming::Ends(ending), 0));
    }

    /// The connection ends, and requests that were not begun are dropped.
    pub(super) fn end_now(&mut self, ending: Ending) {
        self.0.clear();
        self.end(ending);
    }

    /// Takes in what was read, or as much as is taken at once: then the decoder keeps the rest. Pings are answered at once.
    /// Returns whether a whole message was among it.
    pub(super) fn decode(
        &mut self,
        decoder: &mut Decoder,
        bytes: &mut [u8],
        inflater: &mut Inflater,
        client: &ClientConnection,
    ) -> bool {
        let mut messages = decoder.feed(bytes, inflater);
        let mut taken = 0;
        while taken < TAKEN_BYTES {
            let message = messages.next();
            let data = match (&message, client.codec) {
                (Ok(Some(WebSocketMessage::Text(text))), Codec::Json) => Some(text.as_bytes()),
                (Ok(Some(WebSocketMessage::Binary(bytes))), Codec::MessagePack) => Some(*bytes),
                _ => None,
            };
            if let Some(data) = data {
                taken += data.len();
                let data = Bytes::copy_from_slice(data);
                self.0.push_back(BacklogEntry::Unparsed(client.codec, data));
                continue;
            }
            let ending = match message {
                Ok(None) => break,
                Ok(Some(WebSocketMessage::Ping(payload))) => {
                    client.push(wire::pong_frame(payload));
                    continue;
                }
                Ok(Some(WebSocketMessage::Pong(_))) => continue,
                Ok(Some(WebSocketMessage::Binary(_))) => {
                    Ending::BadProtocol("binary frames mean nothing in a text protocol".into())
                }
                Ok(Some(WebSocketMessage::Text(_))) => {
                    Ending::BadProtocol("text frames mean nothing in a binary protocol".into())
                }
                Ok(Some(WebSocketMessage::Close { code, .. })) => Ending::Client(code),
                Err(error) => Ending::Wire(error),
            };
            self.end(ending);
            break;
        }
        taken > 0
    }

    /// Releases the memory of an empty queue.
    pub(super) fn rest(&mut self) {
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }
}

fn parse(codec: Codec, bytes: &Bytes) -> Incoming {
    Incoming::Request(protocol::read_as(codec, bytes))
}
