//! The service manager that started the broker, as `sd_notify(3)` reaches it: a datagram for each change of state.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::environment::Environment;
use crate::observe::LogThrottle;

/// How long a manager that does not read may hold up whoever tells it something.
const SEND_WAIT: Duration = Duration::from_millis(500);

/// Shared by all clones.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager(Option<Arc<NotifySocket>>);

#[derive(Debug)]
struct NotifySocket {
    socket: UnixDatagram,
    address: SocketAddr,
}

// === impl ServiceManager ===

impl ServiceManager {
    /// The one that the environment names, or none, to which nothing is said. An error names a socket that this program cannot
    /// send to.
    pub fn of(environment: &Environment) -> io::Result<Self> {
        let Some(name) = &environment.notify_socket else {
            return Ok(Self::default());
        };
        let address = address(name)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_WAIT))?;
        Ok(Self(Some(Arc::new(NotifySocket { socket, address }))))
    }

    /// It listens, or has reloaded.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(format_args!("READY=1\nSTATUS={status}"));
    }

    /// A reload begins; [`ServiceManager::ready`] ends it.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(format_args!(
            "RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reloading config and plugins"
        ));
    }

    /// It ends, and takes so long at most.
    pub(crate) fn stopping(&self, at_most: Duration) {
        self.tell(format_args!(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS=draining",
            at_most.as_micros()
        ));
    }

    /// The service's main process is this one, the caller or another.
    pub(crate) fn main_process(&self, process: u32) {
        self.tell(format_args!("MAINPID={process}"));
    }

    /// What it does, for a person.
    pub(crate) fn status(&self, status: &str) {
        self.tell(format_args!("STATUS={status}"));
    }

    /// It makes progress.
    pub(super) fn is_well(&self) {
        self.tell(format_args!("WATCHDOG=1"));
    }

    fn tell(&self, state: fmt::Arguments<'_>) {
        static FAILED: LogThrottle = LogThrottle::new();
        let Some(manager) = &self.0 else {
            return;
        };
        let sent = manager
            .socket
            .send_to_addr(state.to_string().as_bytes(), &manager.address);
        if let Err(error) = sent
            && let Some(others) = FAILED.allow()
        {
            tracing::warn!(%error, %state, others, "the service manager (NOTIFY_SOCKET) could not be told");
        }
    }
}

/// A path, or after `@` an abstract name of unix(7).
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it is neither an absolute path nor begins with @",
        )),
    }
}
