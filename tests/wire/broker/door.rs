//! `[server.door]` and the limits of connects: who comes too often waits, and nobody else does.

use crate::support::dial::Dial;
use crate::support::{Broker, Value, json, token};

/// A node whose clients stand behind a proxy, so that a test has as many addresses as it wants.
async fn broker(server: &str, tenant: &str) -> Broker {
    Broker::start(&format!(
        r#"
        [server]
        default_tenant = "t"
        trusted_proxies = ["127.0.0.1"]
        client_address_header = "x-real-ip"
        {server}
        [plugins.authorize]
        file = "plugins/authorize.wasm"
        [[tenants]]
        name = "other"
        anonymous = true
        [[tenants]]
        name = "t"
        default = "allow"
        {tenant}
        [[tenants.chain]]
        plugin = "authorize"
        hooks = ["connect"]
        deadline_ms = 1000
        config = {{ keys = [{{ alg = "HS256", secret = "{}" }}] }}
        "#,
        token::SECRET
    ))
    .await
}

/// A client with a token, from this address.
fn from(broker: &Broker, address: &str) -> Dial {
    let dial = broker.dial(address).header("X-Real-IP", address);
    dial.token(&token::of(address))
}

async fn refused(broker: &Broker, what: &str) -> Option<f64> {
    broker
        .metrics()
        .await
        .sum("sluicegate_door_refusals_total", &[("what", what)])
}

/// The seconds of the answer's `Retry-After`.
async fn sent_away(dial: Dial, status: u16) -> u64 {
    let answer = dial.refused().await;
    assert_eq!(answer.status, status, "{answer:?}");
    let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse().ok());
    seconds.unwrap_or_else(|| panic!("no Retry-After: {answer:?}"))
}

/// Waits until somebody at 192.0.2.1 is let in; `otherwise` says what is wrong if nobody ever is.
async fn let_in_again(broker: &Broker, otherwise: &str) {
    let again = async {
        while from(broker, "192.0.2.1")
            .answer()
            .await
            .is_none_or(|answer| answer.status != 101)
        {}
    };
    crate::support::within(again, || otherwise.into()).await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_silent_ones_included() {
    let broker = broker("[server.door]\nconnections_per_address = 3", "").await;
    // Two that say nothing after their upgrade, and one that connects.
    let silent = [
        from(&broker, "192.0.2.1").open().await,
        from(&broker, "192.0.2.1").open().await,
    ];
    let mut ann = from(&broker, "192.0.2.1").connect().await;
    sent_away(from(&broker, "192.0.2.1"), 429).await;
    assert_eq!(refused(&broker, "address_connections").await, Some(1.0));
    from(&broker, "192.0.2.2").connect().await.still_works().await;
    // IPv6 counts by its /64.
    let mut inside = Vec::new();
    for address in ["2001:db8::1", "2001:db8::2", "2001:db8::3"] {
        inside.push(from(&broker, address).connect().await);
    }
    sent_away(from(&broker, "2001:db8::4"), 429).await;
    from(&broker, "2001:db8:0:1::1").connect().await.still_works().await;
    ann.still_works().await;
    // Who comes without a proxy is counted before a request.
    let direct = |address: [u8; 4]| broker.dial("direct").from(address);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(direct([127, 0, 0, 9]).silent().await);
    }
    let answer = direct([127, 0, 0, 9]).answer().await.expect("a refusal");
    assert_eq!(answer.status, 429);
    assert_eq!(direct([127, 0, 0, 8]).answer().await.expect("an answer").status, 101);
    drop(silent);
    // A place is free as soon as the broker has seen the end.
    let_in_again(&broker, "the places are not given back").await;
}

