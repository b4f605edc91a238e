//! Starts the backplane that the config names.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::backplane::memory::MemoryBackplane;
use crate::backplane::redis::RedisBackplane;
use crate::backplane::{Backplane, Envelope};
use crate::config::{BackplaneKind, Config, RedisSettings};
use crate::sandbox::shared::SharedStore;

/// The backplane, and where plugins keep what all nodes share, if there is more than this one.
type Started = (Arc<dyn Backplane>, Option<Arc<dyn SharedStore>>);

/// The backplane for these inboxes. It lives as long as the process.
pub(super) fn start(config: &Config, inboxes: Vec<mpsc::Sender<Envelope>>) -> io::Result<Started> {
    match &config.backplane {
        BackplaneKind::Memory => {
            let memory = MemoryBackplane::new(inboxes);
            tokio::spawn(memory.clone().sweep());
            Ok((memory, None))
        }
        BackplaneKind::Redis(settings) => redis(settings.clone(), &config.server.node, inboxes),
    }
}

/// On a thread of its own: what comes from other nodes does not wait for what this node's operator asks.
fn redis(settings: RedisSettings, node: &str, inboxes: Vec<mpsc::Sender<Envelope>>) -> io::Result<Started> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (started, backplane) = std::sync::mpsc::sync_channel(1);
    let node = node.to_owned();
    std::thread::Builder::new().name("redis".into()).spawn(move || {
        runtime.block_on(async {
            drop(started.send(RedisBackplane::start(settings, &node, inboxes)));
            std::future::pending::<()>().await;
        });
    })?;
    let backplane = backplane
        .recv()
        .map_err(|_| io::Error::other("the backplane's thread ended"))?;
    let store = backplane.store();
    Ok((Arc::new(backplane), Some(store)))
}
