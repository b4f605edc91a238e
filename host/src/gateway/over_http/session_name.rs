//! How a post names its session, and proves that it is its client's.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use registry::{Owned, SessionOwner};

use super::answers::gone;
use crate::gateway::entry::unavailable;
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::state::Gateway;
use crate::gateway::ticket_use::check_penalty;
use crate::gateway::turned_away::COME_BACK;
use crate::http_sessions::secret_hash;
use config::Tenant;
use relay::{LocalSessions as _, Post, PostAnswer};

/// A session, and who has it.
pub(super) struct NamedSession {
    pub name: Arc<str>,
    pub owner: SessionOwner,
}

/// Finds the session that `<session>.<session_key>` names. Whoever says a wrong key is somebody who guesses.
pub(super) async fn find(
    gateway: &Gateway,
    remote: IpAddr,
    tenant: &Tenant,
    credential: &str,
) -> Result<NamedSession, HttpRefusal> {
    check_penalty(gateway, remote)?;
    let wrong = || {
        gateway.doorkeeper.failed(remote);
        let sentence = "the session must be named as <session>.<session_key>, by who opened it";
        HttpRefusal::new(StatusCode::UNAUTHORIZED, sentence)
    };
    let Some((name, key)) = credential
        .split_once('.')
        .filter(|(name, key)| !name.is_empty() && !key.is_empty())
    else {
        return Err(wrong());
    };
    match gateway.registry.owner(&tenant.name, name, &secret_hash(key)).await {
        Ok(Owned::By(owner)) => Ok(NamedSession {
            name: name.into(),
            owner,
        }),
        Ok(Owned::ByAnotherKey) => Err(wrong()),
        Ok(Owned::ByNobody) => Err(gone()),
        Err(error) => {
            tracing::debug!(%error, "a post waits for Redis");
            Err(unavailable("it is not known now who has the session", COME_BACK))
        }
    }
}

/// Brings a post to who has its session.
pub(super) async fn deliver(gateway: &Gateway, owner: SessionOwner, post: Post) -> PostAnswer {
    match (owner, &gateway.relay) {
        (SessionOwner::Here, _) => gateway.sessions.post(post).await,
        // Boxed, because most who wait have their session here.
        (SessionOwner::Instance(instance), Some(relay)) => Box::pin(relay.hand_over(&instance, post)).await,
        (SessionOwner::Instance(_), None) => PostAnswer::Gone,
    }
}
