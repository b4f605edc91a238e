//! Many nodes are one broker: the promises of one process hold across several on one Redis, also while Redis or a
//! node fails.

mod bans;
mod control;
mod delivery;
mod faults;
mod handover;
mod interest;
mod limits;
mod names;
mod partitions;
mod presence;
mod push;
mod push_faults;
mod recovery;
mod registry;
mod restarts;
mod revocations;
mod rights;
mod rules;
mod sentinel;
mod sharded;
mod startup;
