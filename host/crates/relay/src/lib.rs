//! Hands what a client posted to the node that has its session, and brings the answer back. Knows no HTTP and no session:
//! [`LocalSessions`] are those of a node. What waits here is bounded, never for orders of the operator and never in their way.

mod codec;
mod post;
mod post_channel;
mod post_room;
pub mod redis;
mod relay;
#[cfg(test)]
mod tests;

pub use post::{LocalAnswer, LocalSessions, POST_BYTES, Post, PostAnswer, PostKind};
pub use post_channel::{ChannelReply, NotSent, PostChannel};
pub use post_room::{PostPlace, PostRoom};
pub use relay::Relay;
