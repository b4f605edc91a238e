//! The broker as a neighbour sees it: its doors, limits, signals, config and metrics.

mod admin;
mod api;
mod check;
mod descriptors;
mod door;
mod drain;
mod gauges;
mod heads;
mod limits;
mod origins;
mod overflow;
mod reload;
mod secrets;
mod tenants;
mod upgrade;
