//! What a client can ask, each a value with `apply(self, &Context) -> Outcome`: it reads and changes the session's
//! context, and answers at once or says what it waits for.

mod connect;
mod history;
mod join;
mod ping;
mod presence;
mod publish;
mod recovery;
mod refresh;
mod subscribe;
mod unsubscribe;

use std::rc::Rc;

use super::context::Context;
use super::outcome::Outcome;
use protocol::{Body, RequestId};

/// Carries out a request.
pub(super) fn apply(id: RequestId, request: Body, context: &Rc<Context>) -> Outcome {
    if let Err(refusal) = context.admit(&request) {
        if matches!(request, Body::Publish(_)) {
            context.tenant.metrics.refused.inc();
        }
        return Outcome::Done(Err(refusal));
    }
    match request {
        Body::Connect(request) => connect::ConnectCommand { id, request }.apply(context),
        Body::Subscribe(request) => subscribe::SubscribeCommand { id, request }.apply(context),
        Body::Unsubscribe(channel) => unsubscribe::UnsubscribeCommand { id, channel }.apply(context),
        Body::Publish(request) => publish::PublishCommand { id, request }.apply(context),
        Body::Presence(channel) => presence::PresenceCommand { id, channel }.apply(context),
        Body::History(request) => history::HistoryCommand { id, request }.apply(context),
        Body::Refresh(token) => refresh::RefreshCommand { id, token }.apply(context),
        Body::Ping => ping::PingCommand { id }.apply(context),
    }
}
