//! `refresh`: a new token for the same user.

use std::rc::Rc;
use std::sync::Arc;

use crate::session::chain_wait::wait_limit;
use crate::session::context::{Context, check_expiry};
use crate::session::outcome::{CommandResult, Outcome};
use crate::session::refusal::Refusal;
use chain::HookKind;
use protocol::{RequestId, codes, write};
use wall_clock::now_ms;

pub(super) struct RefreshCommand {
    pub id: RequestId,
    pub token: String,
}

impl RefreshCommand {
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        if context.pending_call(HookKind::Connect, None).is_none() {
            return Outcome::Done(self.refresh(context));
        }
        let context = context.clone();
        Outcome::unasked(async move {
            context.until_ready(HookKind::Connect, None, wait_limit()).await;
            self.refresh(&context)
        })
    }

    fn refresh(self, context: &Context) -> CommandResult {
        let handshake = Arc::new(context.refresh_handshake(self.token));
        let identity = context.tenant.chain().connect(&handshake, &context.caller)?;
        check_expiry(&identity)?;
        if identity.user != context.caller.user() {
            return Err(Refusal::new(
                codes::PERMISSION_DENIED,
                "a refresh cannot change who the user is",
            ));
        }
        let ack = write::refreshed(&self.id, now_ms(), identity.expires_ms);
        context.identify(identity);
        Ok(ack.into())
    }
}
