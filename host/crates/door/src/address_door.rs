//! The limits of one address.

use std::time::{Duration, Instant};

use address_block::AddressBlock;
use thiserror::Error;

use super::arrival_rate::ArrivalRate;
use super::debt_table::DebtTable;
use super::visitor::Visitor;

/// Addresses without a connection that are remembered at most.
const ADDRESSES: usize = 65_536;
/// Handshakes of one address that are under way at once: as many as may come in so many seconds.
const UNDER_WAY_SECONDS: u32 = 5;

/// Of one IPv4 address, or one /64 of IPv6. None of these is a limit unless it is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressLimits {
    /// Open connections, also those that said nothing yet.
    pub connections: Option<u32>,
    /// New connections a second, with a burst of twice that. At most as many as come in 5 seconds may be at once between
    /// their accept and an accepted `connect`.
    pub handshakes_per_second: Option<u32>,
    /// Failed authentications a minute. Further ones begin penalties, which grow.
    pub failures_per_minute: Option<u32>,
}

/// Why an address may not come in now.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DoorRefusal {
    #[error("there are too many connections from this address")]
    Connections,
    #[error("too many connections from this address are not through with their handshake")]
    UnderWay,
    #[error("connections from this address come too often")]
    TooOften(Duration),
    #[error("too many authentications from this address failed")]
    Failures(Duration),
}

// === impl DoorRefusal ===

impl DoorRefusal {
    /// When to try again; none if that depends on other connections.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Connections | Self::UnderWay => None,
            Self::TooOften(wait) | Self::Failures(wait) => Some(*wait),
        }
    }
}

/// Counts those who come, by their addresses.
pub struct AddressDoor {
    limits: AddressLimits,
    visitors: DebtTable<AddressBlock, Visitor>,
}

// === impl AddressDoor ===

impl AddressDoor {
    pub fn new(limits: AddressLimits) -> Self {
        Self {
            limits,
            visitors: DebtTable::new(ADDRESSES),
        }
    }

    /// Other limits from now on. What is counted stays.
    pub fn set(&mut self, limits: AddressLimits) {
        self.limits = limits;
    }

    /// Somebody comes. Counts a connection and a handshake unless they are refused.
    pub fn arrive(&mut self, from: AddressBlock, now: Instant) -> Result<(), DoorRefusal> {
        let limits = self.limits;
        self.visitors.change(&from, now, |visitor| {
            if let Some(left) = visitor.penalty(now) {
                return Err(DoorRefusal::Failures(left));
            }
            if limits.connections.is_some_and(|most| visitor.connections >= most) {
                return Err(DoorRefusal::Connections);
            }
            if let Some(rate) = limits.handshakes_per_second {
                if visitor.under_way >= rate.saturating_mul(UNDER_WAY_SECONDS) {
                    return Err(DoorRefusal::UnderWay);
                }
                if let Some(rate) = ArrivalRate::per_second(rate) {
                    visitor.handshakes.count(rate, now).map_err(DoorRefusal::TooOften)?;
                }
            }
            visitor.connections += 1;
            visitor.under_way += 1;
            Ok(())
        })
    }

    /// A handshake of somebody who arrived is over, because it was accepted or its connection ends.
    pub fn settle(&mut self, from: AddressBlock, now: Instant) {
        self.visitors.change(&from, now, |visitor| {
            visitor.under_way = visitor.under_way.saturating_sub(1);
        });
    }

    /// A connection of somebody who arrived has ended.
    pub fn leave(&mut self, from: AddressBlock, now: Instant) {
        self.visitors.change(&from, now, |visitor| {
            visitor.connections = visitor.connections.saturating_sub(1);
        });
    }

    /// An authentication failed.
    pub fn fail(&mut self, from: AddressBlock, now: Instant) {
        let rate = self.limits.failures_per_minute.and_then(ArrivalRate::per_minute);
        if let Some(rate) = rate {
            self.visitors.change(&from, now, |visitor| visitor.fail(rate, now));
        }
    }

    /// For how long nobody from there may authenticate.
    pub fn penalty(&self, from: AddressBlock, now: Instant) -> Option<Duration> {
        self.visitors.get(&from)?.penalty(now)
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.visitors.len()
    }
}
