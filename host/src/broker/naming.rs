//! The claim to this node's name at the start.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::backends;
use super::error::BrokerError;
use crate::control::{ClusterBus, NameTaken};
use crate::gateway::Readiness;
use crate::shard::Common;

/// How long the start waits for the claim to the node's name; Redis may go away amid it.
const CLAIM_WAIT: Duration = Duration::from_secs(3);

/// A claim to this node's name that is not decided yet.
pub(super) type NameClaimTask = JoinHandle<Result<(), NameTaken>>;

/// Claims the node's name. While Redis cannot say whose it is, the claim goes on beside the broker, which is not ready
/// until then.
pub(super) async fn claim_name(
    bus: Arc<ClusterBus>,
    common: Common,
    readiness: Readiness,
) -> Result<Option<NameClaimTask>, BrokerError> {
    let backplane = common.backplane.clone();
    let mut claim = tokio::spawn(async move {
        backends::claim_name(&*common.backplane, &bus, &common.registry).await?;
        readiness.set(true);
        Ok(())
    });
    if backends::is_there(&*backplane).await
        && let Ok(claimed) = tokio::time::timeout(CLAIM_WAIT, &mut claim).await
    {
        claimed.map_err(io::Error::other)??;
        return Ok(None);
    }
    Ok(Some(claim))
}

/// Waits until another node turns out to have this one's name.
pub(super) async fn refused_name(claim: &mut Option<NameClaimTask>) -> NameTaken {
    if let Some(running) = claim
        && let Ok(Err(taken)) = running.await
    {
        return taken;
    }
    *claim = None;
    std::future::pending().await
}
