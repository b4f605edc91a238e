//! A session as other clients see it: in presence, in joins and leaves, and as the sender of a message.

use std::sync::Arc;

/// A session that is present in a channel, or that published a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user, if the session has a name.
    pub user: Option<Arc<str>>,
    pub session: Arc<str>,
}
