//! What a client and the broker say to each other, request by request.

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
