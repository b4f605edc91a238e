//! What the load generators share: the client's side of WebSocket, and a histogram of durations.

pub mod latency;
pub mod websocket;
