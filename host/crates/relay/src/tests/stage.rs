//! Two nodes, and what connects them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use protocol::Codec;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::{ChannelReply, LocalAnswer, LocalSessions, NotSent, Post, PostAnswer, PostChannel, PostKind, Relay};

/// What connects nodes.
#[derive(Default)]
pub(super) struct Network(pub Mutex<Links>);

#[derive(Default)]
pub(super) struct Links {
    pub listening: HashMap<String, mpsc::Sender<Bytes>>,
    pub processes: HashSet<String>,
    /// Those who cannot send.
    pub cut: HashSet<&'static str>,
    pub listens_over: Option<u64>,
}

struct Link {
    network: Arc<Network>,
    instance: &'static str,
}

impl PostChannel for Link {
    fn instance(&self) -> &str {
        self.instance
    }

    fn send<'a>(&'a self, to: &'a str, message: Vec<u8>) -> ChannelReply<'a, bool> {
        Box::pin(async move {
            let listening = {
                let links = self.network.0.lock();
                if links.cut.contains(self.instance) {
                    return Err(NotSent("cut".into()));
                }
                links.listening.get(to).cloned()
            };
            let Some(listening) = listening else { return Ok(false) };
            listening.send(message.into()).await.unwrap();
            Ok(true)
        })
    }

    fn is_there<'a>(&'a self, instance: &'a str) -> ChannelReply<'a, bool> {
        Box::pin(async move {
            let links = self.network.0.lock();
            if links.cut.contains(self.instance) {
                return Err(NotSent("cut".into()));
            }
            Ok(links.processes.contains(instance))
        })
    }

    fn listens_over(&self) -> Option<u64> {
        self.network.0.lock().listens_over
    }
}

/// Sessions that are answered by the test.
struct Sessions(mpsc::Sender<(Post, oneshot::Sender<PostAnswer>)>);

pub(super) type Asked = mpsc::Receiver<(Post, oneshot::Sender<PostAnswer>)>;

impl LocalSessions for Sessions {
    fn post(&self, post: Post) -> LocalAnswer<'_> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send((post, answer)).unwrap();
        Box::pin(async { answered.await.expect("it is answered") })
    }
}

/// Two nodes: `a` hands posts over, `b` has the sessions.
pub(super) struct Stage {
    pub network: Arc<Network>,
    pub a: Arc<Relay>,
    asked: Asked,
}

impl Stage {
    pub(super) fn new() -> Self {
        let network = Arc::new(Network::default());
        network.0.lock().listens_over = Some(1);
        let (a, _) = join(&network, "a");
        let (_, asked) = join(&network, "b");
        Self { network, a, asked }
    }

    pub(super) fn hand_over(&self, post: Post) -> tokio::task::JoinHandle<(PostAnswer, Duration)> {
        let a = self.a.clone();
        tokio::spawn(async move {
            let began = Instant::now();
            (a.hand_over("b", post).await, began.elapsed())
        })
    }

    pub(super) async fn asked(&mut self) -> (Post, oneshot::Sender<PostAnswer>) {
        self.asked.recv().await.unwrap()
    }

    /// Sends bytes to a node, and waits until they were read.
    pub(super) async fn inject(&self, to: &str, message: Vec<u8>) {
        let listening = self.network.0.lock().listening[to].clone();
        listening.send(message.into()).await.unwrap();
        while listening.capacity() < listening.max_capacity() {
            tokio::task::yield_now().await;
        }
    }
}

pub(super) fn join(network: &Arc<Network>, instance: &'static str) -> (Arc<Relay>, Asked) {
    let (messages, arrived) = mpsc::channel(8);
    let (sessions, asked) = mpsc::channel(64);
    let mut links = network.0.lock();
    links.listening.insert(instance.into(), messages);
    links.processes.insert(instance.into());
    let relay = Relay::new(Arc::new(Link {
        network: network.clone(),
        instance,
    }));
    tokio::spawn(relay.clone().serve(arrived, Arc::new(Sessions(sessions))));
    (relay, asked)
}

pub(super) fn send() -> Post {
    Post {
        tenant: "acme".into(),
        session: "s1".into(),
        open: None,
        kind: PostKind::Send,
        batch: Some(1),
        requests: vec!["{}".into()],
        codec: Codec::Json,
    }
}

pub(super) fn poll(wait: Duration) -> Post {
    Post {
        kind: PostKind::Poll { ack: 7, wait },
        ..send()
    }
}

pub(super) fn of_bytes(tenant: &str, bytes: usize) -> Post {
    Post {
        tenant: tenant.into(),
        requests: vec![vec![b' '; bytes].into()],
        ..send()
    }
}
