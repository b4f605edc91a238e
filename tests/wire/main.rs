//! Black-box tests: every one speaks the wire to a real broker process. `SLUICEGATE_BIN` and
//! `SLUICEGATE_PLUGINS` name its files; else those that the workspace built last are used.

mod support;

mod broker;
mod chaos;
mod cluster;
mod frames;
mod plugins;
mod protocol;
mod proxies;
mod tokens;
mod transcripts;
mod transports;
