//! How posts are taken in: a session carries their requests out like those of its own connection.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backlog::Backlog;
use super::connection::Session;
use super::posts::{BatchTurn, Posts, no_replies};
use crate::http_sessions::Posted;
use crate::transport::Carrier;
use protocol::write::{self, ErrorReply};
use protocol::{Refused, Request, RequestId, codes};
use relay::{Post, PostAnswer, PostKind};
use wall_clock::now_ms;

/// Requests of polls that wait at most …
const WAITING_REQUESTS: usize = 256;
/// … and their bytes. One poll alone may have more.
const WAITING_BYTES: usize = 262_144;
/// When to come back with more.
const COME_BACK: Duration = Duration::from_secs(1);

/// The requests of a post that is to be carried out, and the bytes of each.
type Requests = Vec<(Result<Request, Refused>, usize)>;

impl Session {
    /// Takes a post in: its requests begin when it is their turn.
    pub(super) fn take_post(&mut self, posted: Posted) {
        let (post, reply) = posted.take();
        let refused = match post.kind {
            PostKind::Send => self.take_send(&post, reply),
            PostKind::Poll { ack, wait } => self.take_poll(&post, ack, wait, reply),
        };
        if let Err((reply, answer)) = refused {
            // Who is gone need not know.
            drop(reply.send(answer));
        }
    }

    /// Gives back what is answered at once.
    fn take_send(
        &mut self,
        post: &Post,
        reply: oneshot::Sender<PostAnswer>,
    ) -> Result<(), (oneshot::Sender<PostAnswer>, PostAnswer)> {
        if matches!(self.context.client.carrier, Carrier::Polls(_)) {
            // Its replies come by polls, in the order of all requests.
            let why = "this session polls; send its requests with a poll, to /poll";
            return Err((reply, PostAnswer::Bad(why.into())));
        }
        let Some(posts) = self.input.posts() else {
            return Err((reply, PostAnswer::Gone));
        };
        match requests_of_send(posts, post) {
            Err(answer) => return Err((reply, answer)),
            Ok(requests) => {
                posts.begin(post.batch, post.codec, requests.len(), reply);
                self.carry_out(requests);
            }
        }
        Ok(())
    }

    fn take_poll(
        &mut self,
        post: &Post,
        ack: u64,
        wait: Duration,
        reply: oneshot::Sender<PostAnswer>,
    ) -> Result<(), (oneshot::Sender<PostAnswer>, PostAnswer)> {
        let client = self.context.client.clone();
        let (Some(posts), Carrier::Polls(answers)) = (self.input.posts(), &client.carrier) else {
            let why = "this session has a stream of events; send its requests to /send";
            return Err((reply, PostAnswer::Bad(why.into())));
        };
        if post.codec != client.codec {
            let why = "this session began in another Content-Type, and its answers are of that one";
            return Err((reply, PostAnswer::Bad(why.into())));
        }
        let (number, requests) = match requests_of_poll(posts, post) {
            Ok(counted) => counted,
            Err(answer) => return Err((reply, answer)),
        };
        if !requests.is_empty() && !have_room(&requests, &self.backlog) {
            let retry_after = COME_BACK;
            return Err((reply, PostAnswer::Busy { retry_after }));
        }
        if let Err(unknown) = answers.borrow().check(ack) {
            return Err((reply, PostAnswer::Bad(unknown.to_string())));
        }
        client.poll(answers, ack, Instant::now() + wait, reply.into());
        posts.took_poll(number);
        self.carry_out(requests);
        Ok(())
    }

    fn carry_out(&mut self, requests: Requests) {
        for (request, bytes) in requests {
            self.backlog.push(request, bytes);
        }
    }

    /// Refuses a request whose reply has no room in the answer to its post, instead of carrying it out.
    pub(super) fn refuse_for_room(&mut self, id: &RequestId) -> bool {
        let is_full = self.input.posts().is_some_and(|posts| posts.is_full());
        if is_full {
            let message = "the replies to this post are too large together; post this request again by itself";
            let error = ErrorReply::new(codes::LIMIT_EXCEEDED, message);
            self.send(write::error(id, now_ms(), &error));
        }
        is_full
    }
}

/// Whether the requests of a poll may wait behind these.
fn have_room(requests: &Requests, waiting: &Backlog) -> bool {
    let bytes = requests.iter().map(|(_, bytes)| bytes).sum::<usize>();
    let has_room = waiting.len() + requests.len() <= WAITING_REQUESTS;
    waiting.is_empty() || has_room && waiting.pushed_bytes() + bytes <= WAITING_BYTES
}

/// What is to be carried out of a post whose replies are its answer. The error is an answer without that.
fn requests_of_send(posts: &Posts, post: &Post) -> Result<Requests, PostAnswer> {
    match posts.turn(post.batch).map_err(PostAnswer::Bad)? {
        BatchTurn::Again => Err(PostAnswer::Done(posts.last_answer())),
        BatchTurn::New if post.requests.is_empty() => Err(PostAnswer::Done(no_replies(post.codec))),
        BatchTurn::New => read(post),
    }
}

/// The number by which a poll counts, and what is to be carried out of it.
fn requests_of_poll(posts: &mut Posts, post: &Post) -> Result<(Option<u64>, Requests), PostAnswer> {
    // The poll that began the session is said again by a client that got no answer to it.
    if post.open.is_some() && posts.begins_again() {
        return Ok((None, Vec::new()));
    }
    // One without requests is none of those that are counted.
    let number = post.batch.filter(|_| !post.requests.is_empty());
    match posts.turn(number).map_err(PostAnswer::Bad)? {
        // Its replies are among what is told to this poll, or to a later one.
        BatchTurn::Again => Ok((number, Vec::new())),
        BatchTurn::New => Ok((number, read(post)?)),
    }
}

fn read(post: &Post) -> Result<Requests, PostAnswer> {
    let read = post
        .requests
        .iter()
        .map(|request| match protocol::read_as(post.codec, request) {
            Err(Refused::NotAnEnvelope(why)) => Err(PostAnswer::Bad(why)),
            read => Ok((read, request.len())),
        });
    read.collect()
}
