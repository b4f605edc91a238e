//! The bus of many nodes: an order is sent to all, and each reports. Knows no Redis, only that control messages can
//! be sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::bus::Bus;
use super::local::{Local, ORDER_WAIT};
use super::message::ControlMessage;
use super::name_claim::{NameClaim, NameTaken};
use super::order::{NodeReport, Order, Report};
use crate::tenant_queue::{QueuePlace, TenantQueue};
use backplane::{Nodes, Reply, Unavailable, node_of, took_over};
use registry::{BanOrder, BansFull, DELIVER_FOR, NotRecorded};

/// How long reports may take: the longest time of a node, and the way there and back.
const REPORT_WAIT: Duration = ORDER_WAIT.saturating_add(Duration::from_secs(1));
/// Orders that are carried out at the same time at most.
const AT_ONCE: usize = 32;
/// Orders about one tenant that wait for that, or are carried out, at most.
const ORDERS_WAITING: usize = 1024;
/// Orders about bans of one tenant that wait for Redis, or are delivered, at most.
pub const BANS_WAITING: usize = 1024;
/// How long Redis may take to record an order that an operator waits for. After that it is delivered later.
const RECORD_WAIT: Duration = Duration::from_millis(800);
/// Before a delivery that failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often an order is given again that not every node has carried out: longer than a node is listed that ended.
const UNREACHED: u32 = 10;

/// The bus of the nodes that have a backplane in common.
pub struct ClusterBus {
    nodes: Arc<dyn Nodes>,
    local: Local,
    name: NameClaim,
    numbers: AtomicU64,
    /// The orders whose reports somebody waits for.
    pending: Mutex<HashMap<u64, mpsc::Sender<InstanceReport>>>,
    /// Orders about bans that could not be delivered yet.
    undelivered: Arc<TenantQueue<BanOrder>>,
    /// The runtime on which orders are carried out; control messages are read on another.
    runtime: Handle,
}

/// An instance, and what it reports.
type InstanceReport = (String, Result<Report, String>);

/// An order that another instance sent.
struct ReceivedOrder {
    number: u64,
    asker: String,
    order: Order,
}

impl ClusterBus {
    /// A bus for this node's part; orders are carried out on the current runtime. Control messages to this node
    /// have to be passed to [`ClusterBus::serve`], and [`ClusterBus::deliver_all`] delivers the orders in `undelivered`.
    pub fn new(nodes: Arc<dyn Nodes>, local: Local, undelivered: Arc<TenantQueue<BanOrder>>) -> Arc<Self> {
        Arc::new(Self {
            name: NameClaim::new(nodes.clone()),
            nodes,
            local,
            numbers: AtomicU64::new(1),
            pending: Mutex::default(),
            undelivered,
            runtime: Handle::current(),
        })
    }

    /// Claims the node's name for this process, unless another one that lives has it.
    pub async fn claim_name(&self) -> Result<Result<(), NameTaken>, Unavailable> {
        self.name.claim().await
    }

    /// The name is another process's from now on, which takes over from this one.
    pub fn give_name(&self) {
        self.name.give();
    }

    /// Receives what other nodes send, for ever.
    pub async fn serve(self: Arc<Self>, mut messages: mpsc::Receiver<Bytes>) {
        let requests = TenantQueue::new(ORDERS_WAITING);
        self.runtime.spawn(self.clone().carry_out_all(requests.clone()));
        while let Some(message) = messages.recv().await {
            match serde_json::from_slice(&message) {
                Ok(ControlMessage::Order { number, asker, order }) => {
                    let tenant = order.tenant().into();
                    if let Err(refused) = requests.push(&tenant, ReceivedOrder { number, asker, order }) {
                        // The instance that asked gets no report, and tells its operator.
                        let asker = refused.asker;
                        tracing::warn!(%tenant, asker, "an order is not carried out: {ORDERS_WAITING} of the tenant wait");
                    }
                }
                Ok(ControlMessage::Report {
                    number,
                    instance,
                    result,
                }) => {
                    if let Some(waiting) = self.pending.lock().get(&number) {
                        // A repeated or late report is dropped.
                        let _full = waiting.try_send((instance, result));
                    }
                }
                Ok(ControlMessage::Ping { asker }) => self.pong(asker),
                Ok(ControlMessage::Pong { instance }) => self.name.has_answered(instance),
                Err(error) => {
                    tracing::warn!(%error, "a message of another node cannot be read: is it a newer version?");
                }
            }
        }
    }

