//! One broker for the many tests that need no state of their own. It ends with the last test that holds it.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::broker::Broker;
use super::dial::Dial;
use super::token;

static RUNNING: Mutex<Weak<Broker>> = Mutex::const_new(Weak::new());

/// The default tenant `open` takes everybody and allows everything; `keyed` asks the authorize plugin.
/// Each test takes channels of its own: those of `room:*` have all features, those of `short:*` keep
/// three messages, those of `bytes:*` are binary, those of `secret:*` refuse, all others are plain.
pub(crate) fn config() -> String {
    format!(
        r#"
        [server]
        default_tenant = "open"
        node = "node-under-test"
        shards = 2
        poll_timeout_ms = 15000

        [plugins.authorize]
        file = "plugins/authorize.wasm"

        [[tenants]]
        name = "open"
        hosts = ["open.localhost"]
        anonymous = true
        default = "allow"
        [[tenants.channels]]
        match = "room:*"
        history = {{ size = 500, ttl_seconds = 300 }}
        presence = true
        join_leave = true
        [[tenants.channels]]
        match = "short:*"
        history = {{ size = 3, ttl_seconds = 300 }}
        [[tenants.channels]]
        match = "bytes:*"
        history = {{ size = 500, ttl_seconds = 300 }}
        presence = true
        content = "binary"
        [tenants.limits]
        publish_per_second = 10000
        requests_per_second = 10000

        [[tenants]]
        name = "keyed"
        hosts = ["keyed.localhost"]
        [[tenants.chain]]
        plugin = "authorize"
        deadline_ms = 200
        [tenants.chain.config]
        leeway_seconds = 0
        keys = [{{ alg = "HS256", secret = "{secret}" }}]
        [[tenants.chain.config.rules]]
        channels = "room:*"
        allow = ["subscribe", "publish", "presence", "history"]
        [[tenants.chain.config.rules]]
        channels = "quiet:*"
        allow = ["subscribe", "publish"]
        [[tenants.channels]]
        match = "*:*"
        history = {{ size = 100, ttl_seconds = 300 }}
        presence = true
        join_leave = true
        "#,
        secret = token::SECRET
    )
}

/// The shared broker.
pub(crate) async fn shared() -> Arc<Broker> {
    let mut running = RUNNING.lock().await;
    if let Some(broker) = running.upgrade() {
        return broker;
    }
    let broker = Arc::new(Broker::start(&config()).await);
    *running = Arc::downgrade(&broker);
    broker
}

impl Broker {
    /// A client to be of the tenant `keyed`, with a good token for `user`.
    pub(crate) fn dial_as(&self, user: &str) -> Dial {
        self.dial(user).tenant("keyed").token(&token::of(user))
    }
}
