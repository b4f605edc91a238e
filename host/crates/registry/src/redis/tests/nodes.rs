//! Nodes of a cluster, in one process.

use super::*;

/// Nothing is known of the others.
pub(super) struct Unknown;

impl Peers for Unknown {
    fn connected(&self) -> ClusterReply<'_, Option<Vec<String>>> {
        Box::pin(async { None })
    }
}

pub(super) async fn node(server: &TestServer, name: &str) -> Arc<RedisCluster> {
    start(server, name, Arc::new(Unknown)).await.0
}

pub(super) async fn node_among(server: &TestServer, name: &str, peers: Arc<dyn Peers>) -> Arc<RedisCluster> {
    start(server, name, peers).await.0
}

pub(super) async fn start(
    server: &TestServer,
    name: &str,
    peers: Arc<dyn Peers>,
) -> (Arc<RedisCluster>, mpsc::Receiver<BanOrder>) {
    let servers = Topology::connect(server.settings());
    while !servers.is_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    RedisCluster::start(servers, "sg", (name, &format!("{name}~1")), peers, &Handle::current())
}