    fn pong(self: &Arc<Self>, asker: String) {
        if !self.name.answers(&asker) {
            return;
        }
        let bus = self.clone();
        tokio::spawn(async move {
            let instance = bus.nodes.instance().to_owned();
            let pong = ControlMessage::Pong { instance }.to_json();
            if let Err(error) = bus.nodes.send(Some(&asker), pong).await {
                tracing::warn!(%error, asker, "another node could not be told that this one lives");
            }
        });
    }

    async fn carry_out_all(self: Arc<Self>, requests: Arc<TenantQueue<ReceivedOrder>>) {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let permit = at_once.clone().acquire_owned().await.expect("it is never closed");
            let (request, place) = requests.next().await;
            tokio::spawn(self.clone().carry_out(request, (permit, place)));
        }
    }

    async fn carry_out(
        self: Arc<Self>,
        request: ReceivedOrder,
        _held: (OwnedSemaphorePermit, QueuePlace<ReceivedOrder>),
    ) {
        let ReceivedOrder { number, asker, order } = request;
        let report = ControlMessage::Report {
            number,
            instance: self.nodes.instance().to_owned(),
            result: self.local.report(&order).await.result,
        };
        if let Err(error) = self.nodes.send(Some(&asker), report.to_json()).await {
            tracing::warn!(%error, "an order was carried out, and the report could not be sent");
        }
    }

    async fn ask_all(&self, order: Order) -> Result<Vec<NodeReport>, Unavailable> {
        let live = self.nodes.live().await?;
        let expected = awaited(&live);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (waiting, mut reports) = mpsc::channel(live.len().max(1));
        self.pending.lock().insert(number, waiting);
        let pending = AwaitedReports { bus: self, number };
        let message = ControlMessage::Order {
            number,
            asker: self.nodes.instance().to_owned(),
            order,
        };
        self.nodes.send(None, message.to_json()).await?;
        let mut results = HashMap::new();
        let all = async {
            while !expected.iter().all(|instance| results.contains_key(*instance)) {
                let Some((instance, result)) = reports.recv().await else {
                    break;
                };
                results.insert(instance, result);
            }
        };
        drop(tokio::time::timeout(REPORT_WAIT, all).await);
        drop(pending);
        let mut all = Vec::with_capacity(expected.len());
        for instance in &live {
            let result = match results.remove(instance) {
                Some(result) => result,
                None if expected.contains(&instance.as_str()) => Err(format!("no answer within {REPORT_WAIT:?}")),
                None => continue,
            };
            all.push(NodeReport {
                node: node_of(instance).to_owned(),
                result,
            });
        }
        Ok(all)
    }

    /// Records an order about a ban in Redis, and has every node carry it out. One that there is no room for is reported by
    /// this node alone.
    async fn deliver(&self, ban: &mut BanOrder) -> Result<Vec<NodeReport>, Unavailable> {
        let recorded = tokio::time::timeout(RECORD_WAIT, self.local.registry().record(ban)).await;
        match recorded {
            Ok(Ok(())) => self.ask_all(Order::from(&*ban)).await,
            Ok(Err(NotRecorded::Full(BansFull { limit, .. }))) => Ok(vec![NodeReport {
                node: node_of(self.nodes.instance()).to_owned(),
                result: Ok(Report::BansFull { limit }),
            }]),
            Ok(Err(error)) => Err(Unavailable(error.to_string())),
            Err(_) => Err(Unavailable(format!("no answer within {RECORD_WAIT:?}"))),
        }
    }

    /// Delivers orders about bans that were given on this node, each until Redis and the other nodes have it. Orders
    /// do not wait for each other, and may arrive in any sequence.
    pub async fn deliver_all(self: Arc<Self>) {
        loop {
            let (order, place) = self.undelivered.next().await;
            let bus = self.clone();
            tokio::spawn(async move {
                bus.insist(order).await;
                drop(place);
            });
        }
    }

    async fn insist(&self, mut order: BanOrder) {
        let mut unreached = 0;
        loop {
            match self.deliver(&mut order).await {
                Ok(reports) if reports.iter().all(|report| report.result.is_ok()) => return,
                // One that comes back after Redis did has not heard it. One that is dead is soon no longer listed.
                Ok(_) if unreached < UNREACHED => {
                    unreached += 1;
                    tokio::time::sleep(AGAIN).await;
                }
                Ok(reports) => return log_unreached(&reports),
                Err(error) if order.given.elapsed() > DELIVER_FOR => {
                    let BanOrder { tenant, subject, .. } = &order;
                    tracing::error!(%error, %tenant, %subject, "a change of a ban holds on this node only");
                    return;
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// An operator's order about a ban. If it cannot be delivered it holds on this node, and is delivered later.
    async fn order_ban(&self, mut ban: BanOrder) -> Result<Vec<NodeReport>, Unavailable> {
        let error = match self.deliver(&mut ban).await {
            Ok(reports) => return Ok(reports),
            Err(Unavailable(why)) => why,
        };
        drop(self.local.report(&Order::from(&ban)).await);
        let tenant = ban.tenant.clone();
        let kept = match self.undelivered.push(&tenant, ban) {
            Ok(()) => format!("this node did it, and the others will within {DELIVER_FOR:?}"),
            Err(_) => "this node did it; too many orders wait for the others to be told".to_owned(),
        };
        Err(Unavailable(format!("{error}; {kept}")))
    }
}

impl Bus for ClusterBus {
    fn ask(&self, order: Order) -> Reply<'_, Vec<NodeReport>> {
        Box::pin(async move {
            match self.local.ban_order(&order) {
                Some(ban) => self.order_ban(ban).await,
                None => self.ask_all(order).await,
            }
        })
    }
}

/// A wait for the reports about an order, until it is dropped.
struct AwaitedReports<'a> {
    bus: &'a ClusterBus,
    number: u64,
}

impl Drop for AwaitedReports<'_> {
    fn drop(&mut self) {
        self.bus.pending.lock().remove(&self.number);
    }
}

