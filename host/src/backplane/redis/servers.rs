//! Which server holds what: one, or the masters of a Cluster by their slots. Commands go where their key lies,
//! and follow it when it moves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use redis::{Cmd, Value};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::errand::{Errand, Failure};
use super::link::{Address, Link, Login, Whereabouts, read_address};
use super::names::{SLOTS, slot_of};
use super::script::Call;
use crate::backplane::Unavailable;
use crate::config::{RedisKind, RedisSettings};

/// How often a Cluster is asked who holds what, if nothing says that it may have changed.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// The same while a server cannot be reached.
const LOOK_EVERY_WHEN_DOWN: Duration = Duration::from_millis(500);
/// How often a command follows a key that moves.
const HOPS: usize = 5;
/// Before a key that is on its way is asked for again.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// All servers.
pub(crate) struct Servers {
    settings: RedisSettings,
    map: ArcSwap<Map>,
    /// The keepers of the links, to be ended with them.
    kept: Mutex<HashMap<Address, (Arc<Link>, AbortHandle)>>,
    ask: Notify,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Map {
    links: Vec<Arc<Link>>,
    /// The place in `links` of each slot's server; empty for a single server.
    slots: Vec<Option<u16>>,
}

impl Servers {
    /// Begins to connect, on the runtime it is called in.
    pub fn connect(settings: RedisSettings) -> Arc<Self> {
        let servers = Arc::new(Self {
            map: ArcSwap::default(),
            kept: Mutex::default(),
            ask: Notify::new(),
            changed: watch::channel(0).0,
            settings,
        });
        match &servers.settings.url.kind {
            RedisKind::Single => servers.keep_one(Whereabouts::Fixed(servers.settings.url.hosts[0].clone())),
            RedisKind::Sentinel { master } => servers.keep_one(Whereabouts::Sentinels {
                hosts: servers.settings.url.hosts.clone(),
                master: master.clone(),
            }),
            RedisKind::Cluster => drop(tokio::spawn(servers.clone().keep_map())),
        }
        servers
    }

    fn keep_one(&self, whereabouts: Whereabouts) {
        let link = Link::new(whereabouts, Login::of(&self.settings.url), self.settings.timeout);
        tokio::spawn(link.clone().keep());
        self.map.store(Arc::new(Map {
            links: vec![link],
            slots: Vec::new(),
        }));
        self.changed.send_modify(|version| *version += 1);
    }

    /// Whether channels are spread over servers, each with its own pub/sub.
    pub fn are_sharded(&self) -> bool {
        self.settings.url.kind == RedisKind::Cluster
    }

    /// The command that publishes.
    pub fn publish_command(&self) -> &'static str {
        if self.are_sharded() { "SPUBLISH" } else { "PUBLISH" }
    }

    /// All links there are now.
    pub fn links(&self) -> Vec<Arc<Link>> {
        self.map.load().links.clone()
    }

    /// Whether every server can be reached.
    pub fn are_up(&self) -> bool {
        let map = self.map.load();
        !map.links.is_empty() && map.links.iter().all(|link| link.server().is_some())
    }

    /// Has the Cluster asked who holds what: something is not where it was.
    pub fn look_again(&self) {
        self.ask.notify_one();
    }

    /// Counts up whenever a slot may have got another server.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The server that holds `key`.
    pub fn link_of(&self, key: &[u8]) -> Option<Arc<Link>> {
        let map = self.map.load();
        if map.slots.is_empty() {
            return map.links.first().cloned();
        }
        let place = map.slots[usize::from(slot_of(key))]?;
        map.links.get(usize::from(place)).cloned()
    }

    /// Whether the server that holds `key` can be reached.
    pub fn reach(&self, key: &[u8]) -> Result<(), Unavailable> {
        let server = self.link_of(key).and_then(|link| link.server());
        server.map(drop).ok_or_else(|| unavailable(Failure::not_connected()))
    }

