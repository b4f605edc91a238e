//! `connect`: checks identity, bans, revocations and limits; then joins the channels that it names, side by side.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use foldhash::fast::RandomState;
use futures_util::StreamExt;
use futures_util::stream;

use super::join::{CompletedJoin, Join, already_subscribed, begin, check};
use crate::framing::Framing;
use crate::http_sessions::secret_hash;
use crate::session::chain_wait::InstanceWait;
use crate::session::context::{Context, check_expiry};
use crate::session::outcome::{CommandReply, CommandResult, Outcome};
use crate::session::refusal::Refusal;
use crate::session::reply_parts;
use crate::session::reply_room::ReplyRoom;
use crate::session::seat_guard::SeatGuard;
use chain::{ConnectQuestion, Handshake, SubscribeQuestion};
use protocol::names::Channel;
use protocol::write::{self, Welcome};
use protocol::{Encoded, RequestId, Subscribe};
use registry::{AdmissionRequest, TokenClaims};
use wall_clock::now_ms;

/// Channels of one `connect` that are joined at the same time at most; the next waits for one of them.
const JOINS_AT_ONCE: usize = 64;

pub(super) struct ConnectCommand {
    pub id: RequestId,
    pub request: Box<protocol::Connect>,
}

impl ConnectCommand {
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        if context.is_connected() {
            let refusal = Refusal::new(protocol::codes::BAD_REQUEST, "this connection is connected");
            return Outcome::Done(Err(refusal));
        }
        let context = context.clone();
        Outcome::pending(async move { self.connect(&context).await })
    }

    async fn connect(self, context: &Context) -> CommandResult {
        let protocol::Connect {
            token,
            client_name,
            subscribe,
            data,
        } = *self.request;
        context.check_penalty()?;
        let wait = InstanceWait::begin();
        admit(context, context.connect_handshake(token, client_name, data), &wait).await?;
        if subscribe.is_empty() {
            return Ok(welcome(&self.id, context, None).into());
        }
        let outcomes = join_all(context, &self.id, subscribe, &wait).await;
        // From here on nothing waits: what is granted now is granted when the ack is queued.
        let mut payloads = Vec::with_capacity(outcomes.len());
        let mut releases = Vec::with_capacity(outcomes.len());
        let mut later = Vec::new();
        let mut ending = None;
        for (channel, outcome) in outcomes {
            match outcome.and_then(|joined| joined.subscribe(context)) {
                Ok(ack) => {
                    payloads.push(ack.payload);
                    releases.push(ack.release);
                    later.extend(ack.later);
                }
                Err(refusal) => {
                    payloads.push(write::refused_subscription(
                        self.id.codec(),
                        channel.as_str(),
                        &refusal.reply(),
                    ));
                    ending = ending.or_else(|| context.penalise(&refusal));
                }
            }
        }
        let reply = CommandReply {
            envelope: welcome(&self.id, context, Some(payloads)),
            releases,
            ending,
        };
        Ok(reply_parts::complete(context, reply, later).await)
    }
}

/// Asks who it is and whether there is room.
async fn admit(context: &Context, handshake: Handshake, wait: &InstanceWait) -> Result<(), Refusal> {
    let answer = context.answer(ConnectQuestion::new(handshake), wait).await;
    let identity = context.authenticated(answer)?;
    check_expiry(&identity)?;
    context.count_connect(&identity)?;
    let token = TokenClaims::of(&identity.claims, now_ms());
    let request = AdmissionRequest {
        tenant: context.caller.tenant.clone(),
        user: identity.user.clone(),
        token: token.clone(),
        remote: context.caller.remote,
        session: context.caller.session.clone(),
        transport: context.caller.transport,
        key: context.key.as_deref().map(secret_hash),
    };
    let subject = request.subject();
    let tenant = context.tenant.settings();
    let registry = &context.shard.common.registry;
    let admitted = registry.admit(request, &tenant.limits).await;
    let seat = SeatGuard::new(context.not_revoked(admitted)?, context.tenant.clone());
    context
        .shard
        .seat(context.client.id, identity.user.clone(), token.clone());
    // A ban or a revocation from now on ends the connection. One during the admission did not, so both are checked again.
    registry.check_ban(&context.caller.tenant, &subject)?;
    context.not_revoked(registry.check_token(&context.caller.tenant, identity.user.as_ref(), &token))?;
    context.accept(seat, identity);
    Ok(())
}

/// Joins the channels, [`JOINS_AT_ONCE`] at a time. They begin in their order, so it is their order that decides which of
/// two requests for one channel is refused, and which channels are over the connection's limit: all that were granted
/// count, also those that fail later.
async fn join_all(
    context: &Context,
    id: &RequestId,
    requests: Vec<Subscribe>,
    wait: &InstanceWait,
) -> Vec<(Channel, Result<CompletedJoin, Refusal>)> {
    let begun = RefCell::new(HashSet::<Channel, RandomState>::default());
    let room = &ReplyRoom::of(&context.client, id);
    let begin = async |request: Subscribe| {
        let channel = request.channel.clone();
        (channel, begin_one(context, request, &begun, wait).await)
    };
    let joins = stream::iter(requests).then(begin).map(async |(channel, join)| {
        let joined = match join {
            Ok(join) => join.finish(context, room).await,
            Err(refusal) => Err(refusal),
        };
        (channel, joined)
    });
    joins.buffered(JOINS_AT_ONCE).collect().await
}

async fn begin_one(
    context: &Context,
    request: Subscribe,
    begun: &RefCell<HashSet<Channel, RandomState>>,
    wait: &InstanceWait,
) -> Result<Join, Refusal> {
    let channel = request.channel.clone();
    let taken = begun.borrow().len();
    if begun.borrow().contains(&channel) {
        return Err(already_subscribed());
    }
    check(context, &channel, taken)?;
    // Each asks plugins, so others have their turn between two of them.
    let grant = context.answer(SubscribeQuestion::new(channel.clone()), wait).await?;
    let join = begin(context, request, grant)?;
    begun.borrow_mut().insert(channel);
    Ok(join)
}

fn welcome(id: &RequestId, context: &Context, subscriptions: Option<Vec<Encoded>>) -> Encoded {
    let identity = context.caller.identity();
    let limits = &context.tenant.settings().limits;
    let common = &context.shard.common;
    let polls = context.client.framing == Framing::Bare;
    let welcome = Welcome {
        session: &context.caller.session,
        node: &common.node,
        user: identity.user.as_deref(),
        ping_ms: millis(common.ping),
        expires_at: identity.expires_ms,
        message_bytes: limits.message_bytes as u64,
        channels: limits.channels_per_connection as u64,
        publish_per_second: limits.publish_per_second.map(u64::from),
        session_key: context.key.as_deref().filter(|_| !polls),
        disconnect_after_ms: polls.then(|| millis(common.poll_timeout)),
        subscriptions,
    };
    write::welcome(id, now_ms(), welcome)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
