//! Looks at the config's files every moment, on a thread of its own: a file system may let it wait.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use config::{ConfigSources, ConfigWatch};

/// How often the files are looked at. They are at rest when they are the same for as long.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The thread, once there was something to watch.
#[derive(Default)]
pub(super) struct ConfigWatcher {
    /// What is watched; none while nothing is.
    sources: Arc<Mutex<Option<ConfigSources>>>,
    changed: Option<mpsc::Receiver<()>>,
}

// === impl ConfigWatcher ===

impl ConfigWatcher {
    /// Watches these from now on.
    pub(super) fn begin(&mut self, sources: Option<ConfigSources>) -> io::Result<()> {
        let Some(sources) = sources else { return Ok(()) };
        let mut watch = ConfigWatch::default();
        watch.begin(&sources);
        *self.sources.lock() = Some(sources);
        self.start(watch)
    }

    /// Watches these, which were read a moment ago, or nothing.
    pub(super) fn watch(&mut self, sources: Option<ConfigSources>) {
        let is_some = sources.is_some();
        *self.sources.lock() = sources;
        if is_some
            && self.changed.is_none()
            && let Err(error) = self.start(ConfigWatch::default())
        {
            tracing::error!(%error, "the config is not watched: there is no thread for it");
        }
    }

    fn start(&mut self, mut watch: ConfigWatch) -> io::Result<()> {
        let (tell, changed) = mpsc::channel(1);
        let sources = self.sources.clone();
        std::thread::Builder::new().name("watch".into()).spawn(move || {
            while !tell.is_closed() {
                std::thread::sleep(LOOK_EVERY);
                let sources = sources.lock().clone();
                match sources {
                    // One that was not heard yet is enough.
                    Some(sources) if watch.look(&sources) => drop(tell.try_send(())),
                    Some(_) => {}
                    None => watch = ConfigWatch::default(),
                }
            }
        })?;
        self.changed = Some(changed);
        Ok(())
    }

    /// Waits until the files changed, and are at rest again.
    pub(super) async fn changed(&mut self) {
        let told = match &mut self.changed {
            Some(changed) => changed.recv().await,
            None => None,
        };
        if told.is_none() {
            pending::<()>().await;
        }
    }
}