    /// Calls a script.
    pub async fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        let answer = self.call_and(call, None).await;
        answer.map(|(answer, _)| answer).map_err(unavailable)
    }

    /// Calls a script, and answers when so many replicas have what it did.
    pub async fn call_replicated(&self, call: &Call, replicas: u32) -> Result<Value, Failure> {
        if replicas == 0 {
            return self.call_and(call, None).await.map(|(answer, _)| answer);
        }
        let mut wait = redis::cmd("WAIT");
        // Less than a command may take: too few replicas is an answer, and says nothing against the server.
        let patience = self.settings.timeout / 2;
        wait.arg(replicas).arg(patience.as_millis().to_string());
        match self.call_and(call, Some(&wait)).await? {
            (answer, Value::Int(have)) if have >= i64::from(replicas) => Ok(answer),
            _ => Err(Failure::Unavailable(format!("fewer than {replicas} replicas have it"))),
        }
    }

    async fn call_and(&self, call: &Call, wait: Option<&Cmd>) -> Result<(Value, Value), Failure> {
        let key = call.key();
        let by_digest = |run: &str| call.by_digest(run);
        let by_text = |run: &str| call.by_text(run);
        match self.follow(key, Errand::new(&by_digest, wait)).await {
            Err(Failure::NoScript) => self.follow(key, Errand::new(&by_text, wait)).await,
            other => other,
        }
    }

    /// Runs a command where `key` lies.
    pub async fn run(&self, key: &[u8], command: &Cmd) -> Result<Value, Unavailable> {
        let make = |_: &str| command.clone();
        let answer = self.follow(key, Errand::new(&make, None)).await;
        answer.map(|(answer, _)| answer).map_err(unavailable)
    }

    async fn follow(&self, key: &[u8], errand: Errand<'_>) -> Result<(Value, Value), Failure> {
        let mut last = Failure::Unavailable("no server holds this slot".into());
        let until = Instant::now() + self.settings.timeout;
        for _ in 0..HOPS {
            let Some(link) = self.link_of(key) else {
                self.ask.notify_one();
                return Err(last);
            };
            match link.run_errand(errand).await {
                Err(Failure::Moved) => {
                    let mut changed = self.changed();
                    self.ask.notify_one();
                    last = Failure::Unavailable("the slot moves".into());
                    if timeout_at(until, changed.changed()).await.is_err() {
                        return Err(last);
                    }
                }
                Err(Failure::Ask(address)) => match self.ask_there(&address, errand).await {
                    Err(failure @ (Failure::TryAgain | Failure::Moved)) => {
                        tokio::time::sleep(ON_ITS_WAY).await;
                        last = failure;
                    }
                    other => return other,
                },
                Err(Failure::TryAgain) => {
                    tokio::time::sleep(ON_ITS_WAY).await;
                    last = Failure::TryAgain;
                }
                Err(failure @ Failure::Unavailable(_)) => {
                    // A master may have been replaced.
                    if self.are_sharded() {
                        self.ask.notify_one();
                    }
                    return Err(failure);
                }
                other => return other,
            }
        }
        Err(last)
    }

    async fn ask_there(&self, address: &Address, errand: Errand<'_>) -> Result<(Value, Value), Failure> {
        let errand = Errand { asking: true, ..errand };
        let link = self.kept.lock().get(address).map(|(link, _)| link.clone());
        if let Some(link) = link {
            return link.run_errand(errand).await;
        }
        // It has no slot yet, so the map does not name it.
        let login = Login::of(&self.settings.url);
        Link::run_errand_at(&login, address, self.settings.timeout, errand).await
    }

    /// Keeps the map of a Cluster, for ever.
    async fn keep_map(self: Arc<Self>) {
        let mut told = false;
        loop {
            match self.look().await {
                Some(slots) => {
                    told = false;
                    self.take_map(&slots);
                }
                None if !std::mem::replace(&mut told, true) => {
                    tracing::warn!("no server of the Redis Cluster answers; asking until one does");
                }
                None => {}
            }
            let are_up = self.are_up();
            // Whoever cannot be reached may have been replaced.
            let look_every = if are_up { LOOK_EVERY } else { LOOK_EVERY_WHEN_DOWN };
            let news = async {
                tokio::select! {
                    () = self.ask.notified() => {}
                    () = self.one_is_gone(), if are_up => {}
                }
            };
            if timeout(look_every, news).await.is_ok() {
                // Many commands fail at once when a slot moves: one look is for all of them.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Waits until a server that could be reached cannot be any more.
    async fn one_is_gone(&self) {
        let mut gone: FuturesUnordered<_> = self
            .links()
            .into_iter()
            .map(|link| async move { link.up().wait_for(|up| !up).await.is_ok() })
            .collect();
        // Without a server there is none to lose.
        if gone.next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Asks any server who holds what.
    async fn look(&self) -> Option<Vec<(u16, u16, Address)>> {
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        for link in self.links() {
            if let Ok(answer) = link.run(&question).await {
                return Some(read_slots(&answer, ""));
            }
        }
        let login = Login::of(&self.settings.url);
        for host in &self.settings.url.hosts {
            let opened = login.open(host, self.settings.timeout, |_| {}).await;
            let Ok(mut connection) = opened else { continue };
            if let Ok(answer) = question.query_async(&mut connection).await {
                return Some(read_slots(&answer, &host.0));
            }
        }
        None
    }

    fn take_map(&self, ranges: &[(u16, u16, Address)]) {
        let mut kept = self.kept.lock();
        let mut links: Vec<Arc<Link>> = Vec::new();
        let mut places: HashMap<&Address, u16> = HashMap::new();
        let mut slots = vec![None; usize::from(SLOTS)];
        for (first, last, address) in ranges {
            let place = *places.entry(address).or_insert_with(|| {
                let (link, _) = kept.entry(address.clone()).or_insert_with(|| {
                    let whereabouts = Whereabouts::InCluster(address.clone());
                    let link = Link::new(whereabouts, Login::of(&self.settings.url), self.settings.timeout);
                    let keeper = tokio::spawn(link.clone().keep()).abort_handle();
                    (link, keeper)
                });
                links.push(link.clone());
                u16::try_from(links.len() - 1).expect("fewer servers than slots")
            });
            for slot in *first..=*last {
                slots[usize::from(slot)] = Some(place);
            }
        }
        kept.retain(|address, (_, keeper)| {
            let stays = places.contains_key(address);
            if !stays {
                keeper.abort();
            }
            stays
        });
        let old = self.map.load();
        let same = old.slots == slots
            && old.links.len() == links.len()
            && old.links.iter().zip(&links).all(|(old, new)| Arc::ptr_eq(old, new));
        if !same {
            self.map.store(Arc::new(Map { links, slots }));
        }
        // Told also when nothing changed: whoever followed a key looks again.
        self.changed.send_modify(|version| *version += 1);
    }
}

/// What whoever asked is told of it.
pub(super) fn unavailable(failure: Failure) -> Unavailable {
    Unavailable(match failure {
        Failure::Unavailable(why) | Failure::Refused(why) => why,
        Failure::NoScript => "the script was lost twice".into(),
        Failure::Moved | Failure::Ask(_) | Failure::TryAgain => "the key moves between servers".into(),
    })
}

/// Reads the answer to `CLUSTER SLOTS`: ranges of slots with their masters. A server that does not know its own
/// name is where it was asked.
fn read_slots(answer: &Value, asked: &str) -> Vec<(u16, u16, Address)> {
    let Value::Array(ranges) = answer else {
        return Vec::new();
    };
    let number = |value: &Value| match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    };
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    let range = |range: &Value| {
        let Value::Array(range) = range else { return None };
        let [first, last, Value::Array(master), ..] = range.as_slice() else {
            return None;
        };
        let host = text(master.first()?).filter(|host| !host.is_empty());
        let port = number(master.get(1)?)?;
        let host = host.unwrap_or_else(|| asked.to_owned());
        let address = read_address(&format!("{host}:{port}"))?;
        Some((number(first)?, number(last)?.min(SLOTS - 1), address))
    };
    ranges.iter().filter_map(range).collect()
}
