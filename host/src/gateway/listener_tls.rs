//! What a listener speaks TLS with. Knows no file.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tls::{CertificateStore, ServerConfig};

/// Shared by all shards. What is put in place holds for handshakes from then on.
pub(crate) struct ListenerTls {
    config: ArcSwap<ServerConfig>,
    pub(crate) certificates: Arc<CertificateStore>,
}

impl ListenerTls {
    pub(crate) fn new(config: Arc<ServerConfig>, certificates: Arc<CertificateStore>) -> Arc<Self> {
        Arc::new(Self {
            config: ArcSwap::new(config),
            certificates,
        })
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    pub(crate) fn replace(&self, config: Arc<ServerConfig>) {
        self.config.store(config);
    }
}
