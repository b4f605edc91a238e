//! Hands posts over, and serves those of others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::codec::{self, RelayMessage};
use crate::post::{LocalSessions, POST_BYTES, Post, PostAnswer};
use crate::post_channel::PostChannel;
use crate::post_room::{PostPlace, PostRoom};

/// How often it is looked whether the instances are there whose answers are waited for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes that are under way in one direction. Redis gives up a subscriber whose messages of 32 MiB were not read.
const UNDER_WAY_BYTES: usize = 24 * 1_048_576;
/// An instance that nobody hears is looked for so often, after so long each: who lost its connection to Redis comes back sooner.
const LOOKS: usize = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// When a post for which there is no room may come again.
const AGAIN: Duration = Duration::from_secs(1);
/// Before an answer is sent again that could not be sent.
const SEND_AGAIN: Duration = Duration::from_millis(200);
/// Between two log lines about one kind of trouble.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// The posts of this node that others carry out, and those of others.
pub struct Relay {
    channel: Arc<dyn PostChannel>,
    numbers: AtomicU64,
    waiting: Mutex<HashMap<u64, WaitingPost, RandomState>>,
    /// Posts that were handed over.
    leaving: Arc<PostRoom>,
    /// Posts of others that are carried out here.
    arriving: Arc<PostRoom>,
    logged: Mutex<Option<Instant>>,
}

/// A post whose answer is waited for.
struct WaitingPost {
    instance: Arc<str>,
    /// The connection over which the answer comes.
    listens_over: u64,
    answer: oneshot::Sender<PostAnswer>,
}

// === impl Relay ===

impl Relay {
    pub fn new(channel: Arc<dyn PostChannel>) -> Arc<Self> {
        Arc::new(Self {
            channel,
            numbers: AtomicU64::new(1),
            waiting: Mutex::default(),
            leaving: PostRoom::new(UNDER_WAY_BYTES),
            arriving: PostRoom::new(UNDER_WAY_BYTES),
            logged: Mutex::default(),
        })
    }

    /// Why nothing comes from other nodes now; none if it does.
    pub fn hindrance(&self) -> Option<String> {
        let is_deaf = self.channel.listens_over().is_none();
        is_deaf.then(|| "posts of other nodes are not heard, because Redis is not connected for them".to_owned())
    }

    /// Has an instance carry out a post, and gives its answer. It is gone as soon as the process is not there any more, and not
    /// available if there is no answer in time.
    pub async fn hand_over(&self, instance: &str, post: Post) -> PostAnswer {
        if post.bytes() > POST_BYTES {
            return PostAnswer::Bad(format!("the requests of a post have at most {POST_BYTES} bytes"));
        }
        let Some(_place) = self.leaving.enter(&post.tenant, post.bytes()) else {
            return PostAnswer::Busy { retry_after: AGAIN };
        };
        let Some(listens_over) = self.channel.listens_over() else {
            return PostAnswer::Unavailable;
        };
        let (answer, answered) = oneshot::channel();
        let waiting = self.wait(WaitingPost {
            instance: instance.into(),
            listens_over,
            answer,
        });
        let message = codec::write_post(waiting.number, self.channel.instance(), &post);
        let handing_over = async {
            match self.channel.send(instance, message).await {
                Ok(true) => answered.await.unwrap_or(PostAnswer::Unavailable),
                Ok(false) => self.without_answer(instance).await,
                Err(error) => {
                    self.log(|| tracing::warn!(%error, "a post is not handed over"));
                    PostAnswer::Unavailable
                }
            }
        };
        match timeout(post.kind.within(), handing_over).await {
            Ok(answer) => answer,
            Err(_) => self.without_answer(instance).await,
        }
    }

    /// Serves what comes to this instance, for ever: `local` carries posts out.
    pub async fn serve(self: Arc<Self>, mut messages: mpsc::Receiver<Bytes>, local: Arc<dyn LocalSessions>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let relay = self.clone();
        let looking = async move {
            loop {
                look.tick().await;
                relay.look_after_waiting().await;
            }
        };
        let reading = async {
            while let Some(message) = messages.recv().await {
                self.receive(message, &local);
            }
        };
        tokio::select! {
            () = looking => {}
            () = reading => {}
        }
    }

