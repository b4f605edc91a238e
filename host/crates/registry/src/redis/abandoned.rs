//! Places of processes that ended without giving them back, as one does that is killed. They run out by themselves, but the
//! clients of such a process come back at once: before a limit is said to be reached, they are given up.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis_client::{Script, Topology};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster::Peers;

/// How often it is looked who is there, at most.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Before somebody is turned away it is looked again, so often …
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// … and for so long: a process that is killed is there until the system has closed its sockets, which takes a while for many on
/// a busy machine, and its clients come back as each of theirs is closed.
const PATIENCE: Duration = Duration::from_secs(2);
/// Tenants and users whose places are looked through, at most, until other processes are there.
const SWEEPS: usize = 4_096;

static GIVE_UP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("abandoned.lua")));

/// Gives up abandoned places.
pub(super) struct AbandonedPlaces {
    peers: Arc<dyn Peers>,
    look: Mutex<Look>,
}

/// What the last look showed.
#[derive(Default)]
struct Look {
    at: Option<Instant>,
    /// Empty: it is not known.
    connected: Vec<String>,
    /// The keys whose places were looked through since these are there, and when.
    swept: HashMap<String, Instant>,
}

// === impl AbandonedPlaces ===

impl AbandonedPlaces {
    pub(super) fn new(peers: Arc<dyn Peers>) -> Self {
        Self {
            peers,
            look: Mutex::default(),
        }
    }

    /// Gives up the places under `key` whose processes are gone. Returns whether they were looked through since `asked`, when a
    /// place was asked for and refused: then asking again is worth it. Another node may have been first to give them up.
    pub(super) async fn give_up(&self, servers: &Topology, key: &str, asked: Instant) -> bool {
        let mut after = Duration::ZERO;
        while !self.sweep(servers, key, asked, after).await {
            if after >= PATIENCE {
                return false;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            after += LOOK_AGAIN;
        }
        true
    }

    /// The same, by who is there so long after `asked`. However many ask, the places are looked through once until other
    /// processes are there.
    async fn sweep(&self, servers: &Topology, key: &str, asked: Instant, after: Duration) -> bool {
        let mut look = self.look.lock().await;
        if look.at.is_none_or(|at| at + LOOK_EVERY < asked + after) {
            look.at = Some(Instant::now());
            let mut connected = self.peers.connected().await.unwrap_or_default();
            connected.sort_unstable();
            if connected != look.connected {
                look.connected = connected;
                look.swept.clear();
            }
        }
        if let Some(at) = look.swept.get(key) {
            return *at >= asked;
        }
        if look.connected.is_empty() || look.swept.len() >= SWEEPS {
            return false;
        }
        let call = GIVE_UP.call([key.to_owned()]);
        let call = look.connected.iter().fold(call, |call, instance| call.arg(&**instance));
        let is_done = servers.call(&call).await.is_ok();
        if is_done {
            look.swept.insert(key.to_owned(), Instant::now());
        }
        is_done
    }
}
