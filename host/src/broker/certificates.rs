//! The certificates of both listeners: read at the start and again at each reload, and told of before they expire.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tls::{
    CertificateError, CertificateStore, OldestVersion, Reread, ServerCertificate, ServerConfig, for_clients,
    for_operators,
};

use crate::gateway::ListenerTls;
use config::{CertificateFiles, Config, Problem, Problems, TlsSettings};

/// How long before a certificate expires the log begins to say so.
const WARN_BEFORE: Duration = Duration::from_hours(14 * 24);
/// How often it does.
const WARN_EVERY: Duration = Duration::from_hours(24);

/// Of the listeners that speak TLS. Shared by all clones.
#[derive(Clone)]
pub(super) struct Certificates(Arc<Vec<OfListener>>);

/// Which listener it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Clients,
    Operators,
}

struct OfListener {
    whose: Whose,
    tls: Arc<ListenerTls>,
    in_force: Mutex<TlsSettings>,
}

/// What is to be put in force: of each listener that speaks TLS.
pub(super) struct NewCertificates(Vec<NewOfListener>);

struct NewOfListener {
    settings: TlsSettings,
    certificates: Vec<Arc<ServerCertificate>>,
    /// None: the one in force stays.
    config: Option<Arc<ServerConfig>>,
    /// What could not be read, so that what is in force stays.
    kept: Vec<CertificateError>,
}

/// What is wrong with the certificates that a config names.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let read = |whose: Whose| Some(OfListener::read(whose, whose.settings(config)?));
    let wrong = Whose::ALL.into_iter().filter_map(read).filter_map(Result::err);
    wrong.flatten().collect()
}

// === impl Certificates ===

