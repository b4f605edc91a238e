//! `presence`, and who is told of joins and leaves.

use crate::support::crowd::a_crowd_is_told_of_once;
use crate::support::{Client, Value, json, shared};

fn sessions(members: &Value) -> Vec<&str> {
    let members = members.as_array().expect("members is a list");
    let mut sessions: Vec<_> = members
        .iter()
        .map(|m| m["session"].as_str().expect("a session"))
        .collect();
    sessions.sort_unstable();
    sessions
}

fn sorted<'a>(clients: &[&'a Client]) -> Vec<&'a str> {
    let mut sessions: Vec<_> = clients.iter().map(|c| c.session()).collect();
    sessions.sort_unstable();
    sessions
}

#[tokio::test]
async fn members_are_listed_and_counted() {
    let broker = shared().await;
    let channel = json!({ "channel": "room:members" });
    let mut ann = broker.dial_as("ann-of-members").connect().await;
    let mut bob = broker.dial_as("bob-of-members").connect().await;
    let empty = ann.ask("presence", channel.clone()).await;
    assert_eq!(
        (&empty["count"], &empty["members"]),
        (&json!(0), &json!([])),
        "nobody is there yet"
    );

    ann.subscribe("room:members").await;
    bob.subscribe("room:members").await;
    let both = ann.ask("presence", channel).await;
    assert_eq!(both["channel"], "room:members");
    assert_eq!(both["count"], 2);
    assert_eq!(sessions(&both["members"]), sorted(&[&ann, &bob]));
    for member in both["members"].as_array().unwrap() {
        let who = if member["session"] == *ann.session() {
            "ann-of-members"
        } else {
            "bob-of-members"
        };
        assert_eq!(member["user"], who);
    }
}

#[tokio::test]
async fn two_sessions_of_one_user_are_two_members() {
    let broker = shared().await;
    let channel = "room:one-user-twice";
    let mut phone = broker.dial_as("ann-twice").connect().await;
    let mut laptop = broker.dial_as("ann-twice").connect().await;
    phone.subscribe(channel).await;
    laptop.subscribe(channel).await;
    let both = laptop.ask("presence", json!({ "channel": channel })).await;
    assert_eq!(both["count"], 2, "{both}");
    assert_eq!(sessions(&both["members"]), sorted(&[&phone, &laptop]));
    phone.unsubscribe(channel).await;
    let one = laptop.ask("presence", json!({ "channel": channel })).await;
    assert_eq!(one["count"], 1, "{one}");
    assert_eq!(sessions(&one["members"]), [laptop.session()]);
}

#[tokio::test]
async fn subscribe_can_tell_who_is_there() {
    let broker = shared().await;
    let channel = "room:who-is-there";
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    ann.subscribe(channel).await;
    let ack = bob
        .subscribe_with(json!({ "channel": channel, "presence": true }))
        .await;
    let there = sessions(&ack["presence"]);
    assert!(there.contains(&ann.session()), "{ack}");
}

#[tokio::test]
async fn joins_and_leaves_are_pushed() {
    let broker = shared().await;
    let channel = "room:join-leave";
    let mut ann = broker.dial_as("ann-of-joins").connect().await;
    ann.subscribe(channel).await;
    let mut bob = broker.dial_as("bob-of-joins").connect().await;
    bob.subscribe(channel).await;
    expect_move(&mut ann, "join", channel, &bob, "bob-of-joins").await;
    bob.unsubscribe(channel).await;
    expect_move(&mut ann, "leave", channel, &bob, "bob-of-joins").await;
}

/// The next push of `kind` about another session; the protocol leaves pushes about oneself open.
async fn expect_move(listener: &mut Client, kind: &str, channel: &str, who: &Client, user: &str) {
    let push = loop {
        let push = listener.push(kind).await;
        if push["payload"]["session"] != *listener.session() {
            break push;
        }
    };
    assert_eq!(push["channel"], channel, "{}", push.text);
    assert_eq!(push["payload"]["session"], *who.session(), "{}", push.text);
    assert_eq!(push["payload"]["user"], user, "{}", push.text);
}

#[tokio::test]
async fn every_way_out_is_a_leave() {
    let broker = shared().await;
    let channel = "room:ways-out";
    let mut ann = broker.connect("ann").await;
    ann.subscribe(channel).await;
    for way in ["close", "vanish", "reset", "bad protocol"] {
        let mut bob = broker.connect(way).await;
        bob.subscribe(channel).await;
        let session = bob.session().to_owned();
        match way {
            "close" => bob.close().await,
            "vanish" => bob.vanish(),
            "reset" => bob.reset(),
            _ => {
                bob.send_text("{").await.expect_close(4500).await;
            }
        }
        let leave = ann.push("leave").await;
        assert_eq!(leave["payload"]["session"], session, "{way}: {}", leave.text);
        let present = ann.ask("presence", json!({ "channel": channel })).await;
        assert_eq!(sessions(&present["members"]), [ann.session()], "{way}");
    }
}

#[tokio::test]
async fn presence_where_the_channel_has_none_is_a_bad_request() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("short:no-presence").await;
    ann.fails("presence", json!({ "channel": "short:no-presence" }), 4400)
        .await;
}

#[tokio::test]
async fn presence_without_the_right_to_it_is_denied() {
    let broker = shared().await;
    let mut ann = broker.dial_as("ann-without-presence").connect().await;
    ann.subscribe("quiet:1").await;
    ann.fails("presence", json!({ "channel": "quiet:1" }), 4403).await;
    ann.fails("presence", json!({ "channel": "secret:1" }), 4403).await;
}

#[tokio::test]
async fn joins_are_not_pushed_where_the_channel_has_none() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    ann.subscribe("silent-joins").await;
    bob.subscribe("silent-joins").await.publish("fence").await;
    ann.expect_message("fence").await;
    assert!(!ann.has_waiting("join"));
}

#[tokio::test]
async fn who_stands_in_the_snapshot_is_not_told_of_as_coming() {
    let broker = shared().await;
    let mut clients = Vec::new();
    for n in 0..60 {
        clients.push(broker.dial_as(&format!("crowd-{n}")).connect().await);
    }
    a_crowd_is_told_of_once(clients, "room:crowd").await;
}
