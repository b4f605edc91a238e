//! Who is in a channel, and who is told.

use super::bench::{ANY, Bench, member, topic, with_history};
use crate::{Envelope, Interest, Presence};

pub(super) async fn presence_is_told_once(bench: &mut Bench) {
    let (topic, settings) = (topic("presence"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    let enter = |session| Presence::enter(&bench.backplane, &topic, &settings, member(session));
    let (one, two) = (enter("s1").await.unwrap(), enter("s2").await.unwrap());
    let mut members = bench.backplane.members(&topic).await.unwrap().members;
    members.sort_by(|a, b| a.session.cmp(&b.session));
    assert_eq!(members, [member("s1"), member("s2")]);
    drop(one);
    bench.backplane.close().await.unwrap();
    assert_eq!(bench.backplane.members(&topic).await.unwrap().members, [member("s2")]);
    drop(two);
    bench.backplane.exit(&topic, &settings, &member("s2"));
    bench.backplane.close().await.unwrap();
    assert_eq!(bench.received(0).await, ["join s1", "join s2", "leave s1", "leave s2"]);
}

pub(super) async fn a_snapshot_says_which_changes_came_before_it(bench: &mut Bench) {
    let (topic, settings) = (topic("versions"), with_history(10));
    let _seat = Interest::join(&bench.backplane, &topic, &settings, &ANY, 0)
        .await
        .unwrap();
    // Who comes and who goes in turn. The last one out and back again: the channel had forgotten everybody.
    let deeds = ["s1", "s2", "-s1", "s1", "-s2", "-s1", "s1", "s3", "-s3", "-s1", "s1"];
    let mut present: Vec<Presence> = Vec::new();
    let mut sessions: Vec<&str> = Vec::new();
    let mut snapshots = vec![bench.backplane.members(&topic).await.unwrap()];
    for deed in deeds {
        if let Some(session) = deed.strip_prefix('-') {
            let place = sessions.iter().position(|one| *one == session).unwrap();
            sessions.remove(place);
            drop(present.remove(place));
            bench.backplane.close().await.unwrap();
        } else {
            let enters = Presence::enter(&bench.backplane, &topic, &settings, member(deed));
            present.push(enters.await.unwrap());
            sessions.push(deed);
        }
        let snapshot = bench.backplane.members(&topic).await.unwrap();
        let mut seen: Vec<_> = snapshot.members.iter().map(|member| &*member.session).collect();
        seen.sort_unstable();
        let mut expected = sessions.clone();
        expected.sort_unstable();
        assert_eq!(seen, expected, "after {deed}");
        snapshots.push(snapshot);
    }
    let changes = bench.envelopes(0).await;
    assert_eq!(changes.len(), deeds.len());
    for (n, change) in changes.iter().enumerate() {
        let Envelope::Presence(change) = change else {
            panic!("{change:?}")
        };
        let seen = |snapshot: usize| change.version <= snapshots[snapshot].version;
        assert!(
            (0..=n).all(|earlier| snapshots[earlier].members.is_empty() || !seen(earlier)),
            "{change:?}"
        );
        assert!(
            (n + 1..snapshots.len()).all(|later| snapshots[later].members.is_empty() || seen(later)),
            "{change:?}"
        );
    }
}
