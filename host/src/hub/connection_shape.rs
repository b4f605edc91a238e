//! How a client is reached, and what its envelopes look like. Knows no queue.

use super::event_stream::EventStream;
use crate::framing::Framing;
use crate::transport::{Carrier, ClientStream};
use protocol::Codec;
use wire::DeflateWindow;

/// How a client is reached.
pub struct ConnectionShape {
    pub carrier: Carrier,
    pub codec: Codec,
    pub framing: Framing,
    /// Where its envelopes are events of a stream.
    pub events: Option<Box<EventStream>>,
    /// What was agreed on for compressed messages, if anything was.
    pub deflate: Option<DeflateWindow>,
}

impl ConnectionShape {
    /// A WebSocket over `stream`.
    pub fn websocket(stream: ClientStream, codec: Codec, deflate: Option<DeflateWindow>) -> Self {
        Self {
            carrier: Carrier::Stream(stream),
            codec,
            framing: Framing::WebSocket,
            events: None,
            deflate,
        }
    }
}
