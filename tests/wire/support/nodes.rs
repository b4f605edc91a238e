//! Several broker processes that one Redis makes one broker.

use std::net::SocketAddr;
use std::ops::Index;
use std::sync::{Arc, Mutex};

use toml::{Table, Value};

use super::broker::{Broker, serve};
use super::config::{Home, complete};
use super::process::Process;
use super::{PATIENCE, eventually, shared};

/// The addresses that clients may connect to. Cheap to clone; all clones see changes.
#[derive(Clone, Default)]
pub(crate) struct Doors(Arc<Mutex<Vec<Option<SocketAddr>>>>);

impl Doors {
    /// A single address.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(vec![Some(address)])))
    }

    /// The `n`-th open address, modulo their number; none if all are closed.
    pub(crate) fn nth(&self, n: usize) -> Option<SocketAddr> {
        let open: Vec<SocketAddr> = self.0.lock().unwrap().iter().flatten().copied().collect();
        (!open.is_empty()).then(|| open[n % open.len()])
    }

    fn set(&self, node: usize, address: Option<SocketAddr>) {
        let mut doors = self.0.lock().unwrap();
        if doors.len() <= node {
            doors.resize(node + 1, None);
        }
        doors[node] = address;
    }
}

/// The nodes, counted from 0; they call themselves `node-0` and so on. Killed when dropped.
pub(crate) struct Nodes {
    nodes: Vec<Option<Broker>>,
    body: String,
    url: String,
    /// Where their clients connect.
    pub doors: Doors,
}

impl Nodes {
    /// Starts `count` nodes with the config that most tests share, on the Redis at `url`, and waits until they are
    /// ready.
    pub(crate) async fn start(count: usize, url: &str) -> Self {
        Self::start_with(count, url, &shared::config()).await
    }

    /// The same with a config of the test's own.
    pub(crate) async fn start_with(count: usize, url: &str, body: &str) -> Self {
        let nodes = Self::start_unready(count, url, body).await;
        for broker in nodes.nodes.iter().flatten() {
            ready(broker).await;
        }
        nodes
    }

    /// Starts nodes that may find no Redis.
    pub(crate) async fn start_unready(count: usize, url: &str, body: &str) -> Self {
        let mut nodes = Self {
            nodes: Vec::new(),
            body: body.to_owned(),
            url: url.to_owned(),
            doors: Doors::default(),
        };
        for node in 0..count {
            nodes.nodes.push(None);
            nodes.launch(node).await;
        }
        nodes
    }

    /// How many there are, dead ones included.
    pub(crate) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// All that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Broker> {
        self.nodes.iter().flatten()
    }

    /// `SIGKILL` for one node.
    pub(crate) async fn kill(&mut self, node: usize) {
        self.doors.set(node, None);
        let broker = self.nodes[node].take().expect("it runs");
        broker.kill().await;
    }

    /// `SIGTERM` for one node; it drains and ends with 0.
    pub(crate) async fn drain(&mut self, node: usize) {
        self.doors.set(node, None);
        let broker = self.nodes[node].take().expect("it runs");
        broker.terminate();
        assert_eq!(broker.exit_code().await, Some(0), "node-{node} drains and ends well");
    }

    /// Starts a node again under its name, and waits until it is ready.
    pub(crate) async fn revive(&mut self, node: usize) {
        assert!(self.nodes[node].is_none(), "node-{node} runs");
        self.launch(node).await;
        ready(&self[node]).await;
    }

    /// Starts another process under a node's name.
    pub(crate) async fn start_twin(&self, node: usize) -> (Process, Home) {
        let home = Home::new();
        home.write(&complete(&self.config(node)));
        (serve(&home, "info").await, home)
    }

    async fn launch(&mut self, node: usize) {
        let broker = Broker::start_at(Home::new(), "info", &self.config(node)).await;
        self.doors.set(node, Some(broker.address));
        self.nodes[node] = Some(broker);
    }

    fn config(&self, node: usize) -> String {
        let mut config: Table = self.body.parse().expect("the test's config");
        let backplane = config.entry("backplane").or_insert_with(|| Value::Table(Table::new()));
        let backplane = backplane.as_table_mut().expect("backplane is a table");
        backplane.insert("kind".into(), "redis".into());
        backplane.insert("url".into(), self.url.clone().into());
        backplane.insert("prefix".into(), "sg".into());
        let server = config.entry("server").or_insert_with(|| Value::Table(Table::new()));
        let server = server.as_table_mut().expect("server is a table");
        server.insert("node".into(), format!("node-{node}").into());
        config.to_string()
    }
}

impl Index<usize> for Nodes {
    type Output = Broker;

    fn index(&self, node: usize) -> &Broker {
        self.nodes[node].as_ref().expect("that node runs")
    }
}

/// Waits until a broker says that it is ready.
pub(crate) async fn ready(broker: &Broker) {
    eventually(PATIENCE, "readiness", async || {
        (broker.admin_get("/readyz").await.status == 200).then_some(())
    })
    .await;
}
