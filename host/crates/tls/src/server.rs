//! What a listener speaks: to clients, and to operators.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::certificate::CertificateError;
use crate::pem;
use crate::provider::provider;
use crate::store::CertificateStore;

/// What HTTP is called in a handshake (RFC 7301). A client that wants other protocols only is refused in the handshake.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldestVersion {
    #[default]
    Tls12,
    Tls13,
}

/// For the listener of clients. A client that comes back resumes its session by a ticket, which spares it the certificate and
/// the node the signature. Tickets are encrypted with keys of this process, which change every six hours; nothing is
/// kept for them here, and another node makes a full handshake instead.
///
/// # Errors
/// When the system gives no random numbers.
pub fn for_clients(store: Arc<CertificateStore>, oldest: OldestVersion) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = builder(oldest)?.with_no_client_auth().with_cert_resolver(store);
    config.ticketer = Ticketer::new()?;
    // Each costs the client's memory and 200 bytes; a client comes back over one connection at a time.
    config.send_tls13_tickets = 1;
    Ok(finish(config))
}

/// For the admin listener. `client_ca`: who has no certificate of these authorities is refused in the handshake. Sessions are
/// not resumed, so that each connection is checked against the authorities of this moment.
///
/// # Errors
/// When the authorities cannot be read, or the system gives no random numbers.
pub fn for_operators(
    store: Arc<CertificateStore>,
    oldest: OldestVersion,
    client_ca: Option<&Path>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let builder = builder(oldest)?;
    let mut config = match client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for authority in pem::certificates(file)? {
                roots.add(authority).map_err(|error| CertificateError::Unparsable {
                    file: file.to_owned(),
                    why: error.to_string(),
                })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| CertificateError::Unusable(error.to_string()))?)
        }
    }
    .with_cert_resolver(store);
    config.send_tls13_tickets = 0;
    Ok(finish(config))
}

fn builder(oldest: OldestVersion) -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, rustls::Error> {
    let versions: &[&SupportedProtocolVersion] = match oldest {
        OldestVersion::Tls12 => &[&TLS13, &TLS12],
        OldestVersion::Tls13 => &[&TLS13],
    };
    ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions)
}

fn finish(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    // Early data is refused: whoever records it could send it again.
    config.max_early_data_size = 0;
    Arc::new(config)
}
