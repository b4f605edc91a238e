//! A session without a socket: a shard, the memory backplane behind a gate, and chains of scripted plugins.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::instance_gate::InstanceGate;
use super::scripted::{Scripted, chain};
use crate::doorkeeper::Doorkeeper;
use crate::http_sessions::random_text;
use crate::hub::flush_until;
use crate::observe::Metrics;
use crate::session::commands;
use crate::session::context::Context;
use crate::session::opening::{Opening, Transport};
use crate::session::outcome::Outcome;
use crate::session::refusal::Refusal;
use crate::shard::{Common, NewRules, NewTenant, Shard};
use crate::transport::ClientStream;
use crate::transport::memory::MemoryStream;
use backplane::memory::MemoryBackplane;
use backplane::{
    Allowance, Backplane, HistoryPage, HistoryRange, Inbox, InboxReceiver, PresenceSnapshot, PublishOptions, Published,
    Rejection, Reply,
};
use chain::{Headers, Message, Permit, Upgrade};
use config::{ChannelSettings, DoorSettings, Limits};
use protocol::names::{Channel, Topic};
use protocol::{self, Member};
use registry::{BanChange, BanOrder, BanSubject, Registry};

pub(super) use super::frames::{client_frame, texts};
pub(super) use super::held_clock::{HeldClock, SLOW};

/// What the hook was asked.
pub(super) type Log = Arc<Mutex<Vec<String>>>;

/// Everything that a session lives in.
pub(super) struct Stage {
    pub shard: Rc<Shard>,
    pub gate: Arc<Gated>,
    pub inbox: InboxReceiver,
    pub asked: Log,
    pub clock: HeldClock,
    pub instance: Arc<InstanceGate>,
}

/// The memory backplane behind a gate that joins and publishes wait at while it is closed.
pub(super) struct Gated {
    inner: Arc<MemoryBackplane>,
    open: Semaphore,
    waiting: AtomicUsize,
    most: AtomicUsize,
}

impl Stage {
    /// `limits`: lines of the tenants' `limits` tables. The tenants are `acme` and `other`.
    pub(super) fn new(limits: &str) -> Self {
        Self::with_plugins(limits, 1)
    }

    /// The same, with chains of so many plugins.
    pub(super) fn with_plugins(limits: &str, plugins: usize) -> Self {
        Self::build(limits, plugins, Arc::default())
    }

    /// With a registry that others may decide with.
    pub(super) fn with_registry(registry: Arc<Registry>) -> Self {
        Self::build("", 1, registry)
    }

