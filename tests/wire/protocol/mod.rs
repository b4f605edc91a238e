//! The protocol between client and broker, request by request.

mod connect;
mod envelopes;
mod heartbeat;
mod history;
mod keys;
mod presence;
mod publish;
mod recovery;
mod refresh;
mod subscribe;
