//! Programs of others in front of two nodes, each with the config that `docs/PROXIES.md` shows.

mod over_http;

use std::time::Duration;

use crate::support::admin::full_key;
use crate::support::proxy::{Proxy, ProxyKind};
use crate::support::socket::opcode;
use crate::support::{Broker, Client, Frame, Value, eventually, json};

/// A connection at rest stays for so many heartbeats in these tests.
const HEARTBEATS: usize = 8;

/// Two nodes, and what stands before them.
struct Behind {
    a: Broker,
    b: Broker,
    proxy: Proxy,
}

async fn node(name: &str, more: &str) -> Broker {
    let key = full_key();
    Broker::start(&format!(
        r#"
        tenants = [{{ name = "t", anonymous = true, default = "allow", channels = [{{ match = "*", presence = true, join_leave = true }}] }}]
        {key}
        [server]
        default_tenant = "t"
        node = "{name}"
        listen = ["127.0.0.1:0", {{ address = "127.0.0.1:0", proxy_protocol = true }}]
        health_on_listen = true
        trusted_proxies = ["127.0.0.1"]
        client_address_header = "x-forwarded-for"
        {more}
        "#
    ))
    .await
}

impl Behind {
    /// `more` goes into `[server]`, `change` is made to the proxy's config.
    async fn start(kind: ProxyKind, more: &str, change: impl Fn(String) -> String) -> Self {
        let (a, b) = (node("a", more).await, node("b", more).await);
        let addresses = [(a.address, a.listener(1).await), (b.address, b.listener(1).await)];
        let proxy = Proxy::start(kind, addresses, change).await;
        let behind = Self { a, b, proxy };
        // What is checked by the proxy itself may need a moment until it counts as up.
        eventually(Duration::from_secs(20), "the proxy to know a node", async || {
            (behind.a.dial("first").to(behind.proxy.address).answer().await?.status == 101).then_some(())
        })
        .await;
        behind
    }

    /// A client that came through the proxy.
    async fn connect(&self, name: &str) -> Client {
        self.a.dial(name).to(self.proxy.address).connect().await
    }

    /// The same; where the proxy does not ask another node by itself, again and again until it has noticed.
    async fn connect_patiently(&self, kind: ProxyKind, name: &str) -> Client {
        if kind.asks_another() {
            return self.connect(name).await;
        }
        let dial = self.a.dial(name).to(self.proxy.address);
        let comes_in = async || {
            let (response, socket) = dial.upgrade().await;
            (response.status == 101).then(|| Client::new(name, socket, response))
        };
        let mut client = eventually(Duration::from_secs(20), "the proxy to notice", comes_in).await;
        client.welcome = client.ask("connect", dial.payload()).await;
        client
    }

    /// One that came to the node of this name.
    async fn connect_to(&self, node: &str) -> Client {
        // Those that came to the other one stay meanwhile, because the proxy chooses the node that has fewer.
        let mut others = Vec::new();
        for n in 0..100 {
            let client = self.connect(&format!("client {n}")).await;
            if client.welcome["node"] == node {
                return client;
            }
            others.push(client);
        }
        panic!("the proxy never chose node {node}");
    }
}

/// The addresses of the sessions of a node.
async fn addresses(broker: &Broker) -> Vec<Value> {
    let list = broker.read("/tenants/t/connections").await;
    let connections = list["connections"].as_array().expect("a list");
    connections.iter().map(|one| one["remote_address"].clone()).collect()
}

async fn every_client_has_its_own_address(kind: ProxyKind) {
    let behind = Behind::start(kind, "", |config| config).await;
    let dial = behind.a.dial("ann").to(behind.proxy.address).from([127, 0, 0, 2]);
    // What a client says of itself is not believed, whatever the proxy makes of it.
    let dial = dial
        .header("X-Forwarded-For", "203.0.113.1, 203.0.113.2")
        .header("X-Real-IP", "203.0.113.3")
        .header("Forwarded", "for=203.0.113.4");
    let ann = dial.connect().await;
    let broker = if ann.welcome["node"] == "a" {
        &behind.a
    } else {
        &behind.b
    };
    let addresses = addresses(broker).await;
    // The listener with `proxy_protocol` reads the header beside it, but only of proxies.
    assert_eq!(addresses, ["127.0.0.2"], "{kind:?}");
}

