//! Posts for the sessions that have no stream of their own to ask by, wherever they reached the cluster.

mod post;

pub use post::{Post, PostAnswer, PostKind};
