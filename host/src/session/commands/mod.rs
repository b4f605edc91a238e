//! What a client can ask, each a value with `apply(self, &Context) -> Outcome`: it reads and changes the session's
//! context, and answers at once or says what it waits for.

mod connect;
mod history;
mod join;
mod ping;
mod presence;
mod publish;
mod refresh;
mod subscribe;
mod unsubscribe;

use std::rc::Rc;

pub use history::fitting;

use super::context::Context;
use super::outcome::Outcome;
use crate::protocol::{Body, RequestId};

/// Carries out a request.
pub(super) fn apply(id: RequestId, request: Body, context: &Rc<Context>) -> Outcome {
    match request {
        Body::Connect(request) => connect::Connect { id, request }.apply(context),
        Body::Subscribe(request) => subscribe::Subscribe { id, request }.apply(context),
        Body::Unsubscribe(channel) => unsubscribe::Unsubscribe { id, channel }.apply(context),
        Body::Publish(request) => publish::Publish { id, request }.apply(context),
        Body::Presence(channel) => presence::Presence { id, channel }.apply(context),
        Body::History(request) => history::History { id, request }.apply(context),
        Body::Refresh(token) => refresh::Refresh { id, token }.apply(context),
        Body::Ping => ping::Ping { id }.apply(context),
    }
}
