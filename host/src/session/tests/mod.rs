//! Commands and connections without a socket.

mod bounds;
mod client;
mod commands;
mod connect;
mod connection;
mod frames;
mod heartbeat;
mod held_clock;
mod requests;
mod support;
mod turns;