    /// The numbers of the posts whose answers are waited for.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> Vec<u64> {
        self.waiting.lock().keys().copied().collect()
    }

    fn wait(&self, post: WaitingPost) -> WaitingGuard<'_> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().insert(number, post);
        WaitingGuard { relay: self, number }
    }

    /// What becomes of a post that an instance did not answer.
    async fn without_answer(&self, instance: &str) -> PostAnswer {
        for _ in 0..LOOKS {
            match self.channel.is_there(instance).await {
                Ok(false) => tokio::time::sleep(LOOK_AGAIN).await,
                Ok(true) | Err(_) => return PostAnswer::Unavailable,
            }
        }
        PostAnswer::Gone
    }

    fn receive(self: &Arc<Self>, message: Bytes, local: &Arc<dyn LocalSessions>) {
        match codec::read(message) {
            Some(RelayMessage::Answer { number, answer }) => {
                // One that is too late is dropped.
                if let Some(waiting) = self.waiting.lock().remove(&number) {
                    let _gone = waiting.answer.send(answer);
                }
            }
            Some(RelayMessage::Post {
                number,
                asker,
                post: Some(post),
            }) => match self.arriving.enter(&post.tenant, post.bytes()) {
                Some(place) => drop(tokio::spawn(self.clone().carry_out(
                    (number, asker),
                    post,
                    local.clone(),
                    place,
                ))),
                None => self.refuse(number, asker, PostAnswer::Busy { retry_after: AGAIN }),
            },
            Some(RelayMessage::Post {
                number,
                asker,
                post: None,
            }) => {
                self.log(
                    || tracing::warn!(%asker, "a post of another node is of a version that this one does not know"),
                );
                self.refuse(number, asker, PostAnswer::Unavailable);
            }
            None => self.log(|| tracing::warn!("what another node sent cannot be read")),
        }
    }

    async fn carry_out(
        self: Arc<Self>,
        (number, asker): (u64, Arc<str>),
        post: Post,
        local: Arc<dyn LocalSessions>,
        _place: PostPlace,
    ) {
        let until = Instant::now() + post.kind.within();
        // Later nobody waits for it any more.
        if let Ok(answer) = timeout_at(until, local.post(post)).await {
            self.answer(number, &asker, answer, until).await;
        }
    }

    fn refuse(self: &Arc<Self>, number: u64, asker: Arc<str>, answer: PostAnswer) {
        let relay = self.clone();
        tokio::spawn(async move { relay.answer(number, &asker, answer, Instant::now()).await });
    }

    /// Sends an answer. The way may be lost for a moment: who waits at its other end knows nothing of that.
    async fn answer(&self, number: u64, asker: &str, mut answer: PostAnswer, until: Instant) {
        if let PostAnswer::Done(body) = &answer
            && body.len() > POST_BYTES
        {
            let bytes = body.len();
            self.log(|| tracing::error!(bytes, "an answer has more than {POST_BYTES} bytes and is not sent"));
            answer = PostAnswer::Unavailable;
        }
        while let Err(error) = self.channel.send(asker, codec::write_answer(number, &answer)).await {
            if Instant::now() + SEND_AGAIN >= until {
                self.log(
                    || tracing::warn!(%error, asker, "a post of another node was carried out, and the answer not sent"),
                );
                return;
            }
            tokio::time::sleep(SEND_AGAIN).await;
        }
    }

    /// Ends the wait for answers that will not come.
    async fn look_after_waiting(&self) {
        let now_over = self.channel.listens_over();
        let mut instances = HashSet::new();
        self.waiting.lock().retain(|_, waiting| {
            // Dropped, it is answered that it is not available.
            let may_come = Some(waiting.listens_over) == now_over && !waiting.answer.is_closed();
            if may_come {
                instances.insert(waiting.instance.clone());
            }
            may_come
        });
        let absent = instances.into_iter().map(async |instance| {
            let is_there = self.channel.is_there(&instance).await;
            (is_there != Ok(true)).then_some(instance)
        });
        for instance in join_all(absent).await.into_iter().flatten() {
            let answer = self.without_answer(&instance).await;
            let mut waiting = self.waiting.lock();
            for (_, given_up) in waiting.extract_if(|_, waiting| waiting.instance == instance) {
                let _gone = given_up.answer.send(answer.clone());
            }
        }
    }

    /// Not more often than once in a while: whoever sends nonsense may send much.
    fn log(&self, line: impl FnOnce()) {
        let mut logged = self.logged.lock();
        if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            *logged = Some(Instant::now());
            line();
        }
    }
}

/// Takes a post from those whose answer is waited for, when nobody waits any more.
struct WaitingGuard<'a> {
    relay: &'a Relay,
    number: u64,
}

impl Drop for WaitingGuard<'_> {
    fn drop(&mut self) {
        self.relay.waiting.lock().remove(&self.number);
    }
}
