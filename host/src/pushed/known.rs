//! What this node knows of the store. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tenant_store::{PushedTenant, StoreMark, TenantVersion};

/// The tenants that a node knows, and up to where it knows their changes.
pub(super) struct KnownTenants {
    mark: Option<StoreMark>,
    tenants: HashMap<Arc<str>, PushedTenant>,
    /// Those of them that were deleted, the one that was deleted first in front.
    tombstones: BTreeMap<TenantVersion, Arc<str>>,
    /// Tombstones that are kept at most.
    tombstones_kept: usize,
    /// While all is read from the beginning: the names that were on its pages.
    seen: Option<HashSet<Arc<str>>>,
}

/// A page of changes, as the store tells it.
pub(super) struct ChangesPage {
    pub tenants: Vec<PushedTenant>,
    pub mark: StoreMark,
    pub more: bool,
    pub from_the_beginning: bool,
}

impl KnownTenants {
    pub(super) fn new(tombstones_kept: usize) -> Self {
        Self {
            mark: None,
            tenants: HashMap::new(),
            tombstones: BTreeMap::new(),
            tombstones_kept,
            seen: None,
        }
    }

    pub(super) fn mark(&self) -> Option<&StoreMark> {
        self.mark.as_ref()
    }

    /// What is known of a tenant that was not deleted.
    pub(super) fn present(&self, name: &str) -> Option<&PushedTenant> {
        self.tenants.get(name).filter(|tenant| tenant.file.is_some())
    }

    /// All that were not deleted.
    pub(super) fn all_present(&self) -> impl Iterator<Item = &PushedTenant> {
        self.tenants.values().filter(|tenant| tenant.file.is_some())
    }

    /// All, and the tombstones.
    pub(super) fn all(&self) -> Vec<PushedTenant> {
        self.tenants.values().cloned().collect()
    }

    /// Everything is to be read from the beginning.
    pub(super) fn begin_anew(&mut self) {
        self.mark = None;
    }

    /// Learns what somebody was just told of one tenant. Gives whether that is news.
    pub(super) fn learn(&mut self, tenant: PushedTenant) -> bool {
        let name = tenant.name.clone();
        let before = self.tenants.get(&name);
        if before.is_some_and(|before| before.version == tenant.version) {
            return false;
        }
        if let Some(before) = before
            && before.file.is_none()
        {
            self.tombstones.remove(&before.version);
        }
        if tenant.file.is_none() {
            self.tombstones.insert(tenant.version, name.clone());
        }
        self.tenants.insert(name, tenant);
        while self.tombstones.len() > self.tombstones_kept
            && let Some((_, oldest)) = self.tombstones.pop_first()
        {
            self.tenants.remove(&oldest);
        }
        true
    }

    /// Learns a page. Gives those of which something is new; one that is not there any more is as one that was deleted.
    pub(super) fn take(&mut self, page: ChangesPage) -> Vec<PushedTenant> {
        if page.from_the_beginning {
            self.seen = Some(HashSet::new());
        }
        if let Some(seen) = &mut self.seen {
            seen.extend(page.tenants.iter().map(|tenant| tenant.name.clone()));
        }
        self.mark = Some(page.mark);
        let mut news: Vec<PushedTenant> = Vec::new();
        for tenant in page.tenants {
            if self.learn(tenant.clone()) {
                news.push(tenant);
            }
        }
        if !page.more
            && let Some(seen) = self.seen.take()
        {
            news.extend(self.forget_all_but(&seen));
        }
        news
    }

    fn forget_all_but(&mut self, seen: &HashSet<Arc<str>>) -> Vec<PushedTenant> {
        let gone: Vec<Arc<str>> = self
            .tenants
            .keys()
            .filter(|name| !seen.contains(*name))
            .cloned()
            .collect();
        let gone = gone.into_iter().filter_map(|name| {
            let tenant = self.tenants.remove(&name)?;
            if tenant.file.is_none() {
                self.tombstones.remove(&tenant.version);
                return None;
            }
            Some(PushedTenant { file: None, ..tenant })
        });
        gone.collect()
    }
}
