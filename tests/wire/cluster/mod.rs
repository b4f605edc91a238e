//! Many nodes are one broker: what holds within one process holds across several on one Redis, also while Redis or a
//! node is in trouble.

mod control;
mod delivery;
mod faults;
mod interest;
mod limits;
mod partitions;
mod presence;
mod recovery;
mod registry;
mod restarts;
mod rules;
mod sentinel;
mod sharded;
mod startup;
