//! The address of a client behind proxies: which proxies are believed, and what their headers say. Values to a value:
//! knows no socket and no HTTP library.

mod forwarded;
mod header;
mod list;
mod network;
mod node;
mod trusted;

#[cfg(test)]
mod tests;

pub use header::AddressHeader;
pub use network::{AddressRange, NoNetwork};
pub use trusted::TrustedProxies;
