//! How often, and how many at once, clients may come: counts by address, by user, and of all. Pure: it is told what
//! happens and when, and knows no socket, no clock and no protocol.

mod address_door;
mod arrival_rate;
mod debt_table;
mod lag_watch;
mod user_door;
mod visitor;

#[cfg(test)]
mod tests;

pub use address_door::{AddressDoor, AddressLimits, DoorRefusal};
pub use arrival_rate::{ArrivalRate, Arrivals};
pub use lag_watch::LagWatch;
pub use user_door::UserDoor;
