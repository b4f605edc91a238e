//! A connection on which polls come. Who polls says the same head again and again, and only what stands behind it is new: such a
//! request is known by its bytes and read here. Whatever else comes is left to HTTP.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::Instant;

use super::head_lines::HeadLines;
use super::lazy_timer::LazyTimer;
use super::over_http::{BroughtPoll, PollHead, PollRequest, PolledSession, WaitingPoll, WrittenAnswer};
use super::patient_stream;
use super::poll_socket::{PollOutcome, PollSocket};
use super::socket::Socket;
use super::state::Gateway;
use crate::shard::Shard;

/// A connection that was taken from HTTP, and the poll that came last on it.
pub(super) struct TakenPoll {
    pub socket: Socket,
    /// What was read behind the poll.
    pub ahead: Vec<u8>,
    pub request: PollRequest,
    /// Whether it is the first request since HTTP got the connection.
    pub is_first: bool,
}

/// What such a connection remembers from one poll to the next.
pub(super) struct PollConnection {
    gateway: Arc<Gateway>,
    shard: Rc<Shard>,
    /// How polls are known.
    known: Option<KnownHead>,
    /// What HTTP judges next.
    unjudged: Option<UnjudgedHead>,
    /// For answers, and for the next request.
    timer: LazyTimer,
}

/// The head of a request that nobody has judged yet.
struct UnjudgedHead {
    bytes: Box<[u8]>,
    /// How often the tenants had changed before.
    changes: u64,
}

/// What the head of a poll says, as long as the tenants are the same.
struct KnownHead {
    bytes: Box<[u8]>,
    changes: u64,
    says: Arc<PollHead>,
    /// Bytes of the body behind it.
    body: usize,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// All of it, and its head is the known one.
    Whole,
    /// Not all, and so far it may be.
    Part,
    /// Another one.
    Other,
}

// === impl PollConnection ===

impl PollConnection {
    pub(super) fn new(gateway: Arc<Gateway>, shard: Rc<Shard>) -> Self {
        Self {
            gateway,
            shard,
            known: None,
            unjudged: None,
            timer: LazyTimer::new(),
        }
    }

    /// Answers a poll, and those after it whose head is known; `settle` is called once one of them is of a session. Gives the
    /// connection back with what came of another request. None: the connection is over.
    pub(super) async fn serve(&mut self, taken: TakenPoll, settle: impl FnOnce()) -> Option<(Socket, Vec<u8>)> {
        let mut settle = Some(settle);
        let mut settled = || settle.take().into_iter().for_each(|settle| settle());
        let judged = self.unjudged.take().filter(|_| taken.is_first);
        self.known = judged.and_then(|judged| judged.says(&taken.request.head));
        let head = taken.request.head.clone();
        let session = taken.request.session();
        let session = session.map(|session| PolledSession::of(session, &self.shard));
        let (socket, mut ahead) = (PollSocket::new(taken.socket), taken.ahead);
        let reply = |lines: &_| socket.reply(lines);
        let mut brought = match &session {
            Some(session) => session.bring(taken.request, reply),
            None => Ok(BroughtPoll::Asks(taken.request)),
        };
        loop {
            let answered_at = match brought {
                Ok(BroughtPoll::Waits(poll)) => {
                    settled();
                    self.wait(&poll, &socket, &mut ahead).await?
                }
                Ok(BroughtPoll::Asks(request)) => {
                    let answer = request.answer(&self.gateway, &self.shard, &mut self.timer);
                    let answer = unless_gone(&socket, &mut ahead, answer).await?;
                    if answer.is_known {
                        settled();
                    }
                    write(&socket, answer).await?
                }
                Err(refusal) => write(&socket, head.write(Err(refusal))).await?,
            };
            let is_known = self.next(&socket, &mut ahead, answered_at).await?;
            let (true, Some(known), Some(session)) = (is_known, &self.known, &session) else {
                break;
            };
            let body = &ahead[known.bytes.len()..];
            brought = match session.again(&self.gateway, &known.says, body, reply) {
                Ok(Some(brought)) => Ok(brought),
                Ok(None) => break,
                Err(refusal) => Err(refusal),
            };
            // A connection at rest keeps no room.
            ahead = Vec::new();
        }
        self.unjudged = UnjudgedHead::begins(&ahead, self.gateway.directory.changes());
        Some((socket.into_socket()?, ahead))
    }

    /// Waits for the answer that the session gives. Returns when it was given. None: the connection is over.
    async fn wait(&mut self, poll: &WaitingPoll, socket: &PollSocket, ahead: &mut Vec<u8>) -> Option<Instant> {
        let mut looked_at = Instant::now();
        loop {
            // An answer that is written is noticed late, but not later than the next request would be.
            let until = poll.until.min(looked_at + self.gateway.header_timeout);
            match self.timer.until(until, socket.outcome(ahead)).await {
                Some(PollOutcome::Answered(at)) => return Some(at),
                Some(PollOutcome::Unwritten(mut rest)) => {
                    patient_stream::write(&mut &*socket, &mut rest).await.ok()?;
                    return Some(Instant::now());
                }
                Some(PollOutcome::SessionGone) => return write(socket, poll.gone()).await,
                Some(PollOutcome::ClientGone) => return None,
                None if until == poll.until => {
                    socket.forget();
                    return write(socket, poll.too_late()).await;
                }
                None => looked_at = until,
            }
        }
    }

