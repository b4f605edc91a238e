//! The channels of a tenant that are open on this node, counted against its limit and its users'.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::allowance::{Account, Allowance, ChannelLimit};
use super::footprint::TenantFootprint;

/// What an open channel takes beside its name, by estimate: its entry, its order, who wants it.
const CHANNEL_BYTES: usize = 1_024;

/// The open channels of one tenant.
pub(crate) struct OpenChannels {
    counts: Mutex<ChannelCounts>,
    footprint: Arc<TenantFootprint>,
}

#[derive(Default)]
struct ChannelCounts {
    all: usize,
    /// No account stands here with none.
    by_account: HashMap<Account, OpenedChannels, RandomState>,
}

/// What one account opened.
#[derive(Default)]
struct OpenedChannels {
    channels: usize,
    bytes: usize,
}

/// A channel is open, and counts for the account that opened it, while this lives.
pub(crate) struct OpenChannel {
    of: Arc<OpenChannels>,
    account: Account,
    bytes: usize,
}

impl OpenChannels {
    pub(crate) fn new(footprint: Arc<TenantFootprint>) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            footprint,
        })
    }

    /// What the tenant takes in all.
    pub(crate) fn footprint(&self) -> &Arc<TenantFootprint> {
        &self.footprint
    }

    /// One more, whose name has so many bytes, if the tenant and the account may have it.
    pub(crate) fn open(
        self: &Arc<Self>,
        allowance: &Allowance,
        name_bytes: usize,
    ) -> Result<OpenChannel, ChannelLimit> {
        self.footprint.admit(allowance)?;
        let bytes = CHANNEL_BYTES + name_bytes;
        let mut counts = self.counts.lock();
        if counts.all >= allowance.open_channels {
            return Err(ChannelLimit::OfTenant(allowance.open_channels));
        }
        let part = allowance.part_of(allowance.open_channels);
        let own = counts.by_account.entry(allowance.account.clone()).or_default();
        let refused = if own.channels >= part {
            Some(ChannelLimit::OfUser(part))
        } else if own.bytes + bytes > allowance.part_of(allowance.memory_bytes) {
            self.footprint.refuse();
            Some(ChannelLimit::MemoryOfUser)
        } else {
            None
        };
        if let Some(limit) = refused {
            counts.forget_empty(&allowance.account);
            return Err(limit);
        }
        own.channels += 1;
        own.bytes += bytes;
        counts.all += 1;
        self.footprint.count_open(bytes);
        Ok(OpenChannel {
            of: self.clone(),
            account: allowance.account.clone(),
            bytes,
        })
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        let mut counts = self.of.counts.lock();
        counts.all -= 1;
        if let Some(own) = counts.by_account.get_mut(&self.account) {
            own.channels -= 1;
            own.bytes -= self.bytes;
        }
        counts.forget_empty(&self.account);
        self.of.footprint.count_closed(self.bytes);
    }
}

impl ChannelCounts {
    fn forget_empty(&mut self, account: &Account) {
        if self.by_account.get(account).is_some_and(|own| own.channels == 0) {
            self.by_account.remove(account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footprint::MemoryUse;

    fn open(channels: &Arc<OpenChannels>, account: &Account) -> Result<OpenChannel, ChannelLimit> {
        let allowance = Allowance {
            account: account.clone(),
            open_channels: 5,
            ..Allowance::UNLIMITED
        };
        channels.open(&allowance, 10)
    }

    #[test]
    fn a_tenant_has_a_limit_and_each_of_its_users_a_part_of_it() {
        let channels = OpenChannels::new(Arc::default());
        let [ann, bob] = ["ann", "bob"].map(|user| Account::User(user.into()));
        let mut of_ann: Vec<_> = (0..3).map(|_| open(&channels, &ann).unwrap()).collect();
        assert_eq!(open(&channels, &ann).err(), Some(ChannelLimit::OfUser(3)));
        let of_bob: Vec<_> = (0..2).map(|_| open(&channels, &bob).unwrap()).collect();
        for account in [&bob, &Account::Operator] {
            assert_eq!(open(&channels, account).err(), Some(ChannelLimit::OfTenant(5)));
        }
        of_ann.pop();
        assert_eq!(channels.footprint().open_channels(), 4);
        let _again = open(&channels, &bob).unwrap();
        drop((of_ann, of_bob));
        let all: Vec<_> = (0..4).map(|_| open(&channels, &Account::Operator).unwrap()).collect();
        assert_eq!(all.len(), 4, "the operator has no part, but the tenant's limit");
    }

    #[test]
    fn below_a_ceiling_one_user_opens_a_part_of_what_fits() {
        let channels = OpenChannels::new(Arc::default());
        let ceiling = 10 * (CHANNEL_BYTES + 10);
        let open = |account: &Account| {
            let allowance = Allowance {
                account: account.clone(),
                memory_bytes: ceiling,
                ..Allowance::UNLIMITED
            };
            channels.open(&allowance, 10)
        };
        let [ann, bob] = ["ann", "bob"].map(|user| Account::User(user.into()));
        let _of_ann: Vec<_> = (0..5).map(|_| open(&ann).unwrap()).collect();
        assert_eq!(open(&ann).err(), Some(ChannelLimit::MemoryOfUser));
        let mut of_bob: Vec<_> = (0..5).map(|_| open(&bob).unwrap()).collect();
        assert_eq!(
            open(&Account::Operator).err(),
            Some(ChannelLimit::MemoryOfTenant(ceiling))
        );
        of_bob.pop();
        assert!(open(&Account::Operator).is_ok(), "there is room again");
        assert_eq!(channels.footprint().refused(), 2);
    }

    #[test]
    fn nothing_is_kept_of_who_has_nothing_open() {
        let channels = OpenChannels::new(Arc::default());
        drop(open(&channels, &Account::User("ann".into())));
        assert!(channels.counts.lock().by_account.is_empty());
        assert_eq!(channels.footprint().bytes(MemoryUse::Channels), 0);
        let net = Account::of(None, "2001:db8::1:2:3:4".parse().unwrap());
        assert_eq!(net, Account::of(None, "2001:db8::9".parse().unwrap()));
        assert_ne!(net, Account::of(None, "2001:db8:0:1::9".parse().unwrap()));
    }
}
