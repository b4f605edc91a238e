//! What systemd and the broker have to say to each other: states and the watchdog by `NOTIFY_SOCKET`, sockets by
//! `LISTEN_FDS`. Other service managers that speak the same protocols are treated alike; without one nothing is said.

mod activation;
mod environment;
mod manager;
mod watchdog;

pub use activation::passed_sockets;
pub use environment::Environment;
pub use manager::ServiceManager;
pub(crate) use watchdog::{ThreadProgress, Watchdog};
