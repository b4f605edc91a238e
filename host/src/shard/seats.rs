//! Which connections of a shard somebody has who may be banned. Small: 16 bytes a connection, in a tree.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use registry::BanSubject;

/// Connections by a hash of tenant and subject. Two subjects may have the same hash, so whoever looks a connection up
/// checks whose it is.
#[derive(Default)]
pub(super) struct Seats {
    hasher: RandomState,
    seats: BTreeSet<(u64, u64)>,
}

impl Seats {
    pub(super) fn insert(&mut self, tenant: &str, subject: &BanSubject, client: u64) {
        self.seats.insert((self.hash(tenant, subject), client));
    }

    pub(super) fn remove(&mut self, tenant: &str, subject: &BanSubject, client: u64) {
        self.seats.remove(&(self.hash(tenant, subject), client));
    }

    /// The connections of a subject, and perhaps some of others.
    pub(super) fn of(&self, tenant: &str, subject: &BanSubject) -> impl Iterator<Item = u64> {
        let hash = self.hash(tenant, subject);
        self.seats
            .range((hash, 0)..=(hash, u64::MAX))
            .map(|(_, client)| *client)
    }

    fn hash(&self, tenant: &str, subject: &BanSubject) -> u64 {
        self.hasher.hash_one((tenant, subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_looked_for_is_found_among_many() {
        let mut seats = Seats::default();
        let user = |n: u64| BanSubject::User(format!("u{n}").into());
        for client in 0..1000 {
            seats.insert("acme", &user(client % 500), client);
            seats.insert("other", &user(client % 500), 1000 + client);
        }
        assert_eq!(seats.of("acme", &user(7)).collect::<Vec<_>>(), [7, 507]);
        seats.remove("acme", &user(7), 7);
        assert_eq!(seats.of("acme", &user(7)).collect::<Vec<_>>(), [507]);
        let address = BanSubject::Address("192.0.2.1".parse().unwrap());
        assert_eq!(seats.of("acme", &address).count(), 0);
    }
}
