//! SIGUSR2: another process takes over, and this one drains. Whatever becomes of the other before it serves, this one goes on.

use std::process;
use std::sync::Arc;

use tokio::time::timeout;

use super::Broker;
use crate::gateway::{AcceptState, SocketFile};
use crate::handover::{HandoverError, HandoverTask, Passed, Successor};

/// What the service manager shows of a broker after a handover that failed.
const SERVES_STILL: &str = "serving: the last restart failed, and the log says why";

impl Broker {
    /// Starts a process that is to take over. `has_name`: this node's name is known to be its own.
    pub(super) fn begin_handover(&self, has_name: bool) -> Option<HandoverTask> {
        let refuse = |why| tracing::error!(why, "no other process is started to take over");
        if self.opening.is_some() {
            refuse("this one is still taking over itself");
            return None;
        }
        if !has_name {
            refuse("Redis has not said yet whether this node's name is its own");
            return None;
        }
        if process::id() == 1 {
            refuse("this is process 1, and its end would end the other: start another container");
            return None;
        }
        let passed = Passed {
            sockets: self.held.clone(),
            instance: self.instance.clone(),
            is_watched: self.watchdog.is_some(),
        };
        let wait = self.present.config.server.handover;
        match HandoverTask::start(self.invocation.clone(), passed, wait) {
            Ok(handover) => {
                tracing::info!(within = ?wait, "another process is started to take over");
                self.manager
                    .status("serving, and starting another process to take over");
                Some(handover)
            }
            Err(error) => {
                tracing::error!(%error, "no other process can be started to take over");
                None
            }
        }
    }

    /// Whether another process serves in the place of this one from now on.
    pub(super) fn is_handed_over(&self, outcome: Result<Successor, HandoverError>) -> bool {
        let taken_over = outcome.and_then(|successor| {
            let process = successor.process();
            // Only then the manager listens to it.
            self.manager.main_process(process);
            successor.tell_yours()?;
            Ok(process)
        });
        match taken_over {
            Ok(process) => {
                tracing::info!(process, "another process has taken over");
                true
            }
            Err(error) => {
                tracing::error!(%error, "no other process took over, and this one goes on");
                self.manager.main_process(process::id());
                self.manager.status(SERVES_STILL);
                false
            }
        }
    }

    /// Accepts nobody any more: whoever comes is the other process's, and so are the files of sockets, and this node's name.
    pub(super) async fn leave_all(&mut self) {
        self.gateway.accepting.send_replace(AcceptState::NoMore);
        self.held = Arc::default();
        self.socket_files.drain(..).for_each(SocketFile::leave);
        self.registry.hand_over();
        if let Some(bus) = &self.cluster_bus {
            bus.give_name();
        }
        // Who was accepted already becomes a session first, and is told to go like all others.
        let arrived = timeout(self.gateway.header_timeout, self.gateway.arrivals.none()).await;
        if arrived.is_err() {
            tracing::info!("some connections have not asked for anything: they are cut off");
        }
    }
}
