//! What the keeper is asked, and what it answers.

use std::sync::Arc;

use tokio::sync::oneshot;

use tenant_store::{ChangeRefused, StoreUnavailable, TenantChange, TenantVersion};

/// What became of a tenant on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantOutcome {
    /// The version that this node knows; none if there is no such tenant.
    pub version: Option<TenantVersion>,
    /// Why it is not in force here, though it is wanted; one line.
    pub hindrance: Option<String>,
}

pub(super) type KeeperAnswer = Result<(TenantVersion, TenantOutcome), ChangeRefused>;

pub(super) enum KeeperRequest {
    Change {
        change: TenantChange,
        answer: oneshot::Sender<KeeperAnswer>,
    },
    /// Something may have been changed; what became of this tenant?
    Read {
        name: Arc<str>,
        answer: oneshot::Sender<Result<TenantOutcome, StoreUnavailable>>,
    },
    /// The node's own files were read again.
    LookAgain,
}
