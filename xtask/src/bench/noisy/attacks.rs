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
    /// Guests of `tests/guests`, by name, and how often the line of each that ends with [`REPEATED`] stands there.
    pub guests: &'static [(&'static str, usize)],
    /// Plugins that come with the broker.
    pub plugins: &'static [&'static str],
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

const fn guest(
    name: &'static str,
    guests: &'static [(&'static str, usize)],
    tenant: &'static str,
    script: fn() -> Value,
    bound: Bound,
) -> Attack {
    Attack {
        name,
        guests,
        plugins: &[],
        tenant,
        script,
        bound,
    }
}

const fn client(
    name: &'static str,
    plugins: &'static [&'static str],
    tenant: &'static str,
    script: fn() -> Value,
    bound: Bound,
) -> Attack {
    Attack {
        name,
        guests: &[],
        plugins,
        tenant,
        script,
        bound,
    }
}

const FAULTS: Bound = Bound::Faults;
const SLOW: Bound = Bound::SlowHooks { deadline_ms: 5.0 };

/// Plugins first, then clients.
pub(super) const ATTACKS: &[Attack] = &[
    guest(
        "loops",
        &[("loop", 1)],
        chain_of!("loop", "hooks = [\"publish\"]"),
        all_publish,
        SLOW,
    ),
    guest(
        "traps",
        &[("trap", 1)],
        chain_of!("trap", "hooks = [\"publish\"]"),
        all_publish,
        FAULTS,
    ),
    guest(
        "memory-overgrown",
        &[("overgrows", 1)],
        chain_of!("overgrows", ""),
        publishes,
        FAULTS,
    ),
    guest(
        "one-long-write",
        &[("writes-lines", 1)],
        chain_of!("writes-lines", ""),
        publishes,
        SLOW,
    ),
    guest(
        "twenty-long-writes",
        &[("writes-lines", 20)],
        chain_of!("writes-lines", ""),
        publishes,
        SLOW,
    ),
    guest(
        "long-log-lines",
        &[("logs-long", 500)],
        chain_of!("logs-long", ""),
        publishes,
        SLOW,
    ),
    guest(
        "oversized-keys",
        &[("sets-large-key", 500)],
        chain_of!("sets-large-key", "grants = [\"kv\"]"),
        publishes,
        SLOW,
    ),
    guest(
        "small-values",
        &[("sets-small", 100_000)],
        chain_of!("sets-small", "grants = [\"kv\"]"),
        publishes,
        SLOW,
    ),
    guest(
        "log-of-nuls",
        &[("log-nuls", 1)],
        chain_of!("log-nuls", ""),
        publishes,
        SLOW,
    ),
    guest(
        "init-loops-later",
        &[("init-loops-later", 1)],
        chain_of!("init-loops-later", "grants = [\"kv\"]"),
        publishes_zero,
        FAULTS,
    ),
    guest(
        "bans-for-ever",
        &[("bans-for-ever", 1)],
        chain_of!("bans-for-ever", ""),
        all_publish,
        FAULTS,
    ),
    guest(
        "slow-hooks",
        &[("slow", 1)],
        chain_of!("slow", "hooks = [\"publish\"]"),
        all_publish,
        SLOW,
    ),
    guest(
        "departed-hooks",
        &[("slow", 1)],
        chain_of!("slow", "hooks = [\"disconnect\"]"),
        || json!({ "connections": 64, "burst": [{ "type": "ping" }], "resets": true }),
        SLOW,
    ),
    client("forged-tokens", &["authorize"], SIX_KEYS, forged_tokens, FAULTS),
    client("odd-tokens", &["authorize"], SIX_KEYS, odd_tokens, FAULTS),
    client(
        "grown-messages",
        &["transform"],
        MASKED,
        || {
            let data = Value::from("a ".repeat(30_000));
            json!({ "burst": [{ "type": "publish", "payload": { "channel": "a", "data": data } }] })
        },
        SLOW,
    ),
    client(
        "refresh-burst",
        &[],
        OPEN,
        || json!({ "burst": [{ "type": "refresh", "payload": { "token": "x" }, "times": 300 }] }),
        FAULTS,
    ),
    client(
        "history-burst",
        &[],
        OPEN,
        || json!({ "burst": [{ "type": "history", "payload": { "channel": "kept:{n}" }, "times": 900 }] }),
        FAULTS,
    ),
    client(
        "unread-history",
        &[],
        OPEN,
        || {
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
        FAULTS,
    ),
    client(
        "unread-conflation",
        &[],
        OPEN,
        || {
            let data = Value::from("x".repeat(60_000));
            json!({
                "connections": 8,
                "connect": { "subscribe": (0..64).map(|n| json!({ "channel": format!("newest:{n}") })).collect::<Vec<_>>() },
                "burst": [{ "type": "publish", "payload": { "channel": "newest:1", "data": data }, "times": 20 }],
                "reads": false,
                "pause_ms": 500,
            })
        },
        FAULTS,
    ),
    client(
        "connect-storm",
        &[],
        OPEN,
        || json!({ "connections": 32, "burst": [{ "type": "ping" }], "resets": true }),
        FAULTS,
    ),
];
