//! The certificates in force: one is chosen by the name that a client asks for, and all can be replaced while
//! connections go on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificate::{CertificateError, ServerCertificate};

/// The certificates of a listener.
#[derive(Debug)]
pub struct CertificateStore {
    current: ArcSwap<CertificateSet>,
}

#[derive(Debug)]
struct CertificateSet {
    /// In the order of the config; the first is shown where none fits.
    all: Vec<Arc<ServerCertificate>>,
    /// Which ones are for a name, or for all names one level below it, in their order.
    by_name: HashMap<Box<str>, Vec<usize>>,
}

/// What became of files that were read again.
#[derive(Debug, Default)]
pub struct Reread {
    /// What is to be in force, in the order of the files.
    pub certificates: Vec<Arc<ServerCertificate>>,
    /// Why the one that was in force stays.
    pub kept: Vec<CertificateError>,
    /// Why there is none of the files at this place in the list, since nothing of theirs was in force.
    pub missing: Vec<(usize, CertificateError)>,
}

// === impl CertificateStore ===

impl CertificateStore {
    /// A store with these certificates. The first is shown to who names no host, or one that no certificate has.
    pub fn new(certificates: Vec<Arc<ServerCertificate>>) -> Arc<Self> {
        Arc::new(Self {
            current: ArcSwap::from_pointee(CertificateSet::new(certificates)),
        })
    }

    /// Other certificates for all handshakes from now on.
    pub fn replace(&self, certificates: Vec<Arc<ServerCertificate>>) {
        self.current.store(Arc::new(CertificateSet::new(certificates)));
    }

    /// Those in force.
    pub fn certificates(&self) -> Vec<Arc<ServerCertificate>> {
        self.current.load().all.clone()
    }

    /// Reads files again. What cannot be used does not take the place of what was read from the same files before: neither
    /// what is broken, nor what has expired where the other has not.
    pub fn reread(&self, files: &[(PathBuf, PathBuf)], now: SystemTime) -> Reread {
        let current = self.current.load();
        let mut reread = Reread::default();
        for (place, (cert, key)) in files.iter().enumerate() {
            let before = current.of_files(cert, key);
            let read = ServerCertificate::read(cert, key);
            match (read, before) {
                (Ok(new), Some(before)) => match (new.check_dates(now), before.check_dates(now)) {
                    (Err(expired), Ok(())) => {
                        reread.kept.push(expired);
                        reread.certificates.push(before.clone());
                    }
                    _ => reread.certificates.push(Arc::new(new)),
                },
                (Ok(new), None) => reread.certificates.push(Arc::new(new)),
                (Err(error), Some(before)) => {
                    reread.kept.push(error);
                    reread.certificates.push(before.clone());
                }
                (Err(error), None) => reread.missing.push((place, error)),
            }
        }
        reread
    }

    /// The certificate for a name in lower case, of those that `fits` takes.
    pub(crate) fn choose(
        &self,
        name: Option<&str>,
        fits: impl Fn(&ServerCertificate) -> bool,
    ) -> Option<Arc<ServerCertificate>> {
        let current = self.current.load();
        let of = |name: &str| current.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let exact = name.map(of).unwrap_or_default();
        let parent = name.and_then(|name| name.split_once('.')).map(|(_, parent)| parent);
        let below = parent.map(|parent| of(&format!("*.{parent}"))).unwrap_or_default();
        let named = exact.iter().chain(below).map(|place| &current.all[*place]);
        let mut others = current.all.iter();
        // Of the right name before of the right kind: who cannot use it is told so, and does not trust another.
        let mut of_name = named.clone().peekable();
        let chosen = if of_name.peek().is_some() {
            named.clone().find(|one| fits(one)).or_else(|| of_name.next())
        } else {
            others.clone().find(|one| fits(one)).or_else(|| others.next())
        };
        chosen.cloned()
    }
}

impl CertificateSet {
    fn new(all: Vec<Arc<ServerCertificate>>) -> Self {
        let mut by_name: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (place, certificate) in all.iter().enumerate() {
            for name in certificate.names() {
                by_name.entry(name.into()).or_default().push(place);
            }
        }
        Self { all, by_name }
    }

    fn of_files(&self, cert: &Path, key: &Path) -> Option<&Arc<ServerCertificate>> {
        self.all.iter().find(|one| one.files() == (cert, key))
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let schemes = hello.signature_schemes();
        let can_use = |one: &ServerCertificate| one.certified().key.choose_scheme(schemes).is_some();
        self.choose(name.as_deref(), can_use).map(|one| one.certified().clone())
    }
}
