//! The connections that are subscribed now, one a server, each kept by a task of its own.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::ear::Queue;
use super::link::Link;
use super::{Inner, subscriber};

/// By the link that each goes beside.
#[derive(Default)]
pub(super) struct Subscribers {
    connected: Mutex<HashMap<usize, u64>>,
}

fn identity(link: &Arc<Link>) -> usize {
    Arc::as_ptr(link).addr()
}

impl Subscribers {
    pub fn insert(&self, link: &Arc<Link>, connection: u64) {
        self.connected.lock().insert(identity(link), connection);
    }

    pub fn remove(&self, link: &Arc<Link>) {
        self.connected.lock().remove(&identity(link));
    }

    /// The connection beside a link, if it is subscribed.
    pub fn of(&self, link: &Arc<Link>) -> Option<u64> {
        self.connected.lock().get(&identity(link)).copied()
    }
}

/// Keeps a subscriber beside every link, for ever.
pub(super) async fn keep_all(inner: Arc<Inner>, queue: Queue) {
    let mut kept: HashMap<usize, (Arc<Link>, AbortHandle)> = HashMap::new();
    let mut changed = inner.servers.changed();
    loop {
        let links = inner.servers.links();
        for link in &links {
            kept.entry(identity(link)).or_insert_with(|| {
                let task = subscriber::keep(link.clone(), inner.clone(), queue.clone());
                (link.clone(), tokio::spawn(task).abort_handle())
            });
        }
        kept.retain(|_, (link, keeper)| {
            let stays = links.iter().any(|there| Arc::ptr_eq(there, link));
            if !stays {
                keeper.abort();
                inner.subscribers.remove(link);
            }
            stays
        });
        // A channel whose server changed is subscribed there.
        inner.feeds.touch_all(|name, on| {
            let owner = inner.servers.link_of(name.as_bytes());
            owner.is_none_or(|owner| inner.subscribers.of(&owner) != Some(on))
        });
        if changed.changed().await.is_err() {
            return;
        }
    }
}
