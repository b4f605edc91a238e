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

/// What the attacker's chain names, once or in several of its entries.
pub(super) enum Runs {
    /// A guest of `tests/guests`, and how often its line that ends with [`REPEATED`] stands there.
    Guest(&'static str, usize),
    /// A plugin that comes with the broker.
    Plugin(&'static str),
    Nothing,
}

pub(super) struct Attack {
    pub name: &'static str,
    pub runs: Runs,
    /// The attacker's `[[tenants]]`.
    pub tenant: &'static str,
    /// What its clients do: see `bench/src/noisy/attacker.rs`.
    pub script: fn() -> Value,
    pub bound: Bound,
}

/// The end of a guest's line that may be repeated.
pub(super) const REPEATED: &str = ";; again";

/// The chain entry of a guest, and no limit on how often its clients publish.
macro_rules! chain_of {
    ($guest:literal, $entry:literal) => {
        concat!(
            "[[tenants]]\nname = \"attacker\"\nanonymous = true\n[[tenants.chain]]\nplugin = \"",
            $guest,
            "\"\n",
            $entry,
            "\n[tenants.limits]\npublish_per_second = 0\n"
        )
    };
}

/// A chain of three slow hooks: others have their turn between two of them.
const SLOW_CHAIN: &str = r#"
[[tenants]]
name = "attacker"
anonymous = true
[[tenants.chain]]
plugin = "slow"
hooks = ["publish"]
[[tenants.chain]]
plugin = "slow"
hooks = ["publish"]
[[tenants.chain]]
plugin = "slow"
hooks = ["publish"]
[tenants.limits]
publish_per_second = 0
"#;

/// No plugin; every client may do everything.
const OPEN: &str = r#"
[[tenants]]
name = "attacker"
anonymous = true
default = "allow"
[[tenants.channels]]
match = "kept:*"
history = { size = 100, ttl_seconds = 300 }
[[tenants.channels]]
match = "newest:*"
overflow = "conflate"
"#;

/// The demo's rule that makes a message longer.
const MASKED: &str = r#"
[[tenants]]
name = "attacker"
anonymous = true
default = "allow"
[[tenants.chain]]
plugin = "transform"
[[tenants.chain.config.rules]]
channels = "**"
mask = ["/card"]
words = { "a" = "a-word-that-is-longer" }
[tenants.limits]
publish_per_second = 0
"#;

/// Logins by one of six RSA keys, none of which a forged token has signed.
const SIX_KEYS: &str = include_str!("six-keys.toml");

/// A client that publishes as fast as it is answered.
fn publishes() -> Value {
    json!({ "burst": [{ "type": "publish", "payload": { "channel": "a", "data": 1 } }] })
}

/// Many clients that publish as fast as they are answered.
fn all_publish() -> Value {
    json!({ "connections": 16, "burst": [{ "type": "publish", "payload": { "channel": "a", "data": 1 } }] })
}

/// What is published has the byte 0, which makes some guests fail.
fn publishes_zero() -> Value {
    json!({ "connections": 4, "burst": [{ "type": "publish", "payload": { "channel": "a", "data": 0 } }] })
}

/// A token with a claim that no JSON reader takes, again and again.
fn odd_tokens() -> Value {
    json!({ "connections": 8, "connect": { "token": "e30.eyJzdWIiOiJcdWQ4MDAifQ.c2ln" }, "burst": [] })
}

fn forged_tokens() -> Value {
    // {"alg":"RS256"} . {"sub":"ann","exp":4102444800} . 256 bytes that are no signature.
    let signature = "A".repeat(342);
    let token = format!("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.{signature}");
    json!({ "connections": 8, "connect": { "token": token }, "burst": [] })
}

const FAULTS: Bound = Bound::Faults;
const SLOW: Bound = Bound::SlowHooks { deadline_ms: 5.0 };

/// Plugins first, then clients.
pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "loops",
        runs: Runs::Guest("loop", 1),
        tenant: chain_of!("loop", "hooks = [\"publish\"]"),
        script: all_publish,
        bound: SLOW,
    },
    Attack {
        name: "traps",
        runs: Runs::Guest("trap", 1),
        tenant: chain_of!("trap", "hooks = [\"publish\"]"),
        script: all_publish,
        bound: FAULTS,
    },
    Attack {
        name: "memory-overgrown",
        runs: Runs::Guest("overgrows", 1),
        tenant: chain_of!("overgrows", ""),
        script: publishes,
        bound: FAULTS,
    },
    Attack {
        name: "one-long-write",
        runs: Runs::Guest("writes-lines", 1),
        tenant: chain_of!("writes-lines", ""),
        script: publishes,
        bound: SLOW,
    },
    Attack {
        name: "twenty-long-writes",
        runs: Runs::Guest("writes-lines", 20),
        tenant: chain_of!("writes-lines", ""),
        script: publishes,
        bound: SLOW,
    },
    Attack {
        name: "long-log-lines",
        runs: Runs::Guest("logs-long", 500),
        tenant: chain_of!("logs-long", ""),
        script: publishes,
        bound: SLOW,
    },
    Attack {
        name: "oversized-keys",
        runs: Runs::Guest("sets-large-key", 500),
        tenant: chain_of!("sets-large-key", "grants = [\"kv\"]"),
        script: publishes,
        bound: SLOW,
    },
    Attack {
        name: "small-values",
        runs: Runs::Guest("sets-small", 100_000),
        tenant: chain_of!("sets-small", "grants = [\"kv\"]"),
        script: publishes,
        bound: SLOW,
    },
    Attack {
        name: "log-of-nuls",
        runs: Runs::Guest("log-nuls", 1),
        tenant: chain_of!("log-nuls", ""),
        script: publishes,
        bound: SLOW,
    },
    Attack {
        name: "init-loops-later",
        runs: Runs::Guest("init-loops-later", 1),
        tenant: chain_of!("init-loops-later", "grants = [\"kv\"]"),
        script: publishes_zero,
        bound: FAULTS,
    },
    Attack {
        name: "bans-for-ever",
        runs: Runs::Guest("bans-for-ever", 1),
        tenant: chain_of!("bans-for-ever", ""),
        script: all_publish,
        bound: FAULTS,
    },
    Attack {
        name: "slow-hooks",
        runs: Runs::Guest("slow", 1),
        tenant: chain_of!("slow", "hooks = [\"publish\"]"),
        script: all_publish,
        bound: SLOW,
    },
    Attack {
        name: "slow-chain",
        runs: Runs::Guest("slow", 1),
        tenant: SLOW_CHAIN,
        script: all_publish,
        bound: SLOW,
    },
    Attack {
        name: "departed-hooks",
        runs: Runs::Guest("slow", 1),
        tenant: chain_of!("slow", "hooks = [\"disconnect\"]"),
        script: || json!({ "connections": 64, "burst": [{ "type": "ping" }], "resets": true }),
        bound: SLOW,
    },
    Attack {
        name: "forged-tokens",
        runs: Runs::Plugin("authorize"),
        tenant: SIX_KEYS,
        script: forged_tokens,
        bound: FAULTS,
    },
    Attack {
        name: "odd-tokens",
        runs: Runs::Plugin("authorize"),
        tenant: SIX_KEYS,
        script: odd_tokens,
        bound: FAULTS,
    },
    Attack {
        name: "grown-messages",
        runs: Runs::Plugin("transform"),
        tenant: MASKED,
        script: || {
            let data = Value::from("a ".repeat(30_000));
            json!({ "burst": [{ "type": "publish", "payload": { "channel": "a", "data": data } }] })
        },
        bound: SLOW,
    },
    Attack {
        name: "refresh-burst",
        runs: Runs::Nothing,
        tenant: OPEN,
        script: || json!({ "burst": [{ "type": "refresh", "payload": { "token": "x" }, "times": 300 }] }),
        bound: FAULTS,
    },
    Attack {
        name: "history-burst",
        runs: Runs::Nothing,
        tenant: OPEN,
        script: || json!({ "burst": [{ "type": "history", "payload": { "channel": "kept:{n}" }, "times": 900 }] }),
        bound: FAULTS,
    },
    Attack {
        name: "unread-history",
        runs: Runs::Nothing,
        tenant: OPEN,
        script: || {
            let data = Value::from("x".repeat(60_000));
            json!({
                "connections": 16,
                "burst": [
                    { "type": "publish", "payload": { "channel": "kept:1", "data": data }, "times": 4 },
                    { "type": "history", "payload": { "channel": "kept:1" }, "times": 100 },
                ],
                "reads": false,
                "pause_ms": 500,
            })
        },
        bound: FAULTS,
    },
    Attack {
        name: "unread-conflation",
        runs: Runs::Nothing,
        tenant: OPEN,
        script: || {
            let data = Value::from("x".repeat(60_000));
            json!({
                "connections": 8,
                "connect": { "subscribe": (0..64).map(|n| json!({ "channel": format!("newest:{n}") })).collect::<Vec<_>>() },
                "burst": [{ "type": "publish", "payload": { "channel": "newest:1", "data": data }, "times": 20 }],
                "reads": false,
                "pause_ms": 500,
            })
        },
        bound: FAULTS,
    },
    Attack {
        name: "connect-storm",
        runs: Runs::Nothing,
        tenant: OPEN,
        script: || json!({ "connections": 32, "burst": [{ "type": "ping" }], "resets": true }),
        bound: FAULTS,
    },
];
