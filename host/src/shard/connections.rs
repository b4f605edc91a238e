//! The connections of a shard as the operator sees them: ended, told apart, counted. What a client loses here it
//! has lost when the function returns, not when its session gets round to it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::control::{Connected, Count, Slice, Whom};
use super::{ListedConnection, Shard};
use protocol::codes::CloseCode;
use protocol::names::{Channel, Topic};
use registry::BanSubject;
use wall_clock::now_ms;

impl ListedConnection {
    fn is(&self, whom: &Whom) -> bool {
        match whom {
            Whom::User(user) => self.is_user(user),
            Whom::Address(address) => self.seated && self.user.is_none() && *address == self.caller.remote.into(),
            Whom::Session(session) => self.caller.session == *session,
        }
    }

    fn is_user(&self, user: &str) -> bool {
        self.user.as_deref() == Some(user)
    }

    /// Whether it is accepted and not ending.
    fn is_connected(&self, tenant: &str) -> bool {
        self.seated && *self.caller.tenant == *tenant && !self.client.is_closed()
    }

    fn shown(&self) -> Connected {
        let open_ms = u64::try_from(self.caller.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        Connected {
            session: self.caller.session.clone(),
            user: self.user.clone(),
            remote: self.caller.remote,
            transport: self.caller.transport,
            since_ms: now_ms().saturating_sub(open_ms),
            channels: self.client.channels.get().into(),
        }
    }
}

impl Shard {
    /// Cuts these connections off. Returns their number.
    pub(super) fn cut_off(&self, tenant: &str, whom: &Whom, code: CloseCode) -> u64 {
        let clients = self.clients.borrow();
        let cut_off = |listed: &ListedConnection| {
            let is_meant = *listed.caller.tenant == *tenant && listed.is(whom) && !listed.client.is_closed();
            if is_meant {
                listed.client.cut_off(code, None);
            }
            u64::from(is_meant)
        };
        let subject = match whom {
            Whom::User(user) => BanSubject::User(user.clone()),
            Whom::Address(address) => BanSubject::Address(*address),
            Whom::Session(_) => return clients.values().map(cut_off).sum(),
        };
        // Not all connections of the shard: whoever bans many would have it look at all of them again and again.
        let seats = self.seats.borrow();
        let them = seats.of(tenant, &subject).filter_map(|client| clients.get(&client));
        them.map(cut_off).sum()
    }

    /// Revokes a user's subscriptions to a channel. Returns their number.
    pub(super) fn unsubscribe(&self, topic: &Topic, user: &str, code: CloseCode) -> u64 {
        let clients = self.clients.borrow();
        let mut hub = self.hub.borrow_mut();
        let theirs = clients
            .values()
            .filter(|listed| listed.caller.tenant == topic.tenant && listed.is_user(user));
        theirs
            .map(|listed| u64::from(hub.revoke(topic, listed.client.id, code)))
            .sum()
    }

    pub(super) fn channels(&self, tenant: &str, prefix: &str, slice: &Slice) -> Vec<(Channel, u64)> {
        let hub = self.hub.borrow();
        let mut first = First::new(slice);
        for topic in hub.topics() {
            if *topic.tenant == *tenant && topic.channel.as_str().starts_with(prefix) {
                first.offer(topic.channel.as_str(), topic);
            }
        }
        let counted = |topic: &Topic| (topic.channel.clone(), hub.listeners(topic) as u64);
        first.in_order().map(counted).collect()
    }

    pub(super) fn connections(&self, tenant: &str, user: Option<&Arc<str>>, slice: &Slice) -> Vec<Connected> {
        let clients = self.clients.borrow();
        let mut first = First::new(slice);
        for listed in clients.values().filter(|listed| listed.is_connected(tenant)) {
            if user.is_none_or(|user| listed.is_user(user)) {
                first.offer(&listed.caller.session, listed);
            }
        }
        first.in_order().map(ListedConnection::shown).collect()
    }

    pub(super) fn count(&self, tenant: &str) -> Count {
        let mut count = Count {
            quarantined: self.tenant(tenant).is_some_and(|tenant| tenant.is_quarantined()),
            ..Count::default()
        };
        for listed in self
            .clients
            .borrow()
            .values()
            .filter(|listed| listed.is_connected(tenant))
        {
            count.connections += 1;
            count.subscriptions += u64::from(listed.client.channels.get());
        }
        count
    }
}

/// The first entries by name, of entries that come in any order. Holds no more than those, so a page costs the
/// shard one pass over everything and no sorting of everything.
struct First<'a, T> {
    after: Option<&'a str>,
    limit: usize,
    heap: BinaryHeap<Named<'a, T>>,
}

struct Named<'a, T>(&'a str, &'a T);

impl<'a, T> First<'a, T> {
    fn new(slice: &'a Slice) -> Self {
        Self {
            after: slice.after.as_deref(),
            limit: slice.limit,
            heap: BinaryHeap::new(),
        }
    }

    fn offer(&mut self, name: &'a str, what: &'a T) {
        if self.after.is_some_and(|after| name <= after) {
            return;
        }
        if self.heap.len() < self.limit {
            self.heap.push(Named(name, what));
        } else if let Some(mut last) = self.heap.peek_mut()
            && name < last.0
        {
            *last = Named(name, what);
        }
    }

    fn in_order(self) -> impl Iterator<Item = &'a T> {
        self.heap.into_sorted_vec().into_iter().map(|Named(_, what)| what)
    }
}

impl<T> Ord for Named<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(other.0)
    }
}

impl<T> PartialOrd for Named<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Named<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Named<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_by_name_come_in_order_and_after_the_cursor() {
        let names: Vec<String> = (0..100).map(|n| format!("{:02}", (n * 37) % 100)).collect();
        let slice = |after: Option<&str>, limit| Slice {
            after: after.map(Arc::from),
            limit,
        };
        let cases = [
            (slice(None, 3), vec!["00", "01", "02"]),
            (slice(Some("01"), 2), vec!["02", "03"]),
            (slice(Some("015"), 1), vec!["02"]),
            (slice(Some("97"), 9), vec!["98", "99"]),
            (slice(Some("99"), 9), vec![]),
            (slice(None, 0), vec![]),
        ];
        for (slice, expected) in cases {
            let mut first = First::new(&slice);
            for name in &names {
                first.offer(name, name);
            }
            assert_eq!(first.in_order().collect::<Vec<_>>(), expected, "{slice:?}");
        }
    }
}