    /// Waits for a request. Returns whether its head is known. None: there is none.
    async fn next(&mut self, socket: &PollSocket, ahead: &mut Vec<u8>, answered_at: Instant) -> Option<bool> {
        let Self { gateway, known, .. } = self;
        let known = known.as_ref();
        let reading = async {
            loop {
                let came = match known {
                    Some(known) => came_of(ahead, &known.bytes, known.body),
                    None if ahead.is_empty() => Came::Part,
                    None => Came::Other,
                };
                if came != Came::Part {
                    return Some(came);
                }
                let read = poll_fn(|cx| socket.poll_read_to(cx, ahead)).await;
                read.ok().filter(|count| *count > 0)?;
            }
        };
        let until = answered_at + gateway.header_timeout;
        let came = match self.timer.until(until, reading).await {
            // Between two requests a client may go without a word, and is closed without one.
            None if ahead.is_empty() => return None,
            // HTTP says what is to be said to one who is too slow.
            None => Came::Other,
            Some(came) => came?,
        };
        let is_as_judged = known.is_some_and(|known| known.changes == gateway.directory.changes());
        Some(came == Came::Whole && is_as_judged)
    }
}

/// Waits for an answer, and meanwhile for the client to go. None: nobody waits for it any more.
async fn unless_gone(
    socket: &PollSocket,
    ahead: &mut Vec<u8>,
    answer: impl Future<Output = WrittenAnswer>,
) -> Option<WrittenAnswer> {
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        // Who says more before the answer is not read any further.
        if ahead.is_empty() {
            let read = socket.poll_read_to(cx, ahead);
            if matches!(read, Poll::Ready(Ok(0) | Err(_))) {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    })
    .await
}

/// Writes an answer. Returns when it was written. None: the connection is over.
async fn write(mut socket: &PollSocket, mut answer: WrittenAnswer) -> Option<Instant> {
    patient_stream::write(&mut socket, &mut answer.bytes).await.ok()?;
    if !answer.keeps_open {
        drop(patient_stream::end(&mut socket).await);
        return None;
    }
    Some(Instant::now())
}

// === impl UnjudgedHead ===

impl UnjudgedHead {
    /// The head that these bytes begin with, if they have all of it.
    fn begins(bytes: &[u8], changes: u64) -> Option<Self> {
        let mut lines = HeadLines::default();
        let length = lines.look(bytes);
        (lines == HeadLines::Done).then(|| Self {
            bytes: bytes[..length].into(),
            changes,
        })
    }

    /// Once HTTP has judged it.
    fn says(self, says: &Arc<PollHead>) -> Option<KnownHead> {
        let Self { bytes, changes } = self;
        Some(KnownHead {
            bytes,
            changes,
            says: says.clone(),
            body: says.repeats?,
        })
    }
}

/// What `bytes` are of a request with this head, and a body of so many bytes.
fn came_of(bytes: &[u8], head: &[u8], body: usize) -> Came {
    match bytes.strip_prefix(head) {
        Some(came) if came.len() == body => Came::Whole,
        Some(came) if came.len() < body => Came::Part,
        None if head.starts_with(bytes) => Came::Part,
        _ => Came::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_every_byte_of_its_head_and_the_length_of_its_body() {
        const HEAD: &str = "POST /poll HTTP/1.1\r\nContent-Length: 2\r\n\r\n";
        for (came, expected) in [
            ("", Came::Part),
            ("POST", Came::Part),
            ("PUT", Came::Other),
            ("POST /poll HTTP/1.1\r\nContent-Length: 3", Came::Other),
            (HEAD, Came::Part),
            (&format!("{HEAD}{{"), Came::Part),
            (&format!("{HEAD}{{}}"), Came::Whole),
            // Another request stands behind it.
            (&format!("{HEAD}{{}}P"), Came::Other),
            (&format!("\r\n{HEAD}{{}}"), Came::Other),
            (&HEAD.replace("POST", "post"), Came::Other),
        ] {
            assert_eq!(came_of(came.as_bytes(), HEAD.as_bytes(), 2), expected, "{came:?}");
        }
    }

    #[test]
    fn a_head_is_remembered_whole_or_not_at_all() {
        for (came, remembered) in [
            ("", None),
            ("POST /poll HTTP/1.1\r\nHost: a\r\n", None),
            ("POST /poll HTTP/1.1\nHost: a\r\n\r\n", None),
            ("POST /poll HTTP/1.1\r\n\r\n{}", Some("POST /poll HTTP/1.1\r\n\r\n")),
        ] {
            let head = UnjudgedHead::begins(came.as_bytes(), 7).map(|head| head.bytes);
            assert_eq!(head.as_deref(), remembered.map(str::as_bytes), "{came:?}");
        }
    }
}
