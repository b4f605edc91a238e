//! The contract of a store of pushed tenants as a suite: every implementation runs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{
    ChangeRefused, Claims, ExpectedVersion, PushedFile, PushedTenant, StoreChanges, StoreLimits, StoreMark,
    TenantChange, TenantStore, TenantVersion,
};
use ExpectedVersion::{Absent, Any, OneOf, Present};

/// What the suite's store keeps.
pub(crate) const LIMITS: StoreLimits = StoreLimits {
    tenants: 600,
    bytes: 100_000,
    tombstones: 3,
};

/// Runs the whole suite. `make` makes a store that is empty.
pub(crate) async fn suite<S: TenantStore>(make: impl AsyncFn() -> S) {
    a_change_is_made_on_the_version_that_it_expects(&make().await).await;
    versions_grow_over_deletions(&make().await).await;
    what_one_claims_no_other_has(&make().await).await;
    a_store_is_full_and_stays_as_it_is(&make().await).await;
    changes_are_told_once_and_in_their_order(&make().await).await;
    who_missed_a_forgotten_deletion_reads_all(&make().await).await;
}

/// A node's knowledge of a store.
#[derive(Default)]
pub(crate) struct Reader {
    pub mark: Option<StoreMark>,
    pub known: BTreeMap<Arc<str>, PushedTenant>,
}

impl Reader {
    /// Reads what is new. Gives the names that the pages had.
    pub(crate) async fn read(&mut self, store: &dyn TenantStore) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let StoreChanges::Page {
                tenants,
                mark,
                more,
                from_the_beginning,
            } = store.changes(self.mark.as_ref()).await.unwrap()
            else {
                panic!("the run is another");
            };
            if from_the_beginning {
                self.known.clear();
            }
            for tenant in tenants {
                names.push(tenant.name.to_string());
                self.known.insert(tenant.name.clone(), tenant);
            }
            self.mark = Some(mark);
            if !more {
                return names;
            }
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.known.get(name)?.file.as_ref().map(|file| &*file.text)
    }
}

pub(crate) fn put(name: &str, text: &str, expected: ExpectedVersion) -> TenantChange {
    claiming(name, text, &[], expected)
}

pub(crate) fn claiming(name: &str, text: &str, claims: &[&str], expected: ExpectedVersion) -> TenantChange {
    TenantChange {
        name: name.into(),
        file: Some(PushedFile {
            text: text.into(),
            claims: Claims::new(claims.iter().map(|claim| (*claim).to_owned())),
        }),
        expected,
    }
}

pub(crate) fn delete(name: &str, expected: ExpectedVersion) -> TenantChange {
    TenantChange {
        name: name.into(),
        file: None,
        expected,
    }
}

