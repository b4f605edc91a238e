//! Clients without a WebSocket.

mod cluster;
mod events;
mod polls;
mod posts;
mod tickets;
