//! Against real servers.

mod tls;
