//! The plugin's own counters on the broker's `/metrics`, with tenant and plugin as labels. Needs the grant
//! `metrics`.

/// Adds to the counter shown as `sluicegate_plugin_<name>_total`. `name` is `[a-z_][a-z0-9_]*`, up to 64
/// bytes. At most 32 names a plugin and tenant; more are dropped and logged.
pub fn count(name: &str, by: u64) {
    crate::broker::count(name, by);
}
