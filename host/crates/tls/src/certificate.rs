//! A certificate with its chain and key, checked against each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::sign::CertifiedKey;
use thiserror::Error;

use crate::pem::{self, PemError};
use crate::provider::provider;
use crate::x509::CertificateFields;

/// What a server shows to its clients.
#[derive(Debug)]
pub struct ServerCertificate {
    cert: PathBuf,
    key: PathBuf,
    certified: Arc<CertifiedKey>,
    /// In lower case; `*.` before one that is valid for all names one level below.
    names: Vec<Box<str>>,
    from: SystemTime,
    until: SystemTime,
}

/// Why a certificate is of no use.
#[derive(Debug, Error)]
pub enum CertificateError {
    #[error(transparent)]
    File(#[from] PemError),
    #[error("{}: the first certificate cannot be parsed: {why}", file.display())]
    Unparsable { file: PathBuf, why: String },
    #[error("{}: {why}; use an ECDSA P-256 or P-384, Ed25519, or RSA key of 2048 to 8192 bits", file.display())]
    Key { file: PathBuf, why: String },
    #[error(
        "the key in {} is not that of the first certificate in {}: the server's own certificate comes first, then those \
         that signed it",
        key.display(), cert.display()
    )]
    OtherKey { cert: PathBuf, key: PathBuf },
    #[error("{} expired on {until}: put a new one in its place", file.display())]
    Expired { file: PathBuf, until: String },
    #[error("TLS cannot be used: {0}")]
    Unusable(String),
}

impl From<rustls::Error> for CertificateError {
    fn from(error: rustls::Error) -> Self {
        Self::Unusable(error.to_string())
    }
}

// === impl ServerCertificate ===

impl ServerCertificate {
    /// Reads a chain, the server's own certificate first, and its key. One that is not valid at this time is read too: see
    /// [`ServerCertificate::check_dates`].
    ///
    /// # Errors
    /// As [`CertificateError`] says, with the file.
    pub fn read(cert: &Path, key: &Path) -> Result<Self, CertificateError> {
        let chain = pem::certificates(cert)?;
        let signing_key = provider()
            .key_provider
            .load_private_key(pem::key(key)?)
            .map_err(|error| CertificateError::Key {
                file: key.to_owned(),
                why: error.to_string(),
            })?;
        let unparsable = |why: String| CertificateError::Unparsable {
            file: cert.to_owned(),
            why,
        };
        let CertificateFields { names, from, until } =
            CertificateFields::read(&chain[0]).map_err(|error| unparsable(error.to_string()))?;
        let certified = CertifiedKey::new(chain, signing_key);
        match certified.keys_match() {
            // A key in a box that does not show its public half proves itself in the first handshake.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(CertificateError::OtherKey {
                    cert: cert.to_owned(),
                    key: key.to_owned(),
                });
            }
            Err(error) => return Err(unparsable(error.to_string())),
        }
        Ok(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            certified: Arc::new(certified),
            names,
            from,
            until,
        })
    }

    /// Where it was read from: certificate and key.
    pub fn files(&self) -> (&Path, &Path) {
        (&self.cert, &self.key)
    }

    /// The names that it is valid for, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// The name to speak of it: its first, or its file if it has none.
    pub fn label(&self) -> String {
        self.names()
            .next()
            .map_or_else(|| self.cert.display().to_string(), str::to_owned)
    }

    /// Whether it is valid for a name, which is in lower case.
    pub fn is_for(&self, name: &str) -> bool {
        let wildcard = name.split_once('.').map(|(_, parent)| parent);
        self.names
            .iter()
            .any(|own| &**own == name || own.strip_prefix("*.").is_some_and(|parent| Some(parent) == wildcard))
    }

    /// Since when it is valid.
    pub fn valid_from(&self) -> SystemTime {
        self.from
    }

    /// Until when it is valid.
    pub fn valid_until(&self) -> SystemTime {
        self.until
    }

    /// Seconds since 1970 until which it is valid.
    pub fn expiry_seconds(&self) -> u64 {
        self.until.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Fails if it has expired.
    ///
    /// # Errors
    /// [`CertificateError::Expired`].
    pub fn check_dates(&self, now: SystemTime) -> Result<(), CertificateError> {
        if self.until >= now {
            return Ok(());
        }
        Err(CertificateError::Expired {
            file: self.cert.clone(),
            until: self.until_text(),
        })
    }

    /// The last day, as `2027-01-31`.
    pub fn until_text(&self) -> String {
        let text = der::DateTime::from_system_time(self.until).map(|date| date.to_string());
        text.map_or_else(
            |_| "an unknown day".to_owned(),
            |text| text.split('T').next().unwrap_or_default().to_owned(),
        )
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}
