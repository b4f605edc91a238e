//! A plugin that bans whomever it can for as long as it can, and a tenant beside it.

use crate::support::admin::full_key;
use crate::support::{Broker, Client, json, token};

/// Bans of the tenant `hostile` at most.
const AT_MOST: usize = 10;
const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;

async fn broker() -> Broker {
    Broker::start(&format!(
        r#"
        server = {{ default_tenant = "hostile", shards = 2 }}
        plugins = {{ authorize = {{ file = "plugins/authorize.wasm" }}, bans = {{ file = "guests/bans-for-ever.wasm" }} }}
        [[tenants]]
        name = "hostile"
        default = "allow"
        limits = {{ bans = {AT_MOST} }}
        [[tenants.chain]]
        plugin = "authorize"
        hooks = ["connect"]
        deadline_ms = 1000
        config = {{ keys = [{{ alg = "HS256", secret = "{secret}" }}] }}
        [[tenants.chain]]
        plugin = "bans"
        deadline_ms = 1000
        [[tenants]]
        name = "victim"
        default = "allow"
        [[tenants.chain]]
        plugin = "authorize"
        hooks = ["connect"]
        deadline_ms = 1000
        config = {{ keys = [{{ alg = "HS256", secret = "{secret}" }}] }}
        {keys}
        "#,
        secret = token::SECRET,
        keys = full_key(),
    ))
    .await
}

async fn user(broker: &Broker, tenant: &str, name: &str) -> Client {
    broker.dial(name).tenant(tenant).token(&token::of(name)).connect().await
}

#[tokio::test]
async fn a_plugin_that_bans_everybody_for_ever_pushes_out_no_ban_of_another_tenant_or_of_the_operator() {
    let broker = broker().await;
    for path in ["/tenants/victim/users/eve/ban", "/tenants/hostile/users/eve/ban"] {
        broker.call("PUT", path, json!({ "seconds": 600 })).await.ok();
    }
    let mut ann = user(&broker, "victim", "ann").await;
    ann.subscribe("c").await;
    for n in 0..4 * AT_MOST {
        let mut client = user(&broker, "hostile", &format!("u{n}")).await;
        client.send("publish", json!({ "channel": "c", "data": n })).await;
        client.expect_close(4505).await;
        ann.publish(n).await.expect_message(n).await;
    }
    for tenant in ["victim", "hostile"] {
        let dial = broker.dial("eve").tenant(tenant).token(&token::of("eve"));
        let (error, _) = dial.connect_refused(4451).await;
        assert!(
            error["retry_after_ms"].as_u64().is_some_and(|left| left <= 600_000),
            "{tenant}: {error}"
        );
    }
    let listed = broker.read("/tenants/hostile/bans?limit=1000").await;
    assert_eq!(listed["bans"].as_array().unwrap().len(), AT_MOST);
    let of_plugin = listed["bans"][0]["user"].as_str().unwrap();
    let dial = broker.dial(of_plugin).tenant("hostile").token(&token::of(of_plugin));
    let (error, _) = dial.connect_refused(4451).await;
    assert!(
        error["retry_after_ms"].as_u64().is_some_and(|left| left <= YEAR_MS),
        "{error}"
    );
    broker
        .log()
        .wait_for(&["limits.bans is reached", "tenant=\"hostile\""])
        .await;
    user(&broker, "victim", "bob").await.still_works().await;
}
