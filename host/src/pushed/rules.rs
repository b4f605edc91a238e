//! What the broker is for pushed tenants: it checks them, and puts them in force.

use std::pin::Pin;
use std::sync::Arc;

use config::Problems;
use tenant_store::{Claims, PushedTenant};

/// Everything that is wrong with a tenant that somebody wants to push. Never empty.
pub type PushProblems = Problems;

/// An answer that may need a plugin's `init`, or a turn of each shard.
pub type RulesReply<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a node makes of pushed tenants.
pub trait TenantRules: Send + Sync {
    /// Whether the node's own files have a tenant of this name.
    fn is_configured(&self, name: &str) -> bool;

    /// Checks the file of a tenant that is to be pushed, against the node's ceilings and other tenants; binds its plugins,
    /// and runs their `init`. Gives what no other pushed tenant may have.
    fn check(self: Arc<Self>, name: String, text: String) -> RulesReply<'static, Result<Claims, PushProblems>>;

    /// A tenant's file, without its secrets.
    fn masked(&self, text: &str) -> String;

    /// Puts tenants in force, in place of what was in force under their names, and takes back those that were deleted.
    /// Answers when every shard has done it.
    fn install(self: Arc<Self>, tenants: Vec<PushedTenant>) -> RulesReply<'static, ()>;

    /// Why a tenant that was installed is not in force now, if it is not; one line.
    fn hindrance(&self, name: &str) -> Option<String>;
}
