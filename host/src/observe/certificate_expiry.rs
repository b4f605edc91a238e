//! How long certificates are valid yet, as a metric. It is computed when it is read, of those in force then.

use std::sync::Arc;
use std::time::SystemTime;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts};
use tls::CertificateStore;

pub(crate) struct CertificateExpiry {
    stores: Vec<Arc<CertificateStore>>,
    seconds: GaugeVec,
}

impl CertificateExpiry {
    /// Of the certificates in these stores. Of several with a name the first to expire is shown.
    pub(crate) fn of(stores: Vec<Arc<CertificateStore>>) -> Self {
        let opts = Opts::new(
            "sluicegate_certificate_expiry_seconds",
            "How long a certificate is valid yet, by the first name that it is for; negative when it has expired.",
        );
        Self {
            stores,
            seconds: GaugeVec::new(opts, &["name"]).expect("the name is valid"),
        }
    }
}

impl Collector for CertificateExpiry {
    fn desc(&self) -> Vec<&Desc> {
        self.seconds.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = SystemTime::now();
        let all = self.stores.iter().flat_map(|store| store.certificates());
        let mut expiries: Vec<(SystemTime, String)> = all.map(|one| (one.valid_until(), one.label())).collect();
        expiries.sort_by(|a, b| b.cmp(a));
        self.seconds.reset();
        // The first to expire comes last, and stays.
        for (until, name) in expiries {
            let left = until
                .duration_since(now)
                .map_or_else(|over| -over.duration().as_secs_f64(), |left| left.as_secs_f64());
            self.seconds.with_label_values(&[&name]).set(left.round());
        }
        self.seconds.collect()
    }
}
