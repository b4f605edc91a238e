//! Two nodes over one store, without a broker: what each is told, and what it finds by itself. The clock is the test's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tenant_store::{Claims, MemoryTenantStore, StoreChanges, StoreLimits, StoreMark, TenantStoreReply};
use tokio::task::JoinHandle;

use super::known::{ChangesPage, KnownTenants};
use super::rules::RulesReply;
use super::*;
use ExpectedVersion::Any;
use backplane::{Nodes, Reply};
use config::Place;

/// A broker that has tenants in force. It has one of its own, `mine`, and cannot bind a file that says so.
#[derive(Default)]
struct InForce(Mutex<BTreeMap<String, String>>, Mutex<BTreeMap<String, String>>);

impl TenantRules for InForce {
    fn is_configured(&self, name: &str) -> bool {
        name == "mine"
    }

    fn check(self: Arc<Self>, name: String, text: String) -> RulesReply<'static, Result<Claims, PushProblems>> {
        Box::pin(async move {
            if text == "bad" {
                return Err(Place::file(std::path::Path::new(&name)).problem("it is bad").into());
            }
            Ok(Claims::default())
        })
    }

    fn masked(&self, text: &str) -> String {
        text.replace("secret", "***")
    }

    fn install(self: Arc<Self>, tenants: Vec<PushedTenant>) -> RulesReply<'static, ()> {
        Box::pin(async move {
            let (mut in_force, mut hindered) = (self.0.lock(), self.1.lock());
            for tenant in tenants {
                let name = tenant.name.to_string();
                hindered.remove(&name);
                match tenant.file {
                    Some(file) if &*file.text == "unbindable" => {
                        hindered.insert(name, "no such plugin".to_owned());
                    }
                    Some(file) => drop(in_force.insert(name, file.text.to_string())),
                    None => drop(in_force.remove(&name)),
                }
            }
        })
    }

    fn hindrance(&self, name: &str) -> Option<String> {
        self.1.lock().get(name).cloned()
    }
}

/// A store that can be away.
struct Faulty {
    store: MemoryTenantStore,
    is_away: AtomicBool,
}

impl Faulty {
    fn check(&self) -> Result<(), StoreUnavailable> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(StoreUnavailable("it is away".into())),
            false => Ok(()),
        }
    }
}

impl TenantStore for Faulty {
    fn change(&self, change: TenantChange) -> TenantStoreReply<'_, TenantVersion, ChangeRefused> {
        Box::pin(async move {
            self.check()?;
            self.store.change(change).await
        })
    }

    fn find<'a>(&'a self, name: &'a str) -> TenantStoreReply<'a, Option<PushedTenant>> {
        Box::pin(async move {
            self.check()?;
            self.store.find(name).await
        })
    }

    fn changes<'a>(&'a self, since: Option<&'a StoreMark>) -> TenantStoreReply<'a, StoreChanges> {
        Box::pin(async move {
            self.check()?;
            self.store.changes(since).await
        })
    }

    fn restore<'a>(&'a self, known: &'a [PushedTenant]) -> TenantStoreReply<'a, usize> {
        self.store.restore(known)
    }
}

/// The other nodes, of which one can be cut off.
struct Notices(AtomicU64);

impl Nodes for Notices {
    fn instance(&self) -> &'static str {
        "a~1"
    }

    fn live(&self) -> Reply<'_, Vec<String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn send<'a>(&'a self, _: Option<&'a str>, _: Vec<u8>) -> Reply<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn listens<'a>(&'a self, _: &'a str) -> Reply<'a, bool> {
        Box::pin(async { Ok(true) })
    }

    fn listens_over(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|number| *number > 0)
    }
}

struct TestNode {
    pushed: PushedTenants,
    rules: Arc<InForce>,
    notices: Arc<Notices>,
    keeper: JoinHandle<()>,
    is_complete: tokio::sync::watch::Receiver<bool>,
}

fn store() -> Arc<Faulty> {
    Arc::new(Faulty {
        store: MemoryTenantStore::new(StoreLimits::default()),
        is_away: false.into(),
    })
}

fn node(store: &Arc<Faulty>) -> TestNode {
    let rules: Arc<InForce> = Arc::default();
    let (pushed, keeper) = PushedTenants::new(store.clone(), rules.clone());
    let notices = Arc::new(Notices(AtomicU64::new(1)));
    let is_complete = keeper.is_complete();
    TestNode {
        pushed,
        rules,
        is_complete,
        keeper: tokio::spawn(keeper.run(Some(notices.clone()))),
        notices,
    }
}

impl TestNode {
    fn in_force(&self) -> Vec<(String, String)> {
        self.rules.0.lock().clone().into_iter().collect()
    }

    async fn put(&self, name: &str, text: &str) -> TenantVersion {
        self.pushed.put(name, text, Any).await.unwrap().0
    }

    /// What is in force after so long.
    async fn in_force_after(&self, time: Duration) -> Vec<(String, String)> {
        tokio::time::advance(time).await;
        settle().await;
        self.in_force()
    }
}