#[tokio::test]
async fn an_address_comes_so_often_and_a_proxy_as_often_as_it_wants() {
    let broker = broker("[server.door]\nhandshakes_per_second_per_address = 1", "").await;
    let mut refusals = 0;
    for _ in 0..30 {
        let answer = from(&broker, "192.0.2.1").answer().await.expect("an answer");
        if answer.status == 429 {
            refusals += 1;
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
        // Each from an address of its own, through the same proxy.
        from(&broker, &format!("198.51.100.{refusals}")).answer().await;
    }
    assert!(refusals >= 1, "none of 30 was refused");
    // The proxy's own requests have no limit: others stand behind it.
    for _ in 0..10 {
        let direct = broker.dial("the proxy").token(&token::of("proxy"));
        assert_eq!(direct.answer().await.expect("an answer").status, 101);
    }
}

#[tokio::test]
async fn who_fails_to_authenticate_has_to_wait_and_others_do_not() {
    let broker = broker("[server.door]\nfailed_auth_per_minute_per_address = 2", "").await;
    let mut ann = from(&broker, "192.0.2.1").connect().await;
    // Connections that are open before it has failed too often.
    let mut early = Vec::new();
    for _ in 0..8 {
        early.push(from(&broker, "192.0.2.1").open().await);
    }
    let (mut at_the_door, mut at_connect) = (false, false);
    // The penalties are longer and longer, so one of these comes within one of those on any machine.
    for mut client in early {
        let payload = from(&broker, "192.0.2.1").token("no.good.token").payload();
        let id = client.send("connect", payload).await;
        let refusal = client.reply(&id).await;
        let code = refusal["payload"]["code"].as_u64();
        if code == Some(4429) {
            at_connect = true;
            assert!(
                refusal["payload"]["retry_after_ms"].as_u64().is_some(),
                "{}",
                refusal.text
            );
            client.expect_close(4003).await;
        } else {
            assert_eq!(code, Some(4401), "{}", refusal.text);
        }
        let answer = from(&broker, "192.0.2.1").answer().await.expect("an answer");
        at_the_door |= answer.status == 429 && answer.header("retry-after").is_some();
    }
    assert!(
        at_the_door && at_connect,
        "at the door {at_the_door}, at connect {at_connect}"
    );
    assert!(refused(&broker, "failed_auth").await >= Some(2.0));
    from(&broker, "192.0.2.2").connect().await.still_works().await;
    ann.still_works().await;
    // It passes.
    let_in_again(&broker, "the penalty does not end").await;
}

#[tokio::test]
async fn guesses_by_refresh_count_too() {
    let broker = broker("[server.door]\nfailed_auth_per_minute_per_address = 2", "").await;
    let mut ann = from(&broker, "192.0.2.1").connect().await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        let id = ann.send("refresh", json!({ "token": "no.good.token" })).await;
        codes.push(ann.reply(&id).await["payload"]["code"].as_u64());
    }
    assert_eq!(codes[..2], [Some(4401); 2]);
    assert!(codes.contains(&Some(4429)), "{codes:?}");
    ann.still_works().await;
}

#[tokio::test]
async fn the_node_takes_so_many_a_second() {
    let broker = broker("[server.door]\nconnects_per_second = 1", "").await;
    let mut ann = from(&broker, "192.0.2.1").connect().await;
    let mut refusals = 0;
    for n in 0..20 {
        let answer = from(&broker, &format!("198.51.100.{n}"))
            .answer()
            .await
            .expect("an answer");
        refusals += u32::from(answer.status == 503 && answer.header("retry-after").is_some());
    }
    assert!(refusals >= 1, "none of 20 was refused");
    assert_eq!(refused(&broker, "node_rate").await, Some(refusals.into()));
    ann.still_works().await;
}

#[tokio::test]
async fn a_tenant_has_its_share_of_the_node_and_its_rate() {
    let limits = "limits = { share_of_connections = 0.3, connections = 100 }";
    let broker = broker("max_connections = 10", limits).await;
    // Nobody of them authenticates.
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(broker.dial("silent").open().await);
    }
    sent_away(from(&broker, "192.0.2.1"), 503).await;
    broker
        .dial("another tenant's")
        .tenant("other")
        .connect()
        .await
        .still_works()
        .await;
    let throttled = |broker_metrics: crate::support::metrics::Metrics, what: &str| {
        broker_metrics.sum("sluicegate_tenant_throttled_total", &[("tenant", "t"), ("what", what)])
    };
    assert_eq!(throttled(broker.metrics().await, "share"), Some(1.0));
    drop(silent);

    let broker = self::broker("", "limits = { connects_per_second = 1 }").await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(from(&broker, "192.0.2.1").answer().await.expect("an answer").status);
    }
    let refusals = statuses.iter().filter(|status| **status == 503).count();
    assert!(statuses[0] == 101 && refusals >= 1, "{statuses:?}");
    assert_eq!(throttled(broker.metrics().await, "connects"), Some(refusals as f64));
    broker
        .dial("another tenant's")
        .tenant("other")
        .connect()
        .await
        .still_works()
        .await;
}

