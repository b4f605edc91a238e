//! Room for plugin instances: one that is idle gives way to one that is asked for, and what ends first is named.

use crate::support::{Broker, Client, json};

const INSTANCES: &str = "sluicegate_sandbox_instances";
const MEMORY: &str = "sluicegate_sandbox_memory_bytes";

/// So many tenants, `t0` and on, with one plugin each.
fn config(sandbox: &str, tenants: usize) -> String {
    let chain = r#"anonymous = true, default = "allow", chain = [{ plugin = "tagger", deadline_ms = 500 }]"#;
    let tenants: Vec<String> = (0..tenants)
        .map(|number| format!("{{ name = \"t{number}\", {chain} }},"))
        .collect();
    format!(
        r#"
        sandbox = {{ {sandbox} }}
        plugins = {{ tagger = {{ file = "guests/publish-tag.wasm" }} }}
        tenants = [{}]
        "#,
        tenants.concat()
    )
}

async fn clients(broker: &Broker, tenants: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for number in 0..tenants {
        let name = format!("t{number}");
        let mut client = broker.dial(&name).tenant(&name).connect().await;
        client.subscribe("c").await;
        clients.push(client);
    }
    clients
}

#[tokio::test]
async fn more_tenants_than_instances_are_all_served() {
    let broker = Broker::start(&config("instances = 3", 12)).await;
    let mut clients = clients(&broker, 12).await;
    for round in 0..3 {
        for client in &mut clients {
            let message = client.publish(round).await.expect_message(round).await;
            assert_eq!(message["tags"], json!({ "mood": "better" }), "{}", message.text);
        }
    }
    let instances = broker.metrics().await.sum(INSTANCES, &[]);
    assert!(instances <= Some(3.0), "{instances:?}");
}

#[tokio::test]
async fn memory_of_all_instances_has_a_ceiling_that_a_reload_can_move() {
    let broker = Broker::start(&config("memory_mib = 2", 24)).await;
    let mut clients = clients(&broker, 24).await;
    for client in &mut clients {
        client.publish(1).await.expect_message(1).await;
    }
    let bytes = broker.metrics().await.sum(MEMORY, &[]);
    assert!(bytes > Some(0.0) && bytes <= Some(2_097_152.0), "{bytes:?}");
    broker.reload(&config("memory_mib = 1", 24)).await;
    broker
        .metrics_when("less memory", |metrics| metrics.sum(MEMORY, &[]) <= Some(1_048_576.0))
        .await;
    for client in &mut clients {
        client.publish(2).await.expect_message(2).await;
    }
}

#[tokio::test]
async fn where_a_chain_needs_more_than_there_may_be_the_log_names_the_setting() {
    let broker = Broker::start(
        r#"
        sandbox = { instances = 1 }
        plugins.tagger.file = "guests/publish-tag.wasm"
        plugins.other.file = "guests/publish-allow.wasm"
        tenants = [{ name = "t", anonymous = true, default = "allow", chain = [
            { plugin = "tagger", deadline_ms = 500 },
            { plugin = "other", deadline_ms = 500 },
        ] }]
        "#,
    )
    .await;
    broker.log().wait_for(&["sandbox.instances", "needs 2 at once"]).await;
    let mut client = broker.dial("client").tenant("t").connect().await;
    client.subscribe("c").await;
    client
        .fails("publish", json!({ "channel": "c", "data": 1 }), 4503)
        .await;
    client.still_works().await;
}
