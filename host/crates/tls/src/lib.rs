//! TLS as a broker needs it: certificates from files, chosen by the name that a client asks for and replaced while
//! connections go on; the TLS of an accepted connection, which keeps no buffers while nothing is on its way; and what a
//! client of Redis trusts. Knows no socket, no runtime and no config.
//!
//! Versions are 1.2 and 1.3, with the suites of `rustls`: all with forward secrecy and authenticated encryption. There is
//! no renegotiation, no compression, and no early data: what a client sends before its handshake is over could be
//! replayed.

mod certificate;
mod client;
mod layer;
mod pem;
mod pieces;
mod provider;
mod scratch;
mod server;
mod store;
mod x509;

#[cfg(test)]
mod tests;

pub use certificate::{CertificateError, ServerCertificate};
pub use client::{ClientTlsError, ClientTrust};
pub use layer::TlsLayer;
pub use pem::PemError;
pub use rustls::{ClientConfig, ServerConfig};
pub use server::{OldestVersion, for_clients, for_operators};
pub use store::{CertificateStore, Reread};
