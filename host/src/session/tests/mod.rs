//! Commands and connections without a socket.

mod bounds;
mod chain_pauses;
mod client;
mod commands;
mod compression;
mod connect;
mod connection;
mod frames;
mod heartbeat;
mod held_clock;
mod http_clients;
mod instance_gate;
mod judged_tokens;
mod pending_calls;
mod requests;
mod revocations;
mod scripted;
mod support;
mod turns;
