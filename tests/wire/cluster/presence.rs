//! Presence on all nodes.

use std::time::Duration;

use crate::support::crowd::a_crowd_is_told_of_once;
use crate::support::{Client, Nodes, Redis, Value, eventually, json};

/// From a node's death until its members are gone everywhere, and some time more.
const DEAD_AND_GONE: Duration = Duration::from_secs(45);

fn sessions(members: &Value) -> Vec<&str> {
    let members = members.as_array().expect("members is a list").iter();
    let mut sessions: Vec<_> = members.map(|m| m["session"].as_str().expect("a session")).collect();
    sessions.sort_unstable();
    sessions
}

/// The next push of `kind` about another session; the protocol leaves pushes about oneself open.
async fn expect_move(listener: &mut Client, kind: &str, channel: &str, session: &str) {
    let push = loop {
        let push = listener.push(kind).await;
        if push["payload"]["session"] != *listener.session() {
            break push;
        }
    };
    assert_eq!(
        (&push["channel"], &push["payload"]["session"]),
        (&json!(channel), &json!(session))
    );
}

#[tokio::test]
async fn members_joins_and_leaves_cross() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let channel = "room:across";
    let mut ann = nodes[0].dial_as("ann").connect().await;
    let mut bob = nodes[1].dial_as("bob").connect().await;
    ann.subscribe(channel).await;
    let ack = bob
        .subscribe_with(json!({ "channel": channel, "presence": true }))
        .await;
    let mut both = [ann.session().to_owned(), bob.session().to_owned()];
    both.sort_unstable();
    assert_eq!(sessions(&ack["presence"]), both, "{ack}");
    expect_move(&mut ann, "join", channel, bob.session()).await;
    let asked = ann.ask("presence", json!({ "channel": channel })).await;
    assert_eq!(
        (sessions(&asked["members"]), &asked["count"]),
        (both.each_ref().map(String::as_str).to_vec(), &json!(2))
    );
    let named = |user: &str| {
        asked["members"]
            .as_array()
            .is_some_and(|all| all.iter().any(|m| m["user"] == user))
    };
    assert!(named("ann") && named("bob"), "{asked}");

    bob.unsubscribe(channel).await;
    expect_move(&mut ann, "leave", channel, bob.session()).await;
    bob.subscribe(channel).await;
    expect_move(&mut ann, "join", channel, bob.session()).await;
    let session = bob.session().to_owned();
    bob.vanish();
    expect_move(&mut ann, "leave", channel, &session).await;
    let asked = ann.ask("presence", json!({ "channel": channel })).await;
    assert_eq!(sessions(&asked["members"]), [ann.session()]);
}

#[tokio::test]
async fn the_members_of_a_dead_node_leave_once() {
    let redis = Redis::start().await;
    let mut nodes = Nodes::start(3, &redis.url()).await;
    let channel = "room:dead-node";
    let mut ann = nodes[0].connect("ann").await;
    let mut carl = nodes[2].connect("carl, on a third node").await;
    ann.subscribe(channel).await;
    carl.subscribe(channel).await;
    let mut bob = nodes[1].connect("bob, who will be gone").await;
    bob.subscribe(channel).await;
    let session = bob.session().to_owned();
    for listener in [&mut ann, &mut carl] {
        while listener.push("join").await["payload"]["session"] != *session {}
    }
    nodes.kill(1).await;
    for listener in [&mut ann, &mut carl] {
        listener.patience(DEAD_AND_GONE);
        expect_move(listener, "leave", channel, &session).await;
    }
    eventually(DEAD_AND_GONE, "presence without the dead", async || {
        let asked = ann.ask("presence", json!({ "channel": channel })).await;
        (!sessions(&asked["members"]).contains(&session.as_str())).then_some(())
    })
    .await;
    // Two nodes could have cleaned up after it; all their pushes come before the fence.
    let mut dora = nodes[2].connect("dora, the fence").await;
    dora.subscribe(channel).await;
    for listener in [&mut ann, &mut carl] {
        expect_move(listener, "join", channel, dora.session()).await;
        assert!(
            !listener.has_waiting("leave"),
            "one leave, not one for each node that saw it"
        );
    }
}

#[tokio::test]
async fn a_drained_node_leaves_nobody_behind() {
    let redis = Redis::start().await;
    let mut nodes = Nodes::start(2, &redis.url()).await;
    let channel = "room:drained";
    let mut ann = nodes[0].connect("ann").await;
    ann.subscribe(channel).await;
    let mut bob = nodes[1].connect("bob").await;
    bob.subscribe(channel).await;
    expect_move(&mut ann, "join", channel, bob.session()).await;
    nodes.drain(1).await;
    expect_move(&mut ann, "leave", channel, bob.session()).await;
    let asked = ann.ask("presence", json!({ "channel": channel })).await;
    assert_eq!(sessions(&asked["members"]), [ann.session()]);
}

#[tokio::test]
async fn a_node_that_stood_still_is_itself_again() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let channel = "room:still";
    let mut ann = nodes[0].connect("ann").await;
    ann.subscribe(channel).await;
    let mut bob = nodes[1].connect("bob, on a node that will stand still").await;
    bob.subscribe(channel).await;
    let session = bob.session().to_owned();
    expect_move(&mut ann, "join", channel, &session).await;
    nodes[1].pause();
    ann.patience(DEAD_AND_GONE);
    expect_move(&mut ann, "leave", channel, &session).await;
    nodes[1].resume();
    // To the others it was dead, to its clients it was slow.
    expect_move(&mut ann, "join", channel, &session).await;
    let asked = ann.ask("presence", json!({ "channel": channel })).await;
    assert_eq!(sessions(&asked["members"]).len(), 2);
    ann.to(channel).publish("you are back").await;
    bob.expect_message("you are back").await;
    ann.expect_message("you are back").await;
    bob.to(channel).publish("I never was away").await;
    ann.expect_message("I never was away").await;
    bob.close().await;
    expect_move(&mut ann, "leave", channel, &session).await;
}

#[tokio::test]
async fn who_stands_in_the_snapshot_is_not_told_of_as_coming() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let mut clients = Vec::new();
    for n in 0..60 {
        clients.push(nodes[n % 2].dial_as(&format!("crowd-{n}")).connect().await);
    }
    a_crowd_is_told_of_once(clients, "room:crowd").await;
}
