//! The tenants that were pushed: what is wanted on all nodes, each with its version. Knows no node and no config: a
//! tenant's file is a text here. Whoever changes something says which version it replaces; a deleted tenant leaves a
//! tombstone, so that a node that was away does not bring it back.

#[cfg(test)]
mod conformance;
mod entry;
mod memory;
pub mod redis;

use std::pin::Pin;

use thiserror::Error;

pub use entry::{Claims, PushedFile, PushedTenant, TenantVersion};
pub use memory::MemoryTenantStore;

/// Bytes of one tenant's file at most.
pub const FILE_BYTES: usize = 1_048_576;

/// How much a store keeps. All nodes have the same limits, or the lower ones count where a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Tenants that are pushed at the same time.
    pub tenants: usize,
    /// Bytes of all their files: each node keeps them in memory, as Redis does.
    pub bytes: usize,
    /// Deleted tenants that are remembered. The one that was deleted first is forgotten first.
    pub tombstones: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            tenants: 20_000,
            bytes: 256 * 1_048_576,
            tombstones: 10_000,
        }
    }
}

/// What the store answers, perhaps after a wait for the network.
pub type TenantStoreReply<'a, T, E = StoreUnavailable> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// The contract of every store of pushed tenants; the suite in `conformance` checks it.
///
/// Changes have an order, which their versions tell: of two changes of one tenant the later one has the higher version,
/// also if the store lost what it had in between.
pub trait TenantStore: Send + Sync {
    /// Makes a change, whole or not at all. Of two that expect the same version one is made.
    fn change(&self, change: TenantChange) -> TenantStoreReply<'_, TenantVersion, ChangeRefused>;

    /// A tenant; none if it was never pushed, or deleted.
    fn find<'a>(&'a self, name: &'a str) -> TenantStoreReply<'a, Option<PushedTenant>>;

    /// What was changed after `since`, tombstones included, a page of it; from the beginning without. Where nothing
    /// was changed it costs next to nothing.
    fn changes<'a>(&'a self, since: Option<&'a StoreMark>) -> TenantStoreReply<'a, StoreChanges>;

    /// Gives the store back what it may have lost: `known` is what a node knows, with its versions. What the store has a
    /// later version of stays, and so does what was deleted. Gives how many it had lost.
    fn restore<'a>(&'a self, known: &'a [PushedTenant]) -> TenantStoreReply<'a, usize>;
}

/// A change of one tenant.
#[derive(Clone, Debug)]
pub struct TenantChange {
    pub name: String,
    /// Its new file; none deletes it.
    pub file: Option<PushedFile>,
    pub expected: ExpectedVersion,
}

/// What must be there for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Anything, or nothing.
    Any,
    /// No tenant of this name.
    Absent,
    /// A tenant of this name, of any version.
    Present,
    /// One of these versions.
    OneOf(Vec<TenantVersion>),
}

impl ExpectedVersion {
    /// Whether `present`, the version that is there, will do.
    fn allows(&self, present: Option<TenantVersion>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => present.is_none(),
            Self::Present => present.is_some(),
            Self::OneOf(versions) => present.is_some_and(|present| versions.contains(&present)),
        }
    }
}

/// Up to where somebody knows the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreMark {
    /// The run of the server. In another run the store may have lost something, and its numbers mean something else.
    run: String,
    /// Counts the changes.
    revision: u64,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChanges {
    Page {
        /// In the order of their last changes.
        tenants: Vec<PushedTenant>,
        /// For the next page, or the next look.
        mark: StoreMark,
        /// Whether there is another page.
        more: bool,
        /// These are from the beginning: a tenant that is on no page up to the last is not there any more.
        from_the_beginning: bool,
    },
    /// The mark is of another run of the server. What is known is to be restored, and then all read from the beginning.
    OtherRun,
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChangeRefused {
    /// Another version is there, or none.
    #[error("there is {}", .present.map_or_else(|| "no such tenant".to_owned(), |version| format!("version {version}")))]
    OtherVersion { present: Option<TenantVersion> },
    /// What is to be deleted is not there.
    #[error("there is no such tenant")]
    Absent,
    /// Another pushed tenant has what this one claims.
    #[error("{claim:?} is the tenant {owner:?}'s")]
    Claimed { claim: String, owner: String },
    #[error("at most {0} tenants can be pushed")]
    TooMany(usize),
    #[error("the files of all pushed tenants have at most {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
}

/// The store cannot be asked, or refuses to write. It says why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("pushed tenants cannot be read or changed: {0}")]
pub struct StoreUnavailable(pub String);
