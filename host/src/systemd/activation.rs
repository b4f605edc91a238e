//! Socket activation, `sd_listen_fds(3)`: descriptors from 3 on are sockets that listen.

use std::mem;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

use super::environment::Environment;
use crate::passed_sockets::{PassedSocket, PassedSocketError, PassedSockets};

/// The first descriptor that is passed, `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;
/// Descriptors at most: more than listeners there are no addresses for.
const MOST: RawFd = 4_096;

/// Takes the sockets that were passed. To be called once, and before this process opens a file: a number that was promised
/// and not passed would be that file's.
pub fn passed_sockets(environment: &Environment) -> Result<PassedSockets, PassedSocketError> {
    let mut sockets = PassedSockets::default();
    let Some(count) = &environment.descriptors else {
        return Ok(sockets);
    };
    let number = count.parse().ok().filter(|count| (0..=MOST).contains(count));
    let number: RawFd = number.ok_or_else(|| PassedSocketError::Count(count.clone()))?;
    let mut names = environment.names.split(':');
    for descriptor in FIRST..FIRST + number {
        let name = names.next().filter(|name| !name.is_empty());
        let label = match name {
            Some(name) => format!("descriptor {descriptor} ({name})"),
            None => format!("descriptor {descriptor}"),
        };
        let Some(owned) = take(descriptor) else {
            return Err(PassedSocketError::NotOpen(label));
        };
        sockets.push(PassedSocket::by_manager(owned, label)?);
    }
    Ok(sockets)
}

/// A descriptor that was inherited. Processes that this one starts do not inherit it.
fn take(descriptor: RawFd) -> Option<OwnedFd> {
    #[expect(unsafe_code, reason = "the only way to use a descriptor that was inherited")]
    // SAFETY: `LISTEN_PID` says that this number was opened for this process to own, and this process, which has opened
    // nothing yet, takes each number once.
    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
    if fcntl_setfd(&owned, FdFlags::CLOEXEC).is_ok() {
        return Some(owned);
    }
    // It is not open: there is nothing to close.
    mem::forget(owned);
    None
}
