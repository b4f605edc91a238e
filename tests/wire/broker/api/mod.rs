//! The admin API: what each call does, and how calls are refused.

mod audit;
mod bans;
mod document;
mod lists;
mod publish;
mod reading;
mod refusals;
mod requests;
mod revocations;
mod revoke;
mod revoke_queued;

use crate::support::Broker;
use crate::support::admin::full_key;
use crate::support::token;

/// A broker of two shards with the tenants `acme` (everyone with a token may do everything) and `other`.
async fn broker() -> Broker {
    Broker::start(&config("")).await
}

fn config(admin: &str) -> String {
    config_with(admin, &full_key())
}

fn config_with(admin: &str, keys: &str) -> String {
    format!(
        r#"
        [server]
        default_tenant = "acme"
        shards = 2

        [admin]
        {admin}
        {keys}

        [plugins.authorize]
        file = "plugins/authorize.wasm"

        [[tenants]]
        name = "acme"
        default = "allow"
        [[tenants.chain]]
        plugin = "authorize"
        hooks = ["connect"]
        deadline_ms = 200
        config = {{ keys = [{{ alg = "HS256", secret = "{secret}" }}] }}
        [[tenants.channels]]
        match = "room:*"
        history = {{ size = 100, ttl_seconds = 300 }}
        presence = true
        [[tenants.channels]]
        match = "bytes:*"
        history = {{ size = 100, ttl_seconds = 300 }}
        content = "binary"
        [tenants.limits]
        message_bytes = 65536
        publish_per_second = 0
        requests_per_second = 0
        channels_per_connection = 1000
        connections_per_user = 1000

        [[tenants]]
        name = "other"
        anonymous = true
        default = "allow"
        "#,
        secret = token::SECRET
    )
}

impl Broker {
    /// A connected client of this user.
    async fn user(&self, user: &str) -> crate::support::Client {
        self.dial(user).token(&token::of(user)).connect().await
    }
}
