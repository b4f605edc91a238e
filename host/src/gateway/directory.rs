//! Which tenant a request means: by its host, else by its path, else the default.

use std::collections::HashMap;
use std::sync::Arc;

use config::Tenant;

/// The tenants, by name and by host.
#[derive(Default)]
pub(crate) struct Directory {
    names: HashMap<Arc<str>, Arc<Tenant>>,
    hosts: HashMap<String, Arc<Tenant>>,
    default: Option<Arc<Tenant>>,
}

impl Directory {
    /// These tenants, one of which may be the default. Of two that have the same host the later has it.
    pub(crate) fn new(tenants: &[Arc<Tenant>], default: Option<&str>) -> Self {
        let names: HashMap<_, _> = tenants.iter().map(|t| (t.name.clone(), t.clone())).collect();
        let hosts = tenants
            .iter()
            .flat_map(|tenant| tenant.hosts.iter().map(|host| (host.clone(), tenant.clone())))
            .collect();
        let default = default.and_then(|name| names.get(name)).cloned();
        Self { names, hosts, default }
    }

    /// The tenant that `host`, in its one spelling, and `named`, from the path, mean. A host that belongs to one
    /// tenant is no way to another.
    pub(crate) fn find(&self, host: Option<&str>, named: Option<&str>) -> Option<&Arc<Tenant>> {
        let by_host = host.and_then(|host| self.hosts.get(host));
        match (by_host, named) {
            (Some(tenant), Some(name)) if *tenant.name != *name => None,
            (Some(tenant), _) => Some(tenant),
            (None, Some(name)) => self.names.get(name),
            (None, None) => self.default.as_ref(),
        }
    }

    /// The tenant of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.names.get(name)
    }

    /// The tenant of requests that name none.
    pub(crate) fn default_tenant(&self) -> Option<&Arc<Tenant>> {
        self.default.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn directory(default: &str) -> Directory {
        let text = format!(
            "[server]\n{default}\n[[tenants]]\nname = \"acme\"\nhosts = [\"acme.example\"]\n[[tenants]]\nname = \"other\"\n"
        );
        let config = config::parse(Path::new("test.toml"), &text).unwrap();
        Directory::new(&config.tenants, config.server.default_tenant.as_deref())
    }

    fn name(directory: &Directory, host: &str, path: Option<&str>) -> Option<String> {
        directory.find(Some(host), path).map(|tenant| tenant.name.to_string())
    }

    #[test]
    fn host_then_path_then_default() {
        let directory = directory("default_tenant = \"other\"");
        assert_eq!(name(&directory, "acme.example", None).as_deref(), Some("acme"));
        assert_eq!(name(&directory, "127.0.0.1", Some("acme")).as_deref(), Some("acme"));
        assert_eq!(name(&directory, "127.0.0.1", None).as_deref(), Some("other"));
        assert_eq!(directory.find(None, None).map(|tenant| &*tenant.name), Some("other"));
    }

    #[test]
    fn what_is_not_there_is_nowhere() {
        let directory = directory("");
        assert_eq!(name(&directory, "127.0.0.1", None), None);
        assert_eq!(name(&directory, "127.0.0.1", Some("nobody")), None);
        assert_eq!(name(&directory, "acme.example", Some("other")), None);
    }
}
