//! What operators see: the broker's own metrics, who did what by the admin API, and how often a log says the same.
//! Hooks are metered where they are called, in the sandbox.

mod audit;
mod log_throttle;
mod metrics;

pub use audit::{AuditFile, AuditLog};
pub use log_throttle::LogThrottle;
pub use metrics::{Metrics, TenantMetrics};
