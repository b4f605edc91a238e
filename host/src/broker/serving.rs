//! A broker begins to serve.

use std::io;

use super::announced::say;
use super::opening::OpeningSteps;
use super::{Broker, SERVES};
use crate::gateway::{AcceptState, SocketFile};

impl Broker {
    /// Serves from now on.
    pub(super) async fn open(&mut self, opening: OpeningSteps) -> io::Result<()> {
        for address in opening.addresses {
            say(&format!("listening on {address}"))?;
        }
        if let Some(admin) = opening.admin {
            admin.serve(&self.gateway.accepting)?;
        }
        self.gateway.accepting.send_replace(AcceptState::Now);
        if let Some(predecessor) = opening.predecessor {
            drop(tokio::task::spawn_blocking(move || predecessor.tell_accepting()).await);
            for path in opening.files {
                match SocketFile::at(&path) {
                    Ok(file) => self.socket_files.push(file),
                    Err(error) => tracing::warn!(%error, path = %path.display(), "the file of a socket is gone"),
                }
            }
            // Nobody listens on these any more.
            for path in opening.unused.close() {
                drop(SocketFile::at(&path));
            }
        }
        self.manager = opening.manager;
        self.manager.ready(SERVES);
        // On this thread, which serves operators: should it hang, nobody says that all is well.
        let watchdog = opening.watchdog;
        self.watchdog = watchdog.map(|watchdog| tokio::spawn(watchdog.run(self.manager.clone())));
        Ok(())
    }
}
