//! The sessions of this node that are asked by posts, by name: those of streams of events and of polls. Knows no session,
//! only where its posts go.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::poll_answers::empty;
use protocol::Codec;
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
    sessions: Mutex<HashMap<Arc<str>, Arc<PostedTo>, RandomState>>,
}

/// Where the posts of a session go, as long as it is there.
#[derive(Debug)]
pub struct PostedTo {
    tenant: Arc<str>,
    name: Arc<str>,
    /// How its client names it, and proves that it is its own.
    credential: Arc<str>,
    /// Boxed, so that a queue for so many takes little.
    posts: mpsc::Sender<Box<Posted>>,
    /// The session's place, once it is open.
    place: OnceLock<SessionPlace>,
}

/// Where a session of polls is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPlace {
    /// The number of its shard.
    pub shard: usize,
    /// The number of its client there.
    pub client: u64,
}

/// What will become of a post that a session has, or is to have.
#[derive(Debug)]
pub struct AwaitedAnswer {
    session: Arc<PostedTo>,
    kind: PostKind,
    codec: Codec,
    answer: oneshot::Receiver<PostAnswer>,
    is_taken: Option<Arc<AtomicBool>>,
}

/// A session's own end: its posts, as long as it has the name.
#[derive(Debug)]
pub struct PostBox {
    /// What the client proves with that the session is its own.
    pub key: Arc<str>,
    pub posts: mpsc::Receiver<Box<Posted>>,
    pub name: Arc<str>,
    posted_to: Arc<PostedTo>,
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
            name: name.clone(),
            credential: credential(&name, &key).into(),
            posts: sender,
            place: OnceLock::new(),
        };
        let posted_to = Arc::new(posted_to);
        self.sessions.lock().insert(name.clone(), posted_to.clone());
        PostBox {
            key,
            posts,
            name,
            posted_to,
            sessions: self.clone(),
        }
    }

    /// Whether nobody has a reason to post.
    pub fn is_empty(&self) -> bool {
        self.sessions.lock().is_empty()
    }

    /// Where the posts of a tenant's session go. None: there is no such session.
    pub fn of(&self, tenant: &str, name: &str) -> Option<Arc<PostedTo>> {
        let sessions = self.sessions.lock();
        sessions.get(name).filter(|session| *session.tenant == *tenant).cloned()
    }

    /// Brings a session a post, and waits for what becomes of it.
    async fn bring(&self, post: Post) -> PostAnswer {
        let Some(session) = self.of(&post.tenant, &post.session) else {
            return PostAnswer::Gone;
        };
        let mut answer = match session.bring(post) {
            Ok(answer) => answer,
            Err(refused) => return refused,
        };
        match timeout(answer.within(), &mut answer).await {
            Ok(answer) => answer,
            Err(_) => answer.too_late(),
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

// === impl PostedTo ===

impl PostedTo {
    /// Whether a client that says this names the session, and proves that it is its own. It is the session that somebody was
    /// found to name so before, and compared in a time that does not tell where the keys differ.
    pub fn is_named(&self, credential: &str) -> bool {
        let (name, key) = self.credential.as_bytes().split_at(self.name.len());
        let said = credential.as_bytes().strip_prefix(name);
        said.is_some_and(|said| said.ct_eq(key).into())
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it is served, once it is open.
    pub fn place(&self) -> Option<SessionPlace> {
        self.place.get().copied()
    }

    /// Whether a poll that asks nothing need not wait for its turn: there are no posts before it.
    pub fn is_idle(&self) -> bool {
        self.posts.capacity() == POSTS
    }

    /// What a poll is answered that the session said nothing to in its time; the client has the answers up to `ack`.
    pub fn nothing(&self, codec: Codec, ack: u64) -> Bytes {
        // What is answered from now on is told to the next poll.
        empty(codec, &self.credential, ack)
    }

    /// Brings it a post. The error is what that is answered at once.
    pub fn bring(self: &Arc<Self>, post: Post) -> Result<AwaitedAnswer, PostAnswer> {
        let (reply, answer) = oneshot::channel();
        let is_taken = (!post.requests.is_empty()).then(Arc::<AtomicBool>::default);
        let awaited = AwaitedAnswer {
            session: self.clone(),
            kind: post.kind,
            codec: post.codec,
            answer,
            is_taken: is_taken.clone(),
        };
        let posted = Posted { post, reply, is_taken };
        match self.posts.try_send(Box::new(posted)) {
            Ok(()) => Ok(awaited),
            Err(mpsc::error::TrySendError::Full(_)) => Err(PostAnswer::Busy { retry_after: COME_BACK }),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(PostAnswer::Gone),
        }
    }
}

// === impl AwaitedAnswer ===

impl AwaitedAnswer {
    /// How long it is waited for.
    pub fn within(&self) -> Duration {
        match self.kind {
            PostKind::Send => self.kind.within(),
            PostKind::Poll { wait, .. } => poll_wait(wait),
        }
    }

    /// What the post is answered that had no answer in its time.
    pub fn too_late(&self) -> PostAnswer {
        let is_taken = |taken: &Arc<AtomicBool>| taken.load(Ordering::Acquire);
        match self.kind {
            PostKind::Send => PostAnswer::Unavailable,
            // Its session may refuse it yet, so nobody is told that its requests are carried out.
            PostKind::Poll { .. } if !self.is_taken.as_ref().is_none_or(is_taken) => {
                PostAnswer::Busy { retry_after: COME_BACK }
            }
            PostKind::Poll { ack, .. } => PostAnswer::Done(self.session.nothing(self.codec, ack)),
        }
    }
}

impl Future for AwaitedAnswer {
    type Output = PostAnswer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PostAnswer> {
        // Its sender is dropped with the session.
        let answer = Pin::new(&mut self.answer).poll(cx);
        answer.map(|answer| answer.unwrap_or(PostAnswer::Gone))
    }
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
    /// Its session, one of polls, is served there.
    pub fn open_at(&self, place: SessionPlace) {
        // It is opened once.
        let _opened = self.posted_to.place.set(place);
    }

    pub fn credential(&self) -> Arc<str> {
        self.posted_to.credential.clone()
    }
}

impl Drop for PostBox {
    fn drop(&mut self) {
        self.sessions.sessions.lock().remove(&self.name);
    }
}

/// How long a poll waits that is to wait so long.
pub fn poll_wait(wanted: Duration) -> Duration {
    wanted.max(SHORTEST_WAIT)
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
            let post = poll(&post_box.name, requests);
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

    #[tokio::test]
    async fn a_poll_need_not_wait_for_its_turn_where_its_session_has_no_posts() {
        let sessions = Arc::<HttpSessions>::default();
        let mut post_box = sessions.add(&"t".into());
        assert!(sessions.of("u", &post_box.name).is_none());
        let session = sessions.of("t", &post_box.name).unwrap();
        assert_eq!(session.place(), None);
        let place = SessionPlace { shard: 1, client: 7 };
        post_box.open_at(place);
        assert_eq!(session.place(), Some(place));
        assert!(session.is_idle());
        let _answer = session.bring(poll(&session.name, Vec::new())).unwrap();
        assert!(!session.is_idle());
        post_box.posts.recv().await.unwrap();
        assert!(session.is_idle());
    }

    #[test]
    fn a_session_is_named_with_its_key() {
        let sessions = Arc::<HttpSessions>::default();
        let post_box = sessions.add(&"t".into());
        let session = sessions.of("t", &post_box.name).unwrap();
        let (name, key) = (&post_box.name, &post_box.key);
        for (credential, is_named) in [
            (format!("{name}.{key}"), true),
            (format!("{name}.{key}0"), false),
            (format!("{name}.{}", &key[1..]), false),
            (format!("{name}.{name}"), false),
            (format!("{key}.{key}"), false),
            (format!("{name}."), false),
            (name.to_string(), false),
            (String::new(), false),
        ] {
            assert_eq!(session.is_named(&credential), is_named, "{credential}");
        }
    }

    fn poll(session: &Arc<str>, requests: Vec<bytes::Bytes>) -> Post {
        Post {
            tenant: "t".into(),
            session: session.clone(),
            open: None,
            kind: PostKind::Poll {
                ack: 0,
                wait: Duration::from_secs(1),
            },
            batch: Some(1),
            requests,
            codec: Codec::Json,
        }
    }
}