/// Lets everything run that can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    pairs.iter().map(owned).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_is_in_force() {
    let (store, mut node) = (store(), None);
    let node = node.insert(self::node(&store));
    let version = node.put("acme", "one secret").await;
    assert_eq!(node.in_force(), pairs(&[("acme", "one secret")]));
    let found = node.pushed.find("acme").await.unwrap();
    assert_eq!(found, Some((version, "one ***".to_owned())));
    let deleted = node.pushed.delete("acme", Any).await.unwrap();
    assert!(deleted.0 > version && deleted.1.version.is_none());
    assert_eq!(node.in_force(), []);
    assert_eq!(node.pushed.find("acme").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_changes_nothing() {
    let store = store();
    let node = node(&store);
    let version = node.put("acme", "one").await;
    let refused = async |name: &str, text: &str, expected| {
        let refused = node.pushed.put(name, text, expected).await.unwrap_err();
        assert_eq!(node.in_force(), pairs(&[("acme", "one")]), "{name} {text}");
        refused
    };
    assert!(matches!(refused("mine", "one", Any).await, PushRefused::Configured));
    assert!(matches!(refused("acme", "bad", Any).await, PushRefused::Bad(_)));
    assert!(matches!(
        refused("acme", "two", ExpectedVersion::Absent).await,
        PushRefused::Store(ChangeRefused::OtherVersion { present }) if present == Some(version)
    ));
    store.is_away.store(true, Ordering::Relaxed);
    assert!(matches!(
        refused("acme", "two", Any).await,
        PushRefused::Store(ChangeRefused::Unavailable(_))
    ));
    assert!(matches!(
        node.pushed.delete("acme", Any).await,
        Err(PushRefused::Store(ChangeRefused::Unavailable(_)))
    ));
    store.is_away.store(false, Ordering::Relaxed);
    assert!(matches!(
        node.pushed.delete("mine", Any).await,
        Err(PushRefused::Configured)
    ));
    assert!(matches!(
        node.pushed.delete("nobody", Any).await,
        Err(PushRefused::Store(ChangeRefused::Absent))
    ));
    assert_eq!(
        node.in_force_after(Duration::from_mins(2)).await,
        pairs(&[("acme", "one")])
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_told_nothing_looks_every_minute_and_after_each_connection() {
    let store = store();
    let (here, there) = (node(&store), node(&store));
    settle().await;
    here.put("acme", "one").await;
    assert_eq!(there.in_force_after(Duration::from_secs(10)).await, []);
    assert_eq!(
        there.in_force_after(Duration::from_mins(1)).await,
        pairs(&[("acme", "one")])
    );
    // It is told.
    let version = here.put("acme", "two").await;
    let outcome = there.pushed.read("acme").await.unwrap();
    assert_eq!((outcome.version, outcome.hindrance), (Some(version), None));
    assert_eq!(there.in_force(), pairs(&[("acme", "two")]));
    // It was cut off, and is back.
    there.notices.0.store(0, Ordering::Relaxed);
    here.pushed.delete("acme", Any).await.unwrap();
    assert_eq!(
        there.in_force_after(Duration::from_secs(1)).await,
        pairs(&[("acme", "two")])
    );
    there.notices.0.store(2, Ordering::Relaxed);
    assert_eq!(there.in_force_after(Duration::from_millis(100)).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_node_is_complete_when_it_has_read_everything() {
    let store = store();
    node(&store).put("acme", "one").await;
    store.is_away.store(true, Ordering::Relaxed);
    let new = node(&store);
    new.in_force_after(Duration::from_secs(5)).await;
    assert!(!*new.is_complete.borrow());
    store.is_away.store(false, Ordering::Relaxed);
    assert_eq!(
        new.in_force_after(Duration::from_millis(500)).await,
        pairs(&[("acme", "one")])
    );
    assert!(*new.is_complete.borrow());
    drop(new.pushed);
    settle().await;
    assert!(new.keeper.is_finished(), "it ends with the last who could ask");
}

#[tokio::test(start_paused = true)]
async fn what_hinders_a_tenant_is_told_until_it_is_gone() {
    let store = store();
    let node = node(&store);
    node.put("acme", "one").await;
    let (_, outcome) = node.pushed.put("acme", "unbindable", Any).await.unwrap();
    assert_eq!(outcome.hindrance.as_deref(), Some("no such plugin"));
    assert_eq!(node.pushed.read("acme").await.unwrap(), outcome);
    node.rules.0.lock().clear();
    node.put("other", "one").await;
    node.pushed.look_again().await;
    assert_eq!(node.pushed.read("acme").await.unwrap(), outcome);
    assert_eq!(node.in_force(), pairs(&[("other", "one")]), "all were looked at again");
    let (_, outcome) = node.pushed.put("acme", "two", Any).await.unwrap();
    assert_eq!(outcome.hindrance, None);
}

#[tokio::test]
async fn a_tenant_that_is_on_no_page_is_gone() {
    let store = MemoryTenantStore::new(StoreLimits::default());
    let mut known = KnownTenants::new(2);
    let put = async |name: &str| {
        let change = TenantChange {
            name: name.to_owned(),
            file: Some(PushedFile {
                text: "x".into(),
                claims: Claims::default(),
            }),
            expected: Any,
        };
        store.change(change).await.unwrap();
    };
    let page = async |known: &mut KnownTenants, from_the_beginning, more, leave_out: &str| {
        let StoreChanges::Page { mut tenants, mark, .. } = store.changes(None).await.unwrap() else {
            panic!("it has one run");
        };
        tenants.retain(|tenant| !leave_out.contains(&*tenant.name));
        let page = ChangesPage {
            tenants,
            mark,
            more,
            from_the_beginning,
        };
        let news = known.take(page).into_iter();
        news.map(|tenant| (tenant.name.to_string(), tenant.file.is_some()))
            .collect::<Vec<_>>()
    };
    for name in ["a", "b", "c"] {
        put(name).await;
    }
    let three = [("a".to_owned(), true), ("b".to_owned(), true), ("c".to_owned(), true)];
    assert_eq!(page(&mut known, true, false, "").await, three);
    assert_eq!(
        page(&mut known, false, false, "ab").await,
        [],
        "changes say nothing of others"
    );
    assert_eq!(page(&mut known, true, true, "ac").await, [], "there is another page");
    assert_eq!(page(&mut known, false, false, "ab").await, [("a".to_owned(), false)]);
    assert!(known.present("a").is_none() && known.present("b").is_some());
}
