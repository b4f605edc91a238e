//! A tenant that is to be in force, and who wants it.

use std::sync::Arc;

use config::Tenant;

/// Where a tenant comes from, and so who takes it away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The config's files.
    Files,
    /// The admin API.
    Pushed,
}

/// A tenant that is to be in force.
pub(super) struct WantedTenant {
    pub tenant: Arc<Tenant>,
    pub owner: Owner,
}