/// The document with timeouts of 2 s where it has 75.
fn two_seconds(kind: ProxyKind, config: &str) -> String {
    for shown in kind.rest_timeouts() {
        assert!(config.contains(shown), "the document of {kind:?} has no {shown}");
    }
    config.replace("75s", "2s")
}

async fn heartbeats_keep_a_connection(kind: ProxyKind) {
    let two_seconds = |config: String| two_seconds(kind, &config);
    // More often than the proxy's timeout, as in the document, only all of it is shorter.
    let behind = Behind::start(kind, "ping_ms = 900", two_seconds).await;
    let mut ann = behind.connect("ann").await;
    for _ in 0..HEARTBEATS {
        let ping = ann.frame().await.expect("a heartbeat");
        assert_eq!(ping.opcode, opcode::PING, "{kind:?}: {ping:?}");
        ann.send_frame(&Frame::new(opcode::PONG, ping.payload)).await;
    }
    ann.still_works().await;
    if !kind.rest_timeouts().is_empty() {
        // Else the proxy ends it: that timeout is the one that matters.
        let behind = Behind::start(kind, "", two_seconds).await;
        behind.connect("bob").await.expect_end().await;
    }
}

async fn a_node_that_drains_gets_nobody(kind: ProxyKind) {
    let behind = Behind::start(kind, "drain_seconds = 3600", |config| config).await;
    let mut inside = Vec::new();
    for _ in 0..4 {
        inside.push(behind.connect_to("a").await);
    }
    behind.a.terminate();
    let draining = async || (behind.a.admin_get("/readyz").await.status == 503).then_some(());
    eventually(Duration::from_secs(10), "the drain to begin", draining).await;
    // Balancers see it on the client port; it lives all the same.
    let on_listen = async |path| crate::support::http::get(behind.a.address, path).await.status;
    assert_eq!((on_listen("/healthz").await, on_listen("/readyz").await), (200, 503));
    for n in 0..10 {
        let client = behind.connect_patiently(kind, &format!("client {n}")).await;
        assert_eq!(client.welcome["node"], "b", "{kind:?}");
    }
    // Those that it has stay until they are told to go: the first at once, the others one after the other.
    let mut told = 0;
    for client in &mut inside {
        client.send("ping", json!({})).await;
        let answer = client.take("an answer or an end", |envelope| {
            ["ack", "disconnect"].contains(&envelope.kind())
        });
        told += usize::from(answer.await.kind() == "disconnect");
    }
    assert!(told <= 1, "{told} of 4 were told to go");
    behind.a.terminate();
    for client in &mut inside {
        client.expect_end().await;
    }
    assert_eq!(behind.a.exit_code().await, Some(0));
    assert_eq!(behind.connect_patiently(kind, "ann again").await.welcome["node"], "b");
}

/// A test of each subject for each proxy, so that they run side by side.
macro_rules! each {
    ($($module:ident: $kind:expr),*) => {$(
        mod $module {
            use super::ProxyKind;

            #[tokio::test]
            async fn every_client_has_its_own_address() {
                super::every_client_has_its_own_address($kind).await;
            }

            #[tokio::test]
            async fn heartbeats_keep_a_connection() {
                super::heartbeats_keep_a_connection($kind).await;
            }

            #[tokio::test]
            async fn a_node_that_drains_gets_nobody() {
                super::a_node_that_drains_gets_nobody($kind).await;
            }

            #[tokio::test]
            async fn nothing_of_a_stream_is_held_back() {
                super::over_http::nothing_of_a_stream_is_held_back($kind).await;
            }

            #[tokio::test]
            async fn polls_wait_for_what_comes() {
                super::over_http::polls_wait_for_what_comes($kind).await;
            }
        }
    )*};
}

each! {
    nginx: ProxyKind::Nginx,
    haproxy_http: ProxyKind::HaproxyHttp,
    haproxy_tcp: ProxyKind::HaproxyTcp,
    caddy: ProxyKind::Caddy
}
