//! Who is in a channel, and who is told.

use super::bench::{Bench, member, topic, with_history};
use crate::backplane::{Interest, Presence};

pub(super) async fn presence_is_told_once(bench: &mut Bench) {
    let (topic, settings) = (topic("presence"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, 0).await.unwrap();
    let enter = |session| Presence::enter(&bench.backplane, &topic, &settings, member(session));
    let (one, two) = (enter("s1").await.unwrap(), enter("s2").await.unwrap());
    let mut members = bench.backplane.members(&topic).await.unwrap();
    members.sort_by(|a, b| a.session.cmp(&b.session));
    assert_eq!(members, [member("s1"), member("s2")]);
    drop(one);
    bench.backplane.close().await.unwrap();
    assert_eq!(bench.backplane.members(&topic).await.unwrap(), [member("s2")]);
    drop(two);
    bench.backplane.exit(&topic, &settings, &member("s2"));
    bench.backplane.close().await.unwrap();
    assert_eq!(bench.received(0).await, ["join s1", "join s2", "leave s1", "leave s2"]);
}
