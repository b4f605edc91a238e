//! Which tenant a request means: by its host, else by its path, else the default.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use config::Tenant;

/// Tenants that are changed under one lock: requests wait for no more than these.
const AT_ONCE: usize = 64;

/// The tenants, by name and by host. They change in place, so that one of thousands costs no more than itself.
#[derive(Default)]
pub(crate) struct Directory {
    entries: RwLock<DirectoryEntries>,
    /// How often they were changed, counted while the lock is held.
    changes: AtomicU64,
}

#[derive(Default)]
struct DirectoryEntries {
    names: HashMap<Arc<str>, Arc<Tenant>>,
    hosts: HashMap<String, Arc<Tenant>>,
    default: Option<Arc<str>>,
}

// === impl Directory ===

impl Directory {
    /// These tenants, one of which may be the default.
    #[cfg(test)]
    pub(crate) fn new<'a>(tenants: impl Iterator<Item = &'a Arc<Tenant>>, default: Option<&Arc<str>>) -> Self {
        let directory = Self::default();
        directory.put(tenants);
        directory.set_default(default);
        directory
    }

    /// The tenant that `host`, in its one spelling, and `named`, from the path, mean. A host that belongs to one
    /// tenant is no way to another.
    pub(crate) fn find(&self, host: Option<&str>, named: Option<&str>) -> Option<Arc<Tenant>> {
        let entries = self.entries.read();
        let by_host = host.and_then(|host| entries.hosts.get(host));
        let found = match (by_host, named) {
            (Some(tenant), Some(name)) if *tenant.name != *name => None,
            (Some(tenant), _) => Some(tenant),
            (None, Some(name)) => entries.names.get(name),
            (None, None) => entries.default_tenant(),
        };
        found.cloned()
    }

    /// How often it was changed: what was found stays true for as long as that is the same.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The tenant of this name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Tenant>> {
        self.entries.read().names.get(name).cloned()
    }

    /// The tenant of requests that name none.
    pub(crate) fn default_tenant(&self) -> Option<Arc<Tenant>> {
        self.entries.read().default_tenant().cloned()
    }

    /// Requests that name no tenant mean this one from now on.
    pub(crate) fn set_default(&self, name: Option<&Arc<str>>) {
        let mut entries = self.entries.write();
        entries.default = name.cloned();
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Puts tenants in place of those of their names. Of two that have the same host, the one that is put later has it.
    pub(crate) fn put<'a>(&self, tenants: impl Iterator<Item = &'a Arc<Tenant>>) {
        self.change(tenants, |entries, tenant| {
            entries.put(tenant);
            for host in &tenant.hosts {
                entries.hosts.insert(host.clone(), tenant.clone());
            }
        });
    }

    /// Likewise, but none of them takes a host from another.
    pub(crate) fn put_behind<'a>(&self, tenants: impl Iterator<Item = &'a Arc<Tenant>>) {
        self.change(tenants, |entries, tenant| {
            entries.put(tenant);
            for host in &tenant.hosts {
                if let Entry::Vacant(free) = entries.hosts.entry(host.clone()) {
                    free.insert(tenant.clone());
                }
            }
        });
    }

    /// Takes tenants away.
    pub(crate) fn remove<'a>(&self, tenants: impl Iterator<Item = &'a Arc<Tenant>>) {
        self.change(tenants, |entries, tenant| {
            if let Some(tenant) = entries.names.remove(&tenant.name) {
                entries.free_hosts(&tenant);
            }
        });
    }

    fn change<'a>(
        &self,
        mut tenants: impl Iterator<Item = &'a Arc<Tenant>>,
        change: impl Fn(&mut DirectoryEntries, &Arc<Tenant>),
    ) {
        loop {
            let mut entries = self.entries.write();
            self.changes.fetch_add(1, Ordering::Release);
            for _ in 0..AT_ONCE {
                let Some(tenant) = tenants.next() else { return };
                change(&mut entries, tenant);
            }
        }
    }
}

// === impl DirectoryEntries ===

impl DirectoryEntries {
    fn default_tenant(&self) -> Option<&Arc<Tenant>> {
        self.names.get(self.default.as_ref()?)
    }

    /// The tenant by its name. The hosts that it had are free.
    fn put(&mut self, tenant: &Arc<Tenant>) {
        if let Some(before) = self.names.insert(tenant.name.clone(), tenant.clone()) {
            self.free_hosts(&before);
        }
    }

    fn free_hosts(&mut self, tenant: &Tenant) {
        for host in &tenant.hosts {
            if self.hosts.get(host).is_some_and(|owner| owner.name == tenant.name) {
                self.hosts.remove(host);
            }
        }
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
        Directory::new(config.tenants.iter(), config.server.default_tenant.as_ref())
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
        assert_eq!(
            directory
                .find(None, None)
                .map(|tenant| tenant.name.to_string())
                .as_deref(),
            Some("other")
        );
    }

    #[test]
    fn what_is_not_there_is_nowhere() {
        let directory = directory("");
        assert_eq!(name(&directory, "127.0.0.1", None), None);
        assert_eq!(name(&directory, "127.0.0.1", Some("nobody")), None);
        assert_eq!(name(&directory, "acme.example", Some("other")), None);
    }

    #[test]
    fn a_host_is_the_one_s_who_is_put_last_and_not_behind() {
        let tenants = |owner: &str| {
            let hosts = |name: &str| {
                if name == owner {
                    "hosts = [\"shop.example\"]"
                } else {
                    ""
                }
            };
            let text = format!(
                "[[tenants]]\nname = \"m\"\n{}\n[[tenants]]\nname = \"v\"\n{}",
                hosts("m"),
                hosts("v")
            );
            config::parse(Path::new("test.toml"), &text).unwrap().tenants
        };
        let (of_m, of_v) = (tenants("m"), tenants("v"));
        let directory = Directory::new(of_m.iter(), None);
        let owner = || name(&directory, "shop.example", None);
        // `m` keeps what it had, and `v` has its host now.
        directory.put(of_v[1..].iter());
        directory.put_behind(of_m[..1].iter());
        assert_eq!(owner().as_deref(), Some("v"));
        assert_eq!(directory.named("m").map(|tenant| tenant.hosts.len()), Some(1));
        // `v` gives it up, or is gone.
        directory.put(of_m[1..].iter());
        assert_eq!(owner(), None);
        directory.put_behind(of_m[..1].iter());
        assert_eq!(owner().as_deref(), Some("m"));
        directory.remove(of_m[1..].iter());
        assert_eq!(owner().as_deref(), Some("m"));
        directory.remove(of_m[..1].iter());
        assert_eq!((owner(), directory.named("m").is_none()), (None, true));
    }
}
