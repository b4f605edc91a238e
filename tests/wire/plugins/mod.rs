//! Plugins as clients see them: the three that come with the broker, and hostile ones.

mod abuse;
mod any_token;
mod authorize;
mod bans;
mod blame;
mod capabilities;
mod effects;
mod faults;
mod pending;
mod transform;
mod walls;
