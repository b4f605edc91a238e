//! Commands and connections without a socket.

mod client;
mod commands;
mod connect;
mod connection;
mod heartbeat;
mod requests;
mod support;
mod turns;
