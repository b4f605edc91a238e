//! `[server.tls]` and `[server.admin_tls]`: the certificates of a listener. Opens none of the files.

use std::path::{Path, PathBuf};

use super::problem::Place;
use super::section::{Section, Value};

/// Certificates of a listener at most: one for each tenant that wants its own.
const CERTIFICATES: usize = 10_000;

/// What a listener needs to speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// At least one. The first is for clients that name no host, or one that no certificate has.
    pub certificates: Vec<CertificateFiles>,
    /// Whether TLS 1.2 is refused.
    pub only_1_3: bool,
    /// The authorities whose clients are let in, and where to report what is wrong with the file; none: everybody is.
    pub client_ca: Option<(PathBuf, Place)>,
}

/// A certificate with its chain, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Where to report what is wrong with them.
    pub place: Place,
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Reads the table `key`; none if it is not there. `asks_clients`: whether clients may have to show certificates.
pub(super) fn read(
    section: &mut Section<'_>,
    key: &'static str,
    base: &Path,
    asks_clients: bool,
) -> Option<TlsSettings> {
    let mut section = section.value(key)?.section();
    let items = section.list_of("certificates", CERTIFICATES);
    let place = section.place_of("certificates");
    let certificates: Vec<_> = items.iter().map(|item| files(item, base)).collect();
    if certificates.is_empty() {
        let needs = "needs at least one certificate";
        section.report(
            place
                .problem(needs)
                .hint("write certificates = [{ cert = \"a.pem\", key = \"a.key\" }]"),
        );
    }
    section.default("min_version", "1.2");
    let only_1_3 = section.value("min_version");
    let only_1_3 = only_1_3.and_then(|value| value.word(&[("1.2", false), ("1.3", true)]));
    let client_ca = if asks_clients {
        section.value("client_ca").and_then(|value| {
            let place = value.place.clone();
            path(&value, base).map(|path| (path, place))
        })
    } else {
        None
    };
    section.finish();
    Some(TlsSettings {
        certificates: certificates.into_iter().flatten().collect(),
        only_1_3: only_1_3.unwrap_or(false),
        client_ca,
    })
}

fn files(item: &Value<'_>, base: &Path) -> Option<CertificateFiles> {
    let mut section = item.section();
    let mut file = |key| section.need(key).and_then(|value| path(&value, base));
    let (cert, key) = (file("cert"), file("key"));
    section.finish();
    Some(CertificateFiles {
        place: item.place.clone(),
        cert: cert?,
        key: key?,
    })
}

fn path(value: &Value<'_>, base: &Path) -> Option<PathBuf> {
    let text = value.text()?;
    if text.is_empty() {
        value.problem("is empty", "write the path of a PEM file");
        return None;
    }
    Some(base.join(text.get()))
}

impl TlsSettings {
    /// All files that are named.
    pub(super) fn sources(&self) -> impl Iterator<Item = PathBuf> {
        let pairs = self.certificates.iter().flat_map(|files| [&files.cert, &files.key]);
        pairs.chain(self.client_ca.as_ref().map(|(path, _)| path)).cloned()
    }
}
