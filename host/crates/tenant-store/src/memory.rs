//! The store of a single node. A restart forgets what was pushed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::entry::{PushedTenant, TenantVersion};
use crate::{
    ChangeRefused, StoreChanges, StoreLimits, StoreMark, StoreUnavailable, TenantChange, TenantStore, TenantStoreReply,
};
use wall_clock::now_ms;

/// Tenants of one page.
const PAGE: usize = 256;
/// The only run that there is.
const RUN: &str = "memory";

/// Pushed tenants in the memory of one process.
pub struct MemoryTenantStore(Mutex<MemoryState>);

#[derive(Default)]
struct MemoryState {
    limits: StoreLimits,
    tenants: HashMap<Arc<str>, Kept>,
    /// The names by the revisions of their last changes.
    changes: BTreeMap<u64, Arc<str>>,
    /// Who has what is claimed.
    claims: HashMap<String, Arc<str>>,
    /// Counts the changes.
    revision: u64,
    version: u64,
    /// Tenants that are not deleted, and the bytes of their files.
    present: usize,
    bytes: usize,
    /// The last revision of a tombstone that was forgotten.
    forgotten: u64,
}

struct Kept {
    tenant: PushedTenant,
    revision: u64,
}

impl MemoryState {
    fn change(&mut self, change: TenantChange) -> Result<TenantVersion, ChangeRefused> {
        let kept = self.tenants.get(&*change.name).map(|kept| &kept.tenant);
        let (present, had) = match kept {
            Some(PushedTenant {
                version,
                file: Some(file),
                ..
            }) => (Some(*version), file.text.len()),
            _ => (None, 0),
        };
        if !change.expected.allows(present) {
            return Err(ChangeRefused::OtherVersion { present });
        }
        if let Some(file) = &change.file {
            let claimed = |claim: &str| self.claims.get(claim).filter(|owner| ***owner != *change.name);
            if let Some((claim, owner)) = file.claims.iter().find_map(|claim| Some((claim, claimed(claim)?))) {
                return Err(ChangeRefused::Claimed {
                    claim: claim.to_owned(),
                    owner: owner.to_string(),
                });
            }
            if present.is_none() && self.present >= self.limits.tenants {
                return Err(ChangeRefused::TooMany(self.limits.tenants));
            }
            if self.bytes - had + file.text.len() > self.limits.bytes {
                return Err(ChangeRefused::TooLarge(self.limits.bytes));
            }
        } else if present.is_none() {
            return Err(ChangeRefused::Absent);
        }
        self.version = (self.version + 1).max(now_ms() * 1_000);
        let version = TenantVersion(self.version);
        self.put(PushedTenant {
            name: change.name.into(),
            version,
            file: change.file,
        });
        Ok(version)
    }

    fn put(&mut self, tenant: PushedTenant) {
        let name = tenant.name.clone();
        if let Some(before) = self.tenants.remove(&name) {
            self.changes.remove(&before.revision);
            if let Some(file) = before.tenant.file {
                self.present -= 1;
                self.bytes -= file.text.len();
                for claim in file.claims.iter() {
                    self.claims.remove(claim);
                }
            }
        }
        if let Some(file) = &tenant.file {
            self.present += 1;
            self.bytes += file.text.len();
            self.claims
                .extend(file.claims.iter().map(|claim| (claim.to_owned(), name.clone())));
        }
        self.revision += 1;
        self.changes.insert(self.revision, name.clone());
        let revision = self.revision;
        self.tenants.insert(name, Kept { tenant, revision });
        if self.tenants.len() - self.present > self.limits.tombstones {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let is_tombstone = |name: &&Arc<str>| self.tenants.get(*name).is_some_and(|kept| kept.tenant.file.is_none());
        let oldest = self.changes.values().find(is_tombstone).cloned();
        if let Some(kept) = oldest.and_then(|name| self.tenants.remove(&name)) {
            self.changes.remove(&kept.revision);
            self.forgotten = kept.revision;
        }
    }

    fn page(&self, since: u64) -> StoreChanges {
        let from_the_beginning = since == 0 || since < self.forgotten;
        let since = if from_the_beginning { 0 } else { since };
        let mut changes = self.changes.range(since + 1..);
        let (mut revision, mut tenants) = (since, Vec::new());
        for (next, name) in changes.by_ref().take(PAGE) {
            revision = *next;
            tenants.extend(self.tenants.get(name).map(|kept| kept.tenant.clone()));
        }
        let more = changes.next().is_some();
        StoreChanges::Page {
            tenants,
            mark: StoreMark {
                run: RUN.to_owned(),
                revision: if more { revision } else { self.revision },
            },
            more,
            from_the_beginning,
        }
    }
}

impl MemoryTenantStore {
    pub fn new(limits: StoreLimits) -> Self {
        Self(Mutex::new(MemoryState {
            limits,
            ..MemoryState::default()
        }))
    }
}

impl TenantStore for MemoryTenantStore {
    fn change(&self, change: TenantChange) -> TenantStoreReply<'_, TenantVersion, ChangeRefused> {
        Box::pin(async move { self.0.lock().change(change) })
    }

    fn find<'a>(&'a self, name: &'a str) -> TenantStoreReply<'a, Option<PushedTenant>> {
        Box::pin(async move {
            let state = self.0.lock();
            let kept = state.tenants.get(name).map(|kept| &kept.tenant);
            Ok(kept.filter(|tenant| tenant.file.is_some()).cloned())
        })
    }

    fn changes<'a>(&'a self, since: Option<&'a StoreMark>) -> TenantStoreReply<'a, StoreChanges> {
        Box::pin(async move { Ok::<_, StoreUnavailable>(self.0.lock().page(since.map_or(0, |mark| mark.revision))) })
    }

    /// It loses nothing while there is somebody who could know.
    fn restore<'a>(&'a self, _: &'a [PushedTenant]) -> TenantStoreReply<'a, usize> {
        Box::pin(async { Ok(0) })
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    crate::conformance::suite(async || MemoryTenantStore::new(crate::conformance::LIMITS)).await;
}
