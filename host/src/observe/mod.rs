//! What operators see: the broker's own metrics, and who did what by the admin API. Hooks are metered where they are called, in the sandbox.

mod audit;
mod metrics;

pub use audit::{AuditFile, AuditLog};
pub use metrics::{BackplaneMetrics, Metrics, TenantMetrics};
