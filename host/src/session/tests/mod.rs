//! Commands and connections without a socket.

mod commands;
mod connect;
mod connection;
mod support;
