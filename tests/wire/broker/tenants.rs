//! Which tenant a connection is of, and that tenants know nothing of each other.

use crate::support::{Broker, Client, json, shared};

/// Tells the tenants apart by their limits.
const CONFIG: &str = r#"
    [[tenants]]
    name = "acme"
    hosts = ["acme.localhost", "acme.example"]
    anonymous = true
    limits = { channels_per_connection = 11 }

    [[tenants]]
    name = "beta"
    hosts = ["beta.localhost"]
    anonymous = true
    limits = { channels_per_connection = 22 }
"#;

fn tenant_of(client: &Client) -> &str {
    match client.welcome["limits"]["channels"].as_u64() {
        Some(11) => "acme",
        Some(22) => "beta",
        other => panic!("limits of nobody: {other:?}"),
    }
}

#[tokio::test]
async fn host_then_path_then_default_names_the_tenant() {
    let broker = Broker::start(&format!("server = {{ default_tenant = \"beta\" }}\n{CONFIG}")).await;
    let dial = || broker.dial("ann");
    for (connection, tenant) in [
        (dial().host("acme.localhost"), "acme"),
        (dial().host("acme.example:8080"), "acme"),
        (dial().host("ACME.localhost"), "acme"),
        (dial().host("beta.localhost"), "beta"),
        (dial().tenant("acme"), "acme"),
        (dial().tenant("beta"), "beta"),
        (dial().host("unknown.example").tenant("acme"), "acme"),
        (dial(), "beta"),
        (dial().host("unknown.example"), "beta"),
    ] {
        assert_eq!(tenant_of(&connection.connect().await), tenant);
    }
}

#[tokio::test]
async fn a_host_of_one_tenant_is_no_way_to_another() {
    let broker = Broker::start(CONFIG).await;
    let dial = broker.dial("ann").host("acme.localhost").tenant("beta");
    let (response, _) = dial.upgrade().await;
    if response.status == 101 {
        assert_eq!(tenant_of(&dial.connect().await), "acme");
    } else {
        assert_eq!(response.status, 404, "{response:?}");
    }
}

#[tokio::test]
async fn an_unknown_tenant_is_404_before_any_upgrade() {
    let broker = Broker::start(CONFIG).await;
    for tenant in ["nobody", "ACME", "acme%00", "a".repeat(5000).as_str()] {
        assert_eq!(
            broker.dial("ann").tenant(tenant).refused().await.status,
            404,
            "{tenant}"
        );
    }
    // Bytes that are no text are no tenant's name, and make the request bad.
    let status = broker.dial("ann").tenant("%ff").refused().await.status;
    assert!([400, 404].contains(&status), "{status}");
    for path in ["/ws", "/ws/", "/t/ws", "/t//ws", "/t/acme/", "/t/acme/ws/x"] {
        assert_eq!(broker.dial("ann").path(path).refused().await.status, 404, "{path}");
    }
    // There is no default here.
    assert_eq!(broker.dial("ann").host("unknown.example").refused().await.status, 404);
    assert_eq!(tenant_of(&broker.dial("ann").tenant("acme").connect().await), "acme");
}

#[tokio::test]
async fn an_unknown_tenant_on_a_broker_with_a_default_is_404_too() {
    let broker = shared().await;
    assert_eq!(broker.dial("ann").tenant("nobody").refused().await.status, 404);
}

#[tokio::test]
async fn tenants_share_no_channel() {
    let broker = shared().await;
    let channel = "room:isolated";
    let mut ann = broker.connect("ann").await;
    let mut eve = broker.dial_as("eve-of-keyed").connect().await;
    ann.subscribe(channel).await.publish("for ann's tenant").await;
    eve.subscribe(channel).await.publish("for eve's tenant").await;
    ann.publish("fence").await;
    eve.publish("fence").await;
    ann.expect_messages(["for ann's tenant", "fence"]).await;
    eve.expect_messages(["for eve's tenant", "fence"]).await;
    for (client, first) in [(&mut ann, "for ann's tenant"), (&mut eve, "for eve's tenant")] {
        let history = client.ask("history", json!({ "channel": channel })).await;
        assert_eq!(history["messages"][0]["payload"], first);
        assert_eq!(history["messages"].as_array().map(Vec::len), Some(2));
        let present = client.ask("presence", json!({ "channel": channel })).await;
        assert_eq!(present["count"], 1, "{present}");
        assert!(!client.has_waiting("leave"));
    }
}

#[tokio::test]
async fn tenants_share_no_keys() {
    let broker = shared().await;
    let payload = json!({ "channel": "room:isolated-keys", "data": 1, "key": "k" });
    let first = broker.connect("ann").await.publish_with(payload.clone()).await;
    let other = broker
        .dial_as("eve-of-keys")
        .connect()
        .await
        .publish_with(payload)
        .await;
    assert_eq!(other.get("duplicate"), None, "{other}");
    assert_ne!(first["message"], other["message"]);
}
