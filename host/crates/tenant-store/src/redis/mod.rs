//! The store that nodes share, in Redis. Every step is a script. All keys have one hash tag, so that in a Cluster one
//! server has them.
//!
//! A node knows by the server's run whether something may be lost: after a restart or a failover it gives back what it
//! knows.

mod answers;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::try_join_all;
use redis_client::{Failure, Script, ScriptCall, Topology, cmd};

use crate::entry::{PushedTenant, TenantVersion};
use crate::{
    ChangeRefused, ExpectedVersion, StoreChanges, StoreLimits, StoreMark, StoreUnavailable, TenantChange, TenantStore,
    TenantStoreReply,
};

/// Tenants of one page, and bytes after which a page ends. From the beginning the pages are larger and are read beside
/// the short commands.
const PAGE: PageSize = PageSize {
    tenants: 64,
    bytes: 65_536,
};
const LARGE_PAGE: PageSize = PageSize {
    tenants: 512,
    bytes: 1_048_576,
};
/// Tenants of one question which are lost.
const OFFERED: usize = 512;
/// Tenants that are given back at once.
const RESTORED: usize = 32;

static CHANGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("put.lua"), include_str!("change.lua"))));
static CHANGES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("changes.lua")));
static LOST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lost.lua")));
static RESTORE: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("put.lua"), include_str!("restore.lua"))));

struct PageSize {
    tenants: usize,
    bytes: usize,
}

/// Pushed tenants in Redis.
pub struct RedisTenantStore {
    servers: Arc<Topology>,
    prefix: Box<str>,
    /// How long a command may take.
    timeout: Duration,
    limits: StoreLimits,
}

impl RedisTenantStore {
    /// The store under `prefix`. `timeout` is that of the commands of `servers`.
    pub fn new(servers: Arc<Topology>, prefix: &str, timeout: Duration, limits: StoreLimits) -> Self {
        Self {
            servers,
            prefix: prefix.into(),
            timeout,
            limits,
        }
    }

    fn key(&self, kind: &str) -> String {
        format!("{}:{{pushed}}:{kind}", self.prefix)
    }

    /// State, tenants, changes, tombstones and claims, as `put.lua` has them.
    fn keys(&self) -> [String; 5] {
        ["state", "tenants", "changes", "tombstones", "claims"].map(|kind| self.key(kind))
    }

    /// When a change is too late, by the server's clock: a server that hung does not carry it out after it was answered
    /// that nothing was changed.
    async fn too_late(&self) -> Result<u64, Failure> {
        let now = self.servers.run(self.key("state").as_bytes(), &cmd("TIME")).await?;
        let now = answers::microseconds(&now).ok_or_else(answers::not_of_redis)?;
        let wait = u64::try_from(self.timeout.as_micros() / 2).unwrap_or(u64::MAX);
        Ok(now.saturating_add(wait))
    }

    async fn make(&self, change: TenantChange) -> Result<TenantVersion, ChangeRefused> {
        let too_late = self.too_late().await?;
        let (expected, versions) = match &change.expected {
            ExpectedVersion::Any => ("any", String::new()),
            ExpectedVersion::Absent => ("absent", String::new()),
            ExpectedVersion::Present => ("present", String::new()),
            ExpectedVersion::OneOf(versions) => {
                let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
                ("one_of", versions.join(" "))
            }
        };
        let (verb, text, claims) = match &change.file {
            Some(file) => ("put", &*file.text, file.claims.joined()),
            None => ("delete", "", String::new()),
        };
        let call = CHANGE
            .call(self.keys())
            .arg(&change.name)
            .arg(verb)
            .arg(text)
            .arg(claims)
            .arg(expected)
            .arg(versions)
            .arg(self.limits.tenants)
            .arg(self.limits.bytes)
            .arg(self.limits.tombstones)
            .arg(too_late);
        answers::change(&self.servers.call(&call).await?, self.limits).ok_or_else(answers::not_of_redis)?
    }

    async fn page(&self, since: Option<&StoreMark>) -> Result<StoreChanges, Failure> {
        let [state, tenants, changes, ..] = self.keys();
        let page = if since.is_some() { PAGE } else { LARGE_PAGE };
        let call = CHANGES
            .call([state, tenants, changes])
            .run()
            .arg(since.map_or("", |mark| &mark.run))
            .arg(since.map_or(0, |mark| mark.revision))
            .arg(page.tenants)
            .arg(page.bytes);
        let answer = match since {
            Some(_) => self.servers.call(&call).await?,
            None => self.servers.read(&call).await?,
        };
        answers::page(&answer).ok_or_else(answers::not_of_redis)
    }

    /// The numbers of those that are lost.
    async fn lost(&self, known: &[PushedTenant]) -> Result<Vec<usize>, Failure> {
        let [state, tenants, ..] = self.keys();
        let mut call = LOST.call([state, tenants]);
        for tenant in known {
            call = call.arg(&*tenant.name).arg(tenant.version.0);
        }
        answers::numbers(&self.servers.call(&call).await?).ok_or_else(answers::not_of_redis)
    }

    async fn give_back(&self, known: &[PushedTenant]) -> Result<usize, Failure> {
        let mut restored = 0;
        for offered in known.chunks(OFFERED) {
            let lost = self.lost(offered).await?;
            let calls: Vec<ScriptCall> = lost
                .into_iter()
                .filter_map(|number| offered.get(number))
                .map(|tenant| {
                    RESTORE
                        .call(self.keys())
                        .arg(&*tenant.name)
                        .arg(tenant.entry())
                        .arg(self.limits.tombstones)
                })
                .collect();
            for calls in calls.chunks(RESTORED) {
                let answers = try_join_all(calls.iter().map(|call| self.servers.call(call))).await?;
                restored += answers.iter().filter(|answer| answers::is_one(answer)).count();
            }
        }
        Ok(restored)
    }
}

impl TenantStore for RedisTenantStore {
    fn change(&self, change: TenantChange) -> TenantStoreReply<'_, TenantVersion, ChangeRefused> {
        Box::pin(self.make(change))
    }

    fn find<'a>(&'a self, name: &'a str) -> TenantStoreReply<'a, Option<PushedTenant>> {
        Box::pin(async move {
            let key = self.key("tenants");
            let mut get = cmd("HGET");
            get.arg(&key).arg(name);
            let answer = self.servers.run_large(key.as_bytes(), &get).await?;
            Ok(answers::tenant(name, &answer)?)
        })
    }

    fn changes<'a>(&'a self, since: Option<&'a StoreMark>) -> TenantStoreReply<'a, StoreChanges> {
        Box::pin(async move { Ok(self.page(since).await?) })
    }

    fn restore<'a>(&'a self, known: &'a [PushedTenant]) -> TenantStoreReply<'a, usize> {
        Box::pin(async move { Ok(self.give_back(known).await?) })
    }
}

impl From<Failure> for StoreUnavailable {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

impl From<Failure> for ChangeRefused {
    fn from(failure: Failure) -> Self {
        StoreUnavailable::from(failure).into()
    }
}
