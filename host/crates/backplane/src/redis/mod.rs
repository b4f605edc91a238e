//! The backplane of many nodes: Redis gives every message its place and sends it to the nodes that want it.
//!
//! A message takes one round trip: a script finds its key, counts its offset, keeps it in a stream and publishes
//! it. Each node subscribes to the channels that someone there listens to, and to no others. What was missed is
//! read from the stream; if it cannot be read, the subscribers are told.

mod channel_cursor;
mod codec;
mod control_messages;
mod dispatcher;
mod gap_recovery;
mod history;
mod names;
mod node;
mod partition_check;
mod partitions;
mod presence;
mod presence_table;
mod publish;
mod publish_queue;
mod publish_queues;
mod redis_backplane;
mod scripts;
mod subscribed;
mod subscriber;
mod subscribers;
mod subscription_table;
#[cfg(test)]
mod tests;

pub use names::with_layout;
pub use redis_backplane::RedisBackplane;
