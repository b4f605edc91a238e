//! Certificates and keys from PEM files.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error as ThisError;

/// Bytes of a file at most: bundles of all public authorities have a quarter of it.
const FILE_BYTES: u64 = 1_048_576;

/// Why a file gave no certificate or key. Tells the file and what to do; never what the file contains.
#[derive(Debug, ThisError)]
pub enum PemError {
    #[error("{} cannot be read: {why}", file.display())]
    Unreadable {
        file: PathBuf,
        why: regular_file::ReadError,
    },
    #[error("{} is not PEM: {why}", file.display())]
    Malformed { file: PathBuf, why: String },
    #[error("{} has no certificate: it needs at least one block that begins with -----BEGIN CERTIFICATE-----", .0.display())]
    NoCertificate(PathBuf),
    #[error(
        "{} has no private key that is not encrypted: it needs a block that begins with -----BEGIN PRIVATE KEY-----",
        .0.display()
    )]
    NoKey(PathBuf),
}

/// The certificates of a file in their order; at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = read(file)?;
    let all: Result<Vec<_>, Error> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|error| malformed(file, &error))?;
    if all.is_empty() {
        return Err(PemError::NoCertificate(file.to_owned()));
    }
    Ok(all)
}

/// The first private key of a file: PKCS #8, PKCS #1 or SEC 1.
pub(crate) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        Error::NoItemsFound => PemError::NoKey(file.to_owned()),
        error => malformed(file, &error),
    })
}

fn read(file: &Path) -> Result<Vec<u8>, PemError> {
    regular_file::read(file, FILE_BYTES).map_err(|why| PemError::Unreadable {
        file: file.to_owned(),
        why,
    })
}

/// The reason without the text that was found, which may be a part of a key.
fn malformed(file: &Path, error: &Error) -> PemError {
    let why = match error {
        Error::MissingSectionEnd { .. } => "a block that begins does not end".to_owned(),
        Error::IllegalSectionStart { .. } => "a line that should begin a block does not".to_owned(),
        Error::Base64Decode(_) => "a block is not base64".to_owned(),
        _ => "it cannot be parsed".to_owned(),
    };
    PemError::Malformed {
        file: file.to_owned(),
        why,
    }
}
