//! The sessions of this node that are asked by posts, by name: those of streams of events and of polls. Knows no session,
//! only where its posts go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::poll_answers::empty;
use registry::SecretHash;
use relay::{LocalAnswer, LocalSessions, Post, PostAnswer, PostKind};

/// Posts that wait for one session at most.
const POSTS: usize = 8;
/// When to come back to a session for which so many wait.
const COME_BACK: Duration = Duration::from_secs(1);

/// How long a poll waits at least, so that its session can say what there is.
const SHORTEST_WAIT: Duration = Duration::from_millis(25);

/// A post, and who waits for what becomes of it.
#[derive(Debug)]
pub struct Posted {
    post: Post,
    reply: oneshot::Sender<PostAnswer>,
    /// Whether its session has it; told where it matters.
    is_taken: Option<Arc<AtomicBool>>,
}

/// One for the node.
#[derive(Debug, Default)]
pub struct HttpSessions {
    sessions: Mutex<HashMap<Arc<str>, PostedTo, RandomState>>,
}

#[derive(Debug)]
struct PostedTo {
    tenant: Arc<str>,
    key: Arc<str>,
    /// Boxed, so that a queue for so many takes little.
    posts: mpsc::Sender<Box<Posted>>,
}

/// A session's own end: its posts, as long as it has the name.
#[derive(Debug)]
pub struct PostBox {
    /// What the client proves with that the session is its own.
    pub key: Arc<str>,
    pub posts: mpsc::Receiver<Box<Posted>>,
    pub name: Arc<str>,
    sessions: Arc<HttpSessions>,
}

// === impl HttpSessions ===

impl HttpSessions {
    /// A name for a session of a tenant, and the key that its client proves with that it is its own.
    pub fn add(self: &Arc<Self>, tenant: &Arc<str>) -> PostBox {
        let (sender, posts) = mpsc::channel(POSTS);
        let [name, key] = [(); 2].map(|()| Arc::<str>::from(random_text()));
        let posted_to = PostedTo {
            tenant: tenant.clone(),
            key: key.clone(),
            posts: sender,
        };
        self.sessions.lock().insert(name.clone(), posted_to);
        PostBox {
            key,
            posts,
            name,
            sessions: self.clone(),
        }
    }

    /// Whether nobody has a reason to post.
    pub fn is_empty(&self) -> bool {
        self.sessions.lock().is_empty()
    }

    /// Brings a session a post, and waits for what becomes of it.
    async fn bring(&self, post: Post) -> PostAnswer {
        let (kind, codec, name) = (post.kind, post.codec, post.session.clone());
        let (reply, answer) = oneshot::channel();
        let is_taken = (!post.requests.is_empty()).then(Arc::<AtomicBool>::default);
        let posted = Posted {
            post,
            reply,
            is_taken: is_taken.clone(),
        };
        let key = {
            let sessions = self.sessions.lock();
            let session = sessions.get(&name);
            let Some(session) = session.filter(|session| session.tenant == posted.post.tenant) else {
                return PostAnswer::Gone;
            };
            match session.posts.try_send(Box::new(posted)) {
                Ok(()) => session.key.clone(),
                Err(mpsc::error::TrySendError::Full(_)) => return PostAnswer::Busy { retry_after: COME_BACK },
                Err(mpsc::error::TrySendError::Closed(_)) => return PostAnswer::Gone,
            }
        };
        let wait = match kind {
            PostKind::Send => kind.within(),
            PostKind::Poll { wait, .. } => wait.max(SHORTEST_WAIT),
        };
        let mut answer = std::pin::pin!(answer);
        match (timeout(wait, &mut answer).await, kind) {
            // Its sender is dropped with the session.
            (Ok(answer), _) => answer.unwrap_or(PostAnswer::Gone),
            // Its session may refuse it yet, so nobody is told that its requests are carried out.
            (Err(_), PostKind::Poll { .. }) if is_taken.is_some_and(|is_taken| !is_taken.load(Ordering::Acquire)) => {
                PostAnswer::Busy { retry_after: COME_BACK }
            }
            // What is answered from now on is told to the next poll.
            (Err(_), PostKind::Poll { ack, .. }) => PostAnswer::Done(empty(codec, &credential(&name, &key), ack)),
            (Err(_), PostKind::Send) => PostAnswer::Unavailable,
        }
    }
}

impl LocalSessions for HttpSessions {
    fn post(&self, post: Post) -> LocalAnswer<'_> {
        Box::pin(self.bring(post))
    }
}

/// How a client names a session, and proves that it is its own.
pub fn credential(name: &str, key: &str) -> String {
    format!("{name}.{key}")
}

// === impl Posted ===

impl Posted {
    /// Its session has it from now on.
    pub fn take(self) -> (Post, oneshot::Sender<PostAnswer>) {
        self.is_taken
            .iter()
            .for_each(|taken| taken.store(true, Ordering::Release));
        (self.post, self.reply)
    }
}

// === impl PostBox ===

impl PostBox {
    pub fn credential(&self) -> Box<str> {
        credential(&self.name, &self.key).into()
    }
}

impl Drop for PostBox {
    fn drop(&mut self) {
        self.sessions.sessions.lock().remove(&self.name);
    }
}

/// 128 random bits, so that what they name cannot be guessed.
pub fn random_text() -> String {
    let [high, low] = [(); 2].map(|()| getrandom::u64().expect("the system gives random bytes"));
    format!("{high:016x}{low:016x}")
}

/// What is kept, and compared, of a secret that a client says.
pub fn secret_hash(secret: &str) -> SecretHash {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_poll_whose_requests_its_session_never_took_is_to_come_again() {
        let request = || vec!["{}".into()];
        for (requests, is_taken, is_busy) in [
            (Vec::new(), false, false),
            (request(), false, true),
            (request(), true, false),
        ] {
            let sessions = Arc::<HttpSessions>::default();
            let mut post_box = sessions.add(&"t".into());
            let post = Post {
                tenant: "t".into(),
                session: post_box.name.clone(),
                open: None,
                kind: PostKind::Poll {
                    ack: 0,
                    wait: Duration::from_secs(1),
                },
                batch: Some(1),
                requests,
                codec: protocol::Codec::Json,
            };
            let takes = async {
                if is_taken {
                    let (_post, reply) = post_box.posts.recv().await.unwrap().take();
                    return Some(reply);
                }
                None
            };
            let (answer, _waits) = tokio::join!(sessions.post(post), takes);
            assert_eq!(matches!(answer, PostAnswer::Busy { .. }), is_busy, "{answer:?}");
        }
    }
}
