//! Certificates that are made here, and clients of `rustls` in memory.

mod certificates;
mod choice;
mod handshakes;
mod support;
mod traffic;
