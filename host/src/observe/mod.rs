//! What operators see: the broker's own metrics. Hooks are metered where they are called, in the sandbox.

mod metrics;

pub use metrics::{Metrics, TenantMetrics};
