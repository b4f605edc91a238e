//! One connection from its first frame to its last. `connection.rs` is the only loop that waits for a client and owns
//! its stream and its timers. A request becomes a command (`commands/`), a value that reads and changes the session's
//! `Context` and answers with an `Outcome`; it waits for no socket and can be applied without one.

mod answer;
mod authentication;
mod backlog;
mod chain_wait;
mod closing;
mod commands;
mod connection;
mod context;
mod counted_task;
mod end;
mod ending;
mod events;
mod input;
mod judged_token;
mod liveness;
mod opening;
mod outcome;
mod penalty;
mod pending;
mod posting;
mod posts;
mod rate_limit;
mod refusal;
mod reply_parts;
mod reply_room;
mod seat_guard;
mod subscription;
#[cfg(test)]
mod tests;
mod throttle;
mod timers;
mod turn;

pub use answer::{ANSWER_BYTES, fitting};
pub use connection::Session;
pub use judged_token::TokenRefused;
pub use opening::{Opening, Transport};
