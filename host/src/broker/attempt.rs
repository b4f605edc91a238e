//! What came of loading the plugins of tenants, before anything is made of it.

use super::bound_tenant::BoundTenant;
use config::Problem;

pub(super) struct Attempt {
    /// All that went wrong, each once.
    pub problems: Vec<Problem>,
    /// In the order in which they were wanted.
    pub tenants: Vec<BoundTenant>,
}
