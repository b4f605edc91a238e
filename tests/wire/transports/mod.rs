//! Clients without a WebSocket.

mod cluster;
mod events;
mod hostile;
mod message_pack;
mod polls;
mod posts;
mod tickets;
mod topologies;
