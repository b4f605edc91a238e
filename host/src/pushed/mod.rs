//! The tenants that are pushed by the admin API, on this node: what is wanted stands in a store that all nodes share, and
//! what this node makes of it is in force here. Knows no HTTP, and of the broker only that it puts tenants in force.

mod claims;
mod keeper;
mod known;
mod request;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tenant_store::{ChangeRefused, ExpectedVersion, PushedFile, PushedTenant, StoreUnavailable, TenantChange};
use tenant_store::{TenantStore, TenantVersion};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

pub use claims::{NameClaimed, claims_of};
pub use keeper::TenantKeeper;
pub use request::TenantOutcome;
use request::{KeeperAnswer, KeeperRequest};
pub use rules::{PushProblems, RulesReply, TenantRules};

/// Requests that wait for the keeper; who has one more waits with it.
const REQUESTS: usize = 64;

/// Why a tenant was not pushed, or not deleted. Nothing was changed.
#[derive(Debug, Error)]
pub enum PushRefused {
    /// The node's own files have it.
    #[error("the node's own config has this tenant")]
    Configured,
    #[error("the tenant does not check out")]
    Bad(PushProblems),
    #[error(transparent)]
    Store(#[from] ChangeRefused),
    /// The broker is about to end.
    #[error("the node shuts down")]
    Ending,
}

/// The pushed tenants of a node. Cheap to clone.
#[derive(Clone)]
pub struct PushedTenants {
    store: Arc<dyn TenantStore>,
    rules: Arc<dyn TenantRules>,
    keeper: mpsc::Sender<KeeperRequest>,
}

impl PushedTenants {
    /// The pushed tenants of `store`, with what keeps this node up to date with it.
    pub fn new(store: Arc<dyn TenantStore>, rules: Arc<dyn TenantRules>) -> (Self, TenantKeeper) {
        let (keeper, requests) = mpsc::channel(REQUESTS);
        let pushed = Self {
            store: store.clone(),
            rules: rules.clone(),
            keeper,
        };
        (pushed, TenantKeeper::new(store, rules, requests))
    }

    /// Creates or replaces a tenant, by the content of its file. It is checked, with its plugins, before anything is changed.
    pub async fn put(
        &self,
        name: &str,
        text: &str,
        expected: ExpectedVersion,
    ) -> Result<(TenantVersion, TenantOutcome), PushRefused> {
        if self.rules.is_configured(name) {
            return Err(PushRefused::Configured);
        }
        let claims = self
            .rules
            .clone()
            .check(name.to_owned(), text.to_owned())
            .await
            .map_err(PushRefused::Bad)?;
        let file = PushedFile {
            text: text.into(),
            claims,
        };
        self.change(name, Some(file), expected).await
    }

    /// Deletes a tenant.
    pub async fn delete(
        &self,
        name: &str,
        expected: ExpectedVersion,
    ) -> Result<(TenantVersion, TenantOutcome), PushRefused> {
        match self.change(name, None, expected).await {
            // One that was pushed before the files had it can be deleted.
            Err(PushRefused::Store(ChangeRefused::Absent)) if self.rules.is_configured(name) => {
                Err(PushRefused::Configured)
            }
            outcome => outcome,
        }
    }

    /// A tenant as it was pushed, but for its secrets.
    pub async fn find(&self, name: &str) -> Result<Option<(TenantVersion, String)>, StoreUnavailable> {
        let Some(PushedTenant {
            version,
            file: Some(file),
            ..
        }) = self.store.find(name).await?
        else {
            return Ok(None);
        };
        Ok(Some((version, self.rules.masked(&file.text))))
    }

    /// Whether the node's own files have it.
    pub fn is_configured(&self, name: &str) -> bool {
        self.rules.is_configured(name)
    }

    /// Brings this node up to date, and tells what became of one tenant.
    pub async fn read(&self, name: &str) -> Result<TenantOutcome, StoreUnavailable> {
        let ending = || StoreUnavailable("the node shuts down".into());
        let (answer, outcome) = oneshot::channel();
        let name = name.into();
        let sent = self.keeper.send(KeeperRequest::Read { name, answer }).await;
        sent.map_err(|_| ending())?;
        outcome.await.map_err(|_| ending())?
    }

    /// The files of this node were read again: what hindered a tenant may be gone, and what was in force may be hindered.
    pub async fn look_again(&self) {
        // A keeper that is gone has nothing to look at.
        drop(self.keeper.send(KeeperRequest::LookAgain).await);
    }

    async fn change(
        &self,
        name: &str,
        file: Option<PushedFile>,
        expected: ExpectedVersion,
    ) -> Result<(TenantVersion, TenantOutcome), PushRefused> {
        let (answer, outcome): (_, oneshot::Receiver<KeeperAnswer>) = oneshot::channel();
        let change = TenantChange {
            name: name.to_owned(),
            file,
            expected,
        };
        let sent = self.keeper.send(KeeperRequest::Change { change, answer }).await;
        sent.map_err(|_| PushRefused::Ending)?;
        Ok(outcome.await.map_err(|_| PushRefused::Ending)??)
    }
}
