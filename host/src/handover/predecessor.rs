//! The new process's side.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::parent_id;
use std::time::Duration;

use rustix::stdio::dup2_stdin;

use super::HandoverError;
use super::channel::HandoverSocket;
use super::record::{HandoverRecord, VERSION};
use crate::passed_sockets::{ListenerKey, PassedSocket, PassedSockets};

/// The variable with the number of the process that hands over, if it is this one's parent.
pub(super) const FROM: &str = "SLUICEGATE_HANDOVER_FROM";
/// How long the old process may take to tell the service manager of this one.
const YOURS_WAIT: Duration = Duration::from_secs(10);

/// The process that this one takes over from.
#[derive(Debug)]
pub struct Predecessor {
    channel: HandoverSocket,
    /// Its instance, where there are other nodes.
    pub(crate) instance: Option<String>,
}

// === impl Predecessor ===

impl Predecessor {
    /// The process that started this one to take over, and what it passes. None: this is an ordinary start.
    pub fn here() -> Result<Option<(Self, PassedSockets)>, HandoverError> {
        let from = std::env::var(FROM).ok().and_then(|number| number.parse().ok());
        if from != Some(parent_id()) {
            return Ok(None);
        }
        // stdin itself stays open until this process is the one that serves, so that the old one learns of its end.
        let channel = HandoverSocket::given(io::stdin().as_fd().try_clone_to_owned()?);
        let instance = match received(&channel)? {
            (
                HandoverRecord::Hello {
                    version: VERSION,
                    instance,
                },
                _,
            ) => instance,
            (HandoverRecord::Hello { version, .. }, _) => {
                return Err(HandoverError::OtherVersion(Some(version), VERSION));
            }
            _ => return Err(HandoverError::OtherVersion(None, VERSION)),
        };
        let mut sockets = PassedSockets::default();
        loop {
            match received(&channel)? {
                (
                    HandoverRecord::Socket {
                        role,
                        address,
                        number,
                        owns_file,
                    },
                    Some(descriptor),
                ) => {
                    let key = ListenerKey {
                        role: role.into(),
                        address: address.into(),
                        number,
                    };
                    sockets.push(PassedSocket::by_predecessor(descriptor, key, owns_file));
                }
                (HandoverRecord::End, _) => return Ok(Some((Self { channel, instance }, sockets))),
                _ => return Err(HandoverError::OtherVersion(Some(VERSION), VERSION)),
            }
        }
    }

    /// Tells that this process accepts clients, and waits until the other has told the service manager. Blocks.
    pub(crate) fn tell_accepting(self) {
        let told = (self.channel.wait_at_most(YOURS_WAIT))
            .and_then(|()| self.channel.send(&HandoverRecord::Accepting, None))
            .and_then(|()| self.channel.receive());
        match told {
            Ok(Some((HandoverRecord::Yours, _))) => {}
            // Clients come here already, and there is nobody else for them.
            other => tracing::warn!(?other, "the process that this one takes over from is gone"),
        }
        let nothing = File::open("/dev/null").and_then(|null| Ok(dup2_stdin(&null)?));
        if let Err(error) = nothing {
            tracing::warn!(%error, "stdin cannot be closed");
        }
    }
}

fn received(channel: &HandoverSocket) -> io::Result<(HandoverRecord, Option<std::os::fd::OwnedFd>)> {
    channel.receive()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
