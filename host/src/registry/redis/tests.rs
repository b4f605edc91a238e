//! The registry of a cluster against a real `redis-server`, with several nodes in one process.

use super::*;
use redis_client::testing::TestServer;

async fn node(server: &TestServer, name: &str) -> Arc<RedisCluster> {
    let servers = Topology::connect(server.settings());
    while !servers.is_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    RedisCluster::start(servers, "sg", &name.into(), &Handle::current())
}

fn guest(session: usize, user: Option<&str>) -> Guest {
    Guest {
        tenant: "acme".into(),
        user: user.map(Arc::from),
        session: format!("s{session}").into(),
        transport: "websocket",
    }
}

fn limits(connections: usize, connections_per_user: usize) -> Limits {
    Limits {
        connections,
        connections_per_user,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_race_over_three_nodes_fills_every_place_and_no_more() {
    let server = TestServer::start();
    let nodes = [
        node(&server, "a").await,
        node(&server, "b").await,
        node(&server, "c").await,
    ];
    for (limits, user, expected) in [(limits(10, 100), None, 10), (limits(100, 7), Some("ann"), 7)] {
        let race = (0..100).map(|n| nodes[n % 3].admit(guest(n, user), &limits));
        let admitted = join_all(race).await;
        assert_eq!(admitted.iter().filter(|turned| turned.is_ok()).count(), expected);
        for n in 0..100 {
            nodes[n % 3].release(&guest(n, user).session);
        }
        let full = || nodes.iter().any(|node| !node.seated.lock().gone.is_empty());
        while full() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(
        nodes[0].admit(guest(1, Some("ann")), &limits(1, 1)).await.is_ok(),
        "all was given back"
    );
}

#[tokio::test]
async fn a_ban_holds_on_every_node_and_can_be_lifted() {
    let server = TestServer::start();
    let (one, two) = (node(&server, "a").await, node(&server, "b").await);
    let (tenant, user): (Arc<str>, Arc<str>) = ("acme".into(), "ann".into());
    one.ban(&tenant, &user, Duration::from_mins(1));
    let admit = || two.admit(guest(1, Some("ann")), &limits(10, 10));
    while admit().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(admit().await, Err(Turned::Banned(left)) if left > Duration::from_secs(50)));
    one.unban(&tenant, &user);
    while admit().await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn without_redis_the_nodes_own_count_decides() {
    let server = TestServer::start();
    let node = node(&server, "a").await;
    drop(server);
    assert_eq!(node.admit(guest(1, Some("ann")), &limits(10, 10)).await, Ok(()));
}
