//! What plugins' values and buckets are called in Redis. The layout of these keys has not changed since the first
//! version, so their names have no number of it.

use crate::StoreId;

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

    /// A bucket of a plugin in a tenant. Its tag is all of it, so that buckets are spread over servers.
    pub(super) fn bucket(&self, id: &StoreId, key: &str) -> String {
        format!("{}:l:{}/{}/{key}", self.prefix, id.0, id.1)
    }

    // Neither tenants nor plugins have a slash or a brace in their names.
    fn of(&self, kind: &str, (tenant, plugin): &StoreId) -> String {
        format!("{}:{kind}:{{{tenant}/{plugin}}}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
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
            assert_ne!(value, names.bucket(&ours, key));
            assert_ne!(names.bucket(&ours, key), names.bucket(&theirs, key));
        }
    }
}
