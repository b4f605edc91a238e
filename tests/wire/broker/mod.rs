//! The broker from outside: its listeners, limits, signals, config and metrics.

mod accept;
mod admin;
mod api;
mod ceiling;
mod check;
mod descriptors;
mod drain;
mod fairness;
mod first_use;
mod gauges;
mod heads;
mod labels;
mod limits;
mod loading;
mod memory;
mod origins;
mod overflow;
mod push;
mod push_refused;
mod quarantine;
mod reload;
mod room;
mod secrets;
mod tenant_files;
mod tenants;
mod upgrade;
