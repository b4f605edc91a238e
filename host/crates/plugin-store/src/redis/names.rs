//! What plugins' values and buckets are called in Redis. A kind of key keeps its layout, so names have no number of it;
//! another layout has another kind.

use redis_client::slot_of_tag;

use crate::StoreId;

/// Parts that the buckets of a plugin in a tenant are divided into. Each lies on one server, which counts its buckets;
/// together they are spread over servers.
pub(super) const PARTS: u16 = 16;

/// The names under one prefix.
#[derive(Clone, Debug)]
pub(super) struct StoreNames {
    prefix: Box<str>,
}

impl StoreNames {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// A value of a plugin in a tenant.
    pub(super) fn value(&self, id: &StoreId, key: &str) -> String {
        format!("{}:{key}", self.of("v", id))
    }

    /// When each of a plugin's values ends.
    pub(super) fn value_ends(&self, id: &StoreId) -> String {
        self.of("ve", id)
    }

    /// How large each of a plugin's values is.
    pub(super) fn value_sizes(&self, id: &StoreId) -> String {
        self.of("vs", id)
    }

    /// The buckets of the part that a bucket belongs to, and the same by when they are full again. Every node finds the
    /// same part.
    pub(super) fn buckets(&self, id: &StoreId, bucket: &str) -> [String; 2] {
        let part = slot_of_tag(bucket.as_bytes()) % PARTS;
        ["b", "be"].map(|kind| format!("{}:{kind}:{{{}/{}/{part}}}", self.prefix, id.0, id.1))
    }

    // Neither tenants nor plugins have a slash or a brace in their names.
    fn of(&self, kind: &str, (tenant, plugin): &StoreId) -> String {
        format!("{}:{kind}:{{{tenant}/{plugin}}}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use redis_client::slot_of;

    use super::*;

    #[test]
    fn what_a_plugin_keeps_has_names_of_its_own() {
        let names = StoreNames::new("sg");
        let (ours, theirs) = (("acme".into(), "p".into()), ("acme".into(), "q".into()));
        for key in ["a", "", "}", "{b}", "p}:a"] {
            let value = names.value(&ours, key);
            assert_eq!(slot_of(value.as_bytes()), slot_of(names.value_ends(&ours).as_bytes()));
            assert_eq!(slot_of(value.as_bytes()), slot_of(names.value_sizes(&ours).as_bytes()));
            assert_ne!(value, names.value(&theirs, key));
            let [buckets, ends] = names.buckets(&ours, key);
            assert_eq!(slot_of(buckets.as_bytes()), slot_of(ends.as_bytes()));
            assert_ne!(value, buckets);
            assert_ne!(buckets, ends);
            assert_ne!(buckets, names.buckets(&theirs, key)[0]);
        }
    }

    #[test]
    fn buckets_lie_in_all_parts() {
        let names = StoreNames::new("sg");
        let id = ("acme".into(), "p".into());
        let parts: HashSet<String> = (0..1000)
            .flat_map(|n| names.buckets(&id, &format!("user-{n}")))
            .collect();
        assert_eq!(parts.len(), usize::from(PARTS) * 2);
    }
}
