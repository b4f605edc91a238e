//! Leases by a clock that the test holds, and the way to a store that does what the test says.

mod handle;
mod lease;
mod limiter;
mod test_store;
