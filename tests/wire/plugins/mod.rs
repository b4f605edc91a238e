//! Plugins as clients feel them: the three that come with the broker, and those that mean harm.

mod abuse;
mod authorize;
mod capabilities;
mod effects;
mod faults;
mod transform;