#[tokio::test]
async fn a_user_connects_so_often() {
    let broker = broker(
        "",
        "limits = { connects_per_second_per_user = 1, connections_per_user = 100 }",
    )
    .await;
    let ann = || broker.dial("ann").token(&token::of("ann"));
    let mut inside = Vec::new();
    let mut waits: Vec<Value> = Vec::new();
    for _ in 0..20 {
        let mut client = ann().open().await;
        let id = client.send("connect", ann().payload()).await;
        let reply = client.reply(&id).await;
        if reply.kind() == "ack" {
            inside.push(client);
        } else {
            assert_eq!(reply["payload"]["code"], 4429, "{}", reply.text);
            waits.push(reply["payload"]["retry_after_ms"].clone());
            client.expect_close(4003).await;
        }
    }
    assert!(inside.len() >= 2 && !waits.is_empty(), "{waits:?}");
    assert!(
        waits.iter().all(|ms| ms.as_u64().is_some_and(|ms| ms <= 1_001)),
        "{waits:?}"
    );
    broker
        .dial("bob")
        .token(&token::of("bob"))
        .connect()
        .await
        .still_works()
        .await;
}

#[tokio::test]
async fn over_its_memory_a_node_takes_nobody_and_those_inside_do_not_notice() {
    let config = |mib: u32| {
        format!(
            "tenants = [{{ name = \"t\", anonymous = true, default = \"allow\" }}]\n[server]\ndefault_tenant = \"t\"\n\
             health_on_listen = true\n[server.door]\nshed_memory_mib = {mib}"
        )
    };
    let broker = Broker::start(&config(1_000_000)).await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c").await;
    // Every process has more than that.
    broker.reload(&config(1)).await;
    let shed = async {
        while broker
            .dial("late")
            .answer()
            .await
            .is_none_or(|answer| answer.status == 101)
        {}
    };
    crate::support::within(shed, || "nobody is refused".into()).await;
    let answer = broker.dial("late").refused().await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "the node is overloaded\n"));
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    ann.publish("hi").await.expect_message("hi").await;
    assert_eq!(crate::support::http::get(broker.address, "/healthz").await.status, 200);
    broker.reload(&config(0)).await;
    broker.connect("bob").await.still_works().await;
}

#[tokio::test]
async fn while_a_shard_is_late_it_takes_nobody() {
    let broker = Broker::start(
        r#"
        [server]
        default_tenant = "t"
        [server.door]
        shed_lag_ms = 500
        [plugins.loop]
        file = "guests/loop.wasm"
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        [[tenants.chain]]
        plugin = "loop"
        hooks = ["publish"]
        deadline_ms = 1000
        "#,
    )
    .await;
    let mut ann = broker.connect("ann").await;
    let late = async {
        loop {
            // While the guest runs, nobody is accepted on that shard; once it was stopped, the shard knows that it was late.
            ann.fails("publish", json!({ "channel": "c", "data": 1 }), 4503).await;
            let answer = broker.dial("late").answer().await.expect("an answer");
            if answer.status != 101 {
                return answer;
            }
        }
    };
    let answer = crate::support::within(late, || "nobody is refused".into()).await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "the node is overloaded\n"));
    assert!(refused(&broker, "lag").await >= Some(1.0));
    ann.still_works().await;
    let again = async {
        while broker
            .dial("bob")
            .answer()
            .await
            .is_none_or(|answer| answer.status != 101)
        {}
    };
    crate::support::within(again, || "the shard stays late".into()).await;
}
