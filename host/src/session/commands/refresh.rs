//! `refresh`: a new token for the same user.

use std::rc::Rc;

use crate::session::chain_wait::InstanceWait;
use crate::session::context::{Context, check_expiry};
use crate::session::outcome::{CommandResult, Outcome};
use crate::session::refusal::Refusal;
use chain::{Asked, ConnectQuestion, Denied, Identity};
use protocol::{RequestId, codes, write};
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
            Asked::Answered(identity) => Outcome::Done(take_over(context, &id, identity)),
            Asked::Paused(question) => {
                let context = context.clone();
                Outcome::unasked(async move {
                    let identity = context.answer(question, &InstanceWait::begin()).await;
                    take_over(&context, &id, identity)
                })
            }
        }
    }
}

fn take_over(context: &Context, id: &RequestId, identity: Result<Identity, Denied>) -> CommandResult {
    let identity = context.authenticated(identity)?;
    check_expiry(&identity)?;
    if identity.user != context.caller.user() {
        return Err(Refusal::new(
            codes::PERMISSION_DENIED,
            "a refresh cannot change who the user is",
        ));
    }
    let ack = write::refreshed(id, now_ms(), identity.expires_ms);
    context.identify(identity);
    Ok(ack.into())
}
