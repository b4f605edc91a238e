//! Many clients that subscribe at the same time: which joins each of them gets.

use std::collections::BTreeSet;

use super::{Client, Value, json};

/// Has all clients subscribe at the same time, each with a presence snapshot. No join follows for a member of the
/// snapshot; snapshot and later joins together are complete.
pub(crate) async fn a_crowd_is_told_of_once(clients: Vec<Client>, channel: &str) {
    let everyone: BTreeSet<String> = clients.iter().map(|client| client.session().to_owned()).collect();
    let watching = clients.into_iter().map(|mut client| {
        let (channel, everyone) = (channel.to_owned(), everyone.clone());
        tokio::spawn(async move {
            let asked = json!({ "channel": channel, "presence": true });
            let ack = client.subscribe_with(asked).await;
            let mut seen: BTreeSet<String> = sessions(&ack["presence"]).collect();
            let mut twice = 0;
            while seen != everyone {
                let join = client.push("join").await;
                twice += u32::from(!insert(&mut seen, &join["payload"]["session"]));
            }
            (client, seen, twice)
        })
    });
    let mut watched = Vec::new();
    for watching in watching.collect::<Vec<_>>() {
        watched.push(watching.await.expect("a watcher"));
    }
    let mut twice: u32 = watched.iter().map(|(_, _, twice)| twice).sum();
    for (client, seen, _) in &mut watched {
        // What was on its way behind the last one is here when this is answered.
        client.still_works().await;
        while client.has_waiting("join") {
            let join = client.push("join").await;
            twice += u32::from(!insert(seen, &join["payload"]["session"]));
        }
    }
    assert_eq!(twice, 0, "joins of those whom the snapshot had");
}

fn sessions(members: &Value) -> impl Iterator<Item = String> {
    let members = members.as_array().into_iter().flatten();
    members.map(|member| member["session"].as_str().expect("a session").to_owned())
}

/// Whether it was not there yet.
fn insert(seen: &mut BTreeSet<String>, session: &Value) -> bool {
    seen.insert(session.as_str().expect("a session").to_owned())
}