/// The instances whose reports are waited for: the last one of each node, and all with which it took over from each other. A
/// node that was killed and started again is listed twice for a while, the dead instance first: its report is not waited for.
fn awaited(live: &[String]) -> Vec<&str> {
    let mut newest: HashMap<&str, &str> = HashMap::new();
    for instance in live {
        newest.insert(node_of(instance), instance);
    }
    let is_awaited = |instance: &&str| took_over(instance, newest[node_of(instance)]);
    live.iter().map(String::as_str).filter(is_awaited).collect()
}

fn log_unreached(reports: &[NodeReport]) {
    for NodeReport { node, result } in reports {
        if let Err(error) = result {
            tracing::warn!(node, error, "a node did not carry out a change of a ban");
        }
    }
}

#[test]
fn who_drains_after_a_handover_is_waited_for_and_who_was_killed_is_not() {
    for (live, expected) in [
        (&["a~1", "b~2"][..], &["a~1", "b~2"][..]),
        (&["a~1", "a~2"], &["a~2"]),
        // Both live, so either may be listed last.
        (&["a~1", "a~2-1"], &["a~1", "a~2-1"]),
        (&["a~2-1", "a~1"], &["a~1", "a~2-1"]),
        // The one between them is gone already.
        (&["a~1", "a~3-1"], &["a~1", "a~3-1"]),
        (&["a~0", "a~1", "a~2-1"], &["a~1", "a~2-1"]),
        (&["a~2-1", "a~1", "a~5"], &["a~5"]),
        (&["b~1", "a~2-1"], &["a~2-1", "b~1"]),
    ] {
        let live: Vec<String> = live.iter().map(|&name| name.to_owned()).collect();
        let mut found = awaited(&live);
        found.sort_unstable();
        assert_eq!(found, expected, "{live:?}");
    }
}
