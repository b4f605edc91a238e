//! The end of a session: it leaves everything that it was in, and its client is told.

use std::time::Duration;

use futures_util::future::{OptionFuture, join};
use tokio::time::timeout;

use super::closing::{end_stream, push_closing_frames};
use super::connection::Session;
use super::ending::Ending;
use crate::framing::Framing;
use protocol::codes;

/// How long a client that polls may take to ask for the last time.
const LAST_POLL: Duration = Duration::from_secs(15);

impl Session {
    pub(super) async fn end(mut self: Box<Self>, ending: Ending) {
        let code = ending.code();
        let context = self.context.clone();
        context.shard.turns.end(&context.share);
        tracing::debug!(session = %context.client.session, tenant = %context.caller.tenant, code, ?ending, "connection ends");
        // The session leaves the hub and the registry before the closing frames, because nothing may follow them.
        // A ban holds also when its refusal does not reach the client any more.
        for refusal in self.pending.refusals() {
            context.penalise(refusal);
        }
        self.pending.clear();
        context.clear_subscriptions().await;
        let mut seat = context.take_seat();
        let mut farewell = OptionFuture::from(seat.as_ref().and_then(|_| context.farewell(code)));
        if !self.is_asked_once_more(&ending) {
            seat = None;
        }
        if let Some(at) = self.alarm.take() {
            context.shard.alarms.clear(context.client.id, at);
        }
        context.shard.common.metrics.disconnected(&ending.label());
        push_closing_frames(&context.client, &ending);
        if !matches!(ending, Ending::Gone) {
            // The client does not wait for the plugins.
            let farewell = std::mem::take(&mut farewell);
            Box::pin(join(self.hang_up(), farewell)).await;
        }
        drop(seat);
        context.client.abandon();
        farewell.await;
    }

    /// Whether its client polls, and is expected to: it has to find the session, at whichever node, to hear of the end.
    fn is_asked_once_more(&self, ending: &Ending) -> bool {
        let polls = self.context.client.framing == Framing::Bare;
        polls && matches!(ending, Ending::Close { code, .. } if *code != codes::NO_HEARTBEAT)
    }

    /// Has the client get what is left, and ends the connection.
    async fn hang_up(&mut self) {
        let client = self.context.client.clone();
        match (self.input.posts(), client.framing) {
            (Some(posts), Framing::Bare) => drop(timeout(LAST_POLL, posts.answer_last(&client)).await),
            _ => end_stream(&client).await,
        }
    }
}
