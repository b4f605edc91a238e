//! A token that is judged without a session: for a ticket, by which one begins later.

use std::rc::Rc;
use std::time::Duration;

use super::chain_wait::InstanceWait;
use super::context::{Context, check_expiry};
use super::opening::Opening;
use super::refusal::Refusal;
use crate::shard::{Shard, ShardTenant};
use chain::ConnectQuestion;
use registry::{BanSubject, TokenClaims};
use wall_clock::now_ms;

/// Why a token is none.
#[derive(Debug)]
pub struct TokenRefused {
    /// That of the protocol.
    pub code: u16,
    pub sentence: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Opening {
    /// Has the tenant's plugins judge the token, as at a refresh. Returns when it ends, in milliseconds since the Unix epoch.
    pub async fn judge_token(self, shard: Rc<Shard>, tenant: Rc<ShardTenant>) -> Result<Option<u64>, TokenRefused> {
        let token = self.token.as_deref().unwrap_or_default().to_owned();
        let context = self.into_context(shard, tenant);
        let mut judging = std::pin::pin!(judge(&context, token));
        let judged = loop {
            // The shard's signal says that its turn has come.
            tokio::select! {
                judged = &mut judging => break judged,
                () = context.client.signaled() => {}
            }
        };
        context.shard.turns.end(&context.share);
        judged.map_err(|refusal| {
            // It may be a ban. There is no connection to end.
            context.penalise(&refusal);
            TokenRefused {
                code: refusal.code,
                sentence: refusal.reply().message.to_owned(),
                retry_after: refusal.retry_after_ms.map(Duration::from_millis),
            }
        })
    }
}

async fn judge(context: &Context, token: String) -> Result<Option<u64>, Refusal> {
    context.check_penalty()?;
    let question = ConnectQuestion::new(context.refresh_handshake(token));
    let identity = context.authenticated(context.answer(question, &InstanceWait::begin()).await)?;
    check_expiry(&identity)?;
    context.count_connect(&identity)?;
    let claims = TokenClaims::of(&identity.claims, now_ms());
    let registry = &context.shard.common.registry;
    let user = identity.user.as_ref();
    let checked = registry
        .check_token_everywhere(&context.caller.tenant, user, &claims)
        .await;
    context.not_revoked(checked)?;
    registry.check_ban(&context.caller.tenant, &BanSubject::of(user, context.caller.remote))?;
    Ok(identity.expires_ms)
}
