//! How many channels a tenant may have open on a node.

use std::time::Duration;

use super::bench::{ANY, Bench, allowance, topic, with_history};
use crate::{ChannelLimit, HistoryRange, Interest, Rejection};
use protocol::names::Topic;

pub(super) async fn over_the_limit_new_channels_alone_are_refused(bench: &mut Bench) {
    let own = |name: &str| Topic {
        tenant: "small".into(),
        ..topic(name)
    };
    let settings = with_history(10);
    for n in 0..20 {
        let topic = own(&format!("read-{n}"));
        bench.history(&topic, &settings, HistoryRange::default()).await;
        bench.backplane.members(&topic).await.unwrap();
    }
    let join = |user: &str, name: &str| {
        let (backplane, topic, settings) = (bench.backplane.clone(), own(name), settings.clone());
        let allowance = allowance(user, 4, usize::MAX);
        async move { Interest::join(&backplane, &topic, &settings, &allowance, 0).await }
    };
    let mut of_ann = vec![join("ann", "a").await.unwrap(), join("ann", "b").await.unwrap()];
    let refused = |joined: Result<Interest, Rejection>| joined.err();
    let of_user = Some(Rejection::Limit(ChannelLimit::OfUser(2)));
    assert_eq!(refused(join("ann", "c").await), of_user, "one user has half of it");
    let _of_bob = [join("bob", "c").await.unwrap(), join("bob", "d").await.unwrap()];
    let of_tenant = Some(Rejection::Limit(ChannelLimit::OfTenant(4)));
    assert_eq!(refused(join("carl", "e").await), of_tenant);
    let _shared = [join("ann", "c").await.unwrap(), join("carl", "a").await.unwrap()];
    let other = Interest::join(&bench.backplane, &topic("e"), &settings, &ANY, 0).await;
    assert!(other.is_ok(), "another tenant has its own limit");
    // A channel is closed when the last one has left it: over Redis a moment later.
    of_ann.pop();
    let closed = async {
        while join("carl", "e").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed)
        .await
        .expect("there is room again");
}