    fn build(limits: &str, plugins: usize, registry: Arc<Registry>) -> Self {
        let tenant = |name: &str| {
            format!(
                "[[tenants]]\nname = \"{name}\"\nanonymous = true\n[tenants.limits]\n{limits}\n[[tenants.channels]]\n\
                 match = \"kept:*\"\nhistory = {{ size = 1000, ttl_seconds = 60 }}\npresence = true\n"
            )
        };
        let text = tenant("acme") + &tenant("other");
        let config = config::parse(Path::new("test.toml"), &text).expect("a config");
        let (inbox_of_shard, inbox) = Inbox::open();
        let metrics = Metrics::new();
        let gate = Arc::new(Gated {
            inner: MemoryBackplane::new(vec![inbox_of_shard], metrics.backplane.clone()),
            open: Semaphore::new(Semaphore::MAX_PERMITS),
            waiting: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let asked = Log::default();
        let clock = HeldClock::new(Mutex::new(tokio::time::Instant::now()));
        let instance = Arc::<InstanceGate>::default();
        let tenants = config.tenants.iter().map(|settings| {
            let scripted = vec![Scripted(asked.clone(), clock.clone(), instance.clone()); plugins];
            NewTenant {
                settings: settings.clone(),
                rules: NewRules::Chain {
                    build: Box::new(|| chain(scripted)),
                    eager: false,
                    first_use: Arc::default(),
                },
                quarantined: false,
            }
        });
        let common = Common {
            doorkeeper: Doorkeeper::new(DoorSettings::default(), metrics.clone()),
            node: "n1".into(),
            ping: Duration::from_secs(25),
            connect_timeout: Duration::from_secs(10),
            poll_timeout: Duration::from_mins(1),
            backplane: gate.clone(),
            registry,
            metrics,
            bans: None,
            kicks: Vec::new(),
            controls: Vec::new(),
        };
        let shard = Shard::new(0, common, tenants.collect());
        shard.turns.hold_clock(clock.clone());
        Self {
            shard,
            gate,
            inbox,
            asked,
            clock,
            instance,
        }
    }

    pub(super) fn opening(stream: &Rc<MemoryStream>, token: Option<&str>, headers: &[(&str, &str)]) -> Opening {
        Opening {
            session: random_text().into(),
            transport: Transport::WebSocket {
                codec: protocol::Codec::Json,
                stream: ClientStream::Memory(stream.clone()),
                deflate: None,
            },
            remote: [127, 0, 0, 1].into(),
            token: token.map(Box::from),
            upgrade: Arc::new(Upgrade {
                headers: headers.iter().copied().collect::<Headers>(),
                ..Upgrade::default()
            }),
            place: Doorkeeper::new(DoorSettings::default(), Metrics::new())
                .enter(&"acme".into(), &Limits::default(), 1)
                .unwrap(),
            pass: None,
        }
    }

    /// A session that is not connected.
    pub(super) fn context(&self) -> Rc<Context> {
        let opening = Self::opening(&MemoryStream::new(usize::MAX), None, &[]);
        opening.into_context(self.shard.clone(), self.shard.tenant("acme").unwrap())
    }

    /// The node remembers an order for a minute about whoever this is.
    pub(super) fn ban(&self, subject: BanSubject) -> BanOrder {
        let registry = &self.shard.common.registry;
        let order = BanOrder {
            tenant: "acme".into(),
            subject,
            stamp: registry.stamp(),
            change: BanChange::Replace(Duration::from_mins(1)),
            given: Instant::now(),
        };
        registry.apply(&order).unwrap();
        order
    }

    /// One that is, as `user`.
    pub(super) async fn connected(&self, user: &str) -> Rc<Context> {
        let context = self.context();
        let payload = format!("{{\"version\":1,\"token\":\"{user}\"}}");
        apply(&context, "connect", &payload).await.unwrap();
        context
    }

    /// The inbox, for a shard that delivers by itself.
    pub(super) fn take_inbox(&mut self) -> InboxReceiver {
        std::mem::replace(&mut self.inbox, Inbox::open().1)
    }

    /// Brings what was published to those who listen.
    pub(super) fn deliver(&mut self) {
        let (mut turn, mut dirty) = (Vec::new(), Vec::new());
        self.inbox.take_arrived(&mut turn);
        self.shard.hub.borrow_mut().deliver_until(&turn, &mut dirty, || false);
        flush_until(&mut dirty, || false);
        self.inbox.delivered(&"acme".into(), &turn);
    }

    pub(super) fn topic(channel: &str) -> Topic {
        Topic {
            tenant: "acme".into(),
            channel: Channel::parse(channel).unwrap(),
        }
    }
}

/// A request that was begun.
pub(super) fn begin(context: &Rc<Context>, kind: &str, payload: &str) -> Outcome {
    let text = format!("{{\"type\":\"{kind}\",\"id\":1,\"payload\":{payload}}}");
    let request = protocol::read(&Bytes::from(text)).expect("a request");
    commands::apply(request.id, request.body, context)
}

/// Carries a request out, and lets flow what it releases: what the client is sent.
pub(super) async fn apply(context: &Rc<Context>, kind: &str, payload: &str) -> Result<Value, Refusal> {
    let reply = begin(context, kind, payload).answer().await?;
    let mut hub = context.shard.hub.borrow_mut();
    for release in reply.releases {
        hub.release(&release.topic, context.client.id, release.after, release.snapshot);
    }
    let envelope: Value = serde_json::from_slice(&reply.envelope.to_vec()).expect("an envelope");
    Ok(envelope["payload"].clone())
}

// === the backplane ===

impl Gated {
    pub(super) fn close(&self) {
        self.open.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets so many through.
    pub(super) fn let_through(&self, count: usize) {
        self.open.add_permits(count);
    }

    /// How many wait at the gate.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many waited at the same time at most.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// The channels that somebody joined.
    pub(super) fn joined(&self) -> usize {
        self.inner.topics().len()
    }

    async fn pass(&self) {
        let waiting = Waiting::at(self);
        self.open
            .acquire()
            .await
            .expect("the gate is never taken down")
            .forget();
        drop(waiting);
    }
}

/// Counted while it waits, also when it gives up.
struct Waiting<'a>(&'a Gated);

impl<'a> Waiting<'a> {
    fn at(gate: &'a Gated) -> Self {
        let waiting = gate.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        gate.most.fetch_max(waiting, Ordering::Relaxed);
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backplane for Gated {
    fn publish(
        self: Arc<Self>,
        permit: Permit<Message>,
        options: PublishOptions,
    ) -> Reply<'static, Published, Rejection> {
        Box::pin(async move {
            self.pass().await;
            self.inner.clone().publish(permit, options).await
        })
    }

    fn message_id(&self) -> Arc<str> {
        self.inner.message_id()
    }

    fn join<'a>(
        &'a self,
        topic: &'a Topic,
        settings: &'a Arc<ChannelSettings>,
        allowance: &'a Allowance,
        shard: usize,
    ) -> Reply<'a, (), Rejection> {
        Box::pin(async move {
            self.pass().await;
            self.inner.join(topic, settings, allowance, shard).await
        })
    }

    fn leave(&self, topic: &Topic, shard: usize) {
        self.inner.leave(topic, shard);
    }

    fn history<'a>(
        &'a self,
        topic: &'a Topic,
        settings: &'a ChannelSettings,
        range: HistoryRange,
    ) -> Reply<'a, HistoryPage> {
        self.inner.history(topic, settings, range)
    }

    fn enter<'a>(&'a self, topic: &'a Topic, settings: &'a ChannelSettings, member: &'a Member) -> Reply<'a, ()> {
        self.inner.enter(topic, settings, member)
    }

    fn exit(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) {
        self.inner.exit(topic, settings, member);
    }

    fn members<'a>(&'a self, topic: &'a Topic) -> Reply<'a, PresenceSnapshot> {
        self.inner.members(topic)
    }

    fn topics(&self) -> Vec<(Topic, u64)> {
        self.inner.topics()
    }

    fn hindrance(&self) -> Option<String> {
        None
    }

    fn close(&self) -> Reply<'_, ()> {
        self.inner.close()
    }
}
