//! Sluicegate, a realtime broker whose rules are plugins: the modules of the binary. The other parts are crates in
//! `host/crates/`; `docs/ARCHITECTURE.md` has an overview.

pub mod broker;
pub mod cli;
pub mod control;
pub mod doorkeeper;
pub mod framing;
pub mod gateway;
pub mod handover;
pub mod http_sessions;
pub mod hub;
pub mod observe;
pub mod outbox;
pub mod passed_sockets;
pub mod poll_answers;
pub mod poll_reply;
pub mod pushed;
pub mod session;
pub mod shard;
pub mod systemd;
pub mod tenant_queue;
pub mod tls_stream;
pub mod token;
pub mod transport;
