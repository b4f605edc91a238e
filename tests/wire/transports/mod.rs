//! Clients without a WebSocket.

mod cluster;
mod events;
mod hostile;
mod kept_connections;
mod message_pack;
mod polls;
mod posts;
mod tickets;
mod topologies;
