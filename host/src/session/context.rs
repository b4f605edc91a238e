//! The state of a session, which its commands read and change. Knows no stream and no timer: a command that changes an
//! expiry reports it, and the connection sets its alarm.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::liveness::at_epoch_ms;
use super::rate_limit::RateLimit;
use super::refusal::Refusal;
use super::seat_guard::SeatGuard;
use super::subscription::{Listening, Subscription};
use crate::doorkeeper::{AddressPass, TenantPlace};
use crate::framing::Framing;
use crate::hub::ClientConnection;
use crate::shard::{SessionShare, Shard, ShardTenant};
use backplane::{Account, Allowance};
use chain::{Caller, Grant, Handshake, Identity, Upgrade};
use config::ChannelSettings;
use protocol::Member;
use protocol::codes;
use protocol::names::{Channel, Topic};
use wall_clock::now_ms;

/// Bytes of the upgrade request's headers that a connection keeps for its refreshes, once `connect` was accepted: a
/// header that does not fit is not there when a refresh asks for it.
const KEPT_HEADER_BYTES: usize = 4096;
/// Subscriptions that are ended at once with their session.
const SUBSCRIPTIONS_AT_ONCE: usize = 128;

/// The state of one session, shared by its connection and its commands.
pub(super) struct Context {
    pub shard: Rc<Shard>,
    pub tenant: Rc<ShardTenant>,
    pub client: Rc<ClientConnection>,
    pub caller: Arc<Caller>,
    /// The handshake that plugins see at refreshes.
    upgrade: RefCell<Arc<Upgrade>>,
    /// The token of the upgrade request, until `connect` takes it. It is not kept, so that it cannot leak.
    token: Cell<Option<Box<str>>>,
    /// Its place among the tenant's connections of this node.
    pub(super) place: TenantPlace,
    /// What its address has to give back, where addresses have limits.
    pass: Option<Arc<AddressPass>>,
    /// Its share of the shard's time.
    pub share: Rc<SessionShare>,
    pub publish_rate: RefCell<Option<RateLimit>>,
    /// Of all other requests.
    pub request_rate: RefCell<Option<RateLimit>>,
    /// None until `connect` was accepted.
    seat: RefCell<Option<SeatGuard>>,
    /// The subscriptions are boxed, because the smallest table has room for four.
    subscriptions: RefCell<HashMap<Channel, Box<Subscription>, RandomState>>,
    /// The next number of a subscription, which identifies it in the outbox; not reused within a connection.
    next_subscription: Cell<u32>,
    /// When the identity expires.
    expires: Cell<Option<Instant>>,
    /// Whether a command changed an expiry.
    deadlines_changed: Cell<bool>,
    /// Whether a reply is a part of the answer to a post.
    replies_to_posts: Cell<bool>,
    /// Where the client posts: what it proves with that the session is its own.
    pub key: Option<Arc<str>>,
}

/// What a client brings.
pub(super) struct Brought {
    pub token: Option<Box<str>>,
    pub upgrade: Arc<Upgrade>,
    pub place: TenantPlace,
    pub pass: Option<Arc<AddressPass>>,
    /// Where it posts: what it proves with that the session is its own.
    pub key: Option<Arc<str>>,
}

impl Context {
    pub(super) fn new(
        shard: Rc<Shard>,
        tenant: Rc<ShardTenant>,
        client: Rc<ClientConnection>,
        caller: Arc<Caller>,
        brought: Brought,
    ) -> Rc<Self> {
        let Brought {
            token,
            upgrade,
            place,
            pass,
            key,
        } = brought;
        let limits = &tenant.settings().limits;
        Rc::new(Self {
            share: SessionShare::new(&tenant.share, &client),
            publish_rate: RefCell::new(limits.publish_per_second.map(RateLimit::new)),
            request_rate: RefCell::new(limits.requests_per_second.map(RateLimit::new)),
            shard,
            tenant,
            client,
            caller,
            upgrade: RefCell::new(upgrade),
            token: Cell::new(token),
            place,
            pass,
            seat: RefCell::default(),
            subscriptions: RefCell::default(),
            next_subscription: Cell::new(0),
            expires: Cell::new(None),
            deadlines_changed: Cell::new(false),
            replies_to_posts: Cell::new(false),
            key,
        })
    }

    /// The handshake that plugins see at `connect`. An empty token counts as absent and does not hide the upgrade request's.
    pub(super) fn connect_handshake(
        &self,
        token: Option<String>,
        client_name: Option<String>,
        data: Option<String>,
    ) -> Handshake {
        let early = self.token.take().map(String::from);
        Handshake {
            token: present(token).or(present(early)),
            client_name,
            data,
            is_refresh: false,
            upgrade: self.upgrade.borrow().clone(),
        }
    }

    /// The handshake that plugins see at a refresh.
    pub(super) fn refresh_handshake(&self, token: String) -> Handshake {
        Handshake {
            token: present(Some(token)),
            is_refresh: true,
            upgrade: self.upgrade.borrow().clone(),
            ..Handshake::default()
        }
    }