impl Certificates {
    /// Reads all that the config names.
    pub(super) fn read(config: &Config) -> Result<Self, Problems> {
        let mut listeners = Vec::new();
        let mut problems = Vec::new();
        for whose in Whose::ALL {
            let Some(settings) = whose.settings(config) else {
                continue;
            };
            match OfListener::read(whose, settings) {
                Ok(listener) => listeners.push(listener),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if !problems.is_empty() {
            return Err(problems.into());
        }
        Ok(Self(Arc::new(listeners)))
    }

    pub(super) fn clients(&self) -> Option<Arc<ListenerTls>> {
        self.of(Whose::Clients)
    }

    pub(super) fn operators(&self) -> Option<Arc<ListenerTls>> {
        self.of(Whose::Operators)
    }

    pub(super) fn stores(&self) -> Vec<Arc<CertificateStore>> {
        self.0
            .iter()
            .map(|listener| listener.tls.certificates.clone())
            .collect()
    }

    fn of(&self, whose: Whose) -> Option<Arc<ListenerTls>> {
        let listener = self.0.iter().find(|listener| listener.whose == whose);
        listener.map(|listener| listener.tls.clone())
    }

    /// Reads what another config names. Changes nothing yet.
    pub(super) fn reread(&self, config: &Config) -> Result<NewCertificates, Problems> {
        let mut new = Vec::new();
        let mut problems = Vec::new();
        for listener in self.0.iter() {
            // Without the table TLS goes on until the next start, with what is in force.
            let settings = listener.whose.settings(config).cloned();
            let settings = settings.unwrap_or_else(|| listener.in_force.lock().clone());
            match listener.reread(settings) {
                Ok(read) => new.push(read),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if !problems.is_empty() {
            return Err(problems.into());
        }
        Ok(NewCertificates(new))
    }

    /// Reads again what is in force: certificates are renewed though a config that was read with them is refused.
    pub(super) fn renew(&self) {
        let new = self.0.iter().map(|listener| {
            let settings = listener.in_force.lock().clone();
            listener.reread(settings)
        });
        // All of them were in force, so none is missing.
        if let Ok(new) = new.collect::<Result<_, _>>() {
            self.put_in_force(NewCertificates(new));
        }
    }

    /// Puts it in force for all handshakes from now on.
    pub(super) fn put_in_force(&self, new: NewCertificates) {
        for (listener, new) in self.0.iter().zip(new.0) {
            for why in new.kept {
                tracing::error!(%why, "a certificate could not be read again: the one in force stays");
            }
            listener.tls.certificates.replace(new.certificates);
            if let Some(config) = new.config {
                listener.tls.replace(config);
            }
            *listener.in_force.lock() = new.settings;
        }
        self.warn();
    }

    /// Warns of the certificates that expire, now and every day.
    pub(super) async fn warn_daily(self) {
        loop {
            self.warn();
            tokio::time::sleep(WARN_EVERY).await;
        }
    }

    fn warn(&self) {
        let now = SystemTime::now();
        for certificate in self.stores().iter().flat_map(|store| store.certificates()) {
            let (name, until) = (certificate.label(), certificate.until_text());
            let file = certificate.files().0.display().to_string();
            if let Err(error) = certificate.check_dates(now) {
                tracing::error!(name, %error, "clients do not trust a certificate");
            } else if certificate.valid_until() < now + WARN_BEFORE {
                tracing::warn!(
                    name,
                    until,
                    file,
                    "a certificate expires soon: put a new one in its place"
                );
            }
        }
    }
}

// === impl Whose ===

impl Whose {
    const ALL: [Self; 2] = [Self::Clients, Self::Operators];

    fn settings(self, config: &Config) -> Option<&TlsSettings> {
        match self {
            Self::Clients => config.server.tls.as_ref(),
            Self::Operators => config.server.admin_tls.as_ref(),
        }
    }

    fn config(self, settings: &TlsSettings, store: &Arc<CertificateStore>) -> Result<Arc<ServerConfig>, Problem> {
        let oldest = match settings.only_1_3 {
            true => OldestVersion::Tls13,
            false => OldestVersion::Tls12,
        };
        let ca = settings.client_ca.as_ref();
        let made = match self {
            Self::Clients => for_clients(store.clone(), oldest).map_err(CertificateError::from),
            Self::Operators => for_operators(store.clone(), oldest, ca.map(|(path, _)| &**path)),
        };
        let place = ca.map_or(&settings.certificates[0].place, |(_, place)| place);
        made.map_err(|error| place.problem(error.to_string()))
    }
}

// === impl OfListener ===

impl OfListener {
    fn read(whose: Whose, settings: &TlsSettings) -> Result<Self, Vec<Problem>> {
        let store = CertificateStore::new(Vec::new());
        let read = store.reread(&pairs(settings), SystemTime::now());
        let mut problems = missing(settings, &read);
        let config = whose
            .config(settings, &store)
            .inspect_err(|problem| problems.push(problem.clone()));
        let Ok(config) = config else {
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        store.replace(read.certificates);
        Ok(Self {
            whose,
            tls: ListenerTls::new(config, store),
            in_force: Mutex::new(settings.clone()),
        })
    }

    fn reread(&self, settings: TlsSettings) -> Result<NewOfListener, Vec<Problem>> {
        let store = &self.tls.certificates;
        let read = store.reread(&pairs(&settings), SystemTime::now());
        let problems = missing(&settings, &read);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut kept = read.kept;
        let is_other = self.in_force.lock().only_1_3 != settings.only_1_3;
        let config = if is_other || settings.client_ca.is_some() || self.whose == Whose::Operators {
            match self.whose.config(&settings, store) {
                Ok(config) => Some(config),
                Err(problem) if self.in_force.lock().client_ca == settings.client_ca => {
                    kept.push(CertificateError::Unusable(problem.text()));
                    None
                }
                Err(problem) => return Err(vec![problem]),
            }
        } else {
            // Another one would not know the tickets that clients have.
            None
        };
        Ok(NewOfListener {
            certificates: read.certificates,
            settings,
            config,
            kept,
        })
    }
}

fn pairs(settings: &TlsSettings) -> Vec<(PathBuf, PathBuf)> {
    let pair = |CertificateFiles { cert, key, .. }: &CertificateFiles| (cert.clone(), key.clone());
    settings.certificates.iter().map(pair).collect()
}

fn missing(settings: &TlsSettings, read: &Reread) -> Vec<Problem> {
    let missing = read.missing.iter();
    let problem = |(index, error): &(usize, CertificateError)| {
        let place = &settings.certificates[*index].place;
        place.problem(error.to_string())
    };
    missing.map(problem).collect()
}
