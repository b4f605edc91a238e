//! Places of processes that ended without giving them back, as one does that is killed. They run out by themselves, but the
//! clients of such a process come back at once: before a limit is said to be reached, they are given up.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis_client::{Script, Topology, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster::Peers;

/// How often it is looked who is there. Whoever is turned away meanwhile is by what was seen last.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Tenants and users whose places are looked through for each of these looks, at most.
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
    /// The keys whose places were looked through since, and whether there were abandoned ones.
    swept: HashMap<String, bool>,
}

// === impl AbandonedPlaces ===

impl AbandonedPlaces {
    pub(super) fn new(peers: Arc<dyn Peers>) -> Self {
        Self {
            peers,
            look: Mutex::default(),
        }
    }

    /// Gives up the places under `key` whose processes are gone. Returns whether there were any, so that asking again is worth
    /// it. However many are turned away, the places are looked through twice a second.
    pub(super) async fn give_up(&self, servers: &Topology, key: &str) -> bool {
        let mut look = self.look.lock().await;
        if look.at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            *look = Look {
                connected: self.peers.connected().await.unwrap_or_default(),
                at: Some(Instant::now()),
                swept: HashMap::new(),
            };
        }
        if let Some(found) = look.swept.get(key) {
            return *found;
        }
        if look.connected.is_empty() || look.swept.len() >= SWEEPS {
            return false;
        }
        let call = look
            .connected
            .iter()
            .fold(GIVE_UP.call([key.to_owned()]), |call, instance| call.arg(&**instance));
        let found = matches!(servers.call(&call).await, Ok(Value::Int(1..)));
        look.swept.insert(key.to_owned(), found);
        found
    }
}
