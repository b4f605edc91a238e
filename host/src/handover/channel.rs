//! The socket between the two processes: a record in each packet, and a descriptor with some of them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::cmsg_space;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, shutdown, socketpair,
};

use super::record::HandoverRecord;

/// Bytes of a record at most. The longest has the path of a socket.
const RECORD_BYTES: usize = 4_096;

/// One end.
#[derive(Debug)]
pub(super) struct HandoverSocket(OwnedFd);

// === impl HandoverSocket ===

impl HandoverSocket {
    /// Both ends: this process's, and the one that is to be given away.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    /// The end that this process was given.
    pub(super) fn given(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// How long [`HandoverSocket::send`] and [`HandoverSocket::receive`] wait at most, each.
    pub(super) fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        set_socket_timeout(&self.0, Timeout::Recv, Some(time))?;
        Ok(set_socket_timeout(&self.0, Timeout::Send, Some(time))?)
    }

    pub(super) fn send(&self, record: &HandoverRecord, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = serde_json::to_vec(record)?;
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let parts = [IoSlice::new(&bytes)];
        retry_on_intr(|| sendmsg(&self.0, &parts, &mut control, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// None: the other process closed its end, or ended.
    pub(super) fn receive(&self) -> io::Result<Option<(HandoverRecord, Option<OwnedFd>)>> {
        let mut bytes = [0; RECORD_BYTES];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            recvmsg(&self.0, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
        });
        let count = match received {
            Ok(received) => received.bytes,
            Err(Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        if count == 0 {
            return Ok(None);
        }
        let mut descriptor = None;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
                descriptor = descriptors.next();
            }
        }
        Ok(Some((serde_json::from_slice(&bytes[..count])?, descriptor)))
    }

    /// Ends all waiting, on both ends.
    pub(super) fn close(&self) {
        let _ = shutdown(&self.0, Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_socket_passes_and_the_end_is_told() {
        let (one, other) = HandoverSocket::pair().unwrap();
        let other = HandoverSocket::given(other);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        one.send(&HandoverRecord::End, None).unwrap();
        one.send(&HandoverRecord::Accepting, Some(listener.as_fd())).unwrap();
        drop((one, listener));
        assert!(matches!(other.receive().unwrap(), Some((HandoverRecord::End, None))));
        let Some((HandoverRecord::Accepting, Some(passed))) = other.receive().unwrap() else {
            panic!("a record with a descriptor");
        };
        assert!(other.receive().unwrap().is_none());
        let _client = TcpStream::connect(address).unwrap();
        TcpListener::from(passed).accept().unwrap();
    }

    #[test]
    fn nobody_waits_for_ever() {
        let (one, _other) = HandoverSocket::pair().unwrap();
        one.wait_at_most(Duration::from_millis(1)).unwrap();
        assert_eq!(one.receive().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        one.close();
        assert!(one.receive().unwrap().is_none());
    }
}
