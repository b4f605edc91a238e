//! Black-box tests: every one speaks the wire to a real broker process. `SLUICEGATE_BIN` and
//! `SLUICEGATE_PLUGINS` say which; else what the workspace built last.

mod support;

mod broker;
mod chaos;
mod cluster;
mod frames;
mod plugins;
mod protocol;
mod tokens;