async fn a_change_is_made_on_the_version_that_it_expects(store: &impl TenantStore) {
    let refused = |present| Err(ChangeRefused::OtherVersion { present });
    assert_eq!(store.change(put("acme", "1", Present)).await, refused(None));
    assert_eq!(store.change(delete("acme", Any)).await, Err(ChangeRefused::Absent));
    assert_eq!(store.find("acme").await.unwrap(), None);
    let first = store.change(put("acme", "1", Absent)).await.unwrap();
    assert_eq!(store.change(put("acme", "2", Absent)).await, refused(Some(first)));
    let second = store.change(put("acme", "2", OneOf(vec![first]))).await.unwrap();
    for change in [put("acme", "3", OneOf(vec![first])), delete("acme", OneOf(vec![first]))] {
        assert_eq!(store.change(change).await, refused(Some(second)));
    }
    let found = store.find("acme").await.unwrap().unwrap();
    assert_eq!((found.version, &*found.file.unwrap().text), (second, "2"));
    let third = store
        .change(put("acme", "3", OneOf(vec![first, second])))
        .await
        .unwrap();
    let fourth = store.change(put("acme", "4", Any)).await.unwrap();
    assert!(first < second && second < third && third < fourth);
    store.change(delete("acme", Present)).await.unwrap();
    assert_eq!(store.find("acme").await.unwrap(), None);
    assert_eq!(store.change(put("acme", "5", OneOf(vec![fourth]))).await, refused(None));

    // Two at once: one is made.
    let version = store.change(put("acme", "6", Absent)).await.unwrap();
    let race = || store.change(put("acme", "7", OneOf(vec![version])));
    let (one, other) = tokio::join!(race(), race());
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

async fn versions_grow_over_deletions(store: &impl TenantStore) {
    let mut last = None::<TenantVersion>;
    for _ in 0..5 {
        let made = store.change(put("acme", "x", Absent)).await.unwrap();
        let deleted = store.change(delete("acme", OneOf(vec![made]))).await.unwrap();
        assert!(last < Some(made) && made < deleted);
        last = Some(deleted);
    }
}

async fn what_one_claims_no_other_has(store: &impl TenantStore) {
    store
        .change(claiming("acme", "1", &["a.example", "b.example"], Any))
        .await
        .unwrap();
    let claimed = |claim: &str| {
        Err(ChangeRefused::Claimed {
            claim: claim.into(),
            owner: "acme".into(),
        })
    };
    let other = claiming("other", "1", &["b.example", "c.example"], Any);
    assert_eq!(store.change(other.clone()).await, claimed("b.example"));
    assert_eq!(store.find("other").await.unwrap(), None);
    // Nothing of it was claimed, and its own claims are nothing against a tenant.
    store.change(claiming("third", "1", &["c.example"], Any)).await.unwrap();
    store.change(claiming("third", "2", &["c.example"], Any)).await.unwrap();
    store.change(claiming("third", "3", &[], Any)).await.unwrap();
    store.change(claiming("acme", "2", &["a.example"], Any)).await.unwrap();
    store.change(other).await.unwrap();
    store.change(delete("acme", Any)).await.unwrap();
    store.change(claiming("third", "4", &["a.example"], Any)).await.unwrap();
}

async fn a_store_is_full_and_stays_as_it_is(store: &impl TenantStore) {
    store.change(put("large", &"x".repeat(99_000), Any)).await.unwrap();
    let too_large = Err(ChangeRefused::TooLarge(LIMITS.bytes));
    assert_eq!(store.change(put("next", &"x".repeat(1_001), Any)).await, too_large);
    let version = store.find("large").await.unwrap().unwrap().version;
    assert_eq!(store.change(put("large", &"x".repeat(100_001), Any)).await, too_large);
    assert_eq!(store.find("large").await.unwrap().unwrap().version, version);
    // What it replaces makes room.
    store.change(put("large", &"y".repeat(100_000), Any)).await.unwrap();
    store.change(delete("large", Any)).await.unwrap();
    for n in 0..LIMITS.tenants {
        store.change(put(&format!("t{n}"), "x", Any)).await.unwrap();
    }
    let too_many = Err(ChangeRefused::TooMany(LIMITS.tenants));
    assert_eq!(store.change(put("one-more", "x", Any)).await, too_many);
    store.change(put("t0", "y", Any)).await.unwrap();
    store.change(delete("t1", Any)).await.unwrap();
    store.change(put("one-more", "x", Any)).await.unwrap();
}

async fn changes_are_told_once_and_in_their_order(store: &impl TenantStore) {
    let mut reader = Reader::default();
    assert!(reader.read(store).await.is_empty());
    assert!(reader.read(store).await.is_empty());
    for name in ["a", "b", "a", "c"] {
        store.change(put(name, name, Any)).await.unwrap();
    }
    assert_eq!(reader.read(store).await, ["b", "a", "c"]);
    assert!(reader.read(store).await.is_empty());
    store.change(delete("b", Any)).await.unwrap();
    store.change(put("a", "new", Any)).await.unwrap();
    assert_eq!(reader.read(store).await, ["b", "a"]);
    assert_eq!((reader.text("a"), reader.text("b")), (Some("new"), None));
    // Over pages, and while something is changed.
    let text = "x".repeat(150);
    for n in 0..550 {
        store.change(put(&format!("t{n}"), &text, Any)).await.unwrap();
    }
    let mut late = Reader::default();
    let names = late.read(store).await;
    assert_eq!(names.len(), 553, "two tenants, a tombstone, and 550");
    assert_eq!(reader.read(store).await.len(), 550);
    assert_eq!(reader.known, late.known);
}

async fn who_missed_a_forgotten_deletion_reads_all(store: &impl TenantStore) {
    for name in ["a", "b", "c", "d", "e", "f"] {
        store.change(put(name, name, Any)).await.unwrap();
    }
    let (mut away, mut there) = (Reader::default(), Reader::default());
    away.read(store).await;
    for name in ["a", "b", "c", "d", "e"] {
        store.change(delete(name, Any)).await.unwrap();
        there.read(store).await;
    }
    let names = away.read(store).await;
    assert_eq!(names, ["f", "c", "d", "e"], "the last tombstones, and what is there");
    assert!(away.known.values().filter(|tenant| tenant.file.is_some()).count() == 1);
    store.change(put("a", "again", Any)).await.unwrap();
    for reader in [&mut away, &mut there] {
        assert_eq!(reader.read(store).await, ["a"]);
        assert_eq!(reader.text("a"), Some("again"));
    }
}
