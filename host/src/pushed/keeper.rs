//! Keeps this node up to date with the store of pushed tenants, one thing after the other: changes that are made here,
//! notices of other nodes, and, because a notice can be lost, a look every minute and after each new connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::known::{ChangesPage, KnownTenants};
use super::request::{KeeperAnswer, KeeperRequest, TenantOutcome};
use super::rules::TenantRules;
use backplane::Nodes;
use tenant_store::{
    ChangeRefused, PushedTenant, StoreChanges, StoreLimits, StoreUnavailable, TenantChange, TenantStore,
};

/// How often the store is asked whether something was changed that this node was not told.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Before the store is asked again that could not be.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is looked whether notices come over the same connection as before.
const LISTENING_EVERY: Duration = Duration::from_millis(100);

/// Keeps a node up to date.
pub struct TenantKeeper {
    store: Arc<dyn TenantStore>,
    rules: Arc<dyn TenantRules>,
    requests: mpsc::Receiver<KeeperRequest>,
    known: KnownTenants,
    /// What is known, and not in force yet.
    uninstalled: HashMap<Arc<str>, PushedTenant>,
    /// When the store is to be asked again, if it could not be.
    again: Option<Instant>,
    /// Whether all was read once.
    is_complete: watch::Sender<bool>,
    restored: Arc<Notify>,
}

impl TenantKeeper {
    pub(super) fn new(
        store: Arc<dyn TenantStore>,
        rules: Arc<dyn TenantRules>,
        requests: mpsc::Receiver<KeeperRequest>,
    ) -> Self {
        Self {
            store,
            rules,
            requests,
            known: KnownTenants::new(StoreLimits::default().tombstones),
            uninstalled: HashMap::new(),
            again: None,
            is_complete: watch::channel(false).0,
            restored: Arc::default(),
        }
    }

    /// Whether everything was read, and is in force, for the first time.
    pub fn is_complete(&self) -> watch::Receiver<bool> {
        self.is_complete.subscribe()
    }

    /// Tells when this node gave the store back what it had lost: other nodes are to look.
    pub fn restored(&self) -> Arc<Notify> {
        self.restored.clone()
    }

    /// Keeps the node up to date, for ever. `nodes` carry the notices of others; none on a single node.
    pub async fn run(mut self, nodes: Option<Arc<dyn Nodes>>) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = NoticeWatch { nodes, last: None };
        loop {
            let again = self.again;
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(request) => self.serve(request).await,
                    None => return,
                },
                () = watch.begins_anew() => self.look().await,
                _ = tick.tick() => self.look().await,
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => self.look().await,
            }
        }
    }

    async fn serve(&mut self, request: KeeperRequest) {
        // Who asked may not wait any more.
        match request {
            KeeperRequest::Change { change, answer } => drop(answer.send(self.change(change).await)),
            KeeperRequest::Read { name, answer } => {
                let read = self.read().await;
                drop(answer.send(read.map(|()| self.outcome(&name))));
            }
            KeeperRequest::LookAgain => {
                let all = self
                    .known
                    .all_present()
                    .map(|tenant| (tenant.name.clone(), tenant.clone()));
                self.uninstalled.extend(all);
                self.install().await;
            }
        }
    }

    async fn change(&mut self, change: TenantChange) -> KeeperAnswer {
        let (name, file): (Arc<str>, _) = (change.name.as_str().into(), change.file.clone());
        let version = self.store.change(change).await.inspect_err(|error| {
            if let ChangeRefused::Unavailable(_) = error {
                // It is not certain that it was not made.
                self.again = Some(Instant::now() + AGAIN);
            }
        })?;
        let tenant = PushedTenant {
            name: name.clone(),
            version,
            file,
        };
        self.known.learn(tenant.clone());
        self.uninstalled.insert(name.clone(), tenant);
        self.install().await;
        Ok((version, self.outcome(&name)))
    }

    /// Brings this node up to date, or tries again soon.
    async fn look(&mut self) {
        if let Err(error) = self.read().await {
            tracing::debug!(%error, "trying again");
        }
    }

    async fn read(&mut self) -> Result<(), StoreUnavailable> {
        let read = self.read_changes().await;
        self.again = read.is_err().then(|| Instant::now() + AGAIN);
        // Also if only a part could be read.
        self.install().await;
        if read.is_ok() {
            self.is_complete
                .send_if_modified(|complete| !std::mem::replace(complete, true));
        }
        read
    }

    async fn read_changes(&mut self) -> Result<(), StoreUnavailable> {
        loop {
            let (page, more) = match self.store.changes(self.known.mark()).await? {
                StoreChanges::OtherRun => {
                    self.restore().await?;
                    continue;
                }
                StoreChanges::Page {
                    tenants,
                    mark,
                    more,
                    from_the_beginning,
                } => {
                    let page = ChangesPage {
                        tenants,
                        mark,
                        more,
                        from_the_beginning,
                    };
                    (page, more)
                }
            };
            let news = self.known.take(page);
            self.uninstalled
                .extend(news.into_iter().map(|tenant| (tenant.name.clone(), tenant)));
            if !more {
                return Ok(());
            }
        }
    }

    /// The server of the store was replaced or started again, and may have lost something.
    async fn restore(&mut self) -> Result<(), StoreUnavailable> {
        let restored = self.store.restore(&self.known.all()).await?;
        if restored > 0 {
            tracing::warn!(restored, "pushed tenants that Redis had lost are there again");
            self.restored.notify_one();
        }
        self.known.begin_anew();
        Ok(())
    }

    async fn install(&mut self) {
        if self.uninstalled.is_empty() {
            return;
        }
        let tenants: Vec<PushedTenant> = self.uninstalled.drain().map(|(_, tenant)| tenant).collect();
        self.rules.clone().install(tenants).await;
    }

    fn outcome(&self, name: &str) -> TenantOutcome {
        TenantOutcome {
            version: self.known.present(name).map(|tenant| tenant.version),
            hindrance: self.rules.hindrance(name),
        }
    }
}

/// Watches over which connection notices come.
struct NoticeWatch {
    nodes: Option<Arc<dyn Nodes>>,
    last: Option<u64>,
}

impl NoticeWatch {
    /// Waits until notices come again over a connection that was not there: some may be lost.
    async fn begins_anew(&mut self) {
        let Some(nodes) = &self.nodes else {
            return std::future::pending().await;
        };
        loop {
            let now = nodes.listens_over();
            if now.is_some() && now != self.last {
                self.last = now;
                return;
            }
            tokio::time::sleep(LISTENING_EVERY).await;
        }
    }
}
