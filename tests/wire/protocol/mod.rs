//! The protocol between client and broker, request by request.

mod binary_channels;
mod connect;
mod envelopes;
mod heartbeat;
mod history;
mod keys;
mod message_pack;
mod message_pack_hostile;
mod presence;
mod publish;
mod recovery;
mod refresh;
mod subscribe;