    /// Takes the seat of an accepted `connect`.
    pub(super) fn accept(&self, seat: SeatGuard, identity: Identity) {
        if let Some(pass) = &self.pass {
            pass.settle();
        }
        self.seat.replace(Some(seat));
        self.identify(identity);
        let mut upgrade = self.upgrade.borrow_mut();
        if upgrade.headers.bytes() > KEPT_HEADER_BYTES {
            *upgrade = Arc::new(Upgrade {
                headers: upgrade.headers.within(KEPT_HEADER_BYTES),
                origin: upgrade.origin.clone(),
                path: upgrade.path.clone(),
            });
        }
    }

    /// Sets the session's identity.
    pub(super) fn identify(&self, identity: Identity) {
        self.expires.set(identity.expires_ms.map(at_epoch_ms));
        self.deadlines_changed.set(true);
        self.caller.identify(identity);
    }

    /// Whether `connect` was accepted.
    pub(super) fn is_connected(&self) -> bool {
        self.seat.borrow().is_some()
    }

    /// Takes the seat out, which is given back when dropped; none if there was none.
    pub(super) fn take_seat(&self) -> Option<SeatGuard> {
        self.seat.take()
    }

    /// The grant of its subscription to a channel, if it has one.
    pub(super) fn granted(&self, channel: &Channel) -> Option<Grant> {
        self.subscriptions
            .borrow()
            .get(channel)
            .map(|subscription| subscription.grant)
    }

    pub(super) fn subscription_count(&self) -> usize {
        self.subscriptions.borrow().len()
    }

    /// Adds a listener to the hub, which holds its messages until it is released.
    pub(super) fn listen(&self, topic: &Topic, settings: &Arc<ChannelSettings>) -> Listening {
        let subscription = self.next_subscription.get();
        self.next_subscription.set(subscription.wrapping_add(1) % u32::MAX);
        self.shard
            .hub
            .borrow_mut()
            .insert(topic, settings, &self.client, subscription);
        Listening::new(
            self.shard.clone(),
            self.tenant.clone(),
            topic.clone(),
            self.client.clone(),
        )
    }

    pub(super) fn add_subscription(&self, channel: Channel, subscription: Box<Subscription>) {
        if subscription.expires.is_some() {
            self.deadlines_changed.set(true);
        }
        self.subscriptions.borrow_mut().insert(channel, subscription);
    }

    /// Ends a subscription. Returns whether there was one.
    pub(super) fn remove_subscription(&self, channel: &Channel) -> bool {
        // Dropped after the table's borrow ends, because dropping changes the hub and the backplane.
        let removed = self.subscriptions.borrow_mut().remove(channel);
        removed.is_some()
    }

    /// Ends all subscriptions. Of many, some at a time: others have their turn in between.
    pub(super) async fn clear_subscriptions(&self) {
        let mut left = self.subscriptions.take().into_iter();
        loop {
            left.by_ref().take(SUBSCRIPTIONS_AT_ONCE).for_each(drop);
            if left.len() == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// From now on replies are parts of the answers to posts: the stream has pushes alone.
    pub(super) fn reply_to_posts(&self) {
        self.replies_to_posts.set(true);
    }

    pub(super) fn replies_to_posts(&self) -> bool {
        self.replies_to_posts.get()
    }

    /// Whether an answer is kept whole until the client has it, instead of written as the client reads.
    pub(super) fn answers_are_kept(&self) -> bool {
        self.replies_to_posts() || self.client.framing == Framing::Bare
    }

    /// Whether [`Context::next_expiry`] may have changed since the last call.
    pub(super) fn take_deadlines_changed(&self) -> bool {
        self.deadlines_changed.take()
    }

    /// The first expiry of the identity and the subscriptions.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let subscriptions = self.subscriptions.borrow();
        let expiries = subscriptions.values().filter_map(|subscription| subscription.expires);
        expiries.chain(self.expires.get()).min()
    }

    /// Whether the identity has expired.
    pub(super) fn has_expired(&self, now: Instant) -> bool {
        self.expires.get().is_some_and(|at| at <= now)
    }

    /// The channels whose subscriptions have expired.
    pub(super) fn expired_subscriptions(&self, now: Instant) -> Vec<Channel> {
        let subscriptions = self.subscriptions.borrow();
        let over = subscriptions
            .iter()
            .filter(|(_, subscription)| subscription.expires.is_some_and(|at| at <= now));
        over.map(|(channel, _)| channel.clone()).collect()
    }

    pub(super) fn topic(&self, channel: &Channel) -> Topic {
        Topic {
            tenant: self.caller.tenant.clone(),
            channel: channel.clone(),
        }
    }

    /// Whose channels this session opens, and how much the tenant may have.
    pub(super) fn allowance(&self) -> Allowance {
        let account = Account::of(self.caller.user(), self.caller.remote);
        Allowance::new(account, &self.tenant.settings())
    }

    /// This session as others see it.
    pub(super) fn member(&self) -> Member {
        Member {
            user: self.caller.user(),
            session: self.caller.session.clone(),
        }
    }
}

/// An expired identity counts as absent.
pub(super) fn check_expiry(identity: &Identity) -> Result<(), Refusal> {
    match identity.expires_ms {
        Some(at) if at <= now_ms() => Err(Refusal::new(codes::TOKEN_EXPIRED, "the token has expired")),
        _ => Ok(()),
    }
}

fn present(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}
