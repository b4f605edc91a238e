//! What a client trusts, and how it shows who it is: for connections to Redis.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use crate::pem::{self, PemError};
use crate::provider::provider;

/// Files of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTrust {
    /// The authorities that may have signed the server's certificate; none: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The client's own chain and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why there are no connections with TLS.
#[derive(Debug, Error)]
pub enum ClientTlsError {
    #[error(transparent)]
    File(#[from] PemError),
    #[error("{}: a certificate cannot be used as an authority: {why}", file.display())]
    Authority { file: PathBuf, why: String },
    #[error(
        "the system has no list of trusted authorities: install its package ca-certificates, or name a file in `ca`"
    )]
    NoAuthorities,
    #[error("the client certificate in {} cannot be used with the key in {}: {why}", cert.display(), key.display())]
    Identity { cert: PathBuf, key: PathBuf, why: String },
    #[error("TLS cannot be used: {0}")]
    Unusable(String),
}

impl ClientTrust {
    /// What connections are made with. A server must show a certificate of an authority, valid for the name that it was
    /// reached by.
    ///
    /// # Errors
    /// As [`ClientTlsError`] says, with the file.
    pub fn config(&self) -> Result<Arc<ClientConfig>, ClientTlsError> {
        let roots = match &self.ca {
            Some(file) => authorities(file)?,
            None => system_authorities()?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientTlsError::Unusable(error.to_string()))?
            .with_root_certificates(roots);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => builder
                .with_client_auth_cert(pem::certificates(cert)?, pem::key(key)?)
                .map_err(|error| ClientTlsError::Identity {
                    cert: cert.clone(),
                    key: key.clone(),
                    why: error.to_string(),
                })?,
        };
        Ok(Arc::new(config))
    }
}

fn authorities(file: &Path) -> Result<RootCertStore, ClientTlsError> {
    let mut roots = RootCertStore::empty();
    for authority in pem::certificates(file)? {
        roots.add(authority).map_err(|error| ClientTlsError::Authority {
            file: file.to_owned(),
            why: error.to_string(),
        })?;
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, ClientTlsError> {
    let mut roots = RootCertStore::empty();
    // Of the many that a system has, one that cannot be parsed takes none of the others away.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(ClientTlsError::NoAuthorities);
    }
    Ok(roots)
}
