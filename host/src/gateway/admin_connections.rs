//! The open connections of the admin listener: there are so many, and one that asks nothing gives way to one that comes. So
//! nobody locks an operator out by connections alone, and they leave the node its descriptors.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use address_block::AddressBlock;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// All of them; shared by all clones.
#[derive(Clone)]
pub(super) struct AdminConnections {
    most: usize,
    /// From the oldest to the newest.
    open: Arc<Mutex<Vec<Arc<OpenConnection>>>>,
}

struct OpenConnection {
    from: AddressBlock,
    /// Requests that are not answered.
    requests: AtomicUsize,
    gives_way: Notify,
}

/// A connection's place, until it is dropped.
pub(super) struct AdminPlace {
    all: AdminConnections,
    connection: Arc<OpenConnection>,
}

/// A request that is not answered: while it lives its connection gives way to nobody.
pub(super) struct OpenRequest(Arc<OpenConnection>);

// === impl AdminConnections ===

impl AdminConnections {
    /// `most` of them at once.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    /// A place for a connection; none if all have a request that is not answered.
    pub(super) fn admit(&self, peer: SocketAddr) -> Option<AdminPlace> {
        let mut open = self.open.lock();
        if open.len() >= self.most {
            let place = superfluous(&open)?;
            open.remove(place).gives_way.notify_one();
        }
        let connection = Arc::new(OpenConnection {
            from: peer.ip().into(),
            requests: AtomicUsize::new(0),
            gives_way: Notify::new(),
        });
        open.push(connection.clone());
        Some(AdminPlace {
            all: self.clone(),
            connection,
        })
    }

    /// All that ask nothing have to go.
    pub(super) fn dismiss_idle(&self) {
        let open = self.open.lock();
        let idle = open.iter().filter(|connection| connection.is_idle());
        idle.for_each(|connection| connection.gives_way.notify_one());
    }
}

/// The oldest that asks nothing, of the address that has most of these: who opens many takes only their own places.
fn superfluous(open: &[Arc<OpenConnection>]) -> Option<usize> {
    let idle = || open.iter().enumerate().filter(|(_, connection)| connection.is_idle());
    let of_address = |address| idle().filter(|(_, other)| other.from == address).count();
    // Of equals the last is taken.
    let (place, _) = idle().rev().max_by_key(|(_, connection)| of_address(connection.from))?;
    Some(place)
}

// === impl AdminPlace ===

impl AdminPlace {
    /// Notes a request.
    pub(super) fn ask(&self) -> OpenRequest {
        self.connection.requests.fetch_add(1, Ordering::Relaxed);
        OpenRequest(self.connection.clone())
    }

    /// Waits until the connection has to give way.
    pub(super) async fn gives_way(&self) {
        self.connection.gives_way.notified().await;
    }
}

impl Drop for AdminPlace {
    fn drop(&mut self) {
        self.all
            .open
            .lock()
            .retain(|other| !Arc::ptr_eq(other, &self.connection));
    }
}

// === impl OpenConnection ===

impl OpenConnection {
    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn from(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 1).into()
    }

    fn has_to_go(place: &AdminPlace) -> bool {
        let waiting = pin!(place.gives_way());
        waiting.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn the_oldest_idle_one_of_the_address_with_most_gives_way() {
        let all = AdminConnections::new(4);
        // The operator came first, and asks nothing at the moment.
        let places: Vec<AdminPlace> = [1, 9, 9, 9].map(|last| all.admit(from(last)).unwrap()).into();
        let asks = places[1].ask();
        let fifth = all.admit(from(2)).unwrap();
        let gone: Vec<bool> = places.iter().map(has_to_go).collect();
        assert_eq!(gone, [false, false, true, false], "the second of 9 asks something");
        drop(asks);
        let sixth = all.admit(from(2)).unwrap();
        let gone: Vec<bool> = places.iter().map(has_to_go).collect();
        assert_eq!(gone, [false, true, false, false]);
        assert!(![&fifth, &sixth].map(has_to_go).contains(&true));
    }

    #[test]
    fn nobody_gives_way_while_all_ask_and_a_place_comes_back_with_its_connection() {
        let all = AdminConnections::new(2);
        let (first, second) = (all.admit(from(1)).unwrap(), all.admit(from(1)).unwrap());
        let asks = (first.ask(), second.ask());
        assert!(all.admit(from(2)).is_none());
        drop(first);
        assert!(all.admit(from(2)).is_some());
        assert!(!has_to_go(&second));
        drop(asks);
    }

    #[test]
    fn who_asks_nothing_is_dismissed() {
        let all = AdminConnections::new(2);
        let places = [1, 2].map(|last| all.admit(from(last)).unwrap());
        let asks = places[0].ask();
        all.dismiss_idle();
        assert_eq!(places.each_ref().map(has_to_go), [false, true]);
        drop(asks);
    }
}
