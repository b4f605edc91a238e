//! What operators see: the log, the broker's own metrics, the audit log of the admin API, and a throttle for repeated log
//! lines.
//! The sandbox measures hooks, where they are called.

mod audit;
mod certificate_expiry;
mod door_refusals;
mod log;
mod log_throttle;
mod metrics;
mod tenant_metrics;

pub use audit::{AuditFile, AuditLog, AuditText, LINE_BYTES};
pub(crate) use certificate_expiry::CertificateExpiry;
pub use door_refusals::DoorRefusalKind;
pub use log::{BrokerLog, LogFormat};
pub use log_throttle::LogThrottle;
pub use metrics::Metrics;
pub use tenant_metrics::TenantMetrics;
