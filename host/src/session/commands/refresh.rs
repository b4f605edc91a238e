//! `refresh`: a new token for the same user.

use std::rc::Rc;

use crate::session::chain_wait::InstanceWait;
use crate::session::context::{Context, check_expiry};
use crate::session::outcome::{CommandResult, Outcome};
use crate::session::refusal::Refusal;
use chain::{Asked, ConnectQuestion, Denied, Identity};
use protocol::{RequestId, codes, write};
use registry::TokenClaims;
use wall_clock::now_ms;

pub(super) struct RefreshCommand {
    pub id: RequestId,
    pub token: String,
}

impl RefreshCommand {
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        let Self { id, token } = self;
        if let Err(refusal) = context.check_penalty() {
            return Outcome::Done(Err(refusal));
        }
        match context.ask_if_ready(ConnectQuestion::new(context.refresh_handshake(token))) {
            Asked::Answered(identity) if !context.shard.common.registry.has_cluster() => {
                Outcome::Done(NewToken::of(context, identity).and_then(|token| token.take_over(context, &id)))
            }
            asked => {
                let context = context.clone();
                Outcome::unasked(async move {
                    let identity = match asked {
                        Asked::Answered(identity) => identity,
                        Asked::Paused(question) => context.answer(question, &InstanceWait::begin()).await,
                    };
                    let token = NewToken::of(&context, identity)?;
                    token.check_everywhere(&context).await?;
                    token.take_over(&context, &id)
                })
            }
        }
    }
}

/// A token that was accepted.
struct NewToken {
    identity: Identity,
    claims: TokenClaims,
}

impl NewToken {
    fn of(context: &Context, identity: Result<Identity, Denied>) -> Result<Self, Refusal> {
        let identity = context.authenticated(identity)?;
        check_expiry(&identity)?;
        if identity.user != context.caller.user() {
            return Err(Refusal::new(
                codes::PERMISSION_DENIED,
                "a refresh cannot change who the user is",
            ));
        }
        Ok(Self {
            claims: TokenClaims::of(&identity.claims, now_ms()),
            identity,
        })
    }

    /// A node that was away may not have heard that it is revoked.
    async fn check_everywhere(&self, context: &Context) -> Result<(), Refusal> {
        let registry = &context.shard.common.registry;
        let user = self.identity.user.as_ref();
        let checked = registry
            .check_token_everywhere(&context.caller.tenant, user, &self.claims)
            .await;
        Ok(context.not_revoked(checked)?)
    }

    /// Nothing waits between the check and the seat: a revocation comes before the first, or finds the second.
    fn take_over(self, context: &Context, id: &RequestId) -> CommandResult {
        let Self { identity, claims } = self;
        let registry = &context.shard.common.registry;
        let user = identity.user.clone();
        context.not_revoked(registry.check_token(&context.caller.tenant, user.as_ref(), &claims))?;
        registry.replace_token(&context.caller.session, &claims);
        context.shard.seat(context.client.id, user, claims);
        let ack = write::refreshed(id, now_ms(), identity.expires_ms);
        context.identify(identity);
        Ok(ack.into())
    }
}
