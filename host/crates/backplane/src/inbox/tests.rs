//! Who has room when somebody else has taken all of it.

use std::sync::Arc;

use futures_util::FutureExt;

use super::*;
use protocol::names::{Channel, Topic};

fn lost(tenant: &Arc<str>) -> Envelope {
    Envelope::Lost(Topic {
        tenant: tenant.clone(),
        channel: Channel::parse("c").unwrap(),
    })
}

fn fill(inbox: &Inbox, tenant: &Arc<str>, bytes: usize) -> usize {
    let mut sent = 0;
    while let Ok(place) = inbox.try_reserve(tenant, bytes) {
        place.send(lost(tenant));
        sent += 1;
    }
    sent
}

#[tokio::test]
async fn what_one_tenant_has_taken_is_not_missing_to_another_until_it_is_delivered() {
    let (inbox, mut shard) = Inbox::with_places(100);
    let [flood, quiet]: [Arc<str>; 2] = ["flood".into(), "quiet".into()];
    assert_eq!(fill(&inbox, &flood, 0), 100);
    assert!(inbox.has_room(&quiet));
    let mut arrived = Vec::new();
    shard.receive(&mut arrived).await;
    assert_eq!(arrived.len(), 100);
    assert!(!inbox.has_room(&flood), "what has arrived is not delivered");
    let freed = inbox.freed();
    shard.delivered(&flood, &arrived[..1]);
    freed.await;
    assert_eq!(fill(&inbox, &flood, 0), 1);
}

#[test]
fn many_that_flood_leave_everybody_some_places() {
    let (inbox, _shard) = Inbox::with_places(100);
    let floods: Vec<Arc<str>> = (0..50).map(|n| format!("t{n}").into()).collect();
    let taken: Vec<_> = floods.iter().map(|flood| fill(&inbox, flood, 0)).collect();
    assert_eq!(taken[..8], [100; 8]);
    assert_eq!(taken[8..], [LEAST; 42], "no more than that for whoever comes late");
}

#[test]
fn large_messages_are_bounded_in_bytes() {
    let (inbox, _shard) = Inbox::with_places(1_000);
    assert_eq!(fill(&inbox, &"a".into(), TENANT_BYTES / 64), 64);
    assert_eq!(
        fill(&inbox, &"b".into(), TENANT_BYTES),
        LEAST,
        "the least counts places"
    );
}

#[tokio::test]
async fn a_place_that_was_not_used_is_free_again_and_nothing_is_left_of_who_has_none() {
    let (inbox, mut shard) = Inbox::with_places(1);
    let tenant: Arc<str> = "acme".into();
    let place = inbox.try_reserve(&tenant, 5).ok().unwrap();
    assert_eq!(inbox.try_reserve(&tenant, 5).err(), Some(NoPlace::Full));
    let mut sending = Box::pin(inbox.send(lost(&tenant)));
    assert!(sending.as_mut().now_or_never().is_none());
    drop(place);
    sending.await;
    assert!(matches!(shard.next().await, Envelope::Lost(_)));
    let state = inbox.state.lock();
    assert!(state.tenants.is_empty());
    assert_eq!((state.all.envelopes, state.all.bytes), (0, 0));
}

#[tokio::test]
async fn who_waits_for_a_shard_that_ends_waits_no_longer() {
    let (inbox, shard) = Inbox::with_places(1);
    let tenant: Arc<str> = "acme".into();
    assert_eq!(fill(&inbox, &tenant, 0), 1);
    let mut sending = Box::pin(inbox.send(lost(&tenant)));
    assert!(sending.as_mut().now_or_never().is_none());
    drop(shard);
    sending.await;
    assert_eq!(inbox.try_reserve(&tenant, 0).err(), Some(NoPlace::Closed));
    assert!(inbox.has_room(&tenant), "there is nobody to wait for");
}
