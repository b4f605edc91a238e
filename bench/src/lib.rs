//! What the load generators share: the client's side of WebSocket, a histogram of durations, and what a server uses.

pub mod client;
pub mod latency;
pub mod server;
pub mod websocket;
