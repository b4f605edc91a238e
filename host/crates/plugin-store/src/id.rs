//! Whose store it is.

use std::sync::Arc;

/// Tenant and plugin.
pub type StoreId = (Arc<str>, Arc<str>);
