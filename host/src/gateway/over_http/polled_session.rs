//! The session whose polls come on a connection. A poll that asks for nothing only says who waits: where nothing else is to
//! be done for it, the session is told so without a turn of its task, and its next message goes to the connection.

use std::rc::{Rc, Weak};
use std::sync::Arc;

use axum::body::Bytes;
use tokio::time::Instant;

use super::answers::gone;
use super::body::{self, PostBody};
use super::poll::PollRequest;
use super::poll_body::PollBody;
use super::poll_head::{AnswerLines, PollHead, WrittenAnswer};
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::state::Gateway;
use crate::gateway::ticket_use::check_penalty;
use crate::http_sessions::{PostedTo, poll_wait};
use crate::hub::ClientConnection;
use crate::poll_reply::PollReply;
use crate::shard::Shard;
use relay::PostKind;

pub(in crate::gateway) struct PolledSession {
    posted_to: Arc<PostedTo>,
    /// Its client, as long as it is there and on the connection's shard.
    client: Weak<ClientConnection>,
}

/// A poll that its session knows of, or is to be told of.
pub(in crate::gateway) enum BroughtPoll {
    Waits(WaitingPoll),
    Asks(PollRequest),
}

/// A poll that its session answers to the connection.
pub(in crate::gateway) struct WaitingPoll {
    head: Arc<PollHead>,
    session: Arc<PostedTo>,
    ack: u64,
    /// Until when it waits.
    pub until: Instant,
}

// === impl PolledSession ===

impl PolledSession {
    pub(in crate::gateway) fn of(posted_to: &Arc<PostedTo>, shard: &Shard) -> Self {
        let place = posted_to.place().filter(|place| place.shard == shard.index);
        let client = place.and_then(|place| shard.client(place.client));
        Self {
            posted_to: posted_to.clone(),
            client: client.as_ref().map(Rc::downgrade).unwrap_or_default(),
        }
    }

    /// Brings it a poll of its own.
    pub(in crate::gateway) fn bring(
        &self,
        request: PollRequest,
        reply: impl FnOnce(&AnswerLines) -> PollReply,
    ) -> Result<BroughtPoll, HttpRefusal> {
        let waiting = match request.asks_nothing() {
            Some(kind) => self.wait(&request.head, kind, reply)?,
            None => None,
        };
        Ok(waiting.map_or(BroughtPoll::Asks(request), BroughtPoll::Waits))
    }

    /// Brings it another poll with the same head. None: that is of another session, or begins one.
    pub(in crate::gateway) fn again(
        &self,
        gateway: &Gateway,
        head: &Arc<PollHead>,
        body: &[u8],
        reply: impl FnOnce(&AnswerLines) -> PollReply,
    ) -> Result<Option<BroughtPoll>, HttpRefusal> {
        check_penalty(gateway, head.remote)?;
        let body = Bytes::copy_from_slice(body);
        let poll = PollBody::read(head.codec, &body)?;
        let credential = poll.session.as_deref().unwrap_or_default();
        if !self.posted_to.is_named(credential) {
            return Ok(None);
        }
        if poll.requests.is_empty()
            && let Some(waiting) = self.wait(head, poll.kind, reply)?
        {
            return Ok(Some(BroughtPoll::Waits(waiting)));
        }
        let tenant = &head.page.tenant;
        let requests = body::requests(&body, &poll.requests, tenant)?;
        let held = PostBody::hold(body.clone(), gateway, tenant)?;
        let request = PollRequest::of_session(head.clone(), self.posted_to.clone(), &poll, requests, held);
        Ok(Some(BroughtPoll::Asks(request)))
    }

    /// Tells it that a poll waits. None: it has to be told with the posts before.
    fn wait(
        &self,
        head: &Arc<PollHead>,
        kind: PostKind,
        reply: impl FnOnce(&AnswerLines) -> PollReply,
    ) -> Result<Option<WaitingPoll>, HttpRefusal> {
        let client = self.client.upgrade().filter(|_| head.keeps_open);
        let (Some(client), PostKind::Poll { ack, wait }) = (client, kind) else {
            return Ok(None);
        };
        let Some(answers) = client.free_answers(head.codec).filter(|_| self.posted_to.is_idle()) else {
            return Ok(None);
        };
        let known = answers.borrow().check(ack);
        known.map_err(|unknown| body::bad(unknown.to_string()))?;
        let until = Instant::now() + poll_wait(wait);
        client.poll(answers, ack, until, reply(&head.lines));
        client.flush();
        Ok(Some(WaitingPoll {
            head: head.clone(),
            session: self.posted_to.clone(),
            ack,
            until,
        }))
    }
}

// === impl WaitingPoll ===

impl WaitingPoll {
    /// What it is answered that had no answer in its time.
    pub(in crate::gateway) fn too_late(&self) -> WrittenAnswer {
        self.head.write(Ok(self.session.nothing(self.head.codec, self.ack)))
    }

    /// What it is answered whose session is gone.
    pub(in crate::gateway) fn gone(&self) -> WrittenAnswer {
        self.head.write(Err(gone()))
    }
}
