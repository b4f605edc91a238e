//! The transcripts of `docs/TRANSCRIPTS.md` stay true: the side of the clients is played to a real broker, and what it
//! answers is compared, line by line.

mod names;
mod peer;
mod script;

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use crate::support::process::workspace;
use crate::support::{Broker, token};
use names::Names;
use peer::Peer;
use script::{Said, Step, block, read, section};

/// The secret in the config that the page shows.
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

async fn play(title: &str) {
    let path = workspace().join("docs/TRANSCRIPTS.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let broker = Broker::start(block(section(&page, "The broker"), "toml")).await;
    let steps = read(block(section(&page, title), "transcript"));
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let of = |user: &str| token::hs256(SECRET, &header, &json!({ "sub": user, "exp": token::seconds(3600) }));
    let mut names = Names::default();
    names.bind("token-of-ann", &of("ann"));
    names.bind("token-of-bob", &of("bob"));
    let mut peers: BTreeMap<String, Peer> = BTreeMap::new();
    for Step { who, said, lines } in steps {
        match said {
            Said::ByClient if lines[0].contains(" HTTP/1.1") => {
                let peer = Peer::ask(broker.address, &names.filled(&lines)).await;
                peers.insert(who, peer);
            }
            Said::ByClient if lines == ["(hangs up)"] => drop(peers.remove(&who)),
            Said::ByClient => {
                peers
                    .get_mut(&who)
                    .expect("it asked first")
                    .say(&names.filled(&lines))
                    .await
            }
            Said::ByBroker => {
                let peer = peers.get_mut(&who).expect("it asked first");
                for expected in &lines {
                    let heard = peer.hear(expected).await;
                    names.check(expected, &heard).unwrap_or_else(|why| {
                        panic!("{title}: {who} expects\n{expected}\nand hears\n{heard}\n({why})");
                    });
                }
            }
        }
    }
}

#[tokio::test]
async fn websocket() {
    play("WebSocket").await;
}

#[tokio::test]
async fn server_sent_events() {
    play("Server-Sent Events").await;
}

#[tokio::test]
async fn long_poll() {
    play("Long-poll").await;
}
