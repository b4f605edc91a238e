//! Which instances of the cluster are there.

use std::sync::Arc;

use futures_util::future::join_all;

use backplane::Nodes;
use registry::{ClusterReply, Peers};

/// The instances that listen to the others now.
pub struct ListeningNodes(Arc<dyn Nodes>);

impl ListeningNodes {
    /// Of this cluster.
    pub fn of(nodes: Arc<dyn Nodes>) -> Arc<Self> {
        Arc::new(Self(nodes))
    }
}

impl Peers for ListeningNodes {
    fn connected(&self) -> ClusterReply<'_, Option<Vec<String>>> {
        Box::pin(async move {
            let mut live = self.0.live().await.ok()?;
            let listens = join_all(live.iter().map(|instance| self.0.listens(instance))).await;
            let listens: Vec<bool> = listens.into_iter().collect::<Result<_, _>>().ok()?;
            let mut listens = listens.into_iter();
            live.retain(|_| listens.next().unwrap_or(true));
            Some(live)
        })
    }
}
