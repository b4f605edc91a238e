//! The channels of a tenant that are open on this node, counted against its limit and its users'.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use prometheus::IntGauge;

use super::allowance::{Account, Allowance, ChannelLimit};

/// The open channels of one tenant.
pub(crate) struct OpenChannels {
    counts: Mutex<ChannelCounts>,
    gauge: IntGauge,
}

#[derive(Default)]
struct ChannelCounts {
    all: usize,
    /// No account stands here with none.
    by_account: HashMap<Account, usize, RandomState>,
}

/// A channel is open, and counts for the account that opened it, while this lives.
pub(crate) struct OpenChannel {
    of: Arc<OpenChannels>,
    account: Account,
}

impl OpenChannels {
    pub(crate) fn new(gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            gauge,
        })
    }

    /// One more, if the tenant and the account may have it.
    pub(crate) fn open(self: &Arc<Self>, allowance: &Allowance) -> Result<OpenChannel, ChannelLimit> {
        let mut counts = self.counts.lock();
        if counts.all >= allowance.open_channels {
            return Err(ChannelLimit::OfTenant(allowance.open_channels));
        }
        let part = allowance.part_of(allowance.open_channels);
        let own = counts.by_account.entry(allowance.account.clone()).or_default();
        if *own >= part {
            return Err(ChannelLimit::OfUser(part));
        }
        *own += 1;
        counts.all += 1;
        self.gauge.inc();
        Ok(OpenChannel {
            of: self.clone(),
            account: allowance.account.clone(),
        })
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        let mut counts = self.of.counts.lock();
        counts.all -= 1;
        if let Some(own) = counts.by_account.get_mut(&self.account) {
            *own -= 1;
            if *own == 0 {
                counts.by_account.remove(&self.account);
            }
        }
        self.of.gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(channels: &Arc<OpenChannels>, account: &Account) -> Result<OpenChannel, ChannelLimit> {
        channels.open(&Allowance {
            account: account.clone(),
            open_channels: 5,
            history_bytes: 0,
        })
    }

    #[test]
    fn a_tenant_has_a_limit_and_each_of_its_users_a_part_of_it() {
        let gauge = IntGauge::new("g", "g").unwrap();
        let channels = OpenChannels::new(gauge.clone());
        let [ann, bob] = ["ann", "bob"].map(|user| Account::User(user.into()));
        let mut of_ann: Vec<_> = (0..3).map(|_| open(&channels, &ann).unwrap()).collect();
        assert_eq!(open(&channels, &ann).err(), Some(ChannelLimit::OfUser(3)));
        let of_bob: Vec<_> = (0..2).map(|_| open(&channels, &bob).unwrap()).collect();
        for account in [&bob, &Account::Operator] {
            assert_eq!(open(&channels, account).err(), Some(ChannelLimit::OfTenant(5)));
        }
        of_ann.pop();
        assert_eq!(gauge.get(), 4);
        let _again = open(&channels, &bob).unwrap();
        drop((of_ann, of_bob));
        let all: Vec<_> = (0..4).map(|_| open(&channels, &Account::Operator).unwrap()).collect();
        assert_eq!(all.len(), 4, "the operator has no part, but the tenant's limit");
    }

    #[test]
    fn nothing_is_kept_of_who_has_nothing_open() {
        let channels = OpenChannels::new(IntGauge::new("g", "g").unwrap());
        drop(open(&channels, &Account::User("ann".into())));
        assert!(channels.counts.lock().by_account.is_empty());
        let net = Account::of(None, "2001:db8::1:2:3:4".parse().unwrap());
        assert_eq!(net, Account::of(None, "2001:db8::9".parse().unwrap()));
        assert_ne!(net, Account::of(None, "2001:db8:0:1::9".parse().unwrap()));
    }
}
