//! The connections of a shard as the operator sees them: ended, told apart, counted. What a client loses here it
//! has lost when the function returns, not when its session gets round to it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::control::{Connected, Count, Slice, Whom};
use super::time_slice::TimeSlice;
use super::{ListedConnection, Shard};
use protocol::codes::CloseCode;
use protocol::names::{Channel, Topic};
use registry::BanSubject;
use wall_clock::now_ms;

/// Channels or connections that are looked at between two looks at the clock.
const PLACES_AT_ONCE: usize = 256;

impl ListedConnection {
    fn is(&self, whom: &Whom) -> bool {
        match whom {
            Whom::User(user) => self.is_user(user),
            Whom::Address(address) => self.seated && self.user.is_none() && *address == self.caller.remote.into(),
            Whom::Session(session) => self.caller.session == *session,
            Whom::Token(jti) => self.token.jti.as_ref() == Some(jti),
            Whom::TokensOf { user, before_ms } => self.is_user(user) && self.token.is_before(*before_ms),
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
        let count = self.cut_off_seats(tenant, whom, code);
        if let (Whom::Token(_) | Whom::TokensOf { .. }, Some(tenant)) = (whom, self.tenant(tenant)) {
            tenant.metrics.ended_by_revocation.add(count);
        }
        count
    }

    fn cut_off_seats(&self, tenant: &str, whom: &Whom, code: CloseCode) -> u64 {
        let clients = self.clients.borrow();
        let cut_off = |listed: &ListedConnection| {
            let is_meant = *listed.caller.tenant == *tenant && listed.is(whom) && !listed.client.is_closed();
            if is_meant {
                listed.client.cut_off(code, None);
            }
            u64::from(is_meant)
        };
        let subject = match whom {
            Whom::User(user) | Whom::TokensOf { user, .. } => BanSubject::User(user.clone()),
            Whom::Token(jti) => BanSubject::Token(jti.clone()),
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

    pub(super) async fn channels(&self, tenant: &str, prefix: &str, slice: &Slice) -> Vec<(Channel, u64)> {
        let mut first = First::new(slice);
        let mut places = Descent::from(self.hub.borrow().places());
        loop {
            places.pause().await;
            let Some(range) = places.next(self.hub.borrow().places()) else {
                break;
            };
            for (topic, listeners) in self.hub.borrow().topics_at(range) {
                let channel = &topic.channel;
                if *topic.tenant == *tenant && channel.as_str().starts_with(prefix) {
                    first.offer(channel.as_str(), || (channel.clone(), listeners as u64));
                }
            }
        }
        first.in_order()
    }

    pub(super) async fn connections(&self, tenant: &str, user: Option<&Arc<str>>, slice: &Slice) -> Vec<Connected> {
        let mut first = First::new(slice);
        let mut places = Descent::from(self.clients.borrow().len());
        loop {
            places.pause().await;
            let Some(range) = places.next(self.clients.borrow().len()) else {
                break;
            };
            let clients = self.clients.borrow();
            let listed = clients.get_range(range).into_iter().flatten().map(|(_, listed)| listed);
            for listed in listed.filter(|listed| listed.is_connected(tenant)) {
                if user.is_none_or(|user| listed.is_user(user)) {
                    first.offer(&listed.caller.session, || listed.shown());
                }
            }
        }
        first.in_order()
    }

    pub(super) async fn count(&self, tenant: &str) -> Count {
        let mut seen = HashMap::<u64, u32, RandomState>::default();
        let mut places = Descent::from(self.clients.borrow().len());
        loop {
            places.pause().await;
            let Some(range) = places.next(self.clients.borrow().len()) else {
                break;
            };
            let clients = self.clients.borrow();
            let listed = clients.get_range(range).into_iter().flatten();
            for (client, listed) in listed.filter(|(_, listed)| listed.is_connected(tenant)) {
                // One that took the place of another may be seen twice.
                seen.insert(*client, listed.client.channels.get());
            }
        }
        Count {
            quarantined: self.tenant(tenant).is_some_and(|tenant| tenant.is_quarantined()),
            connections: seen.len() as u64,
            subscriptions: seen.values().map(|channels| u64::from(*channels)).sum(),
        }
    }
}

/// The way through all places of an [`IndexMap`](indexmap::IndexMap), from the last down, in parts between which others have
/// their turn. What ends meanwhile gives its place to the last entry, which was seen; so none that stays is missed.
struct Descent {
    end: usize,
    slice: TimeSlice,
}

impl Descent {
    fn from(end: usize) -> Self {
        Self {
            end,
            slice: TimeSlice::begin(),
        }
    }

    /// Lets others have their turn, if it is time for it.
    async fn pause(&mut self) {
        self.slice.pause().await;
    }

    /// The next places; `length` is that of the map now.
    fn next(&mut self, length: usize) -> Option<Range<usize>> {
        let end = self.end.min(length);
        self.end = end.saturating_sub(PLACES_AT_ONCE);
        (end > 0).then_some(self.end..end)
    }
}

/// The first entries by name, of entries that come in any order, also more than once. Holds no more than those, so a page costs
/// the shard one pass over everything and no sorting of everything.
struct First<'a, T> {
    after: Option<&'a str>,
    limit: usize,
    entries: BTreeMap<Box<str>, T>,
}

impl<'a, T> First<'a, T> {
    fn new(slice: &'a Slice) -> Self {
        Self {
            after: slice.after.as_deref(),
            limit: slice.limit,
            entries: BTreeMap::new(),
        }
    }

    fn offer(&mut self, name: &str, entry: impl FnOnce() -> T) {
        if self.after.is_some_and(|after| name <= after) {
            return;
        }
        if self.entries.len() >= self.limit {
            match self.entries.last_key_value() {
                Some((last, _)) if name < &**last => {}
                _ => return,
            }
        }
        self.entries.insert(name.into(), entry());
        if self.entries.len() > self.limit {
            self.entries.pop_last();
        }
    }

    fn in_order(self) -> Vec<T> {
        self.entries.into_values().collect()
    }
}

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
                // Some come more than once.
                first.offer(name, || name.as_str());
                first.offer(name, || name.as_str());
            }
            assert_eq!(first.in_order(), expected, "{slice:?}");
        }
    }
}
