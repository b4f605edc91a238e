//! The attacks: what the attacker's tenant is, and what its clients say.

use serde_json::{Value, json};

/// What both tenants run on: one shard, so that nothing keeps them apart but the broker.
pub(super) const COMMON: &str = r#"
[server]
listen = "127.0.0.1:0"
admin_listen = ""
shards = 1

[[tenants]]
name = "victim"
anonymous = true
[[tenants.chain]]
plugin = "publish-allow"
[tenants.limits]
publish_per_second = 0
"#;

/// How far the victim's p99 may go.
#[derive(Clone, Copy)]
pub(super) enum Bound {
    /// The attack ends in faults or refusals: twice a quiet run.
    Faults,
    /// Hooks are slow but legal: a quiet run and one hook.
    SlowHooks { deadline_ms: f64 },
}

pub(super) struct Attack {
    pub name: &'static str,
    /// Guests of `tests/guests`.
    pub guests: &'static [&'static str],
    /// Plugins that come with the broker.
    pub plugins: &'static [&'static str],
    /// The attacker's `[[tenants]]`.
    pub tenant: &'static str,
    /// What its clients do: see `bench/src/noisy/attacker.rs`.
    pub script: fn() -> Value,
    pub bound: Bound,
}

const TENANT: &str = r#"
[[tenants]]
name = "attacker"
anonymous = true
default = "allow"
[tenants.limits]
connections = 20000
"#;

/// A client that publishes as fast as it is answered.
fn publishes() -> Value {
    json!({ "burst": [{ "type": "publish", "payload": { "channel": "a", "data": 1 } }] })
}

const fn guest(name: &'static str, guests: &'static [&'static str], tenant: &'static str, bound: Bound) -> Attack {
    Attack {
        name,
        guests,
        plugins: &[],
        tenant,
        script: publishes,
        bound,
    }
}

/// Table by table of the issue that asked for them: plugins first, then clients.
pub(super) const ATTACKS: &[Attack] = &[
    guest(
        "loops",
        &["loop"],
        r#"
[[tenants]]
name = "attacker"
anonymous = true
[[tenants.chain]]
plugin = "loop"
hooks = ["publish"]
"#,
        Bound::Faults,
    ),
    guest(
        "traps",
        &["trap"],
        r#"
[[tenants]]
name = "attacker"
anonymous = true
[[tenants.chain]]
plugin = "trap"
hooks = ["publish"]
"#,
        Bound::Faults,
    ),
    guest(
        "log-flood",
        &["log-flood"],
        r#"
[[tenants]]
name = "attacker"
anonymous = true
[[tenants.chain]]
plugin = "log-flood"
[tenants.limits]
publish_per_second = 0
"#,
        Bound::SlowHooks { deadline_ms: 5.0 },
    ),
    Attack {
        name: "refresh-burst",
        guests: &[],
        plugins: &[],
        tenant: TENANT,
        script: || json!({ "burst": [{ "type": "refresh", "payload": { "token": "x" }, "times": 300 }] }),
        bound: Bound::Faults,
    },
    Attack {
        name: "history-burst",
        guests: &[],
        plugins: &[],
        tenant: TENANT,
        script: || json!({ "burst": [{ "type": "history", "payload": { "channel": "c{n}" }, "times": 900 }] }),
        bound: Bound::Faults,
    },
];
